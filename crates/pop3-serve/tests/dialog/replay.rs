use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::Uid;
use pop3_serve::{
    Answer, Ask, Credentials, Fetch, FetchError, LoginRefused, Messages, Opened, Session, Step,
};
use queue::Entry;

use super::read::{Dialog, Mail, Then, Turn};

/// A driver without a socket or a clock.
pub(crate) struct Replay {
    dialog: Dialog,
    messages: Arc<Shelf>,
    session: Session,
    refuse: VecDeque<LoginRefused>,
    input: Vec<u8>,
    output: Vec<u8>,
    now: Instant,
    pub(crate) paused: Duration,
    pub(crate) deleted: Vec<u64>,
    pub(crate) ended: Option<String>,
    reading: Option<(Fetch, usize)>,
    securing: bool,
}

struct Shelf(Vec<Mail>);

impl Messages for Shelf {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let mail = self.0.get(index)?;
        let octets = mail.octets.len() as u64;
        Some(Entry {
            uid: Uid(index as u64 + 1),
            octets,
            foreign_uidl: mail.uidl.as_deref(),
            body: index as u64,
        })
    }

    fn octets(&self) -> u64 {
        self.0.iter().map(|mail| mail.octets.len() as u64).sum()
    }
}

impl Replay {
    pub(crate) fn new(dialog: &Dialog) -> Self {
        let now = Instant::now();
        Self {
            dialog: dialog.clone(),
            messages: Arc::new(Shelf(dialog.mails.clone())),
            session: Session::new(Arc::new(dialog.params.clone()), dialog.peer, now),
            refuse: dialog.refuse.clone(),
            input: Vec::new(),
            output: Vec::new(),
            now,
            paused: Duration::ZERO,
            deleted: Vec::new(),
            ended: None,
            reading: None,
            securing: false,
        }
    }

    /// Plays all turns, the client's octets cut into pieces by `cut`, and compares what comes back.
    pub(crate) fn play(&mut self, turns: &[Turn], cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Result<(), String> {
        for turn in turns {
            self.run();
            for piece in cut(&turn.client) {
                self.input.extend_from_slice(&piece);
                self.run();
            }
            if self.output != turn.server {
                return Err(format!(
                    "client: {}\nexpected:\n{}\ngot:\n{}",
                    show(&turn.client),
                    show(&turn.server),
                    show(&self.output)
                ));
            }
            self.output.clear();
            match &turn.then {
                Then::Next => {}
                Then::Wait(time) => {
                    self.now += *time;
                }
                Then::Tls if self.securing => {
                    self.securing = false;
                    self.session.secured();
                }
                Then::Tls => return Err("no handshake was begun".into()),
                Then::End(reason) if self.ended.as_ref() == Some(reason) => {}
                Then::End(reason) => return Err(format!("ends by {:?}, not by {reason:?}", self.ended)),
            }
        }
        let ends = turns.iter().any(|turn| matches!(turn.then, Then::End(_)));
        match &self.ended {
            Some(reason) if !ends => Err(format!("ended by {reason:?}")),
            _ if self.deleted != self.dialog.deleted => Err(format!("deleted: {:?}", self.deleted)),
            _ if self.paused != self.dialog.paused => Err(format!("paused: {:?}", self.paused)),
            _ => Ok(()),
        }
    }

    /// Feeds pieces to the end or to the session's end: what came back, how many octets were taken, and
    /// whether it closed.
    pub(crate) fn push<'p>(mut self, pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<u8>, usize, bool) {
        let mut fed = 0;
        self.run();
        for piece in pieces {
            fed += piece.len();
            self.input.extend_from_slice(piece);
            self.run();
            if self.ended.is_some() {
                break;
            }
        }
        (self.output, fed - self.input.len(), self.ended.is_some())
    }

    /// Until the session wants what is not there.
    fn run(&mut self) {
        while self.ended.is_none() && !self.securing {
            let mut out = Vec::new();
            let (taken, step) = self.session.step(&self.input, &mut out, self.now);
            self.input.drain(..taken);
            self.output.extend_from_slice(&out);
            match step {
                Step::NeedInput => {
                    assert!(self.input.len() < 1026, "a session must not leave more than a line");
                    return;
                }
                Step::Write => {}
                Step::StartTls => {
                    assert!(self.input.is_empty(), "octets before the handshake");
                    self.securing = true;
                }
                Step::Pause(until) => {
                    self.paused += until - self.now;
                    self.now = until;
                }
                Step::Ask(ask) => self.decide(ask),
                Step::Content => self.feed(),
                Step::Close(end) => self.ended = Some(end.to_string()),
            }
        }
    }

    fn decide(&mut self, ask: Ask) {
        let answer = match ask {
            Ask::Login(credentials) => Answer::Login(self.login(&credentials)),
            Ask::Fetch(fetch) => {
                let octets = &self.messages.0[fetch.index].octets;
                let mut failures = self.dialog.fail_fetch.iter();
                let failed = failures.find(|(number, _)| *number == fetch.index + 1);
                let outcome = match fetch.ascii_only && !octets.is_ascii() {
                    true => Err(FetchError::NeedsUtf8),
                    false => failed.map_or(Ok(()), |(_, error)| Err(*error)),
                };
                self.reading = outcome.is_ok().then_some((fetch, 0));
                Answer::Fetch(outcome)
            }
            Ask::Delete(places) => {
                if self.dialog.fail_delete.is_none() {
                    self.deleted = places.iter().map(|index| *index as u64 + 1).collect();
                }
                Answer::Delete(self.dialog.fail_delete.map_or(Ok(places.len() as u64), Err))
            }
        };
        self.session.answer(answer);
    }

    fn login(&mut self, credentials: &Credentials) -> Result<(Opened, Option<u32>), LoginRefused> {
        if let Some(refused) = self.refuse.pop_front() {
            return Err(refused);
        }
        let right =
            credentials.user == self.dialog.user && credentials.password.expose() == self.dialog.password;
        if right {
            Ok((Opened::new(self.messages.clone()), self.dialog.own_expire))
        } else {
            Err(LoginRefused::Denied)
        }
    }

    /// In pieces of three octets, so that no message comes whole.
    fn feed(&mut self) {
        let (fetch, at) = self.reading.expect("content of a message that was asked for");
        let octets = &self.messages.0[fetch.index].octets;
        if self.dialog.fail_read.contains(&(fetch.index + 1)) && at > octets.len() / 2 {
            self.ended = Some("store".into());
            return;
        }
        let mut out = Vec::new();
        let taken = self.session.content(&octets[at..octets.len().min(at + 3)], &mut out);
        self.output.extend_from_slice(&out);
        self.reading = Some((fetch, at + taken));
    }
}

pub(crate) fn show(octets: &[u8]) -> String {
    octets.escape_ascii().to_string().replace("\\r\\n", "\\r\\n\n")
}
