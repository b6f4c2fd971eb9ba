use std::net::IpAddr;

use mail::{ArcResult, DkimResult, DmarcResult, ForwardPath, IprevResult, Known, SpfResult, Verdicts};
use serde::{Deserialize, Serialize};

/// All that rules may look at, of one message: it fills up from phase to phase. Recorded in the trace, so that
/// rules can be tried on mail that is gone.
///
/// What a message does not have is `Is` of nothing; `NotYet` is for what a later phase will tell, `Unknown`
/// for what nobody could tell just now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// When the phase began, in milliseconds since 1970.
    pub now_ms: u64,

    // From the connection on.
    /// Whose mail it is to be judged by: the client's address, or what stands behind a relay of ours; none by a
    /// Unix socket, or when a relay does not say.
    pub ip: Option<IpAddr>,
    /// Whether the address has a name that leads back to it, and which.
    pub iprev: Known<Option<IprevResult>>,
    /// DNS block lists that name the address.
    pub listed: Known<Vec<String>>,

    // From MAIL on.
    /// What the client called itself.
    pub helo: Known<String>,
    /// The TLS it came by, such as `TLS1.3`; none in the clear.
    pub tls: Known<Option<String>>,
    /// The reverse-path; empty for the null one.
    pub sender: Known<String>,
    /// SPF; none where it was not tried.
    pub spf: Known<Option<SpfResult>>,

    // At the end of the data.
    /// Each signature.
    pub dkim: Known<Vec<DkimResult>>,
    /// DMARC; none where it was not tried.
    pub dmarc: Known<Option<DmarcResult>>,
    /// The ARC chain; none where it was not tried.
    pub arc: Known<Option<ArcResult>>,
    /// It came by a forwarder whose word is taken: that the address is not the sender's own says nothing.
    #[serde(default)]
    pub trusted_forwarder: Known<bool>,
    /// What the message says. `Unknown` where it must not be taken apart.
    pub content: Known<Content>,
    /// What scanners said.
    pub verdicts: Verdicts,
}

/// The recipient that a search is made for. Known at RCPT; before that a search has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct To {
    /// As the envelope has it.
    pub address: String,
    /// What stands behind the separator: `shop` of `alice+shop@`.
    pub detail: Option<String>,
    /// Postmaster and abuse: rules neither refuse their mail nor hold it back (RFC 5321 §4.5.1).
    #[serde(default)]
    pub protected: bool,
}

impl To {
    /// A recipient by what the directory says of it.
    pub fn new(path: &ForwardPath, directory: &directory::Table) -> Self {
        Self {
            address: path.to_string(),
            detail: directory.detail(path),
            protected: directory.always_open(path),
        }
    }
}

/// What a message says, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Octets received.
    pub size: u64,
    /// Every field in order: its name in lower case, its value unfolded and decoded (RFC 2047).
    pub headers: Vec<(String, String)>,
    /// Authors.
    pub from: Vec<Person>,
    /// Whom it is addressed to.
    pub to: Vec<Person>,
    /// Whom it is copied to.
    pub cc: Vec<Person>,
    /// Every part with a name, or that is no text, at any depth.
    pub attachments: Vec<Attachment>,
    /// The content type of the message itself, in lower case: `multipart/mixed`.
    pub content_type: String,
    /// It has more parts, or deeper ones, than are looked at: conditions on content cannot tell.
    pub too_complex: bool,
    /// Only its header section was read: what is in it is not known.
    #[serde(default)]
    pub header_only: bool,
    /// The text of all text parts, decoded; HTML without its tags. Not in the trace.
    #[serde(skip)]
    pub body: Option<String>,
}

/// One address of a header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The address; may be empty.
    pub address: String,
    /// The display name, decoded; may be empty.
    pub name: String,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name after every decoding, in lower case, NFC, without trailing dots and spaces or signs that turn
    /// the writing direction; empty when it has none. A part with several names (`name`, `filename`) that differ
    /// stands here once for each.
    pub name: String,
    /// What it says it is.
    pub content_type: String,
    /// What its first octets say it is, where they do.
    pub detected: Option<String>,
    /// Octets, decoded.
    pub size: u64,
}
