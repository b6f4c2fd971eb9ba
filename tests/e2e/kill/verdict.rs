use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Client, Listed, below, deliver, smtp};

use crate::book::{Answer, Book, Pages, USERS, message, number_of};
use crate::load::{login, quit};

/// How long what was promised may take from the queue to its mailbox.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that stay in a mailbox from round to round; the rest is deleted, so that rounds cost the same.
const KEPT: usize = 25;

/// Holds what is there against what the clients were told. `whole`: all octets are read, also those that were read
/// after an earlier kill.
pub(crate) fn check(appliance: &Appliance, book: &Book, whole: bool, context: &str) {
    // The router takes what it finds in the order of the queue: when the last one is there, all are.
    let mut client = smtp(appliance.smtp);
    let number = book.sending(&USERS);
    let to = USERS.map(|user| format!("{user}@example.test"));
    book.answered(number, &deliver(&mut client, &to.each_ref().map(String::as_str), &message(number)));
    let mut present = BTreeSet::new();
    for user in USERS {
        let numbers = settled(appliance, book, user, whole, context);
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

/// Waits until everything promised is in a mailbox, deletes all but the last few, as a client would, and gives the
/// numbers of what is left.
fn settled(
    appliance: &Appliance,
    book: &Book,
    user: &'static str,
    whole: bool,
    context: &str,
) -> BTreeSet<u64> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut client = login(appliance.pop3, user).expect("running");
        let listed = client.listing("UIDL");
        let seen = read(&mut client, &listed, book, user, whole, context);
        let missing: Vec<_> = promised(&book.pages(), user)
            .into_iter()
            .filter(|number| !seen.iter().any(|(_, there)| there == number))
            .collect();
        if missing.is_empty() {
            return trim(client, book, user, seen);
        }
        client.quit();
        assert!(Instant::now() < until, "{context}: {user} lost {missing:?}\n{}", appliance.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a mailbox must have.
fn promised(pages: &Pages, user: &'static str) -> Vec<u64> {
    let owed = |(number, sent): (&u64, &crate::book::Sent)| {
        let for_user = sent.answer == Answer::Promised && sent.to.contains(&user);
        (for_user && !pages.deletions.contains_key(&(user, *number))).then_some(*number)
    };
    pages.sent.iter().filter_map(owed).collect()
}

/// Every message of a mailbox, by its place in the list; none may be there twice. What nobody has read yet, or all
/// of it, is checked octet for octet.
fn read(
    client: &mut Client,
    listed: &[Listed],
    book: &Book,
    user: &'static str,
    whole: bool,
    context: &str,
) -> Vec<(usize, u64)> {
    let mut seen = Vec::new();
    for line in listed {
        let known = book.read_before(user, &line.value).filter(|_| !whole);
        let number = known.unwrap_or_else(|| {
            let octets = client.retrieve(line.number);
            let number = number_of(&octets);
            assert!(below(&octets).1 == message(number), "{context}: {user} has {number} with other octets");
            book.seen(user, &line.value, number);
            book.read(user, &line.value);
            number
        });
        assert!(
            !seen.iter().any(|(_, other)| *other == number),
            "{context}: {user} has {number} twice: {listed:?}"
        );
        seen.push((line.number, number));
    }
    seen
}

fn trim(mut client: Client, book: &Book, user: &'static str, mut seen: Vec<(usize, u64)>) -> BTreeSet<u64> {
    let left = seen.split_off(seen.len().saturating_sub(KEPT));
    let mut marked = Vec::new();
    for (place, number) in seen {
        assert!(client.command(&format!("DELE {place}")).starts_with("+OK"));
        marked.push(number);
    }
    quit(client, book, user, &marked).expect("running");
    left.into_iter().map(|(_, number)| number).collect()
}
