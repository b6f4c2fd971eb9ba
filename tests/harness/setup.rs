use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use mail::Secret;

/// The password of every mailbox of a [`Setup`].
pub const PASSWORD: &str = "correct horse battery";

/// What the appliance is told before it starts.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Added to `restante.toml`: top-level keys.
    pub machine: String,
    /// Keys of `[smtp]`, instead of a free port on the loopback.
    pub smtp: String,
    /// Keys of `[smtp.limits]`; those that are absent are wide enough for a test that comes from one address.
    pub smtp_limits: String,
    /// Keys of `[pop3]`, instead of two free ports on the loopback.
    pub pop3: String,
    /// Keys of `[tls]`, instead of the certificate made for the test.
    pub tls: String,
    /// Added to `restante.toml`: tables.
    pub tables: String,
    /// `mailboxes.toml`; `PASSWORD-HASH` stands for the hash of [`PASSWORD`].
    pub mailboxes: String,
    /// `rules.toml`.
    pub rules: String,
    /// A command that runs the binary, such as a tracer with its arguments.
    pub wrapper: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self::of(&["alice", "bob"])
    }
}

impl Setup {
    /// Mailboxes of these names in example.test; the first one is postmaster.
    pub fn of(names: &[&str]) -> Self {
        let mut mailboxes = format!("[[domain]]\nname = \"example.test\"\npostmaster = \"{}\"\n", names[0]);
        for name in names {
            let row = format!("\n[[mailbox]]\nname = \"{name}\"\npassword = \"PASSWORD-HASH\"\n");
            mailboxes.push_str(&row);
        }
        Self {
            machine: String::new(),
            smtp: "listen = [\"127.0.0.1:0\"]".into(),
            smtp_limits: String::new(),
            pop3: "listen = [\"127.0.0.1:0\"]\nlisten-tls = [\"127.0.0.1:0\"]".into(),
            tls: "certificate = \"tls.crt\"\nkey = \"tls.key\"".into(),
            tables: String::new(),
            mailboxes,
            rules: String::new(),
            wrapper: Vec::new(),
        }
    }

    /// Writes the files.
    pub(crate) fn write(&self, folder: &Path) {
        let mut text = format!("hostname = \"mx.example.test\"\nstate-dir = \"state\"\n{}\n", self.machine);
        let mut table = |name: &str, keys: &str| {
            let _ = write!(text, "[{name}]\n{keys}\n");
        };
        table("smtp", &self.smtp);
        table("smtp.limits", &wide(SMTP_LIMITS, &self.smtp_limits));
        table("pop3", &self.pop3);
        table("pop3.limits", &wide(POP3_LIMITS, ""));
        table("lmtp", &format!("listen = [\"unix:{}/lmtp.sock\"]", folder.display()));
        if !self.tls.is_empty() {
            table("tls", &self.tls);
        }
        text.push_str(&self.tables);
        write_secret(&folder.join("restante.toml"), &text);
        write_secret(
            &folder.join("mailboxes.toml"),
            &self.mailboxes.replace("PASSWORD-HASH", password_hash()),
        );
        fs::write(folder.join("rules.toml"), &self.rules).expect("written");
    }
}

/// All of a test comes from one address, faster than any single peer of a real host.
const SMTP_LIMITS: &[&str] = &[
    "connections-per-address = 400",
    "connections-per-network = 400",
    "connections-per-minute = 100000",
    "messages = 100000",
    "unknown-recipients-per-day = 1000000",
];
const POP3_LIMITS: &[&str] = &[
    "connections-per-address = 400",
    "connections-per-network = 400",
    "connections-per-minute = 100000",
    "sessions-per-login = 100",
];

fn wide(defaults: &[&str], own: &str) -> String {
    let name = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let set: Vec<String> = own.lines().map(name).collect();
    let kept = defaults.iter().filter(|line| !set.contains(&name(line))).copied();
    kept.chain([own]).collect::<Vec<_>>().join("\n")
}

/// Writes a new self-signed pair, `tls.crt` and `tls.key`; the certificate in DER.
pub fn certificate(folder: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.test".into()]).expect("a certificate");
    fs::write(folder.join("tls.crt"), made.cert.pem()).expect("written");
    write_secret(&folder.join("tls.key"), &made.signing_key.serialize_pem());
    made.cert.der().to_vec()
}

fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| directory::password::hash(&Secret::from(PASSWORD.as_bytes())))
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("closed to others");
}
