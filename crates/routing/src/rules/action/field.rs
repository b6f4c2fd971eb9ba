use std::ops::Range;

use super::super::condition::is_field_name;
use super::super::diagnostic::Diagnostic;
use super::super::source::Reader;

/// Fields that say how a message came and what we found of it: ours to write, and nobody's to change.
const OURS: [&str; 9] = [
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "authentication-results",
    "received-spf",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
];

/// Whether a rule may put up or hide a field of this name; says why not.
pub(super) fn may_change(key: &str, name: &str, span: Range<usize>, reader: &mut Reader<'_>) -> bool {
    if !is_field_name(name) {
        let message = format!("`{key}`: `{}` cannot be the name of a header field", name.escape_debug());
        reader.say(Diagnostic::error(span, message).label("expected letters, digits and hyphens"));
        return false;
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) || lower.starts_with("x-restante-") {
        let message = format!("`{key}`: `{name}` tells how the mail came, and no rule changes it");
        reader.say(Diagnostic::error(span, message));
        return false;
    }
    true
}
