use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, below, deliver, smtp};

use crate::book::{Answer, Book, Pages, USERS, message, number_of};
use crate::load::{login, quit};

/// How long what was promised may take from the queue to its mailbox.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that stay in a mailbox from round to round; the rest is deleted, so that rounds cost the same.
const KEPT: usize = 25;

/// Holds what is there against what the clients were told.
pub(crate) fn check(appliance: &Appliance, book: &Book, context: &str) {
    // The router takes what it finds in the order of the queue: when the last one is there, all are.
    let mut client = smtp(appliance.smtp);
    let number = book.sending(&USERS);
    let to = USERS.map(|user| format!("{user}@example.test"));
    book.answered(number, &deliver(&mut client, &to.each_ref().map(String::as_str), &message(number)));
    let mut present = BTreeSet::new();
    for user in USERS {
        let numbers = settled(appliance, book, user, context);
        present.extend(numbers.into_iter().map(|number| (user, number)));
    }
    let pages = book.pages();
    for (number, sent) in &pages.sent {
        let there = |user: &&'static str| present.contains(&(*user, *number));
        let asked = |user: &&'static str| pages.deletions.contains_key(&(*user, *number));
        assert!(
            sent.answer != Answer::Refused || !sent.to.iter().any(there),
            "{context}: {number} was refused"
        );
        // Routes are whole: where nobody deleted, all have it or none.
        let untouched: Vec<bool> = sent.to.iter().filter(|user| !asked(user)).map(there).collect();
        assert!(
            untouched.windows(2).all(|pair| pair[0] == pair[1]),
            "{context}: {number} went half way: {sent:?}"
        );
    }
    for ((user, number), answer) in &pages.deletions {
        let back = *answer == Answer::Promised && present.contains(&(*user, *number));
        assert!(!back, "{context}: {user} deleted {number}, and it is back");
    }
    for (user, number) in &present {
        let sent = pages.sent.get(number).unwrap_or_else(|| panic!("{context}: nobody sent {number}"));
        assert!(sent.to.contains(user), "{context}: {number} was not for {user}");
    }
}

/// Waits until everything promised is in a mailbox, and reads all of it: the numbers.
fn settled(appliance: &Appliance, book: &Book, user: &'static str, context: &str) -> BTreeSet<u64> {
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = read(appliance, book, user, context);
        let missing =
            promised(&book.pages(), user).filter(|number| !seen.contains(number)).collect::<Vec<_>>();
        if missing.is_empty() {
            return trim(appliance, book, user, &seen);
        }
        assert!(Instant::now() < until, "{context}: {user} lost {missing:?}\n{}", appliance.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a mailbox must have.
fn promised(pages: &Pages, user: &'static str) -> impl Iterator<Item = u64> {
    let owed = |(number, sent): (&u64, &crate::book::Sent)| {
        let for_user = sent.answer == Answer::Promised && sent.to.contains(&user);
        (for_user && !pages.deletions.contains_key(&(user, *number))).then_some(*number)
    };
    pages.sent.iter().filter_map(owed).collect::<Vec<_>>().into_iter()
}

/// Every message of a mailbox, checked octet for octet; none may be there twice.
fn read(appliance: &Appliance, book: &Book, user: &'static str, context: &str) -> BTreeSet<u64> {
    let mut client = login(appliance.pop3, user).expect("running");
    let mut seen = BTreeMap::new();
    for line in client.listing("UIDL") {
        let octets = client.retrieve(line.number);
        let number = number_of(&octets);
        assert!(below(&octets).1 == message(number), "{context}: {user} has {number} with other octets");
        book.seen(user, &line.value, number);
        assert_eq!(seen.insert(number, line.value), None, "{context}: {user} has {number} twice");
    }
    client.quit();
    seen.into_keys().collect()
}

/// Deletes all but the last few, as a client would; what was there before.
fn trim(appliance: &Appliance, book: &Book, user: &'static str, seen: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut client = login(appliance.pop3, user).expect("running");
    let listed = client.listing("UIDL");
    let numbers: BTreeMap<String, u64> = {
        let pages = book.pages();
        pages
            .owners
            .iter()
            .filter(|(key, _)| key.0 == user)
            .map(|(key, number)| (key.1.clone(), *number))
            .collect()
    };
    let mut marked = Vec::new();
    for line in listed.iter().take(listed.len().saturating_sub(KEPT)) {
        assert!(client.command(&format!("DELE {}", line.number)).starts_with("+OK"));
        marked.push(numbers[&line.value]);
    }
    quit(client, book, user, &marked).expect("running");
    seen.iter().copied().filter(|number| !marked.contains(number)).collect()
}
