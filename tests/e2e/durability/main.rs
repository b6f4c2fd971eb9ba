//! What `kill -9` cannot show, because it spares the page cache: the real binary is traced at its system
//! calls, and every promise must follow the return of the sync that covers it.

mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use restante_tests::{Appliance, Setup, collect, deliver, found, pop3, run, skipped, smtp};
use trace::{Call, Trace};

/// Everything that writes, syncs, moves or speaks.
const TRACED: &str = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,read,readv,recvfrom,recvmsg,\
                      fdatasync,fsync,sync_file_range,msync,rename,renameat,renameat2";

/// The words that run a program under strace, and where that writes. Nothing where nobody may trace.
fn tracer() -> Option<(Vec<String>, PathBuf, tempfile::TempDir)> {
    let strace = found("strace")?;
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("trace");
    let mut probe = Command::new(&strace);
    let probed = run(probe.arg("-f").arg("-o").arg(&output).arg("true"), Duration::from_secs(20));
    if !probed.status.success() {
        skipped(&format!("strace may not trace here: {}", probed.err.trim()));
        return None;
    }
    let output_text = output.to_str().expect("text");
    // -D: the traced one is our child, so that its signals reach it.
    let words =
        [strace.to_str().expect("text"), "-D", "-f", "-y", "-s", "96", "-o", output_text, "-e", TRACED];
    Some((words.map(str::to_owned).into(), output, folder))
}

fn traced() -> Option<(Appliance, PathBuf, tempfile::TempDir)> {
    let (wrapper, output, folder) = tracer()?;
    Some((Appliance::with(Setup { wrapper, ..Setup::default() }), output, folder))
}

/// The trace once the appliance has stopped and its tracer has written all of it.
fn read(output: &Path) -> Trace {
    for _ in 0..200 {
        let text = fs::read(output).expect("a trace");
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.lines().rev().take(20).any(|line| line.contains("+++ exited with 0 +++")) {
            return Trace::parse(&text);
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the tracer did not end");
}

fn mail(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n{}", "line\r\n".repeat(number * 7 % 2_000)).into_bytes()
}

#[test]
fn every_250_follows_the_sync_that_covers_its_message() {
    let Some((mut appliance, output, _folder)) = traced() else { return };
    let (workers, each) = (6, 25);
    let address = appliance.smtp;
    let sending: Vec<_> = (0..workers)
        .map(|worker| {
            thread::spawn(move || {
                let mut client = smtp(address);
                for number in 0..each {
                    let message = mail(worker * each + number);
                    let answer = deliver(&mut client, &["alice@example.test"], &message);
                    assert!(answer.starts_with("250 2.0.0 queued as "), "{answer}");
                }
            })
        })
        .collect();
    sending.into_iter().for_each(|worker| worker.join().expect("sent"));
    assert!(appliance.stop().success());
    let trace = read(&output);
    let mut promised = 0;
    for call in trace.sent("250 2.0.0 queued as ") {
        let id = call.text_after("queued as ").expect("an id");
        // The id is the place in the log: the segment, and the offset in it.
        let place = u64::from_str_radix(&id[..16], 16).expect("hexadecimal");
        let segment = format!("/{:08x}.seg", place >> 32);
        let offset = place & 0xffff_ffff;
        let written = trace.covering(&segment, offset, call.entered);
        let written = written.unwrap_or_else(|| panic!("{id} was promised before it was written"));
        let synced = trace.sync_between(&segment, written.left, call.entered);
        assert!(synced.is_some(), "{id} was promised before it was synced:\n{}", trace.around(call));
        // And the name of the segment is on the disk, else its octets are nobody's.
        let named =
            trace.renamed_to(&segment, written.entered).expect("a segment has its name before a record");
        let folder = trace.calls.iter().find(|one| {
            one.is_sync()
                && one.path().ends_with("/log")
                && one.entered > named.left
                && one.left < call.entered
        });
        assert!(folder.is_some(), "{id} is in a segment whose name was not synced");
        promised += 1;
    }
    assert_eq!(promised, workers * each);
}

#[test]
fn the_ok_to_quit_follows_the_sync_of_its_deletions() {
    let Some((mut appliance, output, _folder)) = traced() else { return };
    let mut client = smtp(appliance.smtp);
    let rounds = 8;
    for number in 0..rounds * 2 {
        assert!(deliver(&mut client, &["alice@example.test"], &mail(number)).starts_with("250 "));
    }
    assert!(client.ask("QUIT").starts_with("221 "));
    collect(appliance.pop3, "alice", rounds * 2);
    for _ in 0..rounds {
        let mut session = pop3(appliance.pop3, "alice");
        assert!(session.command("DELE 1").starts_with("+OK"));
        assert!(session.command("DELE 2").starts_with("+OK"));
        session.quit();
    }
    assert!(appliance.stop().success());
    let trace = read(&output);
    // Nobody else writes meanwhile: what is written to the log between DELE and the answer is the deletion.
    let mut promised = 0;
    for asked in trace.calls.iter().filter(|call| call.is_read() && call.arguments.contains("\"QUIT\\r\\n\""))
    {
        let socket = asked.descriptor();
        let after = |call: &&Call| call.entered > asked.left && call.descriptor() == socket && call.is_send();
        let answer = trace.calls.iter().find(after).expect("an answer to QUIT");
        if !answer.arguments.contains("\"+OK") || !had_deletions(&trace, asked) {
            continue;
        }
        let within = |call: &&Call| call.entered > asked.left && call.left < answer.entered;
        let written = trace.calls.iter().filter(within).rfind(|call| call.is_log_write());
        let written = written.unwrap_or_else(|| panic!("nothing was written:\n{}", trace.around(answer)));
        let segment = written.path().to_owned();
        let synced = trace.sync_between(&segment, written.left, answer.entered);
        assert!(synced.is_some(), "QUIT was answered before the sync:\n{}", trace.around(answer));
        promised += 1;
    }
    assert_eq!(promised, rounds);
}

/// Whether the session has said DELE before this.
fn had_deletions(trace: &Trace, quit: &Call) -> bool {
    let socket = quit.descriptor();
    let mut before = trace.calls.iter().filter(|call| call.is_read() && call.entered < quit.entered);
    before.any(|call| call.descriptor() == socket && call.arguments.contains("\"DELE 1\\r\\n\""))
}

#[test]
fn a_body_beside_the_log_is_on_the_disk_before_the_record_that_names_it() {
    let Some((mut appliance, output, _folder)) = traced() else { return };
    let mut client = smtp(appliance.smtp);
    let big = [b"Subject: big\r\n\r\n".to_vec(), b"0123456789abcde\r\n".repeat(300_000)].concat();
    let answer = deliver(&mut client, &["alice@example.test"], &big);
    assert!(answer.starts_with("250 2.0.0 "), "{answer}");
    assert!(client.ask("QUIT").starts_with("221 "));
    assert!(appliance.stop().success());
    let trace = read(&output);
    let promise = trace.sent("250 2.0.0 queued as ").next().expect("a promise");
    let place = u64::from_str_radix(&promise.text_after("queued as ").expect("an id")[..16], 16)
        .expect("hexadecimal");
    let segment = format!("/{:08x}.seg", place >> 32);
    let record = trace.covering(&segment, place & 0xffff_ffff, promise.entered).expect("a record");
    let body: Vec<&Call> =
        trace.calls.iter().filter(|call| call.is_write() && call.path().contains("/big/")).collect();
    let last = body.last().expect("a body beside the log");
    let file = last.path().to_owned();
    let synced = trace.sync_between(&file, last.left, record.entered).expect("the body is synced first");
    let renamed = |call: &&Call| call.name.starts_with("rename") && call.arguments.contains("/big/");
    let named = trace.calls.iter().find(renamed).expect("it gets its name");
    assert!(named.entered > synced.left, "it is synced before it gets its name");
    let folder = trace
        .calls
        .iter()
        .find(|call| call.is_sync() && call.path().ends_with("/big") && call.entered > named.left);
    assert!(
        folder.expect("its folder is synced").left < record.entered,
        "its folder is synced before the record"
    );
}

/// A kill between write and sync leaves octets that can be read but are not on the platter: what a start
/// believes, it first makes true.
#[test]
fn a_start_after_a_kill_syncs_the_last_batch_before_it_serves() {
    let Some((wrapper, output, _folder)) = tracer() else { return };
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for number in 0..3 {
        assert!(deliver(&mut client, &["alice@example.test"], &mail(number)).starts_with("250 "));
    }
    collect(appliance.pop3, "alice", 3);
    appliance.kill();
    appliance.configure(|setup| setup.wrapper = wrapper);
    appliance.restart();
    collect(appliance.pop3, "alice", 3);
    assert!(appliance.stop().success());
    let trace = read(&output);
    let greets = |call: &&Call| call.arguments.contains("\"+OK mx.example.test");
    let greeting = trace.calls.iter().find(greets).expect("it greets who collects");
    let rewritten = trace.calls.iter().rfind(|call| call.is_log_write() && call.left < greeting.entered);
    let rewritten = rewritten.expect("the last batch is written again");
    let segment = rewritten.path().to_owned();
    assert!(trace.sync_between(&segment, rewritten.left, greeting.entered).is_some(), "and not synced");
}
