//! What a team lives with from day to day, shown by the real binary: its logins, its verbs, its log and its mail. Where
//! weeks must have passed, the notes that a run leaves to the next are made older while it is down, or the binary runs
//! under `faketime` first.

mod absence;
mod coming;
mod guard;
mod moved;
mod plain;
mod robots;
mod room;
mod shared;
mod tables;
mod watch;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Client, Ended, PASSWORD, Setup, deliver, pop3, run, skipped, smtp};
use serde_json::Value;

use crate::binary::now;
use crate::spec::Ms;

const PATIENCE: Duration = Duration::from_secs(30);
const MINUTE: Ms = 60 * 1000;
const HOUR: Ms = 60 * MINUTE;
const DAY: Ms = 24 * HOUR;

/// Where a run leaves what the next must know of views.
const MEMO: &str = "upkeep-views";

/// These people, each with a mailbox, and a postmaster; then the team mailbox sales with these keys. The trash of one
/// more is so short that everything is looked at every second.
fn setup(people: &[&str], sales: &str) -> Setup {
    let mut setup = Setup::of(&[&["postmaster"], people, &["often"]].concat());
    setup.mailboxes.push_str("trash = \"2 s\"\n");
    setup.mailboxes.push_str(&format!("\n[[mailbox]]\nname = \"sales\"\n{sales}\n"));
    setup
}

/// One whose clock is believed, and that finds these in its state folder.
fn ran(setup: Setup, files: &[(&str, String)]) -> Appliance {
    let mut appliance = Appliance::prepare(setup);
    DirBuilder::new().mode(0o700).create(appliance.state_dir()).expect("made");
    for (name, text) in files {
        fs::write(appliance.state_dir().join(name), text).expect("written");
    }
    believe(&appliance);
    appliance.restart();
    appliance
}

/// The last run of one that is down ended just now, by its notes.
fn believe(appliance: &Appliance) {
    fs::write(appliance.state_dir().join("upkeep"), format!("time {}\n", now())).expect("written");
}

/// What an ended run has noted under a word was so much earlier.
fn earlier(appliance: &Appliance, word: &str, by: Ms) {
    let path = appliance.state_dir().join(MEMO);
    let text = fs::read_to_string(&path).expect("noted");
    assert!(text.lines().any(|line| line.split(' ').next() == Some(word)), "{word} in:\n{text}");
    let older = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if words[0] == word {
            // A seat is a mailbox and a view.
            let at = if matches!(word, "unsaid" | "reported") { 1 } else { 3 };
            words[at] = (words[at].parse::<Ms>().expect("an instant") - by).to_string();
        }
        words.join(" ") + "\n"
    };
    fs::write(&path, text.lines().map(older).collect::<String>()).expect("written");
}

/// Sends so many, each by itself, with a subject that counts on.
fn send(appliance: &Appliance, to: &[&str], numbers: std::ops::RangeInclusive<usize>) {
    let mut client = smtp(appliance.smtp);
    let to: Vec<String> = to.iter().map(|name| format!("{name}@example.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for number in numbers {
        let mail = format!("From: boss@client.example\r\nSubject: number {number}\r\n\r\nbody {number}\r\n");
        let answer = deliver(&mut client, &to, mail.as_bytes());
        assert!(answer.starts_with("250 "), "{answer}");
    }
}

/// The unique ids that a login lists.
fn listed(appliance: &Appliance, login: &str) -> Vec<String> {
    let mut client = pop3(appliance.pop3, login);
    let uids = client.listing("UIDL").into_iter().map(|line| line.value).collect();
    client.quit();
    uids
}

/// The same, once they are so many.
fn wait_listed(appliance: &Appliance, login: &str, count: usize) -> Vec<String> {
    until(&format!("{login} lists {count}"), || {
        let uids = listed(appliance, login);
        (uids.len() == count).then_some(uids)
    })
}

/// What the server says to a login.
fn answer(appliance: &Appliance, login: &str) -> String {
    let mut client = Client::connect(appliance.pop3);
    client.line().expect("a greeting");
    client.command(&format!("USER {login}"));
    client.command(&format!("PASS {PASSWORD}"))
}

/// Waits until a login that has just been written into the file is there: the views of a reload join a moment after it.
fn wait_login(appliance: &Appliance, login: &str) {
    until(&format!("{login} logs in"), || answer(appliance, login).starts_with("+OK").then_some(()));
}

/// Fetches all of it.
fn fetch(appliance: &Appliance, login: &str) -> Vec<String> {
    let mut client = pop3(appliance.pop3, login);
    let count = client.listing("LIST").len();
    let text = |number| String::from_utf8(client.retrieve(number)).expect("text");
    let mails = (1..=count).map(text).collect();
    client.quit();
    mails
}

/// Deletes these, by number, without a look.
fn dele(appliance: &Appliance, login: &str, numbers: impl IntoIterator<Item = usize>) {
    let mut client = pop3(appliance.pop3, login);
    for number in numbers {
        let answer = client.command(&format!("DELE {number}"));
        assert!(answer.starts_with("+OK"), "{login} {number}: {answer}");
    }
    client.quit();
}

fn verb(appliance: &Appliance, words: &[&str]) -> Ended {
    let ended = run(&mut appliance.verb(words), PATIENCE);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended
}

fn document(appliance: &Appliance, words: &[&str]) -> Value {
    let ended = verb(appliance, &[words, &["--json"]].concat());
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{words:?}: {error}: {ended:?}"))
}

/// What `restante team sales` knows.
fn team(appliance: &Appliance) -> Value {
    document(appliance, &["team", "sales"])["teams"][0].take()
}

/// One member of it.
fn seat(appliance: &Appliance, view: &str) -> Value {
    let mut team = team(appliance);
    let seats = team["members"].as_array_mut().expect("a list");
    let found = seats.iter_mut().find(|seat| seat["view"] == view);
    found.unwrap_or_else(|| panic!("{view} is nobody")).take()
}

/// Messages in one of its sums.
fn messages(value: &Value, sum: &str) -> u64 {
    value[sum]["messages"].as_u64().unwrap_or_else(|| panic!("{sum} in {value}"))
}

/// Why the appliance is not well, in the words of `restante status --json`. That the disk of a busy machine is nearly
/// full is not what is tested here.
fn reasons(appliance: &Appliance) -> Vec<String> {
    let status = document(appliance, &["status"]);
    let reasons = status["health"]["reasons"].as_array().expect("a list").iter();
    let texts = reasons.map(|reason| reason["text"].as_str().expect("a text").to_owned());
    texts.filter(|text| !text.starts_with("the disk is nearly full")).collect()
}

/// The journeys that a word finds, once they say this: the trace is written a moment after what it tells of.
fn traced(appliance: &Appliance, word: &str, part: &str) -> String {
    until(&format!("{word} is traced: {part}"), || {
        let ended = verb(appliance, &["trace", word]);
        ended.out.contains(part).then_some(ended.out)
    })
}

/// The reports that postmaster has, each as one line.
fn reports(appliance: &Appliance) -> Vec<String> {
    let mails = fetch(appliance, "postmaster").into_iter();
    mails.map(|mail| mail.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Whether what is deleted stays in the trash: on a disk that is nearly full it does not. Says so when it does not.
fn keeps_trash(appliance: &Appliance) -> bool {
    let disk = document(appliance, &["status"])["disk"].take();
    let [free, least] = ["free", "min_free"].map(|name| disk[name].as_u64().expect("a number"));
    if free < 2 * least + (1 << 30) {
        skipped("the disk is nearly full: another folder in TMPDIR would do");
        return false;
    }
    true
}

fn reload(appliance: &mut Appliance, change: impl FnOnce(&mut Setup)) {
    appliance.configure(change);
    let ended = verb(appliance, &["reload"]);
    assert!(ended.status.success(), "{ended:?}");
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it took too long until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
