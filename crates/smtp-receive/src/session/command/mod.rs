//! The commands (RFC 5321 §4.1.1, §4.1.4, §4.5.1). A new one is a file here and a row in [`TABLE`].

mod bdat;
mod data;
mod helo;
mod help;
mod mail;
mod noop;
mod other;
mod quit;
mod rcpt;
mod rset;
mod starttls;
mod vrfy;

use super::Session;
use super::reply::Fault;
use super::state::State;

/// What runs a command: the session, and what follows the verb.
type Run = fn(&mut Session, &str);

const TABLE: &[(&str, Run)] = &[
    ("MAIL", mail::run),
    ("RCPT", rcpt::run),
    ("DATA", data::run),
    ("BDAT", bdat::run),
    ("EHLO", helo::ehlo),
    ("HELO", helo::helo),
    ("LHLO", helo::lhlo),
    ("STARTTLS", starttls::run),
    ("RSET", rset::run),
    ("NOOP", noop::run),
    ("QUIT", quit::run),
    ("VRFY", vrfy::run),
    ("HELP", help::run),
];

/// Runs one command line; verbs come in any case (RFC 5321 §2.4).
pub(super) fn run(session: &mut Session, line: &str) {
    let (verb, arguments) = line.split_once(' ').unwrap_or((line, ""));
    match TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(verb)) {
        Some((_, run)) => run(session, arguments.trim_start_matches(' ')),
        None => other::run(session, verb),
    }
}

/// To a peer that was turned away there is one answer, unless it leaves (RFC 5321 §3.1).
pub(super) fn turned_away(session: &mut Session, line: &str) {
    let verb = line.split_once(' ').map_or(line, |(verb, _)| verb);
    match verb.eq_ignore_ascii_case("QUIT") {
        true => run(session, line),
        false => session.fault(Fault::TurnedAway),
    }
}

/// The arguments behind `FROM:` or `TO:`. Spaces around the path are against the letter (RFC 5321 §3.3), in
/// use, and cannot be mistaken.
fn after_keyword<'a>(arguments: &'a str, keyword: &str) -> Result<&'a str, Fault> {
    let head = arguments.get(..keyword.len()).ok_or(Fault::Arguments)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(Fault::Arguments);
    }
    Ok(arguments[keyword.len()..].trim_start_matches(' '))
}

/// Parameters stand apart from the path.
fn parameters(rest: &str) -> Result<&str, Fault> {
    if rest.is_empty() || rest.starts_with(' ') { Ok(rest) } else { Err(Fault::Arguments) }
}

impl Session {
    /// The command has no place in this state, which stays.
    fn misplaced(&mut self, state: State) {
        let fault = state.lack(self.params.dialect);
        self.state = state;
        self.fault(fault);
    }

    /// Counts a command that leads to no mail: too many of them are errors. False when the session has
    /// ended over it.
    fn is_borne(&mut self) -> bool {
        self.counts.junk = self.counts.junk.saturating_add(1);
        self.counts.junk <= self.params.errors.junk_commands || self.bear()
    }
}
