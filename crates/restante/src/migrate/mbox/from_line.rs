use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use mail::ReversePath;

/// `From sender Thu Jan  1 00:00:00 1970`: what stands before each message of an mbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FromLine {
    pub(super) sender: ReversePath,
    pub(super) received_ms: u64,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads one. A line of a body that begins with `From ` has no date, and so is none of them: not every
/// program quotes it. The date may have a zone before or behind the year, as some have it; without one it is
/// taken for UTC.
pub(super) fn parse(line: &[u8]) -> Option<FromLine> {
    let rest = line.strip_prefix(b"From ")?;
    // Senders may be in any encoding; the date is ASCII.
    let rest = String::from_utf8_lossy(rest);
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    // A sender may have spaces in it, or be missing altogether.
    let (place, received_ms) =
        (0..words.len()).find_map(|place| date(&words[place..]).map(|date| (place, date)))?;
    let path = format!("<{}>", words[..place].join(" "));
    // `MAILER-DAEMON`, or a local user without a domain: nobody who could be answered.
    let sender = ReversePath::parse(&path).map_or(ReversePath::Null, |(sender, _)| sender);
    Some(FromLine { sender, received_ms })
}

/// `Thu Jan 1 00:00:00 1970`, with a zone anywhere behind the time.
fn date(words: &[&str]) -> Option<u64> {
    let [day, month, number, time, rest @ ..] = words else { return None };
    if !DAYS.contains(day) {
        return None;
    }
    let month = i8::try_from(MONTHS.iter().position(|name| name == month)? + 1).ok()?;
    let number: i8 = number.parse().ok()?;
    let time = clock(time)?;
    let year = rest.iter().take(3).find_map(|word| year(word))?;
    let offset = rest.iter().take(3).find_map(|word| offset(word)).unwrap_or(Offset::UTC);
    let date = Date::new(year, month, number).ok()?.to_datetime(time);
    let stamp = date.to_zoned(TimeZone::fixed(offset)).ok()?.timestamp();
    // Before 1970 there was no mail.
    Some(u64::try_from(stamp.as_millisecond()).unwrap_or(0))
}

/// `hh:mm:ss`, or without the seconds.
fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok().filter(|_| part.len() == 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    // A leap second is not worth losing a message's beginning for.
    Time::new(hour, minute, second.min(59), 0).ok().filter(|_| parts.next().is_none())
}

fn year(word: &str) -> Option<i16> {
    let digits = word.len() == 4 && word.bytes().all(|octet| octet.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}

fn offset(word: &str) -> Option<Offset> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Offset::from_seconds(sign * (number / 100 * 3600 + number % 100 * 60)).ok()
}

/// Writes one, without its line end.
pub(super) fn write(sender: &ReversePath, received_ms: u64) -> String {
    let sender = match sender {
        ReversePath::Null => "MAILER-DAEMON".to_owned(),
        // A quoted local part may have spaces, which would make two words of it.
        ReversePath::Address(address) => address.to_string().replace(char::is_whitespace, "_"),
    };
    let stamp = i64::try_from(received_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let date = stamp.unwrap_or_default().to_zoned(TimeZone::UTC);
    format!("From {sender} {}", date.strftime("%a %b %e %H:%M:%S %Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(String, u64)> {
        parse(line.as_bytes()).map(|found| (found.sender.to_string(), found.received_ms / 1000))
    }

    #[test]
    fn dates_are_read_as_programs_write_them() {
        for (line, sender, seconds) in [
            ("From a@b.example Thu Jan  1 00:00:10 1970", "a@b.example", 10),
            ("From a@b.example  Wed Nov 15 06:13:20 2023", "a@b.example", 1_700_028_800),
            ("From MAILER-DAEMON Fri Jul  8 12:08:34 2011", "", 1_310_126_914),
            ("From a@b.example Fri Jul  8 12:08 2011", "a@b.example", 1_310_126_880),
            ("From a@b.example Fri Jul  8 12:08:34 +0200 2011", "a@b.example", 1_310_119_714),
            ("From a@b.example Fri Jul  8 12:08:34 2011 -0130", "a@b.example", 1_310_132_314),
            ("From a@b.example Fri Jul  8 12:08:34 CEST 2011", "a@b.example", 1_310_126_914),
            ("From a@b.example Fri Jul  8 12:08:34 2011 remote from x", "a@b.example", 1_310_126_914),
            ("From 1234567890@xxx Fri Jul 08 12:08:34 +0000 2011", "1234567890@xxx", 1_310_126_914),
            ("From  Fri Jul  8 12:08:34 2011", "", 1_310_126_914),
            ("From Fri May Fri Jul  8 12:08:34 2011", "", 1_310_126_914),
            ("From a@b.example Fri Jul  8 12:08:60 2011", "a@b.example", 1_310_126_939),
            ("From a@b.example Wed Dec 31 23:59:59 1969", "a@b.example", 0),
        ] {
            assert_eq!(read(line), Some((sender.to_owned(), seconds)), "{line}");
        }
    }

    #[test]
    fn lines_of_a_body_are_none_of_them() {
        for line in [
            "From here on it is easy",
            "From: a@b.example",
            ">From a@b.example Thu Jan  1 00:00:10 1970",
            "from a@b.example Thu Jan  1 00:00:10 1970",
            "From a@b.example",
            "From a@b.example Thu Jan 1 1970",
            "From a@b.example Thu Jan 32 00:00:10 1970",
            "From a@b.example Thu Jan 1 25:00:10 1970",
            "From a@b.example Thu Jan 1 00:00:10 70",
            "From a@b.example Thu Jan 1 0:0:10 1970",
            "From a@b.example Thursday Jan 1 00:00:10 1970",
            "From ",
            "From",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
        assert!(parse(b"From \xff\xfe@b.example Thu Jan  1 00:00:10 1970").is_some());
    }

    #[test]
    fn what_is_written_is_read() {
        for (sender, ms, line) in [
            ("<a@b.example>", 1_700_028_800_999, "From a@b.example Wed Nov 15 06:13:20 2023"),
            ("<>", 10_000, "From MAILER-DAEMON Thu Jan  1 00:00:10 1970"),
            ("<\"a b\"@c.example>", 10_000, "From \"a_b\"@c.example Thu Jan  1 00:00:10 1970"),
            ("<>", u64::MAX, "From MAILER-DAEMON Thu Jan  1 00:00:00 1970"),
        ] {
            let path = ReversePath::parse(sender).expect("a path").0;
            let written = write(&path, ms);
            assert_eq!(written, line);
            assert!(read(&written).is_some());
        }
    }
}
