use crate::rules::diagnostic::Diagnostic;
use crate::rules::ruleset::Rule;
use crate::rules::source::Reader;

/// Says which rules no search can reach, as far as can be proved: one above ends it for all that they match.
pub(super) fn check(rules: &[Rule], reader: &mut Reader<'_>) {
    for (place, rule) in rules.iter().enumerate() {
        let above = rules[..place].iter().find(|above| above.hides(rule));
        let Some(above) = above else { continue };
        let message = match above.when.is_always() {
            true => format!("`{}` is never reached: `{}` above it matches every mail", rule.name, above.name),
            false => {
                format!("`{}` is never reached: `{}` above it matches all of its mail", rule.name, above.name)
            }
        };
        let said = Diagnostic::warning(rule.span.clone(), message);
        reader.say(said.hint(format!("move it above, or give `{}` continue = true", above.name)));
    }
}

impl Rule {
    /// Whether the search never comes from this rule to `below` with a mail that it matches.
    fn hides(&self, below: &Self) -> bool {
        if !self.ends || self.shadow || !self.when.covers(&below.when) {
            return false;
        }
        // Passed over for postmasters, it may be what leaves them to the rule below; and where nobody can tell,
        // the two may differ in what they make of that.
        let for_postmasters = self.then.turns_away() && !below.then.turns_away();
        let in_doubt = self.if_unknown == Some(false) && below.if_unknown == Some(true);
        !for_postmasters && !in_doubt
    }
}
