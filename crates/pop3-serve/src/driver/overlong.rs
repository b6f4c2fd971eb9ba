use mail::Event;
use memchr::memchr_iter;
use queue::{Maildrop, Message, Store, StoreError};
use tracing::info;

use super::{Pickup, Reason};
use crate::session::{End, Program};

/// Octets of a line with its CRLF, as it goes over the wire, that Python's poplib takes: a longer one ends its session.
const LINE_OCTETS: usize = 2048;

impl<S: Store> Pickup<'_, S> {
    /// Tells of a message that the client gave up on for a line that is too long for it: else a program that collects
    /// every few minutes fails over it for ever, and nobody learns why. Looked for in what it asked for last, when the
    /// session is over: nobody waits for that.
    pub(super) async fn tell_of_long_line(&mut self, reason: &Reason) {
        let gave_up = match reason {
            Reason::Disconnected => self.reading.is_some() || !self.receipts.are_all_certain(),
            // It says so if it can, and has not deleted what it did not get.
            Reason::Session(End::Quit) => self.program == Program::Poplib,
            Reason::Session(_)
            | Reason::WriteTimeout
            | Reason::Handshake
            | Reason::Store
            | Reason::TakenOver
            | Reason::Shutdown => false,
        };
        let Some(index) = self.download.filter(|_| gave_up) else { return };
        let Some(account) = &self.account else { return };
        let Some((maildrop, at)) = account.drop.at(index) else { return };
        match has_long_line(&**maildrop, at).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.journal.store_failed("a message is not looked into", &error),
        }
        for place in account.drop.places(index) {
            let part = account.login.parts.get(place.part);
            let Some((part, entry)) = part.zip(account.drop.entry(place)) else { continue };
            let (mailbox, uid) = (&part.mailbox, entry.uid);
            info!(
                %mailbox, view = %part.view, %uid,
                "the client gave up on a message with a line of over {LINE_OCTETS} octets: Python's poplib reads none"
            );
            let client = || self.journal.client();
            self.service.journeys.tell(|| Event::GaveUp { mailbox: mailbox.clone(), uid, client: client() });
        }
    }
}

/// Whether one of its lines is longer than some programs read, with the dot that a dot at its begin gets.
async fn has_long_line<M: Maildrop>(maildrop: &M, index: usize) -> Result<bool, StoreError> {
    let octets = maildrop.entry(index).map_or(0, |entry| entry.octets);
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
