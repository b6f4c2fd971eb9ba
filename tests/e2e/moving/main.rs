//! Mail moves in from another server and out to one, with the running daemon and without it: nothing is lost,
//! nothing is there twice, every message is served as it was and under the name that clients know.

mod damage;
mod folders;
mod python;
mod resume;
mod together;
mod uidls;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restante_tests::{Appliance, Ended, Setup, finish, run};

/// What any verb may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Maildir of an old server, and what is in it.
struct OldServer {
    folder: tempfile::TempDir,
}

impl OldServer {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir(folder.path().join(part)).expect("made");
        }
        Self { folder }
    }

    /// So many short messages, `1000000000.M0.old` and on, every third of them still new.
    fn with(messages: usize) -> Self {
        let server = Self::new();
        for number in 0..messages {
            let part = if number % 3 == 0 { "new" } else { "cur" };
            server.put(&format!("{part}/{}", file(number)), message(number).as_bytes());
        }
        server
    }

    fn put(&self, name: &str, octets: &[u8]) {
        fs::write(self.path().join(name), octets).expect("written");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn list(&self, text: &str) -> PathBuf {
        let path = self.path().join("list");
        fs::write(&path, text).expect("written");
        path
    }
}

fn file(number: usize) -> String {
    let flags = if number.is_multiple_of(3) { "" } else { ":2,S" };
    format!("{}.M7P1.old.example{flags}", 1_000_000_000 + number)
}

fn message(number: usize) -> String {
    format!(
        "Return-Path: <s{number}@client.example>\nSubject: number {number}\n\nbody of {number}\n.dot\nFrom x\n"
    )
}

fn import(appliance: &Appliance, arguments: &[&str]) -> Ended {
    run(&mut appliance.verb(&[&["import", "--mailbox", "alice"], arguments].concat()), PATIENCE)
}

fn imported(appliance: &Appliance, arguments: &[&str]) -> Ended {
    finish(&mut appliance.verb(&[&["import", "--mailbox", "alice"], arguments].concat()), PATIENCE)
}

fn exported(appliance: &Appliance, arguments: &[&str]) -> Ended {
    finish(&mut appliance.verb(&[&["export", "--mailbox", "alice"], arguments].concat()), PATIENCE)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this test's own")
}

/// One that is not running.
fn stopped() -> Appliance {
    Appliance::prepare(Setup::default())
}

/// With the line ends of the wire.
fn wire(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}
