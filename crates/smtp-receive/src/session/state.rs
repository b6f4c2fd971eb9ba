use mail::{Envelope, Protocol};

use super::dot_reader::DotReader;
use super::hops::Hops;
use super::params::{Dialect, Params};
use super::reply::{Fault, Reply};
use super::text_reader::TextReader;

/// Where a session stands. Each state owns what can be known in it, and nothing else: there is no recipient
/// without a sender and no octet without a recipient.
#[derive(Debug)]
pub(crate) enum State {
    /// Nobody has been asked whether to greet.
    Connected,
    /// We have not greeted, but shall.
    Welcome,
    /// We have said that there is no service for this peer, and wait for its QUIT (RFC 5321 §3.1).
    TurnedAway,
    /// The peer has not greeted, or not since TLS is on.
    Ungreeted,
    /// Between transactions.
    Idle(Hello),
    /// From MAIL on.
    Transaction(Transaction),
    /// Reading what follows DATA.
    Data(Receiving, DotReader),
    /// Between two BDAT.
    Chunks(Receiving),
    /// Reading what follows BDAT.
    Chunk(Receiving, Chunk),
    /// Octets that belong to a refused BDAT go by.
    Passing(Passing),
    /// An [`super::Ask`] is out.
    Asked(Asked),
    /// A STARTTLS is out.
    Securing,
    /// All is said.
    Closed,
}

impl State {
    /// What a command misses that comes too early or too late (RFC 5321 §4.1.4).
    pub(crate) fn lack(&self, service: Dialect) -> Fault {
        match self {
            Self::Idle(_) => Fault::MailFirst,
            Self::Chunks(_) => Fault::InChunks,
            // RFC 5321 §3.3 tells a sender without recipients from one whose recipients were all refused;
            // RFC 2033 §4.2 does not.
            Self::Transaction(transaction) if transaction.tried && service == Dialect::Smtp => {
                Fault::NoRecipients
            }
            Self::Transaction(_) => Fault::RecipientFirst,
            Self::TurnedAway => Fault::TurnedAway,
            Self::Connected
            | Self::Welcome
            | Self::Ungreeted
            | Self::Data(..)
            | Self::Chunk(..)
            | Self::Passing(_)
            | Self::Asked(_)
            | Self::Securing
            | Self::Closed => Fault::GreetFirst,
        }
    }
}

/// How the peer greeted.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) protocol: Protocol,
    pub(crate) name: String,
}

impl Hello {
    /// Parameters of MAIL and RCPT mean something.
    pub(crate) fn is_extended(&self) -> bool {
        match self.protocol {
            Protocol::Esmtp | Protocol::Lmtp => true,
            Protocol::Smtp | Protocol::Local => false,
        }
    }
}

/// From MAIL to the end of data.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) hello: Hello,
    /// States are moved by value, from one to the next.
    pub(crate) envelope: Box<Envelope>,
    /// What SIZE declared: an estimate that the message may miss (RFC 1870 §6.1, §6.3).
    pub(crate) declared: Option<u64>,
    /// There was a RCPT, whatever became of it.
    pub(crate) tried: bool,
}

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) transaction: Transaction,
    /// Octets at the start of the input that are known to be the message's.
    pub(crate) clear: u64,
    /// Octets that came, and octets that stand for them; the limit is on these (RFC 1870 §5).
    pub(crate) came: u64,
    pub(crate) octets: u64,
    text: TextReader,
    hops: Hops,
    /// Why it will be refused at its end; nothing of it is passed on any more.
    pub(crate) fault: Option<Fault>,
}

/// What follows a BDAT.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) size: u64,
    pub(crate) left: u64,
    pub(crate) last: bool,
}

/// Octets that are nobody's.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) left: u64,
    /// What the peer is told then.
    pub(crate) reply: Reply,
    /// How often: once, or by LMTP once for each recipient (RFC 2033 §4.2).
    pub(crate) times: usize,
    pub(crate) then: Box<State>,
}

/// What was asked, with the state that the answer changes.
#[derive(Debug)]
pub(crate) enum Asked {
    Connected,
    Sender(Transaction),
    Recipient(Transaction),
    Data(Transaction),
    Chunk(Transaction, Chunk),
    Finish(Hello, usize),
}

impl Receiving {
    pub(crate) fn new(transaction: Transaction, params: &Params) -> Self {
        Self {
            transaction,
            clear: 0,
            came: 0,
            octets: 0,
            text: TextReader::new(params.bare_newline, params.text_line),
            hops: Hops::new(),
            fault: None,
        }
    }

    /// Takes some of `octets`, all of which are the message's: how many, and what to keep of them.
    pub(crate) fn take<'i>(&mut self, octets: &'i [u8], params: &Params) -> (usize, &'i [u8]) {
        let (taken, text) =
            if self.fault.is_some() { (octets.len(), &[][..]) } else { self.text.read(octets) };
        self.clear = self.clear.saturating_sub(taken as u64);
        self.came += taken as u64;
        (taken, self.keep(text, params))
    }

    /// What is wrong with the message as a whole. Of several faults the size is the one that is told: which was
    /// met first depends on how the octets were cut into packets.
    pub(crate) fn verdict(&self, params: &Params) -> Option<Fault> {
        self.fault.map(|fault| if self.came > params.message_size { Fault::TooBig } else { fault })
    }

    /// The message is complete: what is left to keep.
    pub(crate) fn finish(&mut self, params: &Params) -> &'static [u8] {
        if self.fault.is_some() {
            return &[];
        }
        let (rest, unterminated) = self.text.finish();
        self.transaction.envelope.unterminated = unterminated;
        self.keep(rest, params)
    }

    fn keep<'i>(&mut self, text: &'i [u8], params: &Params) -> &'i [u8] {
        if self.fault.is_some() {
            return &[];
        }
        self.octets += text.len() as u64;
        self.fault = if self.octets > params.message_size {
            Some(Fault::TooBig)
        } else if self.hops.count(text) > params.received {
            Some(Fault::Loop)
        } else {
            self.text.fault()
        };
        if self.fault.is_some() { &[] } else { text }
    }
}
