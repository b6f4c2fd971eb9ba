//! The keys of `[[mailbox]]` that make it a team's: its members, and when its mail goes.

use std::ops::Range;
use std::time::Duration;

use directory::{JoinFrom, MemberSpec, OnDele, Release, When};
use mail::Span;
use toml::de::DeValue;

use super::machine::{DAY, EXPIRE};
use super::mailboxes::required;
use super::section::Section;
use super::value::{self, Problem, choice, duration, or_never};

/// How long a team's mail stays when everybody has it, unless said otherwise.
const HOLD: Duration = Duration::from_secs(14 * 86_400);
/// Postmaster is told a week before a claim lapses, and somebody has to have been away for a while by then.
const ABSENT_MIN: Duration = Duration::from_secs(14 * 86_400);

/// `members`, with the place of each. One of whom only the login could be read is there.
pub(super) fn members(s: &mut Section<'_, '_>) -> (Vec<MemberSpec>, Vec<Range<usize>>) {
    let before = s.notes.faults.len();
    let plain = |login| MemberSpec { login, robot: false, mirrors: None, from: JoinFrom::All };
    let named = |value: &DeValue<'_>| match value {
        DeValue::String(_) => value::line(value).map(plain),
        _ => {
            let expected = "expected a mailbox, or a table with its login";
            let hint = "such as \"alice\" or { login = \"helpdesk\", robot = true }";
            Err(Problem::new("names no mailbox", expected).hint(hint))
        }
    };
    let members = s.values_or_tables("members", named, |s| {
        let login = required(s, "login");
        let mut member = plain(String::new());
        s.set("robot", &mut member.robot, value::flag);
        member.mirrors = s.get("mirrors", value::flag);
        s.set("from", &mut member.from, from);
        Some(MemberSpec { login: login?, ..member })
    });
    if s.notes.has_errors_since(before) {
        s.mark_unread("members.*");
    } else if s.has("members") && members.is_empty() {
        let message = "`members` is empty, so that this is no team mailbox";
        s.notes.warn(s.span_of("members"), message, "name who collects it, or take the key out");
    }
    members.into_iter().unzip()
}

/// `"now"`, `"all"`, or how far back.
fn from(value: &DeValue<'_>) -> Result<JoinFrom, Problem> {
    match value {
        DeValue::String(text) if text == "now" => Ok(JoinFrom::Now),
        DeValue::String(text) if text == "all" => Ok(JoinFrom::All),
        other => duration(EXPIRE)(other)
            .map(JoinFrom::Back)
            .map_err(|p| Problem { expected: format!("{}, or \"now\" or \"all\"", p.expected), ..p }),
    }
}

/// `release`, when it is there and says when.
pub(super) fn release(s: &mut Section<'_, '_>) -> Option<Release> {
    let words = &[("all-fetched", When::AllFetched), ("all-done", When::AllDone), ("never", When::Never)];
    let no_table = |value: &DeValue<'_>| {
        let when = value.as_str().filter(|_| choice(words)(value).is_ok()).unwrap_or("all-fetched");
        let hint = format!("release = {{ when = \"{when}\" }}");
        Problem::new("`release` is no table", "expected a table that says `when`").hint(hint)
    };
    s.table_or("release", no_table, |s| {
        let when = s.get("when", choice(words));
        if !s.has("when") {
            let problem = Problem::new(format!("`when` is missing in `{}`", s.name()), "");
            s.notes.error(s.span(), problem.hint("when = \"all-fetched\""));
        }
        let mut release =
            Release { when: when.unwrap_or(When::Never), hold: HOLD, max_age: None, ignore_absent: None };
        s.set("hold", &mut release.hold, duration(Duration::ZERO..=*EXPIRE.end()));
        s.set("max-age", &mut release.max_age, or_never(duration(EXPIRE)));
        s.set("ignore-absent", &mut release.ignore_absent, or_never(duration(ABSENT_MIN..=*EXPIRE.end())));
        warn_of_hasty_release(s, &release);
        warn_of_idle_hold(s, when);
        when.map(|_| release)
    })?
}

/// Says of times under a day what becomes of a team's mail.
fn warn_of_hasty_release(s: &mut Section<'_, '_>, release: &Release) {
    if release.hold < DAY {
        let message = match release.hold {
            Duration::ZERO => "mail goes as soon as everybody has it".to_owned(),
            hold => format!("mail goes {} after everybody has it", Span(hold)),
        };
        let hint = "whoever loses her computer the day after cannot fetch it again; 14 days by default";
        s.notes.warn(s.span_of("hold"), message, hint);
    }
    if let Some(age) = release.max_age.filter(|age| *age < DAY) {
        let message = format!("mail goes {} after it came, whoever has it", Span(age));
        s.notes.warn(
            s.span_of("max-age"),
            message,
            "it is for what somebody never fetches: months, not hours",
        );
    }
    let is_held = match release.when {
        When::AllFetched | When::AllDone => true,
        When::Never => false,
    };
    if let Some(age) = release.max_age.filter(|age| is_held && *age < release.hold) {
        let message = format!(
            "mail goes {} after it came, before its hold of {} is over",
            Span(age),
            Span(release.hold)
        );
        s.notes.warn(
            s.span_of("max-age"),
            message,
            "a max-age that is longer than hold: months, such as \"1 year\"",
        );
    }
}

/// Says of `hold` where nothing is let go that would be held.
fn warn_of_idle_hold(s: &mut Section<'_, '_>, when: Option<When>) {
    match when {
        Some(When::Never) if s.has("hold") => {
            let message = "`hold` holds nothing with `when = \"never\"`: it only says how long the view of who left stays";
            let hint =
                "max-age lets mail go for its age; \"all-fetched\" and \"all-done\" when everybody has it";
            s.notes.warn(s.span_of("hold"), message, hint);
        }
        Some(When::AllFetched | When::AllDone | When::Never) | None => {}
    }
}

/// `on-dele`
pub(super) fn on_dele(s: &mut Section<'_, '_>) -> Option<OnDele> {
    s.get("on-dele", choice(&[("done", OnDele::Done), ("trash", OnDele::Trash), ("keep", OnDele::Keep)]))
}

#[cfg(test)]
mod tests {
    use directory::MailboxSpec;
    use toml::de::DeTable;

    use super::*;
    use crate::config::section::Notes;
    use crate::config::source::File;
    use crate::config::{Config, mailboxes};

    fn sales(keys: &str) -> MailboxSpec {
        let text = format!("[[mailbox]]\nname = \"sales\"\n{keys}\n");
        let table = DeTable::parse(&text).expect("TOML");
        let mut notes = Notes::new(File::Mailboxes);
        let found = mailboxes::read(&mut Section::top(&table, &mut notes), &Config::default().limits);
        assert_eq!(notes.faults, [], "{keys}");
        found.spec.mailboxes.into_iter().next().expect("one")
    }

    #[test]
    fn a_member_is_a_person_who_gets_all_unless_something_else_is_said() {
        let member = |login: &str| MemberSpec {
            login: login.into(),
            robot: false,
            mirrors: None,
            from: JoinFrom::All,
        };
        let keys = "members = [\"alice\", { login = \"bob\" }, { login = \"desk\", robot = true, mirrors = true }, \
                    { login = \"carol\", mirrors = false, from = \"now\" }, { login = \"dave\", from = \"all\" }, \
                    { login = \"erin\", from = \"7 days\" }]";
        let wanted = [
            member("alice"),
            member("bob"),
            MemberSpec { robot: true, mirrors: Some(true), ..member("desk") },
            MemberSpec { mirrors: Some(false), from: JoinFrom::Now, ..member("carol") },
            member("dave"),
            MemberSpec { from: JoinFrom::Back(7 * DAY), ..member("erin") },
        ];
        assert_eq!(sales(keys).members, wanted);
        for (word, means) in [("done", OnDele::Done), ("trash", OnDele::Trash), ("keep", OnDele::Keep)] {
            assert_eq!(sales(&format!("on-dele = \"{word}\"")).on_dele, Some(means));
        }
        let plain = sales("");
        assert_eq!(
            (plain.members, plain.release, plain.on_dele, plain.receives),
            (Vec::new(), None, None, true)
        );
    }

    #[test]
    fn what_is_released_is_held_for_two_weeks_and_nothing_goes_for_its_age_unless_something_else_is_said() {
        let year = Duration::from_secs(31_557_600);
        let rule = |when| Release { when, hold: 14 * DAY, max_age: None, ignore_absent: None };
        for (keys, wanted) in [
            ("when = \"all-fetched\"", rule(When::AllFetched)),
            ("when = \"all-done\"", rule(When::AllDone)),
            ("when = \"never\", max-age = \"1 year\"", Release { max_age: Some(year), ..rule(When::Never) }),
            ("when = \"never\", max-age = \"never\", ignore-absent = \"never\"", rule(When::Never)),
            (
                "when = \"all-done\", hold = \"3 days\", ignore-absent = \"60 days\", max-age = \"1 year\"",
                Release {
                    hold: 3 * DAY,
                    max_age: Some(year),
                    ignore_absent: Some(60 * DAY),
                    ..rule(When::AllDone)
                },
            ),
        ] {
            assert_eq!(sales(&format!("release = {{ {keys} }}")).release, Some(wanted), "{keys}");
        }
    }
}
