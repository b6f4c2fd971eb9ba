use std::time::Duration;

use mail::{Envelope, ForwardPath, QueueId, Recipient, ReversePath};

use super::reply::{Refusal, Reply};

/// What the driver of a session has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'i> {
    /// Nothing goes on without more input, or until [`super::Session::deadline`].
    NeedInput,
    /// Tell the peer; may wait until input is needed, so that pipelined commands are answered together
    /// (RFC 2920 §3.2).
    Send(Reply),
    /// Let the peer wait this long, with all that was sent before already written.
    Pause(Duration),
    /// Write what waits, do the handshake, then call [`super::Session::secured`].
    StartTls,
    /// Decide, then call [`super::Session::answer`].
    Ask(Ask),
    /// The next octets of the message that [`Ask::Begin`] began, as they are to be stored.
    Content(&'i [u8]),
    /// That message will never be: forget its octets.
    Abandon,
    /// Write what waits and close. There are no more steps.
    Close,
}

/// A decision that is not the session's.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Somebody has connected: is it greeted? [`Answer::Proceed`] or a refusal. The first step of a session.
    Connected,
    /// MAIL: may this sender send that many octets? [`Answer::Proceed`] or a refusal.
    Sender {
        /// The sender.
        reverse_path: ReversePath,
        /// What SIZE declared (RFC 1870).
        declared: Option<u64>,
    },
    /// RCPT: does mail for this path end here? [`Answer::Recipient`] or a refusal.
    Recipient {
        /// The recipient.
        path: ForwardPath,
        /// What SIZE declared.
        declared: Option<u64>,
    },
    /// DATA, or the first BDAT: is there room for the message whose envelope [`super::Session::envelope`]
    /// shows? [`Answer::Proceed`] or a refusal; [`Step::Content`] follows.
    Begin {
        /// How many octets it will have, as far as the peer has said.
        expected: Option<u64>,
    },
    /// The message is complete: take it. [`Answer::Queued`] once it is durable, or a refusal.
    Finish {
        /// What is known of it; `received_ms` and `cuts` are the driver's to fill in.
        envelope: Box<Envelope>,
        /// How many octets it has.
        octets: u64,
    },
}

/// What was decided.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Proceed,
    /// The recipient is ours.
    Recipient(Recipient),
    /// The message is ours.
    Queued {
        /// Its name.
        id: QueueId,
        /// Recipients, by their place in the envelope, that do not get it. LMTP tells each (RFC 2033
        /// §4.2); SMTP has one answer for all, so there whoever decides must see to their copies himself.
        refused: Vec<(usize, Refusal)>,
    },
    /// No.
    Refused(Refusal),
    /// Nobody takes the message; by LMTP each recipient is told its own reason, in the order of the envelope, and by
    /// SMTP the first (RFC 2033 §4.2).
    RefusedEach(Vec<Refusal>),
}
