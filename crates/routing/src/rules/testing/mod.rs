//! `[[test]]`: mail that rules are tried on at every load.

mod expect;
mod mail;
mod outcome;

use std::ops::Range;

use ::mail::MailboxName;
use toml::de::DeTable;

pub use outcome::TestOutcome;

use super::diagnostic::Diagnostic;
use super::facts::{Facts, To};
use super::source::{Fields, Reader};
use expect::Expect;

/// One test of the file.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
    facts: Facts,
    to: To,
    /// Where the directory sends the recipient; none while it has faults of its own.
    answer: Option<Vec<MailboxName>>,
    expect: Expect,
}

impl Case {
    /// Reads one `[[test]]`; nothing when it has a fault, which is said.
    pub(crate) fn read(
        table: &DeTable<'_>,
        span: Range<usize>,
        rules: &[&str],
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let mut fields = Fields::new(table, span.clone(), "test");
        let (name, mail, expect) = (fields.get("name"), fields.get("mail"), fields.get("expect"));
        fields.finish(reader);
        let name = match name {
            Some(value) => reader.line("name", value),
            None => {
                reader.say(Diagnostic::error(span.clone(), "a test has no `name`"));
                None
            }
        };
        let mail = match mail {
            Some(value) => mail::read(value, reader),
            None => {
                let said = Diagnostic::error(span.clone(), "a test has no `mail`");
                reader.say(said.hint("mail = { to = \"someone@example.com\", subject = \"…\" }"));
                None
            }
        };
        let expect = match expect {
            Some(value) => Expect::read(value, rules, reader),
            None => {
                let said = Diagnostic::error(span, "a test has no `expect`");
                reader.say(said.hint("expect = { deliver = [\"…\"], rule = \"…\" }"));
                None
            }
        };
        let (facts, to, answer) = mail?;
        Some(Self { name: name?.to_owned(), facts, to, answer, expect: expect? })
    }
}
