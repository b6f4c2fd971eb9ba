use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::{About, Arrival, Client, Event, Phase, Uid, ViewName, harmless};

use super::judged::{Judged, Ruled};
use super::line::{Line, What};
use super::search::Journey;
use crate::cli::ruling as words;

/// One journey for people: a line for each station, in the order of time.
pub(crate) fn story(journey: &Journey, zone: &TimeZone) -> String {
    let mut text = String::new();
    if let Some(id) = journey.id {
        text.push_str(&format!("message {id}\n"));
    }
    for line in &journey.lines {
        // A string takes everything.
        let _ = writeln!(text, "  {}  {}", time(line.at, zone), harmless(sentence(line)));
    }
    text
}

/// Many journeys: one line each.
pub(crate) fn table(journeys: &[Journey], zone: &TimeZone) -> String {
    let mut text = format!("{:<23}  {:<16}  {:<28}  {:<28}  {}\n", "time", "id", "from", "to", "now");
    for journey in journeys {
        let Some(first) = journey.lines.first() else { continue };
        let (from, to) = ends(journey);
        let id = journey.id.map_or_else(|| "-".into(), |id| id.to_string());
        let row = format!(
            "{:<23}  {id:<16}  {:<28}  {:<28}  {}",
            time(first.at, zone),
            harmless(&from),
            harmless(&to),
            harmless(state(journey))
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn path(address: &str) -> String {
    format!("<{address}>")
}

fn paths(addresses: &[String]) -> String {
    addresses.iter().map(|address| path(address)).collect::<Vec<_>>().join(", ")
}

/// What happened, in one sentence.
fn sentence(line: &Line) -> String {
    let event = match &line.what {
        What::Event(event) => event,
        What::Judged(judged) => return known(judged),
        What::More { more_refusals } => return format!("{more_refusals} more refusals"),
        What::Lost { lost } => return format!("{lost} events are missing here"),
    };
    match event {
        Event::Accepted { id: _, arrival, size, mailboxes } => {
            let mailboxes: Vec<_> = mailboxes.iter().map(|mailbox| mailbox.as_str()).collect();
            format!("accepted {}, {size} octets; goes to {}", came(arrival), mailboxes.join(", "))
        }
        Event::Refused { arrival, phase, code, rule, reason, about } => {
            let word = if *code < 500 { "deferred" } else { "refused" };
            let at = match phase {
                Phase::Connect => "at the connection",
                Phase::Mail => "at MAIL",
                Phase::Rcpt => "at RCPT",
                Phase::Data => "at the end of the data",
            };
            let rule = rule.as_ref().map(|rule| format!(" by rule `{rule}`")).unwrap_or_default();
            let About { subject, message_id } = about;
            let subject = subject.as_ref().map(|subject| format!(" \"{subject}\"")).unwrap_or_default();
            let id = message_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
            format!("{word} {at}{rule},{subject}{id} {}: {reason}", came(arrival))
        }
        Event::CutOff { arrival, size, reason } => {
            format!("broken off after {size} octets, {}: {reason}", came(arrival))
        }
        Event::Delivered { id: _, mailbox, uid } => format!("delivered to {mailbox} as {uid}"),
        Event::Discarded { id: _ } => "discarded by a rule: in no mailbox".into(),
        Event::Fetched { mailbox, uid: _, client } => format!("fetched from {mailbox} by {}", who(client)),
        Event::Deleted { mailbox, view: None, uids: _, client } => {
            format!("deleted from {mailbox} by {}", who(client))
        }
        Event::Deleted { mailbox, view: Some(view), uids: _, client } => {
            format!("done in {mailbox} for {} by {}: it stays for others", shown_view(view), who(client))
        }
        Event::Parked { mailbox, view, uid: _, sessions, client } => format!(
            "parked in {mailbox} for the robot {}: fetched in {sessions} sessions that came to no good end, the last \
             by {}; it stays for others",
            shown_view(view),
            who(client)
        ),
        Event::GaveUp { mailbox, view: _, uid: _, client } => format!(
            "broken off in {mailbox} by {}: it may be for a line of over 2,048 octets, of which Python's poplib (Odoo) reads \
             none",
            who(client)
        ),
        Event::Undone { mailbox, view, was: _, now } => {
            format!("brought back into {mailbox} for {} as {now}", shown_view(view))
        }
        Event::Unquarantined { mailbox, uid: _, id, by } => {
            format!("let out of the quarantine of {mailbox} by {by}: goes on as message {id}")
        }
        Event::Removed { mailbox, uids: _, reason } => format!("removed from {mailbox}: {reason}"),
        // The reason begins with the word.
        Event::Released { mailbox, uids: _, reason } => format!("in {mailbox}, {reason}"),
        Event::Trashed { mailbox, uids: _, reason } => format!("to the trash of {mailbox}: {reason}"),
        Event::Left { mailbox, view, reason } if view.as_str().is_empty() => {
            format!("the owner's view of {mailbox} has left: {reason}")
        }
        Event::Left { mailbox, view, reason } => format!("{view} has left {mailbox}: {reason}"),
    }
}

/// What the gate knew, and what came of it.
fn known(judged: &Judged) -> String {
    let field = |name: &str| judged.field(name).map(|value| format!("{name} {value}"));
    let mut parts: Vec<String> =
        ["from", "subject", "message-id"].iter().filter_map(|name| field(name)).collect();
    let facts = &judged.facts;
    parts
        .extend(facts.spf.known().and_then(Option::as_ref).map(|spf| format!("SPF {}", spf.result.as_str())));
    let dkim = facts.dkim.known().into_iter().flatten();
    parts.extend(dkim.map(|dkim| format!("DKIM {} ({})", dkim.result.as_str(), dkim.domain)));
    parts.extend(
        facts.dmarc.known().and_then(Option::as_ref).map(|dmarc| format!("DMARC {}", dmarc.result.as_str())),
    );
    for Ruled { to, ruling, shadow } in &judged.recipients {
        if !ruling.rules.is_empty() {
            parts.push(format!("for <{}> by {}: {}", to.address, ruling.rules.join(", "), words(ruling)));
        }
        if !shadow.is_empty() {
            parts.push(format!("for <{}> in shadow: {}", to.address, shadow.join(", ")));
        }
    }
    if parts.is_empty() { "looked at".into() } else { format!("looked at: {}", parts.join("; ")) }
}

fn came(arrival: &Arrival) -> String {
    let Arrival { by, ip, helo, tls, from, to } = arrival;
    let mut text = format!("from {} to {}", path(from), paths(to));
    if let Some(ip) = ip {
        text.push_str(&format!(", by {ip}"));
        if !helo.is_empty() {
            text.push_str(&format!(" ({helo})"));
        }
    }
    if !by.is_empty() {
        text.push_str(&format!(" over {by}"));
        text.push_str(&tls.as_ref().map_or_else(String::new, |tls| format!(" with {tls}")));
    }
    text
}

fn shown_view(view: &ViewName) -> &str {
    match view.as_str() {
        "" => "its owner",
        view => view,
    }
}

fn who(client: &Client) -> String {
    let Client { login, password, ip } = client;
    let password = password.as_ref().map(|name| format!(" (password `{name}`)")).unwrap_or_default();
    let ip = ip.map(|ip| format!(" at {ip}")).unwrap_or_default();
    format!("{login}{password}{ip}")
}

/// Who sent it, and to whom.
fn ends(journey: &Journey) -> (String, String) {
    for line in &journey.lines {
        match &line.what {
            What::Event(
                Event::Accepted { arrival, .. }
                | Event::Refused { arrival, .. }
                | Event::CutOff { arrival, .. },
            ) => return (path(&arrival.from), paths(&arrival.to)),
            What::Event(
                Event::Delivered { .. }
                | Event::Discarded { .. }
                | Event::Fetched { .. }
                | Event::Deleted { .. }
                | Event::Parked { .. }
                | Event::GaveUp { .. }
                | Event::Undone { .. }
                | Event::Unquarantined { .. }
                | Event::Removed { .. }
                | Event::Released { .. }
                | Event::Trashed { .. }
                | Event::Left { .. },
            )
            | What::Judged(_)
            | What::Lost { .. }
            | What::More { .. } => {}
        }
    }
    ("-".into(), "-".into())
}

/// Where it is now: what its last events say.
fn state(journey: &Journey) -> String {
    let mut state = String::new();
    // What is deleted goes to a trash, and from there it is removed: one that is gone is gone once.
    let (mut delivered, mut fetched, mut gone) = (BTreeMap::new(), 0_usize, BTreeSet::<Uid>::new());
    for line in &journey.lines {
        match &line.what {
            What::Event(Event::Accepted { .. }) => state = "queued".into(),
            What::Event(Event::Refused { reason, .. }) => state.clone_from(reason),
            What::Event(Event::CutOff { .. }) => state = "broken off".into(),
            What::Event(Event::Discarded { .. }) => state = "discarded".into(),
            What::Event(Event::Delivered { mailbox, uid, .. } | Event::Undone { mailbox, now: uid, .. }) => {
                delivered.insert(uid, mailbox.as_str());
            }
            What::Event(Event::Fetched { .. }) => fetched += 1,
            What::Event(Event::Deleted { view: None, uids, .. } | Event::Removed { uids, .. }) => {
                gone.extend(uids);
            }
            // It is still there for others.
            What::Event(Event::Deleted { view: Some(_), .. } | Event::Parked { .. }) => {}
            What::Event(
                Event::Unquarantined { .. }
                | Event::GaveUp { .. }
                | Event::Released { .. }
                | Event::Trashed { .. }
                | Event::Left { .. },
            )
            | What::Judged(_)
            | What::Lost { .. }
            | What::More { .. } => {}
        }
    }
    if delivered.is_empty() && gone.is_empty() && fetched == 0 {
        return state;
    }
    let left: Vec<&str> =
        delivered.iter().filter(|(uid, _)| !gone.contains(*uid)).map(|(_, mailbox)| *mailbox).collect();
    let there = match left.as_slice() {
        [] if delivered.is_empty() => "a mailbox".into(),
        [] => return "gone".into(),
        mailboxes => mailboxes.join(", "),
    };
    let fetched = match fetched {
        0 => String::new(),
        1 => ", fetched once".into(),
        times => format!(", fetched {times} times"),
    };
    let gone = if gone.is_empty() { String::new() } else { format!(", {} gone", gone.len()) };
    format!("in {there}{fetched}{gone}")
}

#[cfg(test)]
mod tests {
    use mail::{MailboxName, QueueId};

    use super::*;

    #[test]
    fn where_it_is_now_is_said_of_what_is_left() {
        let name = |text: &str| MailboxName::parse(text).expect("a name");
        let client = Client { login: "bob".into(), password: None, ip: None };
        let delivered =
            |mailbox, uid| Event::Delivered { id: QueueId(1), mailbox: name(mailbox), uid: Uid(uid) };
        let fetched = || Event::Fetched { mailbox: name("bob"), uid: Uid(2), client: client.clone() };
        let deleted = |view: Option<&str>| {
            let view = view.map(|view| ViewName::parse(view).expect("a name"));
            Event::Deleted { mailbox: name("bob"), view, uids: vec![Uid(2)], client: client.clone() }
        };
        let removed =
            |mailbox: MailboxName, uid| Event::Removed { mailbox, uids: vec![Uid(uid)], reason: "x".into() };
        let both = || vec![delivered("alice", 1), delivered("bob", 2)];
        let undone =
            Event::Undone { mailbox: name("bob"), view: ViewName::owner(), was: Uid(2), now: Uid(3) };
        let accepted =
            Event::Accepted { id: QueueId(1), arrival: Arrival::default(), size: 1, mailboxes: vec![] };
        for (events, now) in [
            (vec![accepted], "queued"),
            (both(), "in alice, bob"),
            (vec![fetched(), fetched()], "in a mailbox, fetched 2 times"),
            ([both(), vec![fetched(), deleted(Some("bob"))]].concat(), "in alice, bob, fetched once"),
            ([both(), vec![deleted(None)]].concat(), "in alice, 1 gone"),
            // From the trash too: that is no other one.
            ([both(), vec![deleted(None), removed(name("bob").trash(), 2)]].concat(), "in alice, 1 gone"),
            ([both(), vec![deleted(None), undone]].concat(), "in alice, bob, 1 gone"),
            ([both(), vec![deleted(None), removed(name("alice"), 1)]].concat(), "gone"),
        ] {
            let line = |event| Line { at: Timestamp::UNIX_EPOCH, what: What::Event(event) };
            let journey = Journey { id: None, lines: events.into_iter().map(line).collect() };
            assert_eq!(state(&journey), now, "{journey:?}");
        }
    }
}
