//! rspamd and clamd themselves, where they are installed and `RESTANTE_SCANNERS` is set. Nothing is downloaded, and
//! neither asks anybody. It knows the standard library and little more, so that the tests of any crate can include
//! this file.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The test signature of all virus scanners, in two halves: no scanner is to find this file.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// The octets that every virus scanner calls a virus and nobody else does.
#[must_use]
pub fn eicar() -> String {
    EICAR.concat()
}

/// The line that every spam filter calls spam.
pub const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// A scanner at work with a folder of its own, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: TempDir,
    address: String,
}

impl Running {
    /// Where it listens, as `restante.toml` has it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process with all that it has started, at once.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("killed");
            self.child.wait().expect("waited for");
        }
    }

    /// Whether somebody is connected to it, as the kernel has it.
    ///
    /// # Panics
    ///
    /// Where the kernel does not tell.
    #[must_use]
    pub fn busy(&self) -> bool {
        let table = |name: &str| fs::read_to_string(name).expect("the kernel's table");
        // Number, address, peer, state; and number, references, protocol, flags, type, state, inode, path.
        let column = |line: &str, at: usize| line.split_whitespace().nth(at).unwrap_or_default().to_owned();
        match self.address.strip_prefix("unix:") {
            Some(path) => {
                table("/proc/net/unix").lines().any(|line| line.ends_with(path) && column(line, 5) == "03")
            }
            None => {
                let port: u16 =
                    self.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
                let ours = format!(":{port:04X}");
                table("/proc/net/tcp")
                    .lines()
                    .any(|line| column(line, 1).ends_with(&ours) && column(line, 3) == "01")
            }
        }
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts a program that soon listens.
    fn start(command: &mut Command, folder: TempDir, address: String) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let running = Self { child: command.process_group(0).spawn().expect("it starts"), folder, address };
        for _ in 0..600 {
            let listens = match running.address.strip_prefix("unix:") {
                Some(path) => UnixStream::connect(path).is_ok(),
                None => TcpStream::connect(&running.address).is_ok(),
            };
            if listens {
                return running;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("it does not listen: {}", running.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that is asked for and there; a word about it otherwise.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let wanted = std::env::var_os("RESTANTE_SCANNERS").is_some();
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    let why = if wanted { "it is not installed" } else { "RESTANTE_SCANNERS is not set" };
    if !wanted || found.is_none() {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {why}");
        return None;
    }
    found
}

/// clamd with one signature of our own; `more` are lines of its configuration.
///
/// # Panics
///
/// When it is there and does not start.
#[must_use]
pub fn clamd(more: &str) -> Option<Running> {
    let program = program("clamd")?;
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("db")).expect("a folder");
    let mut hex = String::new();
    for octet in eicar().bytes() {
        write!(hex, "{octet:02x}").expect("a string");
    }
    fs::write(at("db/local.ndb"), format!("Eicar-Test-Signature:0:*:{hex}\n")).expect("written");
    let (socket, database) = (at("clamd.sock"), at("db"));
    let config = format!(
        "LocalSocket {}\nDatabaseDirectory {}\nForeground yes\nTemporaryDirectory {}\n{more}\n",
        socket.display(),
        database.display(),
        folder.path().display()
    );
    fs::write(at("clamd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("--config-file").arg(at("clamd.conf"));
    Some(Running::start(&mut command, folder, format!("unix:{}", socket.display())))
}

/// rspamd with no module beside its core.
///
/// # Panics
///
/// When it is there and does not start.
#[must_use]
pub fn rspamd() -> Option<Running> {
    let program = program("rspamd")?;
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let config = format!(
        "options {{ pidfile = \"{0}/pid\"; dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 1s; retransmits = 1; }} \
         filters = \"\"; gtube_patterns = \"all\"; }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         actions {{ reject = 15; add_header = 6; greylist = 4; }}\n\
         worker \"normal\" {{ bind_socket = \"{socket}\"; count = 1; }}\n",
        folder.path().display()
    );
    fs::write(at("rspamd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command
        .args(["--no-fork", "--insecure", "--config"])
        .arg(at("rspamd.conf"))
        .arg("--var=DBDIR=".to_owned() + &folder.path().to_string_lossy());
    Some(Running::start(&mut command, folder, socket.to_string()))
}
