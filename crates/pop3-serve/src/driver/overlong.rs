use mail::Event;
use memchr::memchr_iter;
use queue::{Maildrop, Message, Store, StoreError};
use tracing::info;

use super::{Pickup, Reason};
use crate::session::{End, Program};

/// Octets of a line with its CRLF, as it goes over the wire, that Python's poplib takes: a longer one ends its session.
const LINE_OCTETS: usize = 2048;

impl<S: Store> Pickup<'_, S> {
    /// Finds the message that the client gave up on for a line that is too long for it, and tells of it: else a program
    /// that collects every few minutes fails over it for ever, and nobody learns why. Looked for in what it asked for
    /// last, when the session is over: nobody waits for that.
    pub(super) async fn given_up(&mut self, reason: &Reason) -> Option<usize> {
        let is_it = match reason {
            // Others break off for the network.
            Reason::Disconnected if !self.program.may_be_poplib() => false,
            Reason::Disconnected => self.reading.is_some() || !self.receipts.are_all_certain(),
            Reason::Session(End::Quit) => self.program == Program::Poplib,
            Reason::Session(_)
            | Reason::WriteTimeout
            | Reason::Handshake
            | Reason::Store
            | Reason::TakenOver
            | Reason::Shutdown => false,
        };
        let index = self.download.filter(|_| is_it)?;
        let (maildrop, at) = self.account.as_ref()?.drop.at(index)?;
        // What was not put out is not why, and looking costs no more than that did.
        let put_out = match &self.reading {
            Some((reading, message)) if *reading == index => message.taken(),
            Some(_) | None => u64::MAX,
        };
        match has_long_line(&**maildrop, at, put_out).await {
            Ok(true) => self.tell_of_long_line(index),
            Ok(false) => return None,
            Err(error) => {
                self.journal.store_failed("a message is not looked into", &error);
                return None;
            }
        }
        Some(index)
    }

    fn tell_of_long_line(&self, index: usize) {
        let Some(account) = &self.account else { return };
        for place in account.drop.places(index) {
            let part = account.login.parts.get(place.part);
            let Some((part, entry)) = part.zip(account.drop.entry(place)) else { continue };
            let (mailbox, uid) = (&part.mailbox, entry.uid);
            info!(
                %mailbox, view = %part.view, %uid,
                "the client broke off at a message with a line of over {LINE_OCTETS} octets: Python's poplib reads none"
            );
            let client = || self.journal.client();
            let view = &part.view;
            self.service.journeys.tell(|| Event::GaveUp {
                mailbox: mailbox.clone(),
                view: view.clone(),
                uid,
                client: client(),
            });
        }
    }
}

/// Whether one of its lines is longer than some programs read, with the dot that a dot at its begin gets.
async fn has_long_line<M: Maildrop>(maildrop: &M, index: usize, put_out: u64) -> Result<bool, StoreError> {
    let octets = maildrop.entry(index).map_or(0, |entry| entry.octets.min(put_out));
    let mut message = maildrop.message(index, 0..octets).await?;
    let mut line = 0;
    while let Some(chunk) = message.chunk().await? {
        let mut begin = 0;
        for end in memchr_iter(b'\n', &chunk).map(|lf| lf + 1).chain([chunk.len()]) {
            let piece = &chunk[begin..end];
            line += piece.len() + usize::from(line == 0 && piece.starts_with(b"."));
            if line > LINE_OCTETS {
                return Ok(true);
            }
            if piece.ends_with(b"\n") {
                line = 0;
            }
            begin = end;
        }
    }
    Ok(false)
}
