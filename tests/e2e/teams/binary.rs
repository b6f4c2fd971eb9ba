//! Through the real binary: clients that send and clients that collect, and `kill -9` among them.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restante_tests::{Appliance, Client, Setup, pop3, run, stuffed};
use serde_json::Value;

use crate::chance::{Chance, message, number};
use crate::client::{COURSES, Course, Device, Ended, Habit, Place};
use crate::spec::{Book, Fate, From, Member, Ms, Rule};

/// How long anything may take that is promised.
const PATIENCE: Duration = Duration::from_secs(90);
const HOLD: Ms = 2_000;

/// A team of these, who all have mailboxes, and a clock that is believed.
pub(crate) fn appliance(names: &[String], members: &str, hold: &str, trash: &str) -> Appliance {
    let mut setup = Setup::of(&["postmaster"]);
    for name in names {
        setup
            .mailboxes
            .push_str(&format!("\n[[mailbox]]\nname = \"{name}\"\npassword = \"PASSWORD-HASH\"\n"));
    }
    setup.mailboxes.push_str(&format!(
        "\n[[mailbox]]\nname = \"sales\"\nmembers = [{members}]\ntrash = \"{trash}\"\n\
         [mailbox.release]\nwhen = \"all-fetched\"\nhold = \"{hold}\"\n"
    ));
    let mut appliance = Appliance::prepare(setup);
    let state = appliance.state_dir();
    DirBuilder::new().mode(0o700).create(&state).expect("made");
    fs::write(state.join("upkeep"), format!("time {}\n", now())).expect("written");
    appliance.restart();
    appliance
}

pub(crate) fn now() -> Ms {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("small")
}

/// What a mailbox holds, and what the store holds beside all mailboxes: there is nothing but the trash.
fn held(appliance: &Appliance) -> (u64, u64) {
    let document = |words: &[&str]| -> Value {
        let ended = run(&mut appliance.verb(words), PATIENCE);
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{words:?}: {error}: {ended:?}"))
    };
    let list = document(&["mailbox", "list", "--json"]);
    let status = document(&["status", "--json"]);
    let rows = list["mailboxes"].as_array().expect("a list");
    let holds = |row: &Value| row["holds"]["messages"].as_u64().expect("a number");
    let sales = rows.iter().find(|row| row["name"] == "sales").map_or(0, holds);
    let all = status["mailboxes"]["messages"].as_u64().unwrap_or_else(|| panic!("{status}"));
    (sales, all.saturating_sub(rows.iter().map(holds).sum()))
}

/// Waits until the team's mailbox holds so many, and its trash nothing.
pub(crate) fn settled(appliance: &Appliance, messages: u64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let (held, trashed) = held(appliance);
        if (held, trashed) == (messages, 0) {
            return;
        }
        assert!(Instant::now() < until, "{held} messages instead of {messages}, and {trashed} in the trash");
        thread::sleep(Duration::from_millis(200));
    }
}

/// What was sent, and whether that was answered.
#[derive(Debug, Default)]
struct Sent {
    next: u64,
    promised: BTreeSet<u64>,
}

fn send(place: &Place, address: SocketAddr, sent: &Mutex<Sent>, stop: &AtomicBool) -> io::Result<()> {
    let mut client = Client::try_connect(address)?;
    client.try_reply()?;
    client.try_ask("EHLO load.example")?;
    while !stop.load(Ordering::Relaxed) {
        let number = {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.next += 1;
            sent.next
        };
        place.book().sent.insert(number, now());
        for line in ["MAIL FROM:<load@client.example>", "RCPT TO:<sales@example.test>", "DATA"] {
            let answer = client.try_ask(line)?;
            assert!(answer.starts_with("250 ") || answer.starts_with("354 "), "{answer}");
        }
        client.try_send(&stuffed(&message(number)))?;
        let answer = client.try_reply()?;
        assert!(answer.starts_with("250 "), "{answer}");
        sent.lock().unwrap_or_else(PoisonError::into_inner).promised.insert(number);
        thread::sleep(Duration::from_millis(15));
    }
    Ok(())
}

fn collect(place: &Place, device: &mut Device, chance: &mut Chance, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let course = *chance.pick(&COURSES);
        device.session(place, course, chance)?;
        thread::sleep(Duration::from_millis(20 + chance.below(150)));
    }
    Ok(())
}

/// Everybody collects until each has all that was promised.
fn everybody_has(place: &Place, devices: &mut [Device], promised: &BTreeSet<u64>) {
    let until = Instant::now() + PATIENCE;
    let mut chance = Chance(7);
    for device in devices {
        loop {
            let ended = device.session(place, Course::Whole, &mut chance).expect("running");
            let missing: Vec<&u64> =
                promised.iter().filter(|number| !device.got.contains_key(number)).collect();
            if missing.is_empty() && ended == Ended::Over(0) {
                break;
            }
            assert!(Instant::now() < until, "{} never got {missing:?}", device.login);
            thread::sleep(Duration::from_millis(50));
        }
        for (number, times) in &device.got {
            let most = 1 + device.again.get(number).copied().unwrap_or(0);
            assert!(*times <= most, "{} got {number} {times} times: {device:?}", device.login);
        }
    }
}

fn listed(address: SocketAddr, login: &str) -> Vec<String> {
    let mut client = pop3(address, login);
    assert!(client.command("UIDL").starts_with("+OK"));
    let lines = String::from_utf8(client.lines()).expect("text");
    lines.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
}

#[test]
fn a_team_gets_everything_once_under_kills_and_then_what_is_released_goes() {
    let soak = std::env::var_os("RESTANTE_SOAK").is_some();
    let (kills, seed) = (number("RESTANTE_KILLS", 3), number("RESTANTE_SEED", 1));
    let round = Duration::from_millis(if soak { 8_000 } else { 4_000 });
    let team = [
        ("alice", Habit::Keep, false, false),
        ("bob", Habit::Delete, true, false),
        ("carol", Habit::DeleteAfter(1_500), true, false),
        ("dave", Habit::Top(false), false, false),
        ("robot", Habit::Numbers, false, true),
    ];
    let names: Vec<String> = team.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let members = team.map(|(name, _, mirrors, robot)| {
        format!("{{ login = \"{name}\", mirrors = {mirrors}, robot = {robot} }}")
    });
    let mut appliance = appliance(&names, &members.join(", "), "2 s", "2 s");
    let rule = Rule { fetching: true, hold: HOLD, max_age: None, absent: None };
    let mut book = Book::new(format!("seed {seed}"), rule);
    for (name, _, mirrors, robot) in team {
        let (joined, last_login) = (now(), now());
        book.joins(name, Member { robot, mirrors, from: From::All, joined, left: None, last_login });
    }
    let (clock, book) = (Arc::new(now), Arc::new(Mutex::new(book)));
    let mut place = Place { address: appliance.pop3, clock, book, by_smtp: true };
    let sent = Mutex::new(Sent::default());
    let mut devices: Vec<Device> =
        team.iter().map(|(name, habit, ..)| Device::new(name, &format!("{name}/sales"), *habit)).collect();
    let mut chance = Chance(seed);
    for kill in 0..=kills {
        place.address = appliance.pop3;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (smtp, place, sent, stop) = (appliance.smtp, &place, &sent, &stop);
            // Whatever goes wrong on the wire is the plug; what the server says is checked where it is read.
            let mut running = vec![scope.spawn(move || drop(send(place, smtp, sent, stop)))];
            for device in &mut devices {
                let mut own = Chance(chance.below(1 << 31));
                running.push(scope.spawn(move || drop(collect(place, device, &mut own, stop))));
            }
            let until = Instant::now() + round + Duration::from_millis(chance.below(500));
            while Instant::now() < until && !running.iter().any(|one| one.is_finished()) {
                thread::sleep(Duration::from_millis(10));
            }
            if kill < kills {
                appliance.kill();
            }
            stop.store(true, Ordering::Relaxed);
        });
        if kill < kills {
            appliance.restart();
        }
    }
    place.address = appliance.pop3;
    let promised = sent.lock().unwrap_or_else(PoisonError::into_inner).promised.clone();
    everybody_has(&place, &mut devices, &promised);
    let until = Instant::now() + PATIENCE;
    let stays = loop {
        // Some delete only a while after they have fetched.
        for device in &mut devices {
            device.session(&place, Course::Whole, &mut chance).expect("running");
        }
        let listed: BTreeSet<String> =
            devices.iter().flat_map(|device| listed(appliance.pop3, &device.login)).collect();
        let mut book = place.book();
        book.settle(now());
        let must_go = listed.iter().filter(|uid| book.fate(uid, now()) == Fate::Goes).count();
        drop(book);
        if must_go == 0 && held(&appliance) == (listed.len() as u64, 0) {
            break listed.len();
        }
        assert!(Instant::now() < until, "{must_go} of {:?} messages do not go", held(&appliance));
        thread::sleep(Duration::from_millis(300));
    };
    let got: u32 = devices.iter().flat_map(|device| device.got.values()).sum();
    println!("seed {seed}: {kills} kills, {} promised, {got} got; {stays} still held", promised.len());
    assert!(promised.len() > 50, "too little load: {}", promised.len());
    // Of what a kill cut off nobody can tell that it was fetched, and whoever leaves copies does not come again for it.
    assert!(stays * 20 < promised.len(), "{stays} of {} stay", promised.len());
}
