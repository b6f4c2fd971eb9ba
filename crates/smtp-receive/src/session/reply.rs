use std::borrow::Cow;
use std::io::Write as _;

use mail::QueueId;

use super::extension;
use super::params::{Dialect, Params};

/// Most octets of a text that comes from outside: with code and CRLF it stays within the 512 octets of a
/// reply line (RFC 5321 §4.5.3.1.5).
const TEXT: usize = 400;

/// Everything that a session can say. The text tells what it answers (RFC 2920 §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The greeting.
    Greeting,
    /// To HELO.
    Helo,
    /// To EHLO and LHLO: the extensions.
    Extensions {
        /// TLS is on already, so it is not offered again (RFC 3207 §4.2).
        secured: bool,
    },
    /// To MAIL.
    Sender,
    /// To RCPT.
    Recipient,
    /// To DATA.
    StartData,
    /// To a BDAT that is not the last.
    Chunk(u64),
    /// The message is ours.
    Queued(QueueId),
    /// To RSET and NOOP.
    Ok,
    /// To VRFY (RFC 5321 §3.5.3).
    CannotVerify,
    /// To HELP.
    Help,
    /// To STARTTLS.
    ReadyForTls,
    /// To QUIT.
    Goodbye,
    /// The peer broke the protocol.
    Fault(Fault),
    /// Somebody decided against it.
    Refused(Refusal),
    /// Instead of the greeting: there is no service for this peer (RFC 5321 §3.1).
    TurnedAway(Refusal),
    /// The session ends here.
    Ended(Ending),
}

/// How the peer broke the protocol, or passed a limit (RFC 5321 §4.5.3.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No such command.
    UnknownCommand,
    /// A command of somebody's, but not offered here.
    NotOffered,
    /// A command line of too many octets.
    LineTooLong,
    /// A command line with control characters, or not in UTF-8 (RFC 5321 §4.1.2).
    NotText,
    /// A command line that ends in a bare LF.
    BareLineFeed,
    /// Arguments that the command does not have, or has not in this form.
    Arguments,
    /// The path after `FROM:` is none.
    SenderSyntax,
    /// The path after `TO:` is none.
    RecipientSyntax,
    /// A parameter that we did not offer (RFC 5321 §4.1.1.11).
    Parameter,
    /// A path beyond ASCII in a transaction without SMTPUTF8 (RFC 6531 §3.5).
    NotAscii,
    /// The same of the sender, which has a code of its own.
    SenderNotAscii,
    /// No EHLO yet.
    GreetFirst,
    /// No MAIL yet.
    MailFirst,
    /// No RCPT yet.
    RecipientFirst,
    /// A second MAIL.
    NestedMail,
    /// Between two BDAT there is only BDAT (RFC 3030 §2).
    InChunks,
    /// A second STARTTLS.
    SecuredAlready,
    /// Anything but QUIT, of a peer that there is no service for.
    TurnedAway,
    /// All recipients were refused.
    NoRecipients,
    /// One recipient more than a message may have.
    TooManyRecipients,
    /// More octets than a message may have.
    TooBig,
    /// A bare CR, a bare LF or a NUL in the message.
    BareNewline,
    /// A line of the message is too long.
    TextLine,
    /// More Received fields than a journey has.
    Loop,
}

/// Why something was not taken, though it was well said. Nobody is written to about it (RFC 5321 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this address.
    UnknownRecipient,
    /// The address is closed, and this is what its owner says.
    ClosedRecipient(String),
    /// Not our domain: we do not relay (RFC 5321 §3.6.2, §7.9).
    NotLocal,
    /// Every mailbox that the address names is full.
    MailboxFull,
    /// The message is longer than all that any mailbox which the address names may ever hold.
    LargerThanMailbox,
    /// With this recipient too, one message would have more copies than are delivered in one step.
    TooManyCopies,
    /// The store has no room now.
    NoRoom,
    /// The store failed us.
    Unavailable,
    /// A rule decided.
    Policy(PolicyRefusal),
}

/// What a rule says when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRefusal {
    /// The reply code, such as 550; one of 4xx asks the peer to try again.
    pub code: u16,
    /// The enhanced status code, such as `5.7.1` (RFC 3463). Its class must be that of `code`.
    pub enhanced: Cow<'static, str>,
    /// What the peer is told.
    pub text: Cow<'static, str>,
    /// Which rule it was, for log and trace.
    pub rule: Cow<'static, str>,
}

/// Why we end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer talked before we greeted (RFC 5321 §3.1).
    EarlyTalker,
    /// The peer speaks HTTP.
    NotSmtp,
    /// One error too many.
    TooManyErrors,
    /// One unknown recipient too many.
    TooManyUnknownRecipients,
    /// One transaction too many.
    TooManyMails,
    /// The peer kept us waiting.
    Timeout,
    /// The service stops.
    ShuttingDown,
    /// We cannot go on.
    Broken,
}

impl Reply {
    /// The three digits.
    pub fn code(&self) -> u16 {
        self.status().0
    }

    /// Writes the reply with its CRLF. Nothing else in this crate writes to the peer.
    pub fn write(&self, params: &Params, out: &mut Vec<u8>) {
        let (code, enhanced) = self.status();
        if let Self::Extensions { secured } = self {
            extension::write_all(params, *secured, out);
            return;
        }
        let mut line = |args: std::fmt::Arguments<'_>| out.write_fmt(args).expect("a Vec takes all");
        let gap = if enhanced.is_empty() { "" } else { " " };
        line(format_args!("{code}{gap}{enhanced} "));
        match self {
            Self::Greeting => line(format_args!("{} {}", params.hostname, params.banner)),
            Self::Helo => line(format_args!("{}", params.hostname)),
            Self::Chunk(octets) => line(format_args!("{octets} octets taken")),
            Self::Queued(id) => line(format_args!("queued as {id}")),
            Self::TurnedAway(refusal) => {
                line(format_args!("{} ", params.hostname));
                out.extend(refusal.text().chars().map(printable).take(TEXT));
            }
            Self::Goodbye | Self::Ended(_) => line(format_args!("{} {}", params.hostname, self.text())),
            Self::Help if params.dialect == Dialect::Lmtp => line(format_args!("LHLO {}", self.text())),
            Self::Help => line(format_args!("EHLO HELO {}", self.text())),
            _ => out.extend(self.text().chars().map(printable).take(TEXT)),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Code (RFC 5321 §4.2, §4.2.3, §4.3.1, §4.3.2) and enhanced status code (RFC 2034 §3, §4); the greeting, the
    /// answers to EHLO and HELO and 354 have none.
    fn status(&self) -> (u16, &str) {
        match self {
            Self::Greeting => (220, ""),
            Self::Helo | Self::Extensions { .. } => (250, ""),
            Self::Sender => (250, "2.1.0"),
            Self::Recipient => (250, "2.1.5"),
            Self::StartData => (354, ""),
            Self::Chunk(_) | Self::Queued(_) | Self::Ok => (250, "2.0.0"),
            Self::CannotVerify => (252, "2.0.0"),
            Self::Help => (214, "2.0.0"),
            Self::ReadyForTls => (220, "2.0.0"),
            Self::Goodbye => (221, "2.0.0"),
            Self::Fault(fault) => fault.status(),
            Self::Refused(refusal) => refusal.status(),
            // Of a greeting there is one code for good, and one for now.
            Self::TurnedAway(refusal) => match refusal.status() {
                (500.., enhanced) => (554, enhanced),
                (_, enhanced) => (421, enhanced),
            },
            Self::Ended(ending) => ending.status(),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Greeting | Self::Helo | Self::Extensions { .. } | Self::Chunk(_) | Self::Queued(_) => "",
            Self::Sender => "sender ok",
            Self::Recipient => "recipient ok",
            Self::StartData => "end with a dot on a line of its own",
            Self::Ok => "ok",
            Self::CannotVerify => "send it and see",
            Self::Help => "MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS",
            Self::ReadyForTls => "go ahead",
            Self::Goodbye => "closing",
            Self::Fault(fault) => fault.text(),
            Self::Refused(refusal) | Self::TurnedAway(refusal) => refusal.text(),
            Self::Ended(ending) => ending.text(),
        }
    }
}

impl Fault {
    /// See [`Refusal::said`].
    pub(crate) fn said(self) -> String {
        said(self.status(), self.text())
    }

    fn status(self) -> (u16, &'static str) {
        match self {
            Self::UnknownCommand => (500, "5.5.1"),
            Self::LineTooLong | Self::NotText | Self::BareLineFeed => (500, "5.5.2"),
            Self::Arguments => (501, "5.5.4"),
            Self::SenderSyntax => (501, "5.1.7"),
            Self::RecipientSyntax => (501, "5.1.3"),
            Self::NotOffered => (502, "5.5.1"),
            Self::GreetFirst
            | Self::MailFirst
            | Self::RecipientFirst
            | Self::NestedMail
            | Self::InChunks
            | Self::SecuredAlready
            | Self::TurnedAway => (503, "5.5.1"),
            Self::Parameter => (555, "5.5.4"),
            Self::NotAscii => (553, "5.6.7"),
            Self::SenderNotAscii => (550, "5.6.7"),
            Self::NoRecipients => (554, "5.5.1"),
            Self::TooManyRecipients => (452, "4.5.3"),
            Self::TooBig => (552, "5.3.4"),
            Self::BareNewline => (550, "5.6.11"),
            Self::TextLine => (554, "5.6.0"),
            Self::Loop => (554, "5.4.6"),
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::UnknownCommand => "no such command",
            Self::NotOffered => "not offered here",
            Self::LineTooLong => "the command line is too long",
            Self::NotText => "the command is not text",
            Self::BareLineFeed => "lines end with CR LF",
            Self::Arguments => "the arguments are not well-formed",
            Self::SenderSyntax => "the sender is not well-formed",
            Self::RecipientSyntax => "the recipient is not well-formed",
            Self::Parameter => "a parameter that was not offered",
            Self::NotAscii | Self::SenderNotAscii => "an address beyond ASCII needs SMTPUTF8",
            Self::GreetFirst => "greet first",
            Self::MailFirst => "MAIL first",
            Self::RecipientFirst => "RCPT first",
            Self::NestedMail => "one sender at a time",
            Self::InChunks => "BDAT has begun",
            Self::SecuredAlready => "TLS is on already",
            Self::TurnedAway => "there is no service for you here",
            Self::NoRecipients => "no valid recipients",
            Self::TooManyRecipients => "too many recipients, send the rest in another message",
            Self::TooBig => "the message is too big",
            Self::BareNewline => "lines must end with CRLF: the message has a bare CR, a bare LF or a NUL",
            Self::TextLine => "the message has a line that is too long",
            Self::Loop => "too many hops, this is a loop",
        }
    }
}

impl Refusal {
    /// The whole reply, for the log: `550 5.1.1 no such recipient here`.
    pub(crate) fn said(&self) -> String {
        said(self.status(), self.text())
    }

    /// It counts as a search for addresses.
    pub(crate) fn is_probe(&self) -> bool {
        match self {
            Self::UnknownRecipient | Self::ClosedRecipient(_) | Self::NotLocal => true,
            Self::MailboxFull
            | Self::LargerThanMailbox
            | Self::TooManyCopies
            | Self::NoRoom
            | Self::Unavailable
            | Self::Policy(_) => false,
        }
    }

    fn status(&self) -> (u16, &str) {
        match self {
            Self::UnknownRecipient | Self::ClosedRecipient(_) => (550, "5.1.1"),
            Self::NotLocal => (550, "5.7.1"),
            Self::MailboxFull => (452, "4.2.2"),
            Self::LargerThanMailbox => (552, "5.2.3"),
            Self::TooManyCopies => (452, "4.5.3"),
            Self::NoRoom => (452, "4.3.1"),
            Self::Unavailable => (451, "4.3.0"),
            Self::Policy(refusal) => (refusal.code, &refusal.enhanced),
        }
    }

    /// What the peer is told.
    pub fn text(&self) -> &str {
        match self {
            Self::UnknownRecipient => "no such recipient here",
            Self::ClosedRecipient(text) => text,
            Self::NotLocal => "not a domain of ours, and we do not relay",
            Self::MailboxFull => "the mailbox is full",
            Self::LargerThanMailbox => "the message is longer than all that the mailbox may hold",
            Self::TooManyCopies => "too many copies of one message, send the rest in another",
            Self::NoRoom => "no room for mail now",
            Self::Unavailable => "cannot take mail now",
            Self::Policy(refusal) => &refusal.text,
        }
    }
}

impl Ending {
    /// See [`Refusal::said`].
    pub(crate) fn said(self) -> String {
        said(self.status(), self.text())
    }

    fn status(self) -> (u16, &'static str) {
        match self {
            Self::EarlyTalker => (554, "5.5.1"),
            Self::NotSmtp | Self::TooManyErrors | Self::TooManyUnknownRecipients | Self::TooManyMails => {
                (421, "4.7.0")
            }
            Self::Timeout => (421, "4.4.2"),
            Self::ShuttingDown => (421, "4.3.2"),
            Self::Broken => (421, "4.3.0"),
        }
    }

    /// Why, in a word or two: the peer and the log read the same.
    pub fn text(self) -> &'static str {
        match self {
            Self::EarlyTalker => "you talk before you are greeted",
            Self::NotSmtp => "this is a mail server",
            Self::TooManyErrors => "too many errors",
            Self::TooManyUnknownRecipients => "too many unknown recipients",
            Self::TooManyMails => "that was enough mail for one session",
            Self::Timeout => "timed out",
            Self::ShuttingDown => "shutting down",
            Self::Broken => "something is wrong here",
        }
    }
}

/// Replies are ASCII (RFC 6531 §3.7.4.2), and what a rule says must not begin a line of its own.
fn printable(c: char) -> u8 {
    match u8::try_from(c) {
        Ok(octet @ b' '..=b'~') => octet,
        Ok(_) | Err(_) => b'?',
    }
}
fn said((code, enhanced): (u16, &str), text: &str) -> String {
    format!("{code} {enhanced} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_reads_what_the_peer_reads() {
        let params = Params { hostname: "mx.example.test".into(), ..Params::default() };
        for (reply, said) in [
            (Reply::Fault(Fault::TooBig), Fault::TooBig.said()),
            (Reply::Refused(Refusal::Unavailable), Refusal::Unavailable.said()),
            (Reply::Ended(Ending::Timeout), Ending::Timeout.said()),
        ] {
            let mut written = Vec::new();
            reply.write(&params, &mut written);
            let written = String::from_utf8(written).expect("ASCII");
            assert_eq!(written.replace("mx.example.test ", ""), format!("{said}\r\n"));
        }
        assert_eq!(Fault::TooBig.said(), "552 5.3.4 the message is too big");
    }
}
