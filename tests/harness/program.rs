use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a command did that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it said on standard output.
    pub out: String,
    /// What it said on standard error.
    pub err: String,
}

/// Runs a command to its end, or kills it and fails when that takes longer than `patience`.
pub fn run(command: &mut Command, patience: Duration) -> Ended {
    let [out, err] = [(); 2].map(|()| tempfile::NamedTempFile::new().expect("a file"));
    let handle = |file: &tempfile::NamedTempFile| Stdio::from(file.reopen().expect("a handle"));
    command.stdin(Stdio::null()).stdout(handle(&out)).stderr(handle(&err));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait().expect("waited for") {
            Some(status) => break Some(status),
            None if Instant::now() > until => break None,
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    if status.is_none() {
        child.kill().expect("killed");
        child.wait().expect("waited for");
    }
    let said = |file: &tempfile::NamedTempFile| fs::read(file.path()).expect("read");
    let [out, err] = [&out, &err].map(|file| String::from_utf8_lossy(&said(file)).into_owned());
    let status = status.unwrap_or_else(|| panic!("{command:?} did not end in {patience:?}:\n{out}\n{err}"));
    Ended { status, out, err }
}

/// The same, and it must succeed.
pub fn finish(command: &mut Command, patience: Duration) -> Ended {
    let ended = run(command, patience);
    assert!(ended.status.success(), "{command:?} ended with {}:\n{}\n{}", ended.status, ended.out, ended.err);
    ended
}

/// Where a program is; nothing, and a word on standard error, when it is not installed.
pub fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Says that a test did not run, and why: past the capture of the test runner, so that nobody takes it for
/// a pass.
pub fn skipped(why: &str) {
    use std::io::Write;
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {why}");
}

/// A port of the loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
