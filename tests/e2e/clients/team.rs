//! Five colleagues and their programs on one team mailbox, at the same time: whoever leaves copies, whoever deletes, and
//! a robot that goes by numbers. Each gets every message, and nobody's deletion costs another one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, PASSWORD, Setup, deliver, finish, found, smtp};

use crate::collectors::{fetchmail, getmail, mails, mpop};
use crate::{PATIENCE, assert_held, files};

const ROUNDS: usize = 3;
const EACH: usize = 4;

/// Takes fifty by their numbers and deletes each, session after session, until there is nothing (Odoo's way).
const ROBOT: &str = r"
import poplib, sys, pathlib
port, folder, password = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
while True:
    client = poplib.POP3('127.0.0.1', port, timeout=50)
    client.user('robot/sales')
    client.pass_(password)
    count = client.stat()[0]
    client.list()
    for number in range(1, min(count, 50) + 1):
        octets = b''.join(line + b'\n' for line in client.retr(number)[1])
        (folder / f'mail.{len(list(folder.iterdir())):05}').write_bytes(octets)
        client.dele(number)
    client.quit()
    if count == 0:
        break
";

fn setup() -> Setup {
    let mut mailboxes = "[[domain]]\nname = \"example.test\"\npostmaster = \"keep\"\n".to_owned();
    for name in ["keep", "nokeep", "later", "mpop", "robot"] {
        mailboxes.push_str(&format!("[[mailbox]]\nname = \"{name}\"\npassword = \"PASSWORD-HASH\"\n"));
    }
    // None of them wipes what the server removes.
    mailboxes.push_str(
        "[[mailbox]]\nname = \"sales\"\nmembers = [\n\
         { login = \"keep\", mirrors = false }, { login = \"nokeep\", mirrors = false },\n\
         { login = \"later\", mirrors = false }, { login = \"mpop\", mirrors = false },\n\
         { login = \"robot\", robot = true }]\nrelease = { when = \"all-fetched\", hold = \"1 s\" }\n",
    );
    Setup { mailboxes, ..Setup::default() }
}

fn send(appliance: &Appliance, round: usize) -> Vec<Vec<u8>> {
    let body = |number: usize| match number % 3 {
        0 => "..leading dots\r\n.\r\n".repeat(5),
        1 => "0123456789abcdef\r\n".repeat(20_000),
        _ => "plain\r\n".to_owned(),
    };
    let message = |number: usize| {
        format!(
            "From: Sender <sender@client.example>\r\nTo: sales@example.test\r\nSubject: number {round}.{number}\r\n\
             Message-ID: <{round}.{number}@client.example>\r\n\r\n{}",
            body(number)
        )
        .into_bytes()
    };
    let messages: Vec<Vec<u8>> = (0..EACH).map(message).collect();
    let mut client = smtp(appliance.smtp);
    for message in &messages {
        let answer = deliver(&mut client, &["sales@example.test"], message);
        assert!(answer.starts_with("250 "), "{answer}");
    }
    messages
}

/// What each program holds after one more round of its own.
fn robot(appliance: &Appliance, folder: &Path) -> Option<Vec<PathBuf>> {
    let mut command = Command::new(found("python3")?);
    command.args(["-c", ROBOT, &appliance.pop3.port().to_string()]).arg(folder).arg(PASSWORD);
    finish(&mut command, PATIENCE);
    Some(files(folder))
}

type Collector = fn(&Appliance, &Path) -> Option<Vec<PathBuf>>;

const COLLECTORS: [(&str, Collector); 5] = [
    ("fetchmail keep", |appliance, folder| {
        fetchmail(appliance, folder, "keep/sales", "keep", true).map(|_| mails(folder))
    }),
    ("fetchmail nokeep", |appliance, folder| {
        fetchmail(appliance, folder, "nokeep/sales", "nokeep", false).map(|_| mails(folder))
    }),
    ("getmail delete_after", |appliance, folder| {
        getmail(appliance, folder, "later/sales", "delete_after = 1", true)
    }),
    ("mpop keep", |appliance, folder| mpop(appliance.pop3.port(), folder, "mpop/sales", "on", "on")),
    ("a robot", robot),
];

#[test]
fn everybody_gets_everything_whatever_the_others_do() {
    let appliance = Appliance::that_ran(setup(), Duration::ZERO);
    let folders = COLLECTORS.map(|_| tempfile::tempdir().expect("a folder"));
    let mut sent = Vec::new();
    let mut had = [0; COLLECTORS.len()];
    for round in 0..ROUNDS {
        sent.extend(send(&appliance, round));
        // The robot is done with all that came before, so its view tells when the new mail is delivered.
        wait(|| listed(&appliance, "robot/sales") == EACH);
        thread::scope(|scope| {
            for (((name, collector), folder), had) in COLLECTORS.iter().zip(&folders).zip(&mut had) {
                let (appliance, sent) = (&appliance, &sent);
                scope.spawn(move || {
                    let Some(held) = collector(appliance, folder.path()) else { return };
                    println!("round {round}: {name} holds {} of {}", held.len(), sent.len());
                    assert_held(&held, sent);
                    *had += 1;
                });
            }
        });
    }
    if had != [ROUNDS; COLLECTORS.len()] {
        return;
    }
    // Everybody has everything: it goes by itself, from every view, and the robot has not got it twice.
    wait(|| listed(&appliance, "keep/sales") == 0);
    for login in ["keep/sales", "later/sales", "mpop/sales", "robot/sales"] {
        assert_eq!(listed(&appliance, login), 0, "{login}");
    }
}

fn listed(appliance: &Appliance, login: &str) -> usize {
    let mut client = restante_tests::pop3(appliance.pop3, login);
    let stat = client.command("STAT");
    client.quit();
    stat.split(' ').nth(1).and_then(|count| count.parse().ok()).expect("a number")
}

fn wait(mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "it took too long");
        thread::sleep(Duration::from_millis(250));
    }
}
