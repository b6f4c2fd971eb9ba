//! How the appliance starts, changes and ends: by signals, by a service manager, and with everything wrong
//! that an admin can get wrong.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use restante_tests::{
    Appliance, Client, PASSWORD, Setup, below, collect, deliver, envelope, finish, found, free_port, pop3,
    run, smtp,
};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);
/// Well below what a message in flight is given.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn sigterm_ends_idle_sessions_and_lets_a_message_in_flight_finish() {
    let mut appliance = Appliance::start();
    let mut idle = smtp(appliance.smtp);
    let mut started = smtp(appliance.smtp);
    envelope(&mut started, "<sender@client.example>", &["alice@example.test"]);
    let mut chunks = smtp(appliance.smtp);
    let chunk = b"BDAT 19\r\nSubject: unfinished";
    for (recipient, last) in [("bob", " LAST"), ("alice", "")] {
        envelope(&mut chunks, "<sender@client.example>", &[&format!("{recipient}@example.test")]);
        let line = format!("BDAT 20{last}\r\nSubject: in chunks\r\n");
        chunks.send(line.as_bytes());
        assert!(chunks.reply().starts_with("250 2.0.0 "));
    }
    let mut half = smtp(appliance.smtp);
    envelope(&mut half, "<sender@client.example>", &["alice@example.test"]);
    half.send(&chunk[..20]);
    let mut sending = smtp(appliance.smtp);
    envelope(&mut sending, "<sender@client.example>", &["alice@example.test"]);
    assert!(sending.ask("DATA").starts_with("354 "));
    sending.send(b"Subject: in flight\r\n\r\nfirst\r\n");
    let mut reader = pop3(appliance.pop3, "alice");
    let mut delivered = smtp(appliance.smtp);
    assert!(
        deliver(&mut delivered, &["alice@example.test"], b"Subject: acknowledged\r\n\r\n")
            .starts_with("250 ")
    );
    assert!(reader.command("STAT").starts_with("+OK 0 "));

    let told = Instant::now();
    appliance.signal(Signal::TERM);
    for client in [&mut idle, &mut started, &mut chunks, &mut delivered] {
        assert_eq!(client.line().as_deref(), Some("421 4.3.2 mx.example.test shutting down"));
        assert_eq!(client.line(), None);
    }
    assert_eq!(reader.line(), None);
    assert!(told.elapsed() < AT_ONCE, "{:?}", told.elapsed());
    // A chunk that is coming in is finished, and the next one not waited for.
    half.send(&chunk[20..]);
    assert_eq!(half.line().as_deref(), Some("250 2.0.0 19 octets taken"));
    assert_eq!(half.line().as_deref(), Some("421 4.3.2 mx.example.test shutting down"));
    sending.send(b"second\r\n.\r\n");
    let answer = sending.reply();
    assert!(answer.starts_with("250 2.0.0 queued as "), "{answer}");
    assert!(appliance.wait().success(), "{}", appliance.log());
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());

    appliance.restart();
    collect(appliance.pop3, "bob", 1);
    let kept = collect(appliance.pop3, "alice", 2);
    let mut bodies: Vec<&[u8]> = kept.iter().map(|one| below(&one.octets).1).collect();
    bodies.sort();
    assert_eq!(
        bodies,
        [&b"Subject: acknowledged\r\n\r\n"[..], b"Subject: in flight\r\n\r\nfirst\r\nsecond\r\n"]
    );
}

#[test]
fn a_message_that_does_not_end_cannot_hold_the_stop() {
    let smtp_limits = "stop-time = \"1 s\"".into();
    let mut appliance = Appliance::with(Setup { smtp_limits, ..Setup::default() });
    let mut sending = smtp(appliance.smtp);
    envelope(&mut sending, "<sender@client.example>", &["alice@example.test"]);
    assert!(sending.ask("DATA").starts_with("354 "));
    sending.send(b"Subject: never ends\r\n\r\n");
    let told = Instant::now();
    appliance.signal(Signal::INT);
    assert!(appliance.wait().success(), "{}", appliance.log());
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    let last = sending.line();
    assert!(last.as_ref().is_none_or(|line| line.starts_with("421 ")), "{last:?}");
    appliance.restart();
    collect(appliance.pop3, "alice", 0);
}

#[test]
fn sighup_takes_a_good_configuration_and_says_what_is_wrong_with_a_bad_one() {
    let mut appliance = Appliance::start();
    let mut open = pop3(appliance.pop3, "bob");
    appliance.configure(|setup| *setup = Setup::of(&["alice", "carol"]));
    appliance.hangup();
    appliance.logged(&["INFO", "the configuration is in force"]);
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["carol@example.test"], b"Subject: new\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "carol", 1);
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    assert!(client.ask("RCPT TO:<bob@example.test>").starts_with("550 5.1.1 "));
    assert!(client.ask("RSET").starts_with("250 "));
    // What is open goes on.
    assert!(open.command("STAT").starts_with("+OK"));
    open.quit();

    appliance.configure(|setup| {
        *setup = Setup::of(&["bob", "carol"]);
        setup.machine = "hostnam = \"mx2.example.test\"".into();
    });
    appliance.hangup();
    let line = appliance.logged(&["ERROR", "restante.toml:3:1", "hostnam"]);
    assert!(!line.contains('\u{1b}'), "{line}");
    appliance.logged(&["ERROR", "the configuration has faults: the one before stays in force"]);
    assert!(deliver(&mut client, &["alice@example.test"], b"Subject: old\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
    // The next start says the same and does not start.
    assert!(appliance.stop().success());
    let ended = run(&mut appliance.serve(), SOON);
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
    assert!(ended.err.contains("restante.toml:3:1") && ended.err.contains("hostname"), "{}", ended.err);
}

#[test]
fn a_mailbox_that_left_the_file_keeps_its_mail() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    let before = collect(appliance.pop3, "bob", 1);
    appliance.configure(|setup| *setup = Setup::of(&["alice"]));
    appliance.restart();
    let mut gone = Client::connect(appliance.pop3);
    assert!(gone.line().expect("a greeting").starts_with("+OK"));
    assert!(gone.command("USER bob").starts_with("+OK"));
    let answer = gone.command(&format!("PASS {PASSWORD}"));
    assert!(answer.starts_with("-ERR [AUTH]"), "{answer}");
    appliance.configure(|setup| *setup = Setup::default());
    appliance.restart();
    let after = collect(appliance.pop3, "bob", 1);
    assert_eq!((&before[0].uid, &before[0].octets), (&after[0].uid, &after[0].octets));
}

/// Binds one socket for each `name=address`, hands them over as systemd does (sd_listen_fds(3)), and becomes
/// the program behind `--`.
const ACTIVATE: &str = r#"
import os, socket, sys
mark = sys.argv.index('--')
names, sockets = [], []
for word in sys.argv[1:mark]:
    name, address = word.split('=', 1)
    if address.startswith('/'):
        one = socket.socket(socket.AF_UNIX)
        one.bind(address)
    else:
        one = socket.socket()
        one.bind(('127.0.0.1', int(address)))
    one.listen(16)
    names.append(name)
    sockets.append(one)
for number, one in enumerate(sockets):
    os.dup2(one.fileno(), 50 + number)
for number in range(len(sockets)):
    os.dup2(50 + number, 3 + number)
    os.close(50 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=':'.join(names))
os.execv(sys.argv[mark + 1], sys.argv[mark + 1:])
"#;

#[test]
fn sockets_of_a_service_manager_are_served() {
    let Some(python) = found("python3") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("lmtp");
    let lmtp = format!("lmtp={}", socket.display());
    let python = python.to_str().expect("text");
    let port = free_port().to_string();
    let pop3s = format!("pop3s={port}");
    let words = [python, "-c", ACTIVATE, "smtp=0", "pop3=0", "smtp=0", &pop3s, &lmtp, "--"];
    let mut appliance = Appliance::with(Setup {
        // Nobody could bind these: the sockets that were handed over take their place.
        smtp: "listen = [\"192.0.2.1:25\"]".into(),
        pop3: "listen = [\"192.0.2.1:110\"]\nlisten-tls = [\"127.0.0.1:PORT\"]".replace("PORT", &port),
        wrapper: words.map(str::to_owned).into(),
        ..Setup::default()
    });
    let mut client = smtp(appliance.smtp);
    assert!(
        deliver(&mut client, &["alice@example.test"], b"Subject: handed over\r\n\r\n").starts_with("250 ")
    );
    let mut client = Client::connect_unix(&socket);
    assert!(client.reply().starts_with("220 "));
    assert!(client.ask("LHLO a.example").starts_with("250-"));
    collect(appliance.pop3, "alice", 1);
    let mut secured = Client::connect_tls(appliance.pop3s);
    assert!(secured.line().expect("a greeting").starts_with("+OK"));
    // Two sockets of one name are both served.
    let log = appliance.log();
    let smtp_lines: Vec<&str> = log.lines().filter(|line| line.contains("service=smtp ")).collect();
    assert_eq!(smtp_lines.len(), 2, "{log}");
    // Who edits the file hears that it says something else; of what is the same nothing is said.
    let differs = |service: &str| {
        let parts = [&format!("service={service}"), "the service manager's sockets are used"];
        log.lines().any(|line| line.contains("WARN") && parts.iter().all(|part| line.contains(*part)))
    };
    for service in ["smtp", "pop3", "lmtp"] {
        assert!(differs(service), "{service}: {log}");
    }
    assert!(!differs("pop3s"), "{log}");
    let second = smtp_lines[1].split("address=").nth(1).expect("an address").trim();
    smtp(second.parse().expect("an address"));
    assert!(appliance.stop().success());
}

/// sd_notify(3): what a unit of `Type=notify` waits for.
#[test]
fn a_service_manager_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a time-out");
    let told_any = |wanted: &[&str]| {
        let mut octets = [0; 512];
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            let length = socket.recv(&mut octets).unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
            let text = String::from_utf8_lossy(&octets[..length]).into_owned();
            if text.lines().any(|line| wanted.iter().any(|wanted| line.starts_with(wanted))) {
                return text;
            }
        }
        panic!("{wanted:?} was not told");
    };
    let told = |wanted: &str| told_any(&[wanted]);
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    let wrapper = ["env", &notify, "WATCHDOG_USEC=1000000"].map(str::to_owned).into();
    let mut appliance = Appliance::with(Setup { wrapper, ..Setup::default() });
    told("STATUS=opening the store");
    // Whoever keeps the status does not wait for whoever says that all is ready.
    let (ready, status) = ("READY=1", "STATUS=ok: 0 smtp and 0 lmtp and 0 pop3 sessions, 0 queued");
    let first = told_any(&[ready, status]);
    told(if first.starts_with("READY") { status } else { ready });
    told("WATCHDOG=1");
    told("WATCHDOG=1");
    appliance.hangup();
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    appliance.signal(Signal::TERM);
    told("STOPPING=1");
    assert!(appliance.wait().success());
}

#[test]
fn a_second_instance_on_the_same_state_is_refused() {
    let mut appliance = Appliance::with(Setup { rules: rule("first"), ..Setup::default() });
    let state = appliance.state_dir();
    // What the first one is at, and what it goes by: the second one knows nothing of it, and other rules.
    let at_work = [7; 16];
    fs::write(state.join("parsing"), at_work).expect("written");
    appliance.configure(|setup| setup.rules = rule("second"));
    let ended = run(&mut appliance.serve(), SOON);
    assert_eq!(ended.status.code(), Some(69), "{ended:?}");
    let said = format!(
        "restante: the store in {} is in use by process {} (restante); one process serves a store: stop that one \
         first (systemctl stop restante), or name another state-dir\n",
        state.join("store").display(),
        appliance.pid()
    );
    assert_eq!(ended.err, said);
    // The first one did not notice.
    assert_eq!(fs::read(state.join("parsing")).expect("read"), at_work);
    assert!(!state.join("poison").exists());
    let kept = fs::read_to_string(state.join("rules.last-good.toml")).expect("read");
    assert!(kept.contains("first") && !kept.contains("second"), "{kept}");
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["alice@example.test"], b"Subject: first\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
}

fn rule(name: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nwhen = {{ subject = \"x\" }}\nthen = {{ tag = \"[x]\" }}\n")
}

#[test]
fn a_backup_is_not_served() {
    let appliance = Appliance::start();
    let dir = appliance.config_dir().join("backup");
    finish(appliance.verb(&["backup"]).arg(&dir), SOON);
    let other = Appliance::prepare(Setup::default());
    fs::create_dir(other.state_dir()).expect("made");
    fs::set_permissions(other.state_dir(), fs::Permissions::from_mode(0o700)).expect("changed");
    fs::rename(&dir, other.state_dir().join("store")).expect("moved");
    let ended = run(&mut other.serve(), SOON);
    assert_eq!(ended.status.code(), Some(69), "{ended:?}");
    let said = format!(
        "restante: the store in {}: it is a backup, not a store: `restante restore` makes one of it\n",
        other.state_dir().join("store").display()
    );
    assert_eq!(ended.err, said);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address");
    let smtp = format!("listen = [\"{address}\"]");
    let appliance = Appliance::prepare(Setup { smtp, ..Setup::default() });
    let ended = run(&mut appliance.serve(), SOON);
    assert!(!ended.status.success());
    assert!(ended.err.contains(&format!("cannot listen on {address}")), "{}", ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn secrets_that_others_can_read_are_faults() {
    let appliance = Appliance::prepare(Setup::default());
    let folder = appliance.config_dir();
    fs::create_dir(appliance.state_dir()).expect("made");
    for (path, open, closed) in [
        (folder.join("mailboxes.toml"), 0o644, 0o600),
        (folder.join("tls.key"), 0o604, 0o600),
        (appliance.state_dir(), 0o755, 0o700),
    ] {
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        mode(open);
        let ended = run(&mut appliance.serve(), SOON);
        assert_eq!(ended.status.code(), Some(78), "{ended:?}");
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(ended.err.contains(&*name) && ended.err.contains("chmod"), "{}", ended.err);
        mode(closed);
    }
}

#[test]
fn root_does_not_serve_unless_told() {
    if !rustix::process::geteuid().is_root() {
        restante_tests::skipped("not root");
        return;
    }
    let appliance = Appliance::prepare(Setup::default());
    let ended = run(&mut appliance.verb(&["serve"]), SOON);
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
    assert!(ended.err.contains("root"), "{}", ended.err);
    assert!(!appliance.state_dir().exists());
}

#[test]
fn the_log_has_lines_for_people_and_no_secrets() {
    let tables = "[log]\nlevel = \"trace\"\n".into();
    let mut appliance = Appliance::with(Setup { tables, ..Setup::default() });
    let mut client = smtp(appliance.smtp);
    let answer =
        deliver(&mut client, &["alice@example.test"], b"Subject: canary-subject\r\n\r\ncanary-body\r\n");
    let id = answer.strip_prefix("250 2.0.0 queued as ").expect("queued").to_owned();
    assert!(client.ask("QUIT").starts_with("221 "));
    let size = collect(appliance.pop3, "alice", 1)[0].size;
    let mut liar = Client::connect(appliance.pop3);
    assert!(liar.line().expect("a greeting").starts_with("+OK"));
    assert!(liar.command("USER alice").starts_with("+OK"));
    assert!(liar.command("PASS canary-password").starts_with("-ERR [AUTH]"));
    liar.send(b"USER \x1b[31mred\r\n");
    assert!(liar.line().expect("an answer").starts_with("-ERR"));
    appliance.logged(&["INFO", &id, "from=", "to=", "alice@example.test"]);
    appliance.logged(&["INFO", "alice", "retr=1", "del=0", &format!("size={size}")]);
    assert!(appliance.stop().success());
    let log = appliance.log();
    for canary in ["canary-body", "canary-password", PASSWORD, "\u{1b}", "panicked"] {
        assert!(!log.contains(canary), "{canary:?} in the log:\n{log}");
    }
}
