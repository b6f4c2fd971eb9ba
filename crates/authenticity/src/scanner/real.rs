//! The scanners themselves, where they are installed: `RESTANTE_SCANNERS=1 cargo test -p authenticity real`.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mail::Known;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

use super::{About, Clamd, Endpoint, Rspamd, ScannerSettings};

/// The test signature of all virus scanners, in two halves: no scanner is to find this file.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"];
/// The same of spam filters.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// A program that is asked for and there; a word about it otherwise.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let wanted = std::env::var_os("RESTANTE_SCANNERS").is_some();
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    let why = if !wanted { "RESTANTE_SCANNERS is not set" } else { "it is not installed" };
    if !wanted || found.is_none() {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {why}");
        return None;
    }
    found
}

struct Running {
    child: Child,
    folder: TempDir,
}

impl Running {
    fn start(command: &mut Command, folder: TempDir) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        Self { child: command.process_group(0).spawn().expect("it starts"), folder }
    }

    /// With all of its processes, at once.
    fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// clamd with one signature of our own: nothing is downloaded.
async fn clamd() -> Option<(Running, Endpoint)> {
    let program = program("clamd")?;
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("db")).expect("a folder");
    let mut hex = String::new();
    EICAR.concat().bytes().for_each(|octet| {
        use std::fmt::Write as _;
        write!(hex, "{octet:02x}").expect("a string");
    });
    fs::write(at("db/local.ndb"), format!("Eicar-Test-Signature:0:*:{hex}\n")).expect("written");
    let socket = at("clamd.sock");
    let config = format!(
        "LocalSocket {}\nDatabaseDirectory {}\nForeground yes\nTemporaryDirectory {}\n",
        socket.display(),
        at("db").display(),
        folder.path().display()
    );
    fs::write(at("clamd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("--config-file").arg(at("clamd.conf"));
    let running = Running::start(&mut command, folder);
    for _ in 0..600 {
        if UnixStream::connect(&socket).await.is_ok() {
            return Some((running, Endpoint::Unix(socket)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("clamd does not listen: {}", running.log());
}

#[tokio::test]
async fn clamd_finds_what_it_knows_and_may_die_meanwhile() {
    let Some((mut running, endpoint)) = clamd().await else { return };
    let scanner = Clamd::new(ScannerSettings::new(endpoint));
    let clean = scanner.scan(b"Subject: x\r\n\r\nwords\r\n").await;
    assert_eq!(
        clean.known.known().and_then(Option::as_ref).map(|virus| virus.name.clone()),
        Some(None),
        "{clean:?}"
    );
    let text = format!("Subject: x\r\n\r\n{}\r\n", EICAR.concat());
    let found = scanner.scan(text.as_bytes()).await;
    let name = found.known.known().and_then(Option::as_ref).and_then(|virus| virus.name.clone());
    assert!(name.as_ref().is_some_and(|name| name.starts_with("Eicar-Test-Signature")), "{found:?}");
    // Killed while it is being sent to.
    let large = vec![b'x'; 30 << 20];
    let (scan, ()) = tokio::join!(scanner.scan(&large), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        running.kill();
    });
    assert!(matches!(scan.known, Known::Unknown(_)), "{scan:?}");
    println!("{scan:?}");
    let started = Instant::now();
    let scan = scanner.scan(b"x").await;
    assert!(
        matches!(scan.known, Known::Unknown(_)) && started.elapsed() < Duration::from_secs(1),
        "{scan:?}"
    );
}

async fn rspamd() -> Option<(Running, Endpoint)> {
    let program = program("rspamd")?;
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    // No module beside the core: it asks nobody.
    let config = format!(
        "options {{ pidfile = \"{0}/pid\"; dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 1s; retransmits = 1; }} \
         filters = \"\"; gtube_patterns = \"all\"; }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         actions {{ reject = 15; add_header = 6; greylist = 4; }}\n\
         worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; }}\n",
        folder.path().display()
    );
    fs::write(at("rspamd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command
        .args(["--no-fork", "--insecure", "--config"])
        .arg(at("rspamd.conf"))
        .arg("--var=DBDIR=".to_owned() + &folder.path().to_string_lossy());
    let running = Running::start(&mut command, folder);
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some((running, Endpoint::Tcp(format!("127.0.0.1:{port}"))));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("rspamd does not listen: {}", running.log());
}

#[tokio::test]
async fn rspamd_scores_a_message_and_may_die_meanwhile() {
    let Some((mut running, endpoint)) = rspamd().await else { return };
    let scanner = Rspamd::new(ScannerSettings::new(endpoint));
    let recipients = ["b@c.test".to_owned()];
    let about = About {
        ip: Some("192.0.2.1".parse().expect("an address")),
        helo: "a.test",
        sender: "a@a.test",
        recipients: &recipients,
        queue_id: "1.2",
        ..About::default()
    };
    let head = "From: a@a.test\r\nTo: b@c.test\r\nSubject: x\r\nMessage-ID: <a@a.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n";
    let clean = scanner.scan(format!("{head}words\r\n").as_bytes(), &about).await;
    let action =
        |scan: &super::Scan<mail::Spam>| scan.known.known().cloned().flatten().map(|spam| spam.action);
    assert!(action(&clean).is_some_and(|action| action != "reject"), "{clean:?} {}", running.log());
    println!("{clean:?}");
    let spam = scanner.scan(format!("{head}{GTUBE}\r\n").as_bytes(), &about).await;
    assert_eq!(action(&spam).as_deref(), Some("reject"), "{spam:?}");
    println!("{spam:?}");
    let large = [head.as_bytes(), &vec![b'x'; 30 << 20]].concat();
    let (scan, ()) = tokio::join!(scanner.scan(&large, &about), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        running.kill();
    });
    assert!(matches!(scan.known, Known::Unknown(_)), "{scan:?}");
    println!("{scan:?}");
    let started = Instant::now();
    let scan = scanner.scan(b"x", &about).await;
    assert!(
        matches!(scan.known, Known::Unknown(_)) && started.elapsed() < Duration::from_secs(1),
        "{scan:?}"
    );
}
