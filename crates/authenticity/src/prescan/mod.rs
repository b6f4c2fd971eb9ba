mod mime;
mod signature;
#[cfg(test)]
mod tests;

use mail::Cut;
use memchr::memchr;

pub use mime::MimeExcess;
use mime::MimeScan;
use signature::SignatureScan;

use crate::results::{claim, same};

/// Octets of one field that are kept to be looked at: the name, and the authserv-id of the results field.
const HEAD: usize = 512;

/// Bounds on the header section.
#[derive(Debug, Clone)]
pub struct HeaderLimits {
    /// Octets of all fields together, with the line ends.
    pub octets: u64,
    /// Lines, folded ones counted one by one.
    pub lines: u32,
    /// Octets of one field, folded lines included.
    pub field: u64,
}

impl Default for HeaderLimits {
    fn default() -> Self {
        Self { octets: 128 << 10, lines: 1_000, field: 64 << 10 }
    }
}

/// Why a message is refused for its header section alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// More octets than [`HeaderLimits::octets`].
    #[error("the header section is too large")]
    TooLarge,
    /// More lines than [`HeaderLimits::lines`].
    #[error("the header section has too many lines")]
    TooManyLines,
    /// A field of more octets than [`HeaderLimits::field`].
    #[error("a header field is too long")]
    FieldTooLong,
}

/// What a pass over a message has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scanned {
    /// The first bound that was broken.
    pub fault: Option<HeaderFault>,
    /// Fields that only we may write, to be hidden when the mail is served (RFC 5321 §4.4, RFC 8601 §5).
    pub cuts: Vec<Cut>,
    /// Why no parser without bounds of its own may take it apart.
    pub too_complex: Option<MimeExcess>,
    /// DKIM-Signature fields. Any number is taken; whoever verifies must bound what it verifies.
    pub signatures: u32,
    /// Those of them that are not worth verifying: they name more than 100 header fields.
    pub overlong_signatures: u32,
}

/// One pass over a message as its octets arrive, in pieces of any size. Memory and work are bounded
/// whatever comes: behind the header section it only counts lines that may be parts.
#[derive(Debug)]
pub struct Prescan {
    limits: HeaderLimits,
    authserv_id: String,
    state: State,
    /// Octets before the current line.
    line_at: u64,
    /// Octets of the current line so far.
    line_octets: u64,
    lines: u32,
    field: Field,
    signatures: SignatureScan,
    mime: MimeScan,
    found: Scanned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but fields so far: the limits hold.
    Header,
    /// A line was no field, so to some readers the body has begun. Others read fields on to the empty line:
    /// what only we may write is hidden from them as well, but mail without fields breaks no limit.
    Loose,
    /// Behind the header section.
    Body,
}

/// The field that the current line belongs to.
#[derive(Debug, Default)]
struct Field {
    at: u64,
    octets: u64,
    head: Vec<u8>,
}

impl Field {
    /// Another one; the room for its head is that of the one before.
    fn begin(&mut self, at: u64) {
        (self.at, self.octets) = (at, 0);
        self.head.clear();
    }
}

impl Prescan {
    /// A scan for a message of our own host, whose results fields carry `authserv_id` (RFC 8601 §2.5).
    pub fn new(limits: HeaderLimits, authserv_id: &str) -> Self {
        Self {
            limits,
            authserv_id: authserv_id.to_ascii_lowercase(),
            state: State::Header,
            line_at: 0,
            line_octets: 0,
            lines: 0,
            field: Field::default(),
            signatures: SignatureScan::default(),
            mime: MimeScan::default(),
            found: Scanned::default(),
        }
    }

    /// Takes the next octets of the message.
    pub fn content(&mut self, mut octets: &[u8]) {
        self.mime.content(octets);
        while self.state != State::Body && !octets.is_empty() {
            let end = memchr(b'\n', octets).map(|at| at + 1);
            let (piece, rest) = octets.split_at(end.unwrap_or(octets.len()));
            self.piece(piece);
            if end.is_some() {
                self.end_of_line();
            }
            octets = rest;
        }
    }

    /// The end of the message.
    pub fn finish(mut self) -> Scanned {
        if self.state != State::Body {
            self.line_at += self.line_octets;
            self.end_of_field();
        }
        self.found.too_complex = self.mime.excess();
        self.found.signatures = self.signatures.signatures;
        self.found.overlong_signatures = self.signatures.overlong;
        self.found
    }

    fn piece(&mut self, piece: &[u8]) {
        if self.line_octets == 0 && !matches!(piece[0], b' ' | b'\t') {
            self.end_of_field();
            self.field.begin(self.line_at);
            self.signatures.field();
        }
        self.signatures.content(piece);
        let room = HEAD.saturating_sub(self.field.head.len()).min(piece.len());
        self.field.head.extend_from_slice(&piece[..room]);
        self.field.octets += piece.len() as u64;
        self.line_octets += piece.len() as u64;
        if self.field.octets > self.limits.field {
            self.broken(HeaderFault::FieldTooLong);
        }
        if self.line_at + self.line_octets > self.limits.octets {
            self.broken(HeaderFault::TooLarge);
        }
    }

    fn broken(&mut self, fault: HeaderFault) {
        if self.state == State::Header {
            self.found.fault = Some(fault);
        }
        self.state = State::Body;
    }

    fn end_of_line(&mut self) {
        let first = self.field.octets == self.line_octets;
        if first && matches!(self.field.head.as_slice(), b"\r\n" | b"\n") {
            self.state = State::Body;
        } else if first && self.state == State::Header && !is_field(&self.field.head) {
            self.state = State::Loose;
        }
        self.line_at += self.line_octets;
        self.line_octets = 0;
        self.lines += 1;
        if self.state != State::Body && self.lines > self.limits.lines {
            self.broken(HeaderFault::TooManyLines);
        }
    }

    /// Judges the field whose last line is complete.
    fn end_of_field(&mut self) {
        let Some(colon) = memchr(b':', &self.field.head) else { return };
        let name = self.field.head[..colon].trim_ascii_end();
        if is_ours(name) || (is_results(name) && self.not_to_be_believed(&self.field.head[colon + 1..])) {
            // Header limits keep both far below 4 GiB.
            let at = u32::try_from(self.field.at).unwrap_or(u32::MAX);
            let octets = u32::try_from(self.line_at - self.field.at).unwrap_or(u32::MAX);
            self.found.cuts.push(Cut { at, octets });
        }
    }

    /// Whether a results field claims to be ours, or has a version that nobody here can read (RFC 8601 §2.2, §5),
    /// or keeps that to itself for longer than anybody looks.
    fn not_to_be_believed(&self, value: &[u8]) -> bool {
        let claim = claim(value);
        let cut_short = self.field.octets > self.field.head.len() as u64;
        same(&claim.authserv_id, &self.authserv_id)
            || claim.is_of_another_version()
            || (cut_short && !claim.whole)
    }
}

/// Fields that say how a message reached its mailbox: whoever else wrote one wrote it about another mailbox.
fn is_ours(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 3] = [b"Return-Path", b"Delivered-To", b"X-Original-To"];
    NAMES.iter().any(|ours| name.eq_ignore_ascii_case(ours))
        || name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"X-Restante-"))
}

fn is_results(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Authentication-Results")
}

/// A field name and its colon (RFC 5322 §2.2; white space before the colon is its obsolete form).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(|octet| (33..=126).contains(octet))
}
