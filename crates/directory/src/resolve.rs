//! Where an address goes: the one place that holds the precedence.
//!
//! Refused exactly, then a mailbox's address, then an exact alias; the same after cutting the detail; then
//! the globs, longest literal first; then the catch-all; then nobody. Postmaster and abuse end at the second
//! question and are never refused (RFC 5321 §4.5.1, RFC 2142 §4).

use mail::{ForwardPath, MailboxName};

use crate::table::{AliasTable, GlobOutcome, Onward, Place, Table, Target};

/// Where an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// To these mailboxes, each once.
    Deliver {
        /// In the order the directory names them.
        mailboxes: Vec<MailboxName>,
        /// An alias on the way asks for one copy per recipient.
        duplicate: bool,
    },
    /// Closed: 550 5.1.1 with this text.
    Refused {
        /// What the sender is told.
        text: String,
    },
    /// Our domain, nobody there: 550 5.1.1.
    Unknown,
    /// Not our domain: 550 5.7.1.
    NotLocal,
}

/// One step of the way, for `restante route`: what was looked at and what it gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The address or name at this point.
    pub at: String,
    /// Why it went on or ended there, in words.
    pub why: String,
}

/// Who listens to the steps. Words are made only for a listener who wants them.
pub(crate) trait Tell {
    fn step(&mut self, words: impl FnOnce() -> (String, String));

    /// The way led into an alias.
    fn alias(&mut self, table: &Table, index: usize);
}

/// Nobody does: every RCPT.
pub(crate) struct Silent;

impl Tell for Silent {
    fn step(&mut self, _: impl FnOnce() -> (String, String)) {}
    fn alias(&mut self, _: &Table, _: usize) {}
}

impl Tell for Vec<Step> {
    fn step(&mut self, words: impl FnOnce() -> (String, String)) {
        let (at, why) = words();
        self.push(Step { at, why });
    }

    /// Where it leads (RFC 5321 §3.9), each alias on the way told once: `check` has seen that they end.
    fn alias(&mut self, table: &Table, index: usize) {
        let mut seen = vec![index];
        let mut next = 0;
        while let Some(alias) = seen.get(next).and_then(|index| table.aliases.get(*index)) {
            next += 1;
            for onward in &alias.to {
                match onward {
                    Onward::Mailbox(name) => self.step(|| (name.to_string(), "a mailbox".into())),
                    Onward::Address(domain, local) => {
                        if let Found::Alias(index) = find(table, *domain, local, self)
                            && !seen.contains(&index)
                        {
                            seen.push(index);
                        }
                    }
                }
            }
        }
    }
}

/// What one address of a domain of ours is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'t> {
    Refused(&'t str),
    Mailbox(&'t MailboxName),
    /// A place in `Table::aliases`.
    Alias(usize),
    CatchAll(&'t MailboxName),
    /// Nobody has it, and it asks to be carried elsewhere.
    Relay,
    Nobody,
}

/// Local parts that every domain has (RFC 5321 §4.5.1, RFC 2142 §4).
pub(crate) const RESERVED: [&str; 2] = ["postmaster", "abuse"];

/// What is told to senders of a closed address that has no text of its own.
pub(crate) const CLOSED: &str = "this address is closed";

/// Resolves a recipient; `told` hears why.
pub(crate) fn resolve(table: &Table, path: &ForwardPath, told: &mut impl Tell) -> Resolution {
    let (domain, local) = match path {
        ForwardPath::Postmaster => {
            told.step(|| ("postmaster".into(), "the postmaster of the first domain".into()));
            (0, "postmaster".to_owned())
        }
        ForwardPath::Address(address) => {
            let local = address.local.folded();
            match table.place(&address.domain) {
                Place::Domain(index) => (index, local),
                Place::Host if local == "postmaster" => {
                    told.step(|| {
                        (address.to_string(), "our own host: the postmaster of the first domain".into())
                    });
                    (0, local)
                }
                Place::Host if asks_for_relay(&local) => return relay(&address.to_string(), told),
                Place::Host => {
                    told.step(|| (address.to_string(), "our own host, where only postmaster lives".into()));
                    return Resolution::Unknown;
                }
                Place::Elsewhere => {
                    told.step(|| (address.to_string(), "not a domain of ours".into()));
                    return Resolution::NotLocal;
                }
            }
        }
    };
    match find(table, domain, &local, told) {
        Found::Refused(text) => Resolution::Refused { text: text.to_owned() },
        Found::Mailbox(name) | Found::CatchAll(name) => {
            Resolution::Deliver { mailboxes: vec![name.clone()], duplicate: false }
        }
        Found::Alias(index) => {
            told.alias(table, index);
            match table.aliases.get(index) {
                Some(AliasTable { mailboxes, duplicate, .. }) => {
                    Resolution::Deliver { mailboxes: mailboxes.clone(), duplicate: *duplicate }
                }
                None => Resolution::Unknown,
            }
        }
        Found::Relay => Resolution::NotLocal,
        Found::Nobody => Resolution::Unknown,
    }
}

/// Whether a recipient is one that every domain must take mail for, whatever is refused otherwise.
pub(crate) fn always_open(table: &Table, path: &ForwardPath) -> bool {
    let ForwardPath::Address(address) = path else { return true };
    let local = address.local.folded();
    if !RESERVED.contains(&local.as_str()) {
        return false;
    }
    match table.place(&address.domain) {
        Place::Domain(_) => true,
        Place::Host => local == "postmaster",
        Place::Elsewhere => false,
    }
}

/// Looks an address of a domain of ours up, by the precedence above.
pub(crate) fn find<'t>(table: &'t Table, domain: usize, local: &str, told: &mut impl Tell) -> Found<'t> {
    if let Some(found) = exact(table, domain, local, told) {
        return found;
    }
    if let Some((base, detail)) = cut(table.separator, local) {
        told.step(|| {
            (table.spelled(domain, local), format!("nobody has exactly this; without the detail {detail}"))
        });
        if let Some(found) = exact(table, domain, base, told) {
            return found;
        }
    }
    if asks_for_relay(local) {
        relay(&table.spelled(domain, local), told);
        return Found::Relay;
    }
    if let Some(found) = glob(table, domain, local, told) {
        return found;
    }
    let row = table.domains.get(domain);
    match row.and_then(|row| row.catch_all.as_ref()) {
        Some(mailbox) => {
            told.step(|| {
                let nobody = nobody(table, domain, local);
                (table.spelled(domain, local), format!("{nobody}: the catch-all, mailbox {mailbox}"))
            });
            Found::CatchAll(mailbox)
        }
        None => {
            told.step(|| {
                let nobody = nobody(table, domain, local);
                (table.spelled(domain, local), format!("{nobody}, and the domain has no catch-all"))
            });
            Found::Nobody
        }
    }
}

/// Why an address is nobody's: there may be a mailbox of that name, to which no mail comes.
fn nobody(table: &Table, domain: usize, local: &str) -> String {
    let base = cut(table.separator, local).map(|(base, _)| base);
    let named = table.domains.get(domain).and_then(|row| {
        let mut names = std::iter::once(local).chain(base).filter_map(|local| row.named.get(local));
        names.find(|name| table.mailboxes.get(name).is_some_and(|row| !row.receives))
    });
    match named {
        Some(mailbox) => format!("mailbox {mailbox} has `receives = false`, and nobody else has it"),
        None => "nobody has it".into(),
    }
}

fn exact<'t>(table: &'t Table, domain: usize, local: &str, told: &mut impl Tell) -> Option<Found<'t>> {
    let row = table.domains.get(domain)?;
    let said = row.exact.get(local);
    let reserved = RESERVED.contains(&local);
    if let Some(text) = said.and_then(|said| said.refused.as_deref())
        && !reserved
    {
        told.step(|| (table.spelled(domain, local), format!("closed by [[refuse]]: {text}")));
        return Some(Found::Refused(text));
    }
    match said.and_then(|said| said.target.as_ref()) {
        Some(Target::Mailbox(mailbox)) => {
            told.step(|| (table.spelled(domain, local), format!("an address of mailbox {mailbox}")));
            Some(Found::Mailbox(mailbox))
        }
        Some(Target::Alias(index)) => {
            told.step(|| (table.spelled(domain, local), alias_words(table, *index)));
            Some(Found::Alias(*index))
        }
        None => {
            let mailbox = row.postmaster.as_ref().filter(|_| reserved)?;
            told.step(|| (table.spelled(domain, local), format!("every domain has it: mailbox {mailbox}")));
            Some(Found::Mailbox(mailbox))
        }
    }
}

fn glob<'t>(table: &'t Table, domain: usize, local: &str, told: &mut impl Tell) -> Option<Found<'t>> {
    let row = table.domains.get(domain)?.globs.iter().find(|row| row.pattern.matches(local))?;
    told.step(|| (table.spelled(domain, local), format!("fits {}", row.spelled)));
    Some(match &row.outcome {
        GlobOutcome::Refused(text) => {
            told.step(|| (row.spelled.clone(), format!("closed by [[refuse]]: {text}")));
            Found::Refused(text)
        }
        GlobOutcome::Alias(index) => {
            told.step(|| (row.spelled.clone(), alias_words(table, *index)));
            Found::Alias(*index)
        }
    })
}

/// The local part before the first separator, and the rest with the separator (RFC 5233 §1).
pub(crate) fn cut(separator: Option<char>, local: &str) -> Option<(&str, &str)> {
    let at = local.find(separator?)?;
    (at > 0).then(|| local.split_at(at))
}

/// `user%there@here`, `there!user@here` and `"user@there"@here` ask us to carry mail on. Such an address
/// is somebody's only where it is configured letter for letter: a glob or a catch-all would turn the asking
/// of every relay probe into a delivery (RFC 5321 §2.3.11).
fn asks_for_relay(local: &str) -> bool {
    local.contains(['%', '!', '@'])
}

fn relay(at: &str, told: &mut impl Tell) -> Resolution {
    told.step(|| (at.to_owned(), "nobody has exactly this, and it asks to be relayed".into()));
    Resolution::NotLocal
}

fn alias_words(table: &Table, index: usize) -> String {
    let Some(alias) = table.aliases.get(index) else { return String::new() };
    let to: Vec<String> = alias.to.iter().map(|onward| spell(table, onward)).collect();
    let copies = if alias.duplicate { ", one copy for each recipient" } else { "" };
    format!("an alias to {}{copies}", to.join(", "))
}

fn spell(table: &Table, onward: &Onward) -> String {
    match onward {
        Onward::Mailbox(name) => name.to_string(),
        Onward::Address(domain, local) => table.spelled(*domain, local),
    }
}
