//! What is wrong with what an edit would write, apart from what is wrong at places that the file has.

use std::path::Path;

use super::{Fault, Faults, File, Severity};

/// A fault of what an edit would write, which has no place in the file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The key that it would stand behind: `quota`.
    pub key: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

/// The keys that an edit writes.
const WRITTEN: [&str; 5] = ["name", "addresses", "quota", "passwords", "password"];

/// Tells what is wrong with the text as it is from what is wrong with what `after` has besides, which is one piece.
pub(super) fn apart(faults: Faults, (path, before): (&Path, &str), after: &str) -> (Faults, Vec<Given>) {
    let same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - same;
    let behind = before.bytes().rev().zip(after.bytes().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (piece, moved) =
        (same..after.len() - behind, |at: usize| (at + before.len()).saturating_sub(after.len()));
    let mut given = Vec::new();
    let there = faults.of_another(File::Mailboxes, path.to_owned(), before, |fault| match &fault.span {
        Some(span) if piece.contains(&span.start) => {
            let key = key_before(&after[..span.start]);
            given.push(Given { key, fault: fault.clone() });
            None
        }
        Some(span) if span.start >= piece.end => {
            Some(Fault { span: Some(moved(span.start)..moved(span.end)), ..fault.clone() })
        }
        // What begins before the piece and ends in it ends where the text as it is has an end.
        Some(span) => {
            let end = before.floor_char_boundary(span.end.min(before.len()));
            Some(Fault { span: Some(span.start..end.max(span.start)), ..fault.clone() })
        }
        None => Some(fault.clone()),
    });
    given.retain(|given| given.fault.severity == Severity::Error);
    (there, given)
}

/// The key that an edit wrote before a value.
fn key_before(text: &str) -> &'static str {
    let key = |line: &str| {
        let word = line.trim_start().split(['=', ' ']).next();
        WRITTEN.into_iter().find(|key| word == Some(key))
    };
    text.rsplit('\n').find_map(key).unwrap_or("mailbox")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_has_its_own_place_and_what_is_not_has_a_key() {
        let before = "[[mailbox]]\nname = \"a\"\n\n[[alias]]\naddress = \"b\"\n";
        let after = "[[mailbox]]\nname = \"a\"\n\n[[mailbox]]\nname = \"b\"\nquota = \"3\"\n\n[[alias]]\naddress = \"b\"\n";
        let mut faults = Faults::default();
        let quota = after.find("\"3\"").expect("there");
        let (name, alias) = (after.find("\"a\"").expect("there"), after.rfind("\"b\"").expect("there"));
        for at in [name, quota, alias] {
            faults.push(Fault::error(File::Mailboxes, at..at + 3, "wrong"));
        }
        // Over the end of what is there.
        faults.push(Fault::error(File::Mailboxes, name..after.len(), "long"));
        let (there, given) = apart(faults, (Path::new("m.toml"), before), after);
        let lines: Vec<String> = there.lines().collect();
        assert_eq!(lines, ["m.toml:2:8: wrong", "m.toml:5:11: wrong", "m.toml:2:8: long"]);
        assert!(there.render(false).contains("address = \"b\""), "{there}");
        assert_eq!(given.iter().map(|given| given.key).collect::<Vec<_>>(), ["quota"]);
    }
}
