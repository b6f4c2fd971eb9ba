use jiff::Timestamp;
use mail::harmless;
use serde::Serialize;
use upkeep::{Overview, Rule, Seat, Sum};

use super::failure::counted;
use super::{Answer, Context, Failure, json, table};
use crate::control::verb::team::{self, Team};
use crate::control::{NoStore, Reach, Said};
use crate::wire::wall_ms;

/// Say who has what of the mailboxes that several collect, what holds mail back, and what goes when
///
/// Without a name, one line for each. A mailbox with devices can be named too: each of its views is shown. The daemon is asked; without one the store is opened. Days are in UTC, other times
/// those of this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One team mailbox with all its members, or one mailbox with its devices
    #[arg(value_name = "MAILBOX")]
    mailbox: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    teams: Vec<Overview>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let reach = Reach::find(&context.config, NoStore::Refuse)?;
    let mut asked = reach.begin::<Team>(&team::Args { mailbox: args.mailbox.clone() })?;
    let mut teams = Vec::new();
    loop {
        match asked.hear()? {
            Said::Item(overview, _) => teams.push(overview),
            Said::Progress(_) => {}
            Said::Answer(_) => break,
        }
    }
    if args.json {
        json::print(context, &Document { teams })?;
        return Ok(Answer::Yes);
    }
    let now_ms = wall_ms();
    let text: String = match args.mailbox {
        Some(_) => teams.iter().map(|team| whole(team, now_ms)).collect(),
        None if teams.is_empty() => "no mailbox has members\n".into(),
        None => teams.iter().map(line).collect(),
    };
    context.out.write_all(text.as_bytes())?;
    Ok(Answer::Yes)
}

/// One team among others.
fn line(team: &Overview) -> String {
    let back = match (&team.release, waits_for(team)) {
        (None, _) => "keeps everything".into(),
        (Some(_), Some(seat)) if team.held_back.messages > 0 => {
            format!("{} still wanted, most by {}", messages(team.held_back.messages), who(seat))
        }
        (Some(_), _) => format!("{} still wanted", messages(team.held_back.messages)),
    };
    let members = team.members.iter().filter(|seat| seat.is_declared && !seat.view.is_empty()).count();
    format!(
        "{:<20} {}, {}; {back}; {} let go, {} in the trash\n",
        team.mailbox,
        counted(members, "member"),
        sum(team.holds),
        team.released.messages,
        team.trash.messages
    )
}

/// Who still wants most.
fn waits_for(team: &Overview) -> Option<&Seat> {
    let seats = team.members.iter().filter(|seat| seat.holds_back.messages > 0);
    seats.max_by_key(|seat| seat.holds_back.messages)
}

fn whole(team: &Overview, now_ms: u64) -> String {
    let mut rows = table::Rows::default();
    rows.row(if team.devices { "mailbox" } else { "team" }, &team.mailbox);
    rows.row("holds", &sum(team.holds));
    rows.row("release", &team.release.as_ref().map_or_else(|| "keeps everything".into(), rule));
    if let Some(ms) = team.suspended_until_ms {
        rows.row("", &format!("nothing goes for its time before {}: `restante status` says why", at(ms)));
    }
    if team.unread.messages > 0 {
        rows.row("unread", &format!("{}, which nobody who counts has had", sum(team.unread)));
    }
    let mut name = "still wanted";
    for seat in team.members.iter().filter(|seat| seat.holds_back.messages > 0) {
        let since = seat.holds_since_ms.map(|ms| format!(", the oldest of {}", at(ms)));
        rows.row(name, &format!("by {}: {}{}", who(seat), sum(seat.holds_back), since.unwrap_or_default()));
        name = "";
    }
    let lets_go = team.release.as_ref().is_some_and(|rule| rule.when != "never");
    let is_awaited = |seat: &&Seat| seat.is_declared && !seat.view.is_empty() && seat.joined_ms.is_none();
    for seat in team.members.iter().filter(is_awaited).filter(|_| lets_go) {
        rows.row(name, &format!("by {}, which has not joined yet and may want all", who(seat)));
        name = "";
    }
    if !team.devices {
        rows.row("let go", &sum(team.released));
    }
    for day in &team.goes {
        rows.row("", &format!("{} on {}", messages(day.messages), day.day));
    }
    let mut name = "max-age";
    for day in &team.ages {
        rows.row(name, &format!("{} on {}", messages(day.messages), day.day));
        name = "";
    }
    let trash = team.trash_seconds.map_or_else(|| "for good".into(), table::setting);
    let trash = match (team.trash_seconds, team.trash.messages) {
        (None, 0) => "none: what goes is gone".into(),
        (_, _) => format!("{}, kept for {trash}", sum(team.trash)),
    };
    rows.row("trash", &trash);
    let mut text = rows.text();
    text.push('\n');
    for seat in &team.members {
        text.push_str(&member(team, seat, now_ms));
    }
    text
}

fn rule(rule: &Rule) -> String {
    let when = match rule.when.as_str() {
        "all-fetched" => "when all have fetched it",
        "all-done" => "when all are done with it",
        "never" => "by its age alone",
        other => other,
    };
    let mut text = when.to_owned();
    if rule.when != "never" && rule.hold_seconds > 0 {
        text.push_str(&format!(", then held for {}", table::setting(rule.hold_seconds)));
    }
    if let Some(age) = rule.max_age_seconds {
        text.push_str(&format!("; at the latest at an age of {}", table::setting(age)));
    }
    if let Some(time) = rule.ignore_absent_seconds {
        text.push_str(&format!("; without who was away for {}", table::setting(time)));
    }
    text
}

fn member(team: &Overview, seat: &Seat, now_ms: u64) -> String {
    let mut rows = table::Rows::default();
    let no_more = match (seat.view.as_str(), team.devices) {
        ("", _) => "has no password any more",
        (_, true) => "no device of this mailbox any more",
        (_, false) => "no member of this team any more",
    };
    let kinds = [
        (seat.robot, "robot"),
        (seat.mirrors, "mirrors"),
        (!seat.is_declared, no_more),
        (seat.is_absent, "absent: its claim has lapsed"),
        (seat.joined_ms.is_none(), "has not joined yet"),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word).collect();
    rows.row(who(seat), &kinds.join(", "));
    let ago = |ms: u64| table::time(now_ms.saturating_sub(ms) / 1000);
    let client = seat.client.as_deref().map(|client| format!(" by what seems to be {}", harmless(client)));
    let pickup = seat.last_pickup_ms.map(|ms| format!("{} ago{}", ago(ms), client.unwrap_or_default()));
    rows.row("  last pickup", &pickup.unwrap_or_else(|| "never, as far as is known".into()));
    let fetched = seat.fetched.messages;
    rows.row("  has", &format!("{} waiting, {fetched} fetched, {} done", sum(seat.waiting), seat.done));
    if let Some(ms) = seat.joined_ms {
        rows.row("  joined", &at(ms));
    }
    if let Some(ms) = seat.left_ms {
        rows.row("  left", &at(ms));
    }
    if let Some(ms) = seat.leaves_ms {
        rows.row("  claim ends", &at(ms));
    }
    if let Some(ms) = seat.lapses_ms.filter(|_| !seat.is_absent) {
        rows.row("  lapses", &at(ms));
    }
    rows.text()
}

fn who(seat: &Seat) -> &str {
    if seat.view.is_empty() { "(its own login)" } else { &seat.view }
}

fn messages(number: u64) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), "message")
}

fn sum(sum: Sum) -> String {
    format!("{}, {}", messages(sum.messages), table::size(sum.octets))
}

fn at(ms: u64) -> String {
    let stamp =
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    table::at(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_375_000_000;

    fn team() -> Overview {
        let sum = |messages| Sum { messages, octets: messages << 10 };
        let alice = Seat {
            view: "alice".into(),
            is_declared: true,
            joined_ms: Some(NOW - 86_400_000),
            last_pickup_ms: Some(NOW - 61_000),
            client: Some("fetchmail\u{7}".into()),
            waiting: sum(2),
            fetched: sum(3),
            done: 4,
            holds_back: sum(2),
            holds_since_ms: Some(NOW),
            ..Seat::default()
        };
        let rule = Rule {
            when: "all-fetched".into(),
            hold_seconds: 14 * 86_400,
            max_age_seconds: Some(31_557_600),
            ignore_absent_seconds: None,
        };
        Overview {
            mailbox: "sales".into(),
            release: Some(rule),
            holds: sum(9),
            held_back: sum(2),
            released: sum(7),
            trash_seconds: Some(7 * 86_400),
            members: vec![
                alice,
                Seat { view: "desk".into(), robot: true, is_declared: true, ..Seat::default() },
            ],
            goes: vec![upkeep::Day { day: "2026-12-06".into(), messages: 7 }],
            ages: vec![upkeep::Day { day: "2027-01-02".into(), messages: 2 }],
            ..Overview::default()
        }
    }

    /// One who was taken out of this team may be in the file all the same.
    #[test]
    fn who_is_no_member_any_more_is_told_so_with_the_day_on_which_the_claim_ends() {
        let (left, leaves) = (NOW - 86_400_000, NOW + 13 * 86_400_000);
        let bob = Seat {
            view: "bob".into(),
            left_ms: Some(left),
            leaves_ms: Some(leaves),
            joined_ms: Some(1),
            ..Seat::default()
        };
        let sales = Overview { members: vec![bob.clone()], ..team() };
        let text = whole(&sales, NOW);
        assert!(text.contains("bob           no member of this team any more\n"), "{text}");
        assert!(
            text.contains(&format!("  left        {}\n  claim ends  {}\n", at(left), at(leaves))),
            "{text}"
        );
        let alice = Overview { members: vec![bob], devices: true, ..team() };
        let text = whole(&alice, NOW);
        assert!(text.contains("no device of this mailbox any more") && !text.contains("let go"), "{text}");
    }

    /// Above the days, which are none before it.
    #[test]
    fn until_when_nothing_goes_stands_above_the_days() {
        let told = format!("\n              nothing goes for its time before {}: ", at(NOW));
        assert!(!whole(&team(), NOW).contains("nothing goes"));
        let text = whole(&Overview { suspended_until_ms: Some(NOW), ..team() }, NOW);
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}"));
        assert!(place(&told) < place("7 messages on 2026-12-06"), "{text}");
    }

    #[test]
    fn a_team_says_who_has_what_and_what_goes_when() {
        let text = whole(&team(), NOW);
        for part in [
            "release       when all have fetched it, then held for 14 days; at the latest at an age of 1 year",
            "still wanted  by alice: 2 messages, 2.0 KiB, the oldest of 2026-",
            "              by desk, which has not joined yet and may want all",
            "              7 messages on 2026-12-06",
            "max-age       2 messages on 2027-01-02",
            "trash         0 messages, 0 B, kept for 7 days",
            "  last pickup 61 s ago by what seems to be fetchmail",
            "  has         2 messages, 2.0 KiB waiting, 3 fetched, 4 done",
            "desk          robot, has not joined yet\n  last pickup never",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{7}'));
        let short = line(&team());
        assert!(
            short
                .contains("2 members, 9 messages, 9.0 KiB; 2 messages still wanted, most by alice; 7 let go"),
            "{short}"
        );
        let keeps = Overview { release: None, ..team() };
        assert!(line(&keeps).contains("keeps everything") && whole(&keeps, NOW).contains("keeps everything"));
    }
}
