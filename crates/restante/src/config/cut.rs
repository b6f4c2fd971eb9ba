//! Taking a table or a key out of a TOML text by its lines. An editor that works on the parsed document
//! takes the comments above away with it, and those may be about what comes next.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The lines of the table of `[[key]]` that `is_it` says, from its header to its last value; none when there is
/// no such table, or it is written inline.
pub(super) fn table_lines(
    text: &str,
    key: &str,
    is_it: impl Fn(&DeTable<'_>) -> bool,
) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let found = find(&document, key, is_it)?;
    if !text[found.span()].starts_with("[[") {
        return None;
    }
    let end = last_octet(found.get_ref()).max(found.span().end);
    Some(whole_lines(text, found.span().start..end))
}

/// The lines of one key of such a table; none when it shares a line with others.
pub(super) fn key_lines(
    text: &str,
    table: &str,
    is_it: impl Fn(&DeTable<'_>) -> bool,
    key: &str,
) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let found = find(&document, table, is_it)?;
    let (name, value) = found.get_ref().as_table()?.get_key_value(key)?;
    let lines = whole_lines(text, name.span().start..value.span().end);
    let alone = text[lines.start..name.span().start].trim().is_empty();
    (alone && text[found.span()].starts_with("[[")).then_some(lines)
}

/// The text without these lines, and without the second of two empty lines that meet.
pub(super) fn without(text: &str, lines: Range<usize>) -> String {
    let (before, after) = (&text[..lines.start], &text[lines.end..]);
    let doubled = (before.is_empty() || before.ends_with("\n\n")) && after.starts_with('\n');
    format!("{before}{}", if doubled { &after[1..] } else { after })
}

fn find<'d, 't>(
    document: &'d Spanned<DeTable<'t>>,
    key: &str,
    is_it: impl Fn(&DeTable<'_>) -> bool,
) -> Option<&'d Spanned<DeValue<'t>>> {
    let tables = document.get_ref().get(key)?.get_ref().as_array()?;
    tables.iter().find(|item| item.get_ref().as_table().is_some_and(&is_it))
}

/// Where the last thing in a value ends, also in the tables below it.
fn last_octet(value: &DeValue<'_>) -> usize {
    let inner = |value: &Spanned<DeValue<'_>>| last_octet(value.get_ref()).max(value.span().end);
    match value {
        DeValue::Table(table) => table.values().map(inner).max().unwrap_or(0),
        DeValue::Array(items) => items.iter().map(inner).max().unwrap_or(0),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => 0,
    }
}

fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# all\n\n# a\n[[m]]\nname = \"a\"\n# about p\np = 1 # one\n# about q\nq = [\n  1,\n]\n\n# b\n[[m]]\nname = \
                        \"b\"\n[[m.sub]]\nx = 1\n\n# next\n[n]\ny = 1\n";

    fn named(name: &'static str) -> impl Fn(&DeTable<'_>) -> bool {
        move |table| table.get("name").and_then(|value| value.get_ref().as_str()) == Some(name)
    }

    #[test]
    fn a_table_goes_with_all_that_is_in_it_and_comments_round_it_stay() {
        let lines = table_lines(TEXT, "m", named("b")).expect("there");
        let left = without(TEXT, lines);
        assert_eq!(left, TEXT.replace("[[m]]\nname = \"b\"\n[[m.sub]]\nx = 1\n", ""));
        let lines = table_lines(TEXT, "m", named("a")).expect("there");
        assert!(without(TEXT, lines).starts_with("# all\n\n# a\n\n# b\n[[m]]\nname = \"b\""));
        assert_eq!(table_lines(TEXT, "m", named("c")), None);
        assert_eq!(table_lines("m = [{ name = \"a\" }]", "m", named("a")), None);
    }

    #[test]
    fn a_key_goes_with_its_lines() {
        let gone = |key| without(TEXT, key_lines(TEXT, "m", named("a"), key).expect("there"));
        assert_eq!(gone("p"), TEXT.replace("p = 1 # one\n", ""));
        assert_eq!(gone("q"), TEXT.replace("q = [\n  1,\n]\n", ""));
        assert_eq!(key_lines("m = [{ name = \"a\", p = 1 }]", "m", named("a"), "p"), None);
    }

    #[test]
    fn empty_lines_do_not_add_up() {
        assert_eq!(without("a\n\nb\n\nc\n", 3..5), "a\n\nc\n");
        assert_eq!(without("b\n\nc\n", 0..2), "c\n");
    }
}
