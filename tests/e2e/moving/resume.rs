use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, collect};

use super::{OldServer, PATIENCE, file, imported, message, stopped, text, wire};

const MESSAGES: usize = 1500;
/// This one takes a while, and shows in the store when it comes.
const LONG: usize = 1000;

fn octets(number: usize) -> Vec<u8> {
    match number {
        LONG => [b"Subject: long\n\n".to_vec(), b"0123456789abcde\n".repeat(1 << 20)].concat(),
        _ => message(number).into_bytes(),
    }
}

fn old_server() -> OldServer {
    let old = OldServer::with(MESSAGES);
    old.put(&format!("cur/{}", file(LONG)), &octets(LONG));
    old
}

fn begin(appliance: &Appliance, old: &OldServer) -> Child {
    let mut command = appliance.verb(&["import", "--mailbox", "alice", "--maildir", text(old.path())]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
}

/// Waits until the import is in the middle: the long message is on its way.
fn halfway(appliance: &Appliance) {
    let big = appliance.state_dir().join("store/big");
    let until = Instant::now() + PATIENCE;
    while fs::read_dir(&big).map_or(0, Iterator::count) == 0 {
        assert!(Instant::now() < until, "the import does not begin");
        thread::sleep(Duration::from_millis(1));
    }
}

fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("waited for");
}

/// Runs the import again, and holds what is there against the old server: every message once, in its place.
/// How many messages the import that was cut off had brought in.
fn go_on(appliance: &Appliance, old: &OldServer) -> usize {
    let ended = imported(appliance, &["--maildir", text(old.path()), "--json"]);
    let there = collect(appliance.pop3, "alice", MESSAGES);
    for (number, found) in there.iter().enumerate() {
        assert!(found.octets == wire(&octets(number)), "message {number} after {}", ended.out);
    }
    let already = ended.out.split("\"already\":").nth(1).and_then(|rest| rest.split(',').next());
    already.and_then(|number| number.parse().ok()).expect("a number")
}

/// In whatever state the old one is, it is cut off, and gone on with.
fn rounds(cut: impl Fn(&OldServer) -> Appliance) {
    let mut midway = 0;
    for _ in 0..2 {
        let old = old_server();
        let appliance = cut(&old);
        midway += usize::from((1..MESSAGES).contains(&go_on(&appliance, &old)));
    }
    assert!(midway > 0, "the plug was never pulled in the middle");
}

#[test]
fn a_command_line_that_dies_with_the_store_loses_and_doubles_nothing() {
    rounds(|old| {
        let mut appliance = stopped();
        let child = begin(&appliance, old);
        halfway(&appliance);
        kill(child);
        appliance.restart();
        appliance
    });
}

#[test]
fn a_daemon_that_dies_under_an_import_loses_and_doubles_nothing() {
    rounds(|old| {
        let mut appliance = Appliance::start();
        let mut child = begin(&appliance, old);
        halfway(&appliance);
        appliance.kill();
        assert!(!child.wait().expect("waited for").success(), "it must say that it was not through");
        appliance.restart();
        appliance
    });
}

#[test]
fn a_daemon_whose_caller_dies_loses_and_doubles_nothing() {
    rounds(|old| {
        let appliance = Appliance::start();
        let child = begin(&appliance, old);
        halfway(&appliance);
        kill(child);
        appliance
    });
}
