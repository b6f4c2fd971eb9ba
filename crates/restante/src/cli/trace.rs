use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::{Answer, Context, Failure, counted, json};
use crate::config::LENGTHS;
use crate::control;
use crate::trace::{Folder, Query, search, story, table};

/// Say what happened to a mail: where it came from, where it went, who fetched and deleted it
///
/// WORDs are what is known of it: an address or a part of one, the subject, the Message-ID, a mailbox, a queue id, a
/// UIDL, a client's IP address, a rule, a reply code; of several words all must fit one event. One journey is told as a story, several as a table. It reads the files
/// in the state folder, whether the daemon runs or not; exits with 1 when nothing is found.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is known of the mail
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// Not before: a date (2026-11-28), a time (2026-11-28T09:30), today, yesterday, or so long ago ("2 h", "3 days")
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Not after
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// Journeys at most, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Tell each as a story
    #[arg(long)]
    full: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let config = control::machine(&context.config)?;
    let folder = Folder::of(&config.state_dir);
    let query = Query { words: args.words.clone(), since: args.since, until: args.until, limit: args.limit };
    let found = search(&folder, &query).map_err(|error| failed(&folder, error))?;
    passed(found.passed);
    if args.json {
        json::print(context, &found)?;
    } else {
        let zone = TimeZone::system();
        let text = match found.journeys.as_slice() {
            [journey] => story(journey, &zone),
            journeys if args.full => {
                journeys.iter().map(|journey| story(journey, &zone)).collect::<Vec<_>>().join("\n")
            }
            [] => String::new(),
            journeys => table(journeys, &zone),
        };
        context.out.write_all(text.as_bytes())?;
        if found.more {
            super::say(&format!("restante: only the newest {} are shown; --limit shows more", args.limit));
        }
        if found.lost > 0 {
            super::say(&format!(
                "restante: {} events of that time are not in the trace: it had no room for them",
                found.lost
            ));
        }
        if found.more_refusals > 0 {
            super::say(&format!(
                "restante: {} refusals of that time were only counted: there were too many",
                found.more_refusals
            ));
        }
        if found.journeys.is_empty() {
            super::say("restante: nothing in the trace fits; fewer words, or an earlier --since, find more");
        }
    }
    Ok(if found.journeys.is_empty() { Answer::No } else { Answer::Yes })
}

/// Says how many lines of the trace are of another version.
pub(super) fn passed(lines: u64) {
    if lines > 0 {
        let lines = counted(usize::try_from(lines).unwrap_or(usize::MAX), "line");
        super::say(&format!("restante: {lines} of the trace, of another version of restante, passed by"));
    }
}

/// The trace cannot be read.
pub(super) fn failed(folder: &Folder, error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::Denied(folder.path().into()),
        _ => Failure::Io(folder.path().into(), error),
    }
}

/// A length of time as the files have it.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("expected a length of time {LENGTHS}"))
}

/// A point in time as people say it.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let zone = TimeZone::system();
    let of_civil = |time: civil::DateTime| time.to_zoned(zone.clone()).map(|at| at.timestamp()).ok();
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let midnight = |date: civil::Date| of_civil(date.at(0, 0, 0, 0));
    let read = match text {
        "now" => Some(Timestamp::now()),
        "today" => midnight(today),
        "yesterday" => today.yesterday().ok().and_then(midnight),
        text => text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| text.parse::<civil::DateTime>().ok().and_then(of_civil))
            .or_else(|| length(text).ok().and_then(ago)),
    };
    read.ok_or_else(|| format!("expected a date, a time, today, yesterday, or a length of time {LENGTHS}"))
}

fn ago(time: Duration) -> Option<Timestamp> {
    Timestamp::try_from(SystemTime::now().checked_sub(time)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_say_them() {
        let at = |text: &str| instant(text).expect(text);
        assert_eq!(at("2026-11-28T09:30:00Z").to_string(), "2026-11-28T09:30:00Z");
        assert!(at("yesterday") < at("today") && at("today") <= at("now"));
        let day = at("now").as_second() - at("1 day").as_second();
        assert!((86_390..=86_410).contains(&day), "{day}");
        let civil = at("2026-11-28T09:30").as_second() - at("2026-11-28").as_second();
        assert_eq!(civil, 9 * 3600 + 30 * 60);
        for text in ["", "soon", "2026-13-01", "-1 h", "99999999999999 years"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
