//! `rules.toml`.

use toml::Spanned;
use toml::de::DeTable;

use super::section::Notes;
use super::value::Problem;

/// This version has no rules yet. An admin who wrote some must not believe that they work, so each table
/// is a fault.
pub(super) fn read(top: &Spanned<DeTable<'_>>, notes: &mut Notes) {
    for (key, value) in top.get_ref() {
        let first = value.get_ref().as_array().and_then(|tables| tables.iter().next());
        let span = first.map_or_else(|| key.span(), Spanned::span);
        let problem = Problem::new(format!("`{}`: rules are not read by this version", key.get_ref()), "")
            .hint("every mail goes where mailboxes.toml says; keep the rules in another file until then");
        notes.error(span, problem);
    }
}
