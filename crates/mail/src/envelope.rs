use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AuthResults, ForwardPath, MailboxName, ReversePath, Ruling};

/// What is known of an accepted message beside its octets: who sent it to whom, how it came to us, and
/// which of its header fields are never served.
///
/// It is written with the message at the 250 and never changed: what a store keeps of it, it keeps for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The sender, or `<>`.
    pub reverse_path: ReversePath,
    /// The recipients that got a 250, in RCPT order. None: nobody was promised anything. An import is
    /// bringing the message in and delivers it itself, or never will; the router passes it by.
    pub recipients: Vec<Recipient>,
    /// What MAIL said of the body.
    pub body: Body,
    /// MAIL carried SMTPUTF8 (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// How it came to us, for the `Received` field and for the rules.
    pub trace: Trace,
    /// Header fields of the octets that are hidden when the mail is served, ascending, apart from each other.
    pub cuts: Vec<Cut>,
    /// The octets lack a CRLF at their end (possible by BDAT alone): one is added when they are served.
    pub unterminated: bool,
    /// What authentication found, for the results field; none: nothing was asked.
    pub results: Option<AuthResults>,
    /// The fields that a [`Ruling`] hides or changes, in the order in which they stand.
    pub fields: Vec<RuledField>,
}

impl Envelope {
    /// Whether an import is bringing the message in: nobody is owed it.
    pub fn is_import(&self) -> bool {
        self.recipients.is_empty()
    }

    /// Octets a client gets of the body when the hidden fields are out and the last line is ended.
    pub fn served_octets(&self, body: u64) -> u64 {
        let hidden: u64 = self.cuts.iter().map(|cut| u64::from(cut.octets)).sum();
        body - hidden + if self.unterminated { 2 } else { 0 }
    }
}

/// One recipient of the envelope, with the directory's answer at RCPT. The 250 promises that answer:
/// routing starts from it even when the directory has changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// As the client wrote it, source route stripped.
    pub path: ForwardPath,
    /// Where the directory sends it, each mailbox once.
    pub mailboxes: Vec<MailboxName>,
    /// The alias asks for a copy of its own even where another recipient leads to the same mailbox.
    pub duplicate: bool,
    /// What the rules decided for it; none: nothing was asked of any.
    pub ruling: Option<Ruling>,
}

/// The BODY parameter of MAIL (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Absent, or `BODY=7BIT`.
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
}

/// The `with` of a Received field (RFC 3848, RFC 6531 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// After HELO.
    Smtp,
    /// After EHLO.
    Esmtp,
    /// After LHLO.
    Lmtp,
    /// Made or imported on this machine.
    Local,
}

/// How a message came to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Who took it.
    pub protocol: Protocol,
    /// The peer's address; none on a Unix socket.
    pub peer: Option<IpAddr>,
    /// What it called itself.
    pub helo: String,
    /// The TLS it came by.
    pub tls: Option<TlsFacts>,
    /// When the 250 was due, in milliseconds since 1970 by the wall clock.
    pub received_ms: u64,
}

/// A TLS connection in the words of a Received field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// Such as `TLS1.3`.
    pub version: String,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// A run of octets of the received message that is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Where it begins, from the first octet received.
    pub at: u32,
    /// How long it is.
    pub octets: u32,
}

/// A field of the received header that some recipient's [`Ruling`] hides or changes. The octets are not at hand
/// any more when it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledField {
    /// Its name, in lower case.
    pub name: String,
    /// All of it, up to the last line end.
    pub cut: Cut,
    /// Of a Subject: what stands behind the colon, unfolded, at most [`RuledField::VALUE_MAX`] octets.
    pub value: Vec<u8>,
}

impl RuledField {
    /// Of a longer value the beginning is kept: nobody reads more, and it is written with each message.
    pub const VALUE_MAX: usize = 4096;
}
