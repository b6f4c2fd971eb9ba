//! Clients as there are: what each fetches and deletes, what it remembers, and how it breaks off.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_tests::{Client, PASSWORD};

use crate::chance::Chance;
use crate::spec::{Book, Ms, Opens, Shown};

/// Where the server is, what time it is, and what is known.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<dyn Fn() -> Ms + Send + Sync>,
    pub(crate) book: Arc<Mutex<Book>>,
    /// Mail comes by SMTP: nobody knows its unique id before it is listed.
    pub(crate) by_smtp: bool,
}

impl Place {
    pub(crate) fn now(&self) -> Ms {
        (self.clock)()
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a client collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Leaves copies.
    Keep,
    /// Deletes what it has got, at once.
    Delete,
    /// Deletes what it has got so long ago.
    DeleteAfter(Ms),
    /// Forgets what is not listed any more, and never deletes.
    Mirror,
    /// fetchmail: `TOP n 99999999`, and deletes or not.
    Top(bool),
    /// All in one write, QUIT included.
    Pipeline,
    /// A robot that knows nothing but numbers: RETR and DELE of each.
    Numbers,
}

/// How one session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Whole,
    /// Lists, and quits.
    Poll,
    /// All but QUIT.
    NoQuit,
    /// The same, and the client does not remember a thing of it.
    Crash,
    /// The connection is gone in the middle of a message, or before its first octet.
    Cut,
    /// RSET before QUIT.
    Reset,
}

pub(crate) const COURSES: [Course; 10] = [
    Course::Whole,
    Course::Whole,
    Course::Whole,
    Course::Whole,
    Course::Whole,
    Course::Poll,
    Course::NoQuit,
    Course::Crash,
    Course::Cut,
    Course::Reset,
];

/// What came of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was over, with so many messages got.
    Over(usize),
    /// Another session has the view.
    InUse,
}

/// One program on one machine.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) who: String,
    pub(crate) login: String,
    pub(crate) habit: Habit,
    /// Unique ids that it has got, and when.
    known: BTreeMap<String, Ms>,
    /// How often it has got which message.
    pub(crate) got: BTreeMap<u64, u32>,
    /// How often it may have got it beside the first time.
    pub(crate) again: BTreeMap<u64, u32>,
}

/// One session as far as it has come.
#[derive(Default)]
struct Visit {
    got: Vec<(String, u64)>,
    begun: BTreeSet<String>,
    marked: Vec<String>,
    quit: bool,
}

impl Visit {
    fn uids(&self) -> Vec<String> {
        self.got.iter().map(|(uid, _)| uid.clone()).collect()
    }
}

impl Device {
    pub(crate) fn new(who: &str, login: &str, habit: Habit) -> Self {
        let (known, got, again) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { who: who.into(), login: login.into(), habit, known, got, again }
    }

    fn opens(&self) -> Opens {
        Opens::by(&self.login)
    }

    /// One session. An error is the plug that was pulled.
    pub(crate) fn session(
        &mut self,
        place: &Place,
        course: Course,
        chance: &mut Chance,
    ) -> io::Result<Ended> {
        let mut visit = Visit::default();
        let ended = self.visit(place, course, chance, &mut visit);
        let crashed = course == Course::Crash || (ended.is_err() && chance.one_in(2));
        for (uid, number) in &visit.got {
            *self.got.entry(*number).or_default() += 1;
            // Whoever knows nothing but numbers gets again what it did not delete.
            let forgets = self.habit == Habit::Numbers && (!visit.quit || course == Course::Reset);
            if forgets || (!visit.quit && crashed) {
                *self.again.entry(*number).or_default() += 1;
            }
            if !crashed {
                self.known.entry(uid.clone()).or_insert_with(|| place.now());
            }
        }
        if !visit.quit {
            place.book().unfinished(&self.who, &visit.begun);
        }
        ended
    }

    fn visit(
        &mut self,
        place: &Place,
        course: Course,
        chance: &mut Chance,
        visit: &mut Visit,
    ) -> io::Result<Ended> {
        let owed = place.book().owed(&self.who, self.opens(), place.now());
        let mut client = Client::try_connect(place.address)?;
        client.try_line()?;
        client.try_command(&format!("USER {}", self.login))?;
        let answer = client.try_command(&format!("PASS {PASSWORD}"))?;
        if answer.starts_with("-ERR [IN-USE]") {
            return Ok(Ended::InUse);
        }
        assert!(answer.starts_with("+OK"), "{}: {answer}", self.login);
        place.book().logged_in(&self.who, place.now());
        let shown = list(&mut client)?;
        place.book().shown(&self.who, self.opens(), &owed, &shown, place.by_smtp, place.now());
        if self.habit == Habit::Mirror {
            self.known.retain(|uid, _| shown.iter().any(|line| line.uid == *uid));
        }
        let wanted = self.wanted(&shown, course);
        if self.habit == Habit::Pipeline && course == Course::Whole {
            self.pipeline(place, client, &wanted, visit)?;
            return Ok(Ended::Over(visit.got.len()));
        }
        let breaks_at = chance.below(wanted.len() as u64 + 1);
        for (at, (number, uid)) in (0..).zip(&wanted) {
            if course == Course::Cut && at == breaks_at {
                self.going_on(place, visit);
                self.cut(&mut client, *number, chance)?;
                visit.begun.insert(uid.clone());
                return Ok(Ended::Over(visit.got.len()));
            }
            self.fetch(place, &mut client, *number, uid, visit)?;
            if self.deletes_at_once() {
                self.command(place, &mut client, &format!("DELE {number}"), visit)?;
                visit.marked.push(uid.clone());
            }
        }
        self.delete_old(place, &mut client, &shown, visit)?;
        match course {
            Course::NoQuit | Course::Crash | Course::Cut => {
                self.command(place, &mut client, "NOOP", visit)?;
                return Ok(Ended::Over(visit.got.len()));
            }
            Course::Reset => {
                self.command(place, &mut client, "RSET", visit)?;
                visit.marked.clear();
            }
            Course::Whole | Course::Poll => {}
        }
        self.quit(place, client, visit)?;
        Ok(Ended::Over(visit.got.len()))
    }

    fn deletes_at_once(&self) -> bool {
        matches!(self.habit, Habit::Delete | Habit::Top(true) | Habit::Numbers)
    }

    /// What it fetches, by number and unique id.
    fn wanted(&self, shown: &[Shown], course: Course) -> Vec<(usize, String)> {
        let lines = (1..).zip(shown).map(|(number, line)| (number, line.uid.clone()));
        match (course, self.habit) {
            (Course::Poll, _) => Vec::new(),
            (_, Habit::Numbers) => lines.take(50).collect(),
            (
                _,
                Habit::Keep
                | Habit::Delete
                | Habit::DeleteAfter(_)
                | Habit::Mirror
                | Habit::Top(_)
                | Habit::Pipeline,
            ) => lines.filter(|(_, uid)| !self.known.contains_key(uid)).take(200).collect(),
        }
    }

    fn fetching(&self, number: usize) -> String {
        match self.habit {
            Habit::Top(_) => format!("TOP {number} 99999999"),
            Habit::Keep
            | Habit::Delete
            | Habit::DeleteAfter(_)
            | Habit::Mirror
            | Habit::Pipeline
            | Habit::Numbers => format!("RETR {number}"),
        }
    }

    fn fetch(
        &self,
        place: &Place,
        client: &mut Client,
        number: usize,
        uid: &str,
        visit: &mut Visit,
    ) -> io::Result<()> {
        visit.begun.insert(uid.into());
        self.command(place, client, &self.fetching(number), visit)?;
        self.take(place, client, uid, visit)
    }

    fn take(&self, place: &Place, client: &mut Client, uid: &str, visit: &mut Visit) -> io::Result<()> {
        let octets = client.try_lines()?;
        let got = place.book().got(&self.who, uid, &octets);
        visit.got.push((uid.into(), got));
        Ok(())
    }

    /// Says a command that is answered with `+OK`, and that shows that what came before it has come whole.
    fn command(&self, place: &Place, client: &mut Client, line: &str, visit: &Visit) -> io::Result<()> {
        self.going_on(place, visit);
        let answer = client.try_command(line)?;
        assert!(answer.starts_with("+OK"), "{} {line}: {answer}", self.login);
        Ok(())
    }

    fn going_on(&self, place: &Place, visit: &Visit) {
        let mut book = place.book();
        let uids = book.with_twins(&self.who, self.opens().own, &visit.uids(), false);
        book.may_fetched(&self.who, &uids, place.now());
    }

    /// Begins to fetch a message, and is gone before it has it.
    fn cut(&self, client: &mut Client, number: usize, chance: &mut Chance) -> io::Result<()> {
        client.try_send(format!("{}\r\n", self.fetching(number)).as_bytes())?;
        if chance.one_in(2) {
            client.try_line()?;
        }
        Ok(())
    }

    /// What it has got long enough ago and is still there.
    fn delete_old(
        &self,
        place: &Place,
        client: &mut Client,
        shown: &[Shown],
        visit: &mut Visit,
    ) -> io::Result<()> {
        for (number, line) in (1..).zip(shown) {
            let old = match self.habit {
                Habit::DeleteAfter(after) => {
                    self.known.get(&line.uid).is_some_and(|got| place.now() >= got + after)
                }
                // What it got before and did not delete, for that session broke off.
                Habit::Delete | Habit::Top(true) => {
                    self.known.contains_key(&line.uid) && !visit.marked.contains(&line.uid)
                }
                Habit::Keep | Habit::Mirror | Habit::Top(false) | Habit::Pipeline | Habit::Numbers => false,
            };
            if old {
                self.command(place, client, &format!("DELE {number}"), visit)?;
                visit.marked.push(line.uid.clone());
            }
        }
        Ok(())
    }

    fn quit(&self, place: &Place, mut client: Client, visit: &mut Visit) -> io::Result<()> {
        self.going_on(place, visit);
        let own = self.opens().own;
        let may = place.book().with_twins(&self.who, own, &visit.marked, false);
        place.book().may_done(&self.who, &may, place.now());
        let answer = client.try_command("QUIT")?;
        assert!(answer.starts_with("+OK"), "{} QUIT: {answer}", self.login);
        let marked = place.book().with_twins(&self.who, own, &visit.marked, true);
        self.is_quit(place, &marked, visit);
        Ok(())
    }

    fn is_quit(&self, place: &Place, marked: &[String], visit: &mut Visit) {
        visit.quit = true;
        place.book().quit(&self.who, &visit.uids(), marked, place.now());
    }

    fn pipeline(
        &self,
        place: &Place,
        mut client: Client,
        wanted: &[(usize, String)],
        visit: &mut Visit,
    ) -> io::Result<()> {
        let mut batch: String =
            wanted.iter().map(|(number, _)| format!("{}\r\n", self.fetching(*number))).collect();
        batch.push_str("QUIT\r\n");
        let uids: Vec<String> = wanted.iter().map(|(_, uid)| uid.clone()).collect();
        visit.begun.extend(uids.iter().cloned());
        {
            // Nobody can tell from outside how far it has come when the connection ends.
            let mut book = place.book();
            let uids = book.with_twins(&self.who, self.opens().own, &uids, false);
            book.may_fetched(&self.who, &uids, place.now());
        }
        client.try_send(batch.as_bytes())?;
        for (_, uid) in wanted {
            let answer = client.try_line()?;
            assert!(answer.starts_with("+OK"), "{}: {answer}", self.login);
            self.take(place, &mut client, uid, visit)?;
        }
        let answer = client.try_line()?;
        assert!(answer.starts_with("+OK"), "{} QUIT: {answer}", self.login);
        assert_eq!(client.line(), None);
        self.is_quit(place, &[], visit);
        Ok(())
    }
}

/// STAT, LIST and UIDL, which must agree.
pub(crate) fn list(client: &mut Client) -> io::Result<Vec<Shown>> {
    let stat = client.try_command("STAT")?;
    let sizes = client.try_listing("LIST")?;
    let uids = client.try_listing("UIDL")?;
    assert_eq!(sizes.len(), uids.len(), "LIST and UIDL differ");
    let both = (1..).zip(sizes.into_iter().zip(uids));
    let shown: Vec<Shown> = both
        .map(|(number, (size, uid))| {
            assert_eq!((size.number, uid.number), (number, number), "numbers with gaps");
            Shown { uid: uid.value, size: size.value.parse().expect("a size") }
        })
        .collect();
    let sum: u64 = shown.iter().map(|line| line.size).sum();
    assert_eq!(stat, format!("+OK {} {sum}", shown.len()), "STAT and LIST differ");
    Ok(shown)
}
