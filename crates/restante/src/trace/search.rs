use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use jiff::Timestamp;
use jiff::civil::Date;
use mail::{About, Arrival, Client, Event, QueueId, Uid, fold};
use serde::{Serialize, Serializer};

use super::days::{Day, Folder, day_of};
use super::judged::Judged;
use super::line::{Line, Unread, What};

/// No line of ours is longer: a QUIT that deletes two million messages. A file may be anything by now.
pub(super) const LINE_MAX: u64 = 64 << 20;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// Each must stand in the event that is looked for: a part of an address, a mailbox, a queue id, a uid, a
    /// login, an IP address, a rule.
    pub(crate) words: Vec<String>,
    /// It happened not before.
    pub(crate) since: Option<Timestamp>,
    /// And not after.
    pub(crate) until: Option<Timestamp>,
    /// Journeys at most: the newest.
    pub(crate) limit: usize,
}

/// Journeys that were found, oldest first.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    pub(crate) journeys: Vec<Journey>,
    /// There were older ones.
    pub(crate) more: bool,
    /// Events of that time that the trace had no room for.
    pub(crate) lost: u64,
    /// Refusals of that time of which only the number is known: there were too many.
    pub(crate) more_refusals: u64,
    /// Lines that another version has written, and this one does not read.
    pub(crate) passed: u64,
}

/// One message's journey, or one refusal: that has no name, and one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Journey {
    #[serde(serialize_with = "shown")]
    pub(crate) id: Option<QueueId>,
    pub(crate) lines: Vec<Line>,
}

/// What the first pass has found.
#[derive(Debug, Default)]
struct Matches {
    ids: BTreeSet<QueueId>,
    uids: BTreeSet<Uid>,
    /// What was let out of quarantine, and as what it went on: all of it, for there is little.
    released: Vec<(Uid, QueueId)>,
    /// Without a name: refused, or cut off.
    nameless: VecDeque<Line>,
    more: bool,
    lost: u64,
    more_refusals: u64,
}

/// Looks through the trace in three passes: which events match; under which names their messages were
/// delivered; and all that happened to these. What is in memory is what is found, and names. What was let out of
/// quarantine is one journey, from before to after.
pub(crate) fn search(folder: &Folder, query: &Query) -> io::Result<Found> {
    let days = folder.days()?;
    let limit = query.limit.max(1);
    let mut matches = matching(&days, query, limit)?;
    let (owners, ties, passed) = owners(&days, &mut matches)?;
    let first = |id: QueueId| ties.get(&id).copied().unwrap_or(id);
    matches.ids.extend(owners.iter().filter(|(uid, _)| matches.uids.contains(uid)).map(|(_, id)| *id));
    matches.ids = matches.ids.iter().map(|id| first(*id)).collect();
    // Ids grow in the order of arrival.
    while matches.ids.len() > limit {
        matches.ids.pop_first();
        matches.more = true;
    }
    let mut journeys: BTreeMap<QueueId, Vec<Line>> = BTreeMap::new();
    let mut strays = Vec::new();
    each_event(&days, |line, event| {
        let (id, uids) = names(event);
        let of = id.into_iter().chain(uids.iter().filter_map(|uid| owners.get(uid).copied()));
        let of: BTreeSet<QueueId> = of.map(first).collect();
        for id in of.intersection(&matches.ids) {
            let mine = |uid: &Uid| owners.get(uid).is_some_and(|owner| first(*owner) == *id);
            journeys.entry(*id).or_default().push(narrowed(line, mine));
        }
        // The delivery of these is not in the trace any more.
        let is_stray = |uid: &Uid| matches.uids.contains(uid) && !owners.contains_key(uid);
        if uids.iter().any(is_stray) {
            strays.push(narrowed(line, is_stray));
        }
    })?;
    for day in &days {
        each_line(day, |line| {
            if let What::Judged(Judged { judged, .. }) = &line.what
                && let Some(lines) = judged.parse().ok().and_then(|id: QueueId| journeys.get_mut(&id))
            {
                let place = lines.partition_point(|other| other.at <= line.at);
                lines.insert(place, line);
            }
        })?;
    }
    let mut found: Vec<Journey> =
        journeys.into_iter().map(|(id, lines)| Journey { id: Some(id), lines }).collect();
    found.extend(Some(Journey { id: None, lines: strays }).filter(|strays| !strays.lines.is_empty()));
    found.extend(matches.nameless.into_iter().map(|line| Journey { id: None, lines: vec![line] }));
    found.sort_by_key(|journey| journey.lines.first().map(|line| line.at));
    let more = matches.more || found.len() > limit;
    let journeys = found.split_off(found.len().saturating_sub(limit));
    Ok(Found { journeys, more, lost: matches.lost, more_refusals: matches.more_refusals, passed })
}

/// What went on as another message is that message's journey too: by its later name, its first. Both match where one
/// does.
fn ties(matches: &mut Matches, owners: &Owners) -> Ties {
    let mut ties = BTreeMap::new();
    for (uid, now) in &matches.released {
        let before = owners.get(uid).copied();
        let is_meant = matches.ids.contains(now)
            || matches.uids.contains(uid)
            || before.is_some_and(|before| matches.ids.contains(&before))
            || owners.iter().any(|(uid, id)| id == now && matches.uids.contains(uid));
        if is_meant {
            matches.ids.extend(before.into_iter().chain([*now]));
            ties.extend(before.map(|before| (*now, before)));
        }
    }
    ties
}

/// Whose each uid is.
type Owners = BTreeMap<Uid, QueueId>;
/// Of what went on as another message, by its later name: its first.
type Ties = BTreeMap<QueueId, QueueId>;

/// Whose each name is that matches, and each that was in quarantine; and how many lines are another version's. What was
/// undone has two names: the message of the one is that of the other.
fn owners(days: &[Day], matches: &mut Matches) -> io::Result<(Owners, Ties, u64)> {
    let held: BTreeSet<Uid> = matches.released.iter().map(|(uid, _)| *uid).collect();
    loop {
        let (mut owners, mut undone) = (Owners::new(), Vec::new());
        let passed = each_event(days, |_, event| {
            if let Event::Delivered { id, uid, .. } = *event
                && (matches.ids.contains(&id) || matches.uids.contains(&uid) || held.contains(&uid))
            {
                owners.insert(uid, id);
            }
            if let Event::Undone { was, now, .. } = *event {
                // Told after the delivery, and after whatever undid it before.
                if let Some(id) = owners.get(&was).copied() {
                    owners.insert(now, id);
                }
                undone.push((was, now));
            }
        })?;
        let before = matches.ids.len();
        let ties = ties(matches, &owners);
        let mut more = matches.ids.len() > before;
        // Only the later name matched: the delivery told of the earlier one.
        let earlier = undone.iter().rev().filter(|(_, now)| !owners.contains_key(now));
        for (was, now) in earlier {
            more |= matches.uids.contains(now) && matches.uids.insert(*was);
        }
        if !more {
            return Ok((owners, ties, passed));
        }
    }
}

fn matching(days: &[Day], query: &Query, limit: usize) -> io::Result<Matches> {
    let words: Vec<String> = query.words.iter().map(|word| plain(&fold(word))).collect();
    let wanted = words.iter().find_map(|word| word.parse::<Uid>().ok());
    let mut matches = Matches::default();
    // What was written at midnight may stand in the file of the day before.
    let first = query.since.map(|since| day_of(since).yesterday().unwrap_or(Date::MIN));
    let last = query.until.map(day_of);
    let in_time =
        |day: &&Day| first.is_none_or(|first| day.date >= first) && last.is_none_or(|last| day.date <= last);
    for day in days {
        let in_time = in_time(&day);
        each_line(day, |line| {
            if let What::Event(Event::Unquarantined { uid, id, .. }) = &line.what {
                matches.released.push((*uid, *id));
            }
            if !in_time {
                return;
            }
            let is_early = query.since.is_some_and(|since| line.at < since);
            if is_early || query.until.is_some_and(|until| line.at > until) {
                return;
            }
            match &line.what {
                What::Lost { lost } => matches.lost += lost,
                What::Event(event) if words.iter().all(|word| mentions(event, word)) => {
                    let (id, mut uids) = names(event);
                    // One QUIT deletes many: who asks for one of them does not ask for the others.
                    if let Some(wanted) = wanted {
                        uids.retain(|uid| *uid == wanted);
                    }
                    if id.is_none() && uids.is_empty() {
                        matches.nameless.push_back(line);
                        if matches.nameless.len() > limit {
                            matches.nameless.pop_front();
                            matches.more = true;
                        }
                        return;
                    }
                    matches.ids.extend(id);
                    matches.uids.extend(uids);
                }
                What::Judged(judged) if words.iter().all(|word| told_of(judged, word)) => {
                    matches.ids.extend(judged.judged.parse::<QueueId>());
                }
                What::More { more_refusals } => matches.more_refusals += more_refusals,
                What::Event(_) | What::Judged(_) => {}
            }
        })?;
    }
    Ok(matches)
}

fn each_event(days: &[Day], mut each: impl FnMut(&Line, &Event)) -> io::Result<u64> {
    let mut passed = 0;
    for day in days {
        passed += each_line(day, |line| {
            if let What::Event(event) = &line.what {
                each(&line, event);
            }
        })?;
    }
    Ok(passed)
}

/// Every line that is kept, day by day; how many are there that this version does not read.
pub(crate) fn each(folder: &Folder, mut each: impl FnMut(Line)) -> io::Result<u64> {
    folder.days()?.iter().try_fold(0, |passed, day| Ok(passed + each_line(day, &mut each)?))
}

/// Every line of ours of a day. Returned is how many lines another version has written.
fn each_line(day: &Day, mut each: impl FnMut(Line)) -> io::Result<u64> {
    let mut passed = 0;
    each_octets(day, |_, octets| match Line::read(octets) {
        Ok(line) => each(line),
        Err(Unread::Strange) => passed += 1,
        Err(Unread::Torn) => {}
    })?;
    Ok(passed)
}

/// Every line of a day, whoever has written it, with the place where it begins; a day that is removed meanwhile has
/// none.
pub(super) fn each_octets(day: &Day, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let file = match File::open(&day.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut lines = BufReader::with_capacity(256 << 10, file);
    let (mut octets, mut at) = (Vec::new(), 0);
    loop {
        octets.clear();
        let read = lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut octets)?;
        if read == 0 {
            return Ok(());
        }
        each(at, &octets);
        at += read as u64;
    }
}

/// What names the message of an event.
fn names(event: &Event) -> (Option<QueueId>, Vec<Uid>) {
    match event {
        Event::Accepted { id, .. } | Event::Discarded { id } => (Some(*id), Vec::new()),
        Event::Delivered { id, uid, .. } => (Some(*id), vec![*uid]),
        Event::Fetched { uid, .. } | Event::Parked { uid, .. } | Event::GaveUp { uid, .. } => {
            (None, vec![*uid])
        }
        Event::Undone { was, now, .. } => (None, vec![*was, *now]),
        Event::Unquarantined { uid, id, .. } => (Some(*id), vec![*uid]),
        Event::Deleted { uids, .. }
        | Event::Removed { uids, .. }
        | Event::Released { uids, .. }
        | Event::Trashed { uids, .. } => (None, uids.clone()),
        Event::Refused { .. } | Event::CutOff { .. } | Event::Left { .. } => (None, Vec::new()),
    }
}

/// The line with only those uids that belong to one journey.
fn narrowed(line: &Line, is_mine: impl Fn(&Uid) -> bool) -> Line {
    let mut line = line.clone();
    if let What::Event(
        Event::Deleted { uids, .. }
        | Event::Removed { uids, .. }
        | Event::Released { uids, .. }
        | Event::Trashed { uids, .. },
    ) = &mut line.what
    {
        uids.retain(is_mine);
    }
    line
}

/// Whether a folded word stands in what the gate knew of a message: in the fields that people know it by, or in the
/// name of a rule.
fn told_of(judged: &Judged, word: &str) -> bool {
    let has = |text: &str| fold(text).contains(word);
    let fields = ["subject", "message-id", "from", "to", "list-id"];
    let rulings = judged.recipients.iter();
    judged.judged == word
        || fields.iter().any(|name| judged.field(name).is_some_and(has))
        || rulings
            .clone()
            .flat_map(|ruled| ruled.ruling.rules.iter().chain(&ruled.shadow))
            .any(|rule| has(rule))
}

/// Of the UIDL of a mail that was let out of quarantine, what it was called there.
fn plain(word: &str) -> String {
    let uid = word.strip_prefix("released-").filter(|uid| uid.parse::<Uid>().is_ok());
    uid.unwrap_or(word).to_owned()
}

/// Whether a folded word stands anywhere in an event.
fn mentions(event: &Event, word: &str) -> bool {
    let has = |text: &str| fold(text).contains(word);
    let of_arrival = |arrival: &Arrival| {
        let Arrival { by: _, ip, helo, tls: _, from, to } = arrival;
        has(from) || has(helo) || to.iter().any(|to| has(to)) || ip.is_some_and(|ip| ip.to_string() == word)
    };
    let of_client = |client: &Client| {
        let Client { login, password: _, ip } = client;
        has(login) || ip.is_some_and(|ip| ip.to_string() == word)
    };
    let is_id = |id: &QueueId| id.to_string() == word;
    let is_uid = |uid: &Uid| uid.to_string() == word;
    match event {
        Event::Accepted { id, arrival, size: _, mailboxes } => {
            is_id(id) || of_arrival(arrival) || mailboxes.iter().any(|mailbox| has(mailbox.as_str()))
        }
        Event::Refused { arrival, phase: _, code, rule, reason, about } => {
            let About { subject, message_id } = about;
            let known = [rule, subject, message_id].into_iter().flatten();
            of_arrival(arrival)
                || code.to_string() == word
                || known.into_iter().any(|text| has(text))
                || has(reason)
        }
        Event::CutOff { arrival, size: _, reason } => of_arrival(arrival) || has(reason),
        Event::Delivered { id, mailbox, uid } => is_id(id) || is_uid(uid) || has(mailbox.as_str()),
        Event::Discarded { id } => is_id(id),
        Event::Fetched { mailbox, uid, client } | Event::GaveUp { mailbox, view: _, uid, client } => {
            is_uid(uid) || has(mailbox.as_str()) || of_client(client)
        }
        Event::Deleted { mailbox, view, uids, client } => {
            let views = view.as_ref().is_some_and(|view| has(view.as_str()));
            uids.iter().any(is_uid) || has(mailbox.as_str()) || views || of_client(client)
        }
        Event::Parked { mailbox, view, uid, sessions: _, client } => {
            is_uid(uid) || has(mailbox.as_str()) || has(view.as_str()) || of_client(client)
        }
        Event::Undone { mailbox, view, was, now } => {
            is_uid(was) || is_uid(now) || has(mailbox.as_str()) || has(view.as_str())
        }
        Event::Unquarantined { mailbox, uid, id, by } => {
            is_id(id) || is_uid(uid) || has(mailbox.as_str()) || has(by)
        }
        Event::Removed { mailbox, uids, reason }
        | Event::Released { mailbox, uids, reason }
        | Event::Trashed { mailbox, uids, reason } => {
            uids.iter().any(is_uid) || has(mailbox.as_str()) || has(reason)
        }
        Event::Left { mailbox, view, reason } => has(mailbox.as_str()) || has(view.as_str()) || has(reason),
    }
}

fn shown<S: Serializer>(id: &Option<QueueId>, to: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => to.collect_str(id),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use mail::{MailboxName, Phase};

    use super::*;

    fn alice() -> MailboxName {
        MailboxName::parse("alice").expect("a name")
    }

    fn arrival(from: &str) -> Arrival {
        Arrival { from: from.into(), to: vec!["Alice@example.test".into()], ..Arrival::default() }
    }

    fn accepted(id: u64, from: &str) -> Event {
        Event::Accepted { id: QueueId(id), arrival: arrival(from), size: 1, mailboxes: vec![alice()] }
    }

    fn delivered(id: u64, uid: u64) -> Event {
        Event::Delivered { id: QueueId(id), mailbox: alice(), uid: Uid(uid) }
    }

    fn client(login: &str) -> Client {
        Client { login: login.into(), password: None, ip: Some([192, 0, 2, 7].into()) }
    }

    /// Three mails over two days, a refusal, and what a mail of before the trace went through.
    fn folder(dir: &tempfile::TempDir) -> Folder {
        let folder = Folder::of(dir.path());
        let fetched = |uid| Event::Fetched { mailbox: alice(), uid: Uid(uid), client: client("alice") };
        let uids = vec![Uid(101), Uid(102), Uid(99)];
        let refused = Event::Refused {
            arrival: arrival("spam@bad.test"),
            phase: Phase::Rcpt,
            code: 550,
            rule: Some("no-spam".into()),
            reason: "550 5.7.1 no".into(),
            about: About { subject: Some("Win a car".into()), message_id: None },
        };
        let events = [
            ("2026-11-27T10:00:00Z", accepted(1, "shop@vendor.test")),
            ("2026-11-27T10:00:01Z", delivered(1, 101)),
            ("2026-11-27T11:00:00Z", accepted(2, "boss@example.test")),
            ("2026-11-27T11:00:01Z", delivered(2, 102)),
            ("2026-11-27T12:00:00Z", refused),
            ("2026-11-28T08:00:00Z", fetched(101)),
            (
                "2026-11-28T08:00:01Z",
                Event::Deleted { mailbox: alice(), view: None, uids, client: client("alice") },
            ),
            ("2026-11-28T09:00:00Z", accepted(3, "shop@vendor.test")),
        ];
        for (at, event) in events {
            let at: Timestamp = at.parse().expect("a time");
            let mut line = Vec::new();
            Line { at, what: What::Event(event) }.write(&mut line);
            let mut file = folder.open(day_of(at), crate::trace::days::Kind::Mail).expect("opened");
            file.write_all(&line).expect("written");
            file.write_all(b"{\"at\": what is this\n").expect("written");
        }
        folder
    }

    /// The id of each journey with its events.
    fn found(folder: &Folder, words: &[&str], limit: usize) -> (Vec<(Option<u64>, usize)>, bool) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let found = search(folder, &Query { words, limit, ..Query::default() }).expect("read");
        let told = found.journeys.iter().map(|it| (it.id.map(|id| id.0), it.lines.len())).collect();
        (told, found.more)
    }

    #[test]
    fn a_journey_is_found_by_any_of_its_events_and_told_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        let all = [(Some(1), 4), (Some(2), 3), (None, 1), (Some(3), 1)];
        assert_eq!(found(&folder, &["shop@vendor"], 9), (vec![all[0], all[3]], false));
        assert_eq!(found(&folder, &["SHOP@VENDOR.TEST", "alice"], 9), (vec![all[0], all[3]], false));
        assert_eq!(found(&folder, &["0000000000000002"], 9), (vec![all[1]], false));
        assert_eq!(found(&folder, &[&Uid(101).to_string()], 9), (vec![all[0]], false));
        for word in ["no-spam", "WIN a car"] {
            assert_eq!(found(&folder, &[word], 9), (vec![all[2]], false), "{word}");
        }
        assert_eq!(found(&folder, &["nobody"], 9), (vec![], false));
        // By who deleted it: with the one that came before the trace began.
        let strays = (None, 1);
        assert_eq!(found(&folder, &["192.0.2.7"], 9), (vec![all[0], all[1], strays], false));
        assert_eq!(found(&folder, &["vendor"], 1), (vec![all[3]], true), "the newest");
    }

    #[test]
    fn what_was_let_out_of_quarantine_is_one_journey_by_whichever_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let quarantine = alice().quarantine();
        let held = |id, uid| Event::Delivered { id: QueueId(id), mailbox: quarantine.clone(), uid: Uid(uid) };
        let removed =
            |uid| Event::Removed { mailbox: quarantine.clone(), uids: vec![Uid(uid)], reason: "x".into() };
        let out = |uid, id| Event::Unquarantined {
            mailbox: alice(),
            uid: Uid(uid),
            id: QueueId(id),
            by: "root".into(),
        };
        let fetched = Event::Fetched { mailbox: alice(), uid: Uid(203), client: client("alice") };
        let events = [
            ("2026-11-27T10:00:00Z", accepted(1, "shop@vendor.test")),
            ("2026-11-27T10:00:01Z", held(1, 101)),
            ("2026-11-27T11:00:00Z", accepted(2, "other@vendor.test")),
            ("2026-11-27T11:00:01Z", held(2, 102)),
            ("2026-11-28T08:00:00Z", delivered(3, 203)),
            ("2026-11-28T08:00:01Z", out(101, 3)),
            ("2026-11-28T08:00:02Z", removed(101)),
            ("2026-11-28T09:00:00Z", fetched),
            ("2026-11-28T09:00:03Z", removed(102)),
        ];
        for (at, event) in events {
            let at: Timestamp = at.parse().expect("a time");
            let mut line = Vec::new();
            Line { at, what: What::Event(event) }.write(&mut line);
            let mut file = folder.open(day_of(at), crate::trace::days::Kind::Mail).expect("opened");
            file.write_all(&line).expect("written");
        }
        let whole = (vec![(Some(1), 6)], false);
        let (before, after) = (Uid(101).to_string(), Uid(203).to_string());
        let shown = format!("released-{before}");
        for word in ["shop@vendor", &before, &after, &shown, &QueueId(1).to_string(), &QueueId(3).to_string()]
        {
            assert_eq!(found(&folder, &[word], 9), whole, "{word}");
        }
        assert_eq!(found(&folder, &["root"], 9), whole, "by who did it");
        assert_eq!(found(&folder, &["other@vendor"], 9), (vec![(Some(2), 3)], false));
        assert_eq!(found(&folder, &["vendor.test"], 9), (vec![(Some(1), 6), (Some(2), 3)], false));
    }

    #[test]
    fn lines_of_another_version_are_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        assert_eq!(
            search(&folder, &Query { limit: 9, ..Query::default() }).expect("read").passed,
            0,
            "torn ones"
        );
        let day = day_of("2026-11-27T10:00:00Z".parse().expect("a time"));
        let mut file = folder.open(day, crate::trace::days::Kind::Mail).expect("opened");
        file.write_all(b"{\"at\":\"2026-11-27T10:00:00Z\",\"event\":\"beamed\"}\n").expect("written");
        assert_eq!(search(&folder, &Query { limit: 9, ..Query::default() }).expect("read").passed, 1);
        assert_eq!(each(&folder, |_| {}).expect("read"), 1);
    }

    #[test]
    fn one_deletion_of_many_is_told_of_each_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        let query = Query { words: vec!["boss".into()], limit: 9, ..Query::default() };
        let journey = &search(&folder, &query).expect("read").journeys[0];
        let What::Event(Event::Deleted { uids, .. }) = &journey.lines[2].what else { panic!("{journey:?}") };
        assert_eq!(uids, &[Uid(102)]);
    }

    /// By either name, also when the later one is all that is known of who looks for it.
    #[test]
    fn what_was_undone_is_one_journey() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        let at: Timestamp = "2026-11-28T09:00:00Z".parse().expect("a time");
        let mut file = folder.open(day_of(at), crate::trace::days::Kind::Mail).expect("opened");
        let undone = |was, now| {
            let view = mail::ViewName::owner();
            Event::Undone { mailbox: alice(), view, was: Uid(was), now: Uid(now) }
        };
        let fetched = Event::Fetched { mailbox: alice(), uid: Uid(901), client: client("tablet") };
        for event in [undone(101, 900), undone(900, 901), fetched] {
            let mut line = Vec::new();
            Line { at, what: What::Event(event) }.write(&mut line);
            file.write_all(&line).expect("written");
        }
        assert_eq!(found(&folder, &["tablet"], 9), (vec![(Some(1), 7)], false));
        assert_eq!(found(&folder, &["shop@vendor", "0000000000000001"], 9).0, [(Some(1), 7)]);
    }

    #[test]
    fn times_bound_what_matches_and_not_what_is_told_of_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
        let query = |since, until| Query { words: vec!["alice".into()], since, until, limit: 9 };
        let ids = |query: Query| -> Vec<_> {
            let found = search(&folder, &query).expect("read");
            found.journeys.iter().filter_map(|it| it.id.map(|id| id.0)).collect()
        };
        assert_eq!(ids(query(at("2026-11-28T08:30:00Z"), None)), [3]);
        assert_eq!(ids(query(None, at("2026-11-27T10:30:00Z"))), [1]);
        assert_eq!(
            ids(query(at("2026-11-28T00:00:00Z"), at("2026-11-28T08:00:00Z"))),
            [1],
            "when it was fetched"
        );
    }
}
