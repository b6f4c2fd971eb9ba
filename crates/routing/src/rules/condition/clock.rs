//! When it comes: `hours`, by the machine's clock and time zone.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::phase::Phase;
use super::super::source::{Reader, Value};
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] = &["hours"];

const EXPECTED: &str = "expected hours such as \"Mon-Fri 08:00-18:00\"";
const DAY: u16 = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

#[derive(Debug, Clone)]
pub(crate) struct Test {
    spans: Vec<Hours>,
    zone: TimeZone,
}

/// Hours of some days of the week. Past midnight they belong to the day on which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    /// From Monday on.
    days: [bool; 7],
    /// In minutes since midnight.
    from: u16,
    /// The first minute that is out again; not after `from`: on the next day.
    until: u16,
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let texts = reader.strings(key, value, EXPECTED);
    let all = texts.len();
    let mut spans = Vec::with_capacity(all);
    for (text, span) in texts {
        match Hours::parse(text) {
            Ok(hours) => spans.push(hours),
            Err(why) => reader.say(Diagnostic::error(span, format!("`{key}`: {why}")).label(EXPECTED)),
        }
    }
    let zone = reader.around.time_zone.clone();
    (all > 0 && spans.len() == all).then_some(super::Test::Clock(Test { spans, zone }))
}

impl Hours {
    /// `Mon-Fri,Sun 08:00-18:00`; days alone are whole days, hours alone are those of every day.
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let (first, second, third) = (words.next(), words.next(), words.next());
        let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let (days, time) = match (first, second, third) {
            (Some(time), None, None) if is_time(time) => ([true; 7], time),
            (Some(days), None, None) => (parse_days(days)?, "00:00-24:00"),
            (Some(days), Some(time), None) => (parse_days(days)?, time),
            (None, ..) => return Err("no hours are given".into()),
            (Some(_), ..) => return Err(format!("`{}` has more than days and hours", text.escape_debug())),
        };
        let bad = || format!("`{}` are no hours", time.escape_debug());
        let (from, until) = time.split_once('-').ok_or_else(bad)?;
        let (from, until) = (parse_time(from)?, parse_time(until)?);
        if from == until || from == DAY {
            return Err(format!("`{time}` is no time at all"));
        }
        Ok(Self { days, from, until })
    }

    fn holds(self, day: usize, minute: u16) -> bool {
        let before = self.days[(day + 6) % 7];
        if self.from < self.until {
            return self.days[day] && (self.from..self.until).contains(&minute);
        }
        (self.days[day] && minute >= self.from) || (before && minute < self.until)
    }
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        let mut day = first;
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Ok(days)
}

/// From Monday on.
fn parse_day(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let day = DAYS.iter().position(|(name, _)| *name == lower);
    day.ok_or_else(|| format!("`{}` is no day: Mon, Tue, Wed, Thu, Fri, Sat, Sun", text.escape_debug()))
}

/// In minutes since midnight; `24:00` is its end.
fn parse_time(text: &str) -> Result<u16, String> {
    let bad = || format!("`{}` is no time of the day: 08:00", text.escape_debug());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = number(hour).zip(number(minute).filter(|_| minute.len() == 2)).ok_or_else(bad)?;
    let time = hour * 60 + minute;
    if minute > 59 || time > DAY { Err(bad()) } else { Ok(time) }
}

impl Test {
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.spans.iter().all(|span| self.spans.contains(span))
    }

    fn local(&self, mail: &Evidence<'_>) -> Option<Zoned> {
        let now = i64::try_from(mail.facts.now_ms).ok()?;
        Timestamp::from_millisecond(now).ok().map(|now| now.to_zoned(self.zone.clone()))
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        Phase::Connection
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        let Some(now) = self.local(mail) else { return Answer::No };
        let day = DAYS.iter().position(|(_, day)| *day == now.weekday()).unwrap_or_default();
        let minute = u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
        self.spans.iter().any(|span| span.holds(day, minute)).into()
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        self.local(mail).map_or_else(|| "no time".into(), |now| now.strftime("%a %H:%M").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_days() {
        for (text, day, time, holds) in [
            ("Mon-Fri 08:00-18:00", 0, "08:00", true),
            ("Mon-Fri 08:00-18:00", 4, "17:59", true),
            ("Mon-Fri 08:00-18:00", 4, "18:00", false),
            ("Mon-Fri 08:00-18:00", 5, "12:00", false),
            ("Sat-Sun", 6, "23:59", true),
            ("Sat-Mon", 0, "0:00", true),
            ("Sat-Mon", 1, "0:00", false),
            ("mon,WED 9:00-10:00", 2, "9:30", true),
            ("22:00-06:00", 3, "23:00", true),
            ("22:00-06:00", 3, "05:59", true),
            ("22:00-06:00", 3, "06:00", false),
            ("Fri 22:00-06:00", 5, "05:00", true),
            ("Fri 22:00-06:00", 4, "05:00", false),
            ("Sun 22:00-06:00", 0, "05:00", true),
            ("Mon 18:00-24:00", 0, "23:59", true),
            ("Mon 18:00-24:00", 1, "00:00", false),
        ] {
            let minute = parse_time(time).expect(time);
            assert_eq!(
                Hours::parse(text).map(|hours| hours.holds(day, minute)),
                Ok(holds),
                "{text}, {day} {time}"
            );
        }
    }

    #[test]
    fn what_are_no_hours() {
        for text in [
            "",
            "Mon-",
            "Funday",
            "Mon 8-18",
            "Mon 08:00",
            "Mon 08:00-25:00",
            "Mon 08:60-09:00",
            "08:00-08:00",
            "24:00-06:00",
            "Mon 08:00-18:00 UTC",
            "Mon 008:00-18:00",
            "Mon 8:0-18:00",
        ] {
            assert!(Hours::parse(text).is_err(), "{text}");
        }
    }
}
