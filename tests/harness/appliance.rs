use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use mail::Secret;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The password of every mailbox of a [`Setup`].
pub const PASSWORD: &str = "correct horse battery";

/// How long the binary may take to start or to stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the appliance is told before it starts.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Added to `restante.toml`: top-level keys.
    pub machine: String,
    /// Added to `restante.toml`: tables.
    pub tables: String,
    /// `mailboxes.toml`; `PASSWORD-HASH` stands for the hash of [`PASSWORD`].
    pub mailboxes: String,
    /// A command that runs the binary, such as a tracer with its arguments.
    pub wrapper: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            machine: String::new(),
            tables: String::new(),
            mailboxes: "\
                [[domain]]\nname = \"example.test\"\npostmaster = \"alice\"\n\n\
                [[mailbox]]\nname = \"alice\"\npassword = \"PASSWORD-HASH\"\n\n\
                [[mailbox]]\nname = \"bob\"\npassword = \"PASSWORD-HASH\"\n"
                .into(),
            wrapper: Vec::new(),
        }
    }
}

/// The real binary at work, killed when dropped.
#[derive(Debug)]
pub struct Appliance {
    folder: TempDir,
    setup: Setup,
    child: Option<Child>,
    starts: usize,
    /// Where SMTP listens.
    pub smtp: SocketAddr,
    /// Where POP3 listens.
    pub pop3: SocketAddr,
    /// Where POP3 over TLS listens.
    pub pop3s: SocketAddr,
}

impl Appliance {
    /// Starts it with alice and bob of example.test.
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    /// Starts it with a setup.
    pub fn with(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("restante-").tempdir().expect("a folder");
        write_certificate(folder.path());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut appliance =
            Self { folder, setup, child: None, starts: 0, smtp: nowhere, pop3: nowhere, pop3s: nowhere };
        appliance.write_config();
        appliance.launch();
        appliance
    }

    /// Changes what it was told; [`Appliance::hangup`] or a restart lets it see that.
    pub fn configure(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.write_config();
    }

    /// The folder of the three files.
    pub fn config_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the store.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The LMTP socket.
    pub fn lmtp(&self) -> PathBuf {
        self.folder.path().join("lmtp.sock")
    }

    /// The binary's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// All it has logged since it was first started.
    pub fn log(&self) -> String {
        (0..self.starts).map(|start| fs::read_to_string(self.log_file(start)).unwrap_or_default()).collect()
    }

    /// Waits until a line of the log has all these parts.
    pub fn logged(&self, parts: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "no log line with {parts:?} in:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pulls the plug: `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("waited for");
        }
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("running");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("waited for") {
                return status;
            }
            assert!(Instant::now() < until, "it does not stop:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same folder.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Lets it read its configuration again.
    pub fn hangup(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("signalled");
    }

    /// Runs a verb of the command line on this configuration.
    pub fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.config_dir());
        command
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.folder.path().join(format!("log-{start}"))
    }

    fn write_config(&self) {
        let Setup { machine, tables, mailboxes, .. } = &self.setup;
        let table = |name: &str| if tables.contains(name) { String::new() } else { format!("{name}\n") };
        let restante = format!(
            "hostname = \"mx.example.test\"\nstate-dir = \"state\"\n{machine}\n\
             {}listen = [\"127.0.0.1:0\"]\n\
             {}listen = [\"127.0.0.1:0\"]\nlisten-tls = [\"127.0.0.1:0\"]\n\
             {}listen = [\"unix:lmtp.sock\"]\n\
             [tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n\
             {tables}\n",
            table("[smtp]"),
            table("[pop3]"),
            table("[lmtp]"),
        );
        let folder = self.folder.path();
        write_secret(&folder.join("restante.toml"), &restante);
        write_secret(&folder.join("mailboxes.toml"), &mailboxes.replace("PASSWORD-HASH", password_hash()));
    }

    fn launch(&mut self) {
        let log = File::create(self.log_file(self.starts)).expect("a log file");
        self.starts += 1;
        let mut words = self.setup.wrapper.clone();
        words.push(binary().display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--allow-root").arg("--config").arg(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("started"));
        self.find_ports();
    }

    fn find_ports(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(self.log_file(self.starts - 1)).unwrap_or_default();
            if log.contains("ready") {
                self.smtp = listening(&log, "smtp");
                self.pop3 = listening(&log, "pop3");
                self.pop3s = listening(&log, "pop3s");
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("waited for"));
            assert!(ended.is_none(), "it ended with {ended:?}:\n{log}");
            assert!(Instant::now() < until, "it does not start:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- log of the appliance\n{}", self.log());
        }
    }
}

/// `… listening service=smtp address=127.0.0.1:4321`
fn listening(log: &str, service: &str) -> SocketAddr {
    let mark = format!("service={service} ");
    let line = log.lines().find(|line| line.contains("listening") && line.contains(&mark)).expect("listening");
    let address = line.split("address=").nth(1).expect("an address");
    address.split_whitespace().next().expect("an address").parse().expect("an address")
}

/// The binary beside the test that runs: both come from one build folder.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(Path::parent).expect("a build folder");
    let binary = folder.join("restante");
    assert!(binary.exists(), "{} is not built: run `cargo build --workspace` first", binary.display());
    binary
}

fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| directory::password::hash(&Secret::from(PASSWORD.as_bytes())))
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("closed to others");
}

fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.test".into()]).expect("a certificate");
    fs::write(folder.join("tls.crt"), made.cert.pem()).expect("written");
    write_secret(&folder.join("tls.key"), &made.signing_key.serialize_pem());
}
