use std::fmt;
use std::io::Write;

use queue::Entry;

use crate::listing::{self, Kind};

/// Why a line was no command. The peer's fault, and counted: too many of them close the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Longer than RFC 2449 §4 allows.
    TooLong,
    /// It did not end with CRLF.
    BareLf,
    /// A control character where none belongs.
    Control,
    /// No such command.
    Unknown,
    /// A command of the other state (RFC 1939 §3).
    WrongState,
    /// The wrong arguments; this is how it is used.
    Usage(&'static str),
    /// The user's name is not UTF-8.
    NotUtf8,
    /// A SASL message that is no base64, or not what its mechanism says.
    Sasl,
    /// A second STLS, or one without TLS to offer.
    NoTls,
    /// Octets behind STLS.
    BehindStls,
}

/// Every other way of saying no: policy, or our own trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A password in the clear.
    TlsFirst,
    /// AUTH with a mechanism that is not offered.
    Mechanism,
    /// The client gave the exchange up.
    Cancelled,
    /// No such user, or the wrong password.
    Denied,
    /// Too many failed logins from there.
    Throttled,
    /// Too many logins at the same time.
    Busy,
    /// Too many sessions of this login.
    InUse,
    /// The one session that may is open.
    Exclusive,
    /// The store cannot give the maildrop or the message.
    Unavailable,
    /// The message is not what came in any more.
    Damaged,
    /// No message of that number.
    NoSuchMessage,
    /// It is marked as deleted.
    Deleted,
    /// The deletions of QUIT were not made.
    NotDeleted,
    /// It is not known whether they were, or will be.
    Unsure,
    /// The message has UTF-8 in its header and the client has not said UTF8.
    NeedsUtf8,
    /// A language that is not spoken here.
    Language,
}

/// Why a command was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// The peer's fault.
    Fault(Fault),
    /// Not its fault.
    Refusal(Refusal),
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl Fault {
    fn text(self) -> &'static str {
        match self {
            Self::TooLong => "line too long",
            Self::BareLf => "lines end with CRLF",
            Self::Control => "control character in command",
            Self::Unknown => "unknown command",
            Self::WrongState => "not now",
            Self::Usage(usage) => usage,
            Self::NotUtf8 => "user name is not UTF-8",
            Self::Sasl => "malformed SASL message",
            Self::NoTls => "no TLS to begin",
            Self::BehindStls => "octets behind STLS",
        }
    }
}

impl Refusal {
    /// The response code with its bracket and space (RFC 2449 §6.4, §8, RFC 3206 §4, §5, RFC 6856 §5), then
    /// the text.
    fn text(self) -> &'static str {
        match self {
            Self::TlsFirst => "STLS first: no passwords in the clear",
            Self::Mechanism => "no such mechanism",
            Self::Cancelled => "authentication cancelled",
            Self::Denied => "[AUTH] Authentication failed",
            Self::Throttled => "[SYS/TEMP] too many failed logins, try again later",
            Self::Busy => "[SYS/TEMP] too many logins at once, try again",
            Self::InUse => "[IN-USE] too many sessions of this login",
            Self::Exclusive => "[IN-USE] another session has this maildrop to itself",
            Self::Unavailable => "[SYS/TEMP] mail is not available now",
            Self::Damaged => "[SYS/PERM] message is damaged on the disk; see the server's log",
            Self::NoSuchMessage => "no such message",
            Self::Deleted => "message is deleted",
            Self::NotDeleted => "[SYS/TEMP] nothing deleted",
            Self::Unsure => "[SYS/TEMP] deletion not confirmed, it may still take effect",
            Self::NeedsUtf8 => "[UTF8] message needs UTF8",
            Self::Language => "language not available",
        }
    }
}

/// Where responses are written: the only place that says `+OK` and `-ERR`.
#[derive(Debug)]
pub(super) struct Responses<'o>(pub(super) &'o mut Vec<u8>);

impl Responses<'_> {
    /// A positive response (RFC 1939 §3, RFC 2449 §3).
    pub(super) fn ok(&mut self, text: fmt::Arguments<'_>) {
        self.line(format_args!("+OK {text}"));
    }

    /// One line of a listing as a response of its own.
    pub(super) fn ok_listed(&mut self, kind: Kind, index: usize, entry: &Entry<'_>) {
        self.0.extend_from_slice(b"+OK ");
        listing::line(kind, index, entry, self.0);
    }

    /// A negative response to what was no command.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.line(format_args!("-ERR {}", fault.text()));
    }

    /// Any other negative response.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.line(format_args!("-ERR {}", refusal.text()));
    }

    /// A SASL challenge, in base64 already (RFC 5034 §4).
    pub(super) fn challenge(&mut self, base64: &str) {
        self.line(format_args!("+ {base64}"));
    }

    /// A line of a multi-line response; none that we print begins with a dot.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a Vec does not fail.
        let _ = self.0.write_fmt(text);
        self.0.extend_from_slice(b"\r\n");
    }

    /// The end of a multi-line response.
    pub(super) fn end(&mut self) {
        self.0.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_negative_response_has_its_dialog() {
        use Fault::*;
        use Refusal::*;
        let faults = [TooLong, BareLf, Control, Unknown, WrongState, NotUtf8, Sasl, NoTls, BehindStls];
        let refusals = [
            TlsFirst,
            Mechanism,
            Cancelled,
            Denied,
            Throttled,
            Busy,
            InUse,
            Exclusive,
            Unavailable,
            Damaged,
            NoSuchMessage,
            Deleted,
            NotDeleted,
            Unsure,
            NeedsUtf8,
            Language,
        ];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dialogs/pop3");
        let mut dialogs = String::new();
        for entry in fs::read_dir(folder).expect("the folder of dialogs") {
            dialogs.push_str(&fs::read_to_string(entry.expect("an entry").path()).expect("a dialog"));
        }
        for text in faults.map(Fault::text).into_iter().chain(refusals.map(Refusal::text)) {
            assert!(dialogs.contains(&format!("S: -ERR {text}\n")), "{text}");
        }
    }
}
