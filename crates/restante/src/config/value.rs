//! The kinds of values: from what TOML has to what the code means.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use mail::Span;
use net::ListenAddress;
use toml::de::DeValue;

use super::nearest::nearest;

/// Why a value is not what its key wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// In one line; what reads a key puts the key in front.
    pub(super) message: String,
    /// What was expected.
    pub(super) expected: String,
    /// What would be right.
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { message: message.into(), expected: expected.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What lengths of time look like, in the files and on the command line.
pub const LENGTHS: &str = "such as \"90 s\", \"10 min\", \"14 days\"";

type Read<T> = Result<T, Problem>;

/// Any string.
pub(super) fn text(value: &DeValue<'_>) -> Read<String> {
    string(value, "expected a string: \"…\"").map(str::to_owned)
}

/// A string with something in it, and nothing that would break a line.
pub(super) fn line(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    if text.trim().is_empty() {
        return Err(Problem::new("is empty", "expected a text"));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::new("has a control character in it", "expected one line of text"));
    }
    Ok(text)
}

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Read<bool> {
    let expected = "expected true or false";
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => {
            Err(Problem::new("is no boolean", expected).hint(format!("without quotes: {text}")))
        }
        other => Err(wrong_kind(other, expected)),
    }
}

/// A whole number within a range.
pub(super) fn count<T>(range: RangeInclusive<T>) -> impl Fn(&DeValue<'_>) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + fmt::Display,
{
    move |value| {
        let expected = format!("expected a number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = value else { return Err(wrong_kind(value, expected)) };
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| Problem::new("is out of range", expected))
    }
}

/// A size with its unit, in octets.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Read<u64> {
    move |value| {
        let expected = format!("expected a size from {} to {}", Size(*range.start()), Size(*range.end()));
        if let DeValue::Integer(number) = value {
            let number = number.as_str();
            let hint = if number.len() > 4 {
                format!("in octets: \"{number} B\"")
            } else {
                format!("say which: \"{number} KiB\", \"{number} MiB\"")
            };
            return Err(Problem::new("has no unit", expected).hint(hint));
        }
        let text = string(value, &expected)?;
        if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(Problem::new("has no unit", expected).hint("units: B, KiB, MiB, GiB, TiB"));
        }
        let size = bytesize::ByteSize::from_str(text)
            .map_err(|_| Problem::new("is no size", expected.clone()).hint("such as \"35 MiB\""))?;
        Some(size.as_u64())
            .filter(|size| range.contains(size))
            .ok_or_else(|| Problem::new("is out of range", expected))
    }
}

/// What `read` reads, or `"none"` for no limit.
pub(super) fn or_none<T>(read: impl Fn(&DeValue<'_>) -> Read<T>) -> impl Fn(&DeValue<'_>) -> Read<Option<T>> {
    or_word("none", read)
}

/// What `read` reads, or `"never"`.
pub(super) fn or_never<T>(
    read: impl Fn(&DeValue<'_>) -> Read<T>,
) -> impl Fn(&DeValue<'_>) -> Read<Option<T>> {
    or_word("never", read)
}

fn or_word<T>(
    word: &'static str,
    read: impl Fn(&DeValue<'_>) -> Read<T>,
) -> impl Fn(&DeValue<'_>) -> Read<Option<T>> {
    move |value| match value {
        DeValue::String(text) if text == word => Ok(None),
        other => read(other)
            .map(Some)
            .map_err(|p| Problem { expected: format!("{}, or \"{word}\"", p.expected), ..p }),
    }
}

/// A time of day, to the minute, or `"never"`.
pub(super) fn time_of_day(value: &DeValue<'_>) -> Read<Option<jiff::civil::Time>> {
    let expected = "expected a time of day such as \"07:00\", or \"never\"";
    if matches!(value, DeValue::Datetime(_)) {
        return Err(Problem::new("is no string", expected).hint("in quotes, without seconds: \"07:00\""));
    }
    let text = string(value, expected)?;
    if text == "never" {
        return Ok(None);
    }
    let wrong = || Problem::new("is no time of day", expected);
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let two = |digits: &str| match digits.len() {
        2 if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits.parse::<i8>().ok(),
        _ => None,
    };
    let (hour, minute) = two(hour).zip(two(minute)).ok_or_else(wrong)?;
    jiff::civil::Time::new(hour, minute, 0, 0).map(Some).map_err(|_| wrong())
}

/// A duration with its unit.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Read<Duration> {
    move |value| {
        let expected = format!("expected a time from {} to {}", Span(*range.start()), Span(*range.end()));
        if let DeValue::Integer(number) = value {
            let hint = format!("say which: \"{0} s\", \"{0} min\"", number.as_str());
            return Err(Problem::new("has no unit", expected).hint(hint));
        }
        let text = string(value, &expected)?;
        let time = humantime::parse_duration(text)
            .map_err(|_| Problem::new("is no length of time", expected.clone()).hint(LENGTHS))?;
        Some(time)
            .filter(|time| range.contains(time))
            .ok_or_else(|| Problem::new("is out of range", expected))
    }
}

/// Where to listen.
pub(super) fn listen(value: &DeValue<'_>) -> Read<ListenAddress> {
    let expected = "expected \"address:port\" or \"unix:/path\"";
    let text = string(value, expected)?;
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err(
                Problem::new("names no path", expected).hint("such as \"unix:/run/restante/lmtp.sock\"")
            );
        }
        return Ok(ListenAddress::Unix(path.into()));
    }
    text.parse::<SocketAddr>().map(ListenAddress::Tcp).map_err(|_| {
        let port = text.trim_start_matches(['*', ':']);
        let hint = if port.parse::<u16>().is_ok() {
            format!("every interface: \"[::]:{port}\"")
        } else if text.parse::<IpAddr>().is_ok() {
            "the port is missing".to_owned()
        } else {
            "such as \"[::]:25\" (every interface), \"192.0.2.1:25\", \"127.0.0.1:2525\"; no host names"
                .to_owned()
        };
        Problem::new("is no place to listen", expected).hint(hint)
    })
}

/// A network in CIDR form, or one address.
pub(super) fn network(value: &DeValue<'_>) -> Read<IpNet> {
    let expected = "expected a network such as \"192.0.2.0/24\"";
    let text = string(value, expected)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network = text.parse::<IpNet>().map_err(|_| Problem::new("is no network", expected))?;
    if network.trunc() != network {
        let hint = format!("did you mean \"{}\", or only \"{}\"?", network.trunc(), network.addr());
        return Err(Problem::new("has bits behind its prefix", expected).hint(hint));
    }
    Ok(network)
}

/// An IP address.
pub(super) fn address(value: &DeValue<'_>) -> Read<IpAddr> {
    let expected = "expected an IP address";
    string(value, expected)?.parse().map_err(|_| Problem::new("is no IP address", expected))
}

/// A name server: an address, with another port than 53 behind it or not.
pub(super) fn name_server(value: &DeValue<'_>) -> Read<SocketAddr> {
    let expected = "expected \"address\" or \"address:port\"";
    let text = string(value, expected)?;
    let plain = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    plain.or_else(|_| text.parse()).map_err(|_| {
        Problem::new("is no name server", expected).hint("such as \"192.0.2.53\" or \"[2001:db8::53]:5353\"")
    })
}

/// A domain, in A-labels.
pub(super) fn domain(value: &DeValue<'_>) -> Read<String> {
    let expected = "expected a domain such as \"example.net\"";
    let text = string(value, expected)?;
    let domain = mail::Domain::parse(text).map_err(|_| Problem::new("is no domain", expected))?;
    match domain.literal() {
        Some(_) => Err(Problem::new("is an address", expected)),
        None => Ok(domain.to_ascii()),
    }
}

/// A host name that others can look up, in A-labels (RFC 6531 §3.7.1).
pub(super) fn hostname(value: &DeValue<'_>) -> Read<String> {
    let expected = "expected a host name such as \"mx.example.com\"";
    let text = string(value, expected)?;
    let problem = |message: &str| Problem::new(message, expected);
    let domain = mail::Domain::parse(text).map_err(|_| problem("is no host name"))?;
    if domain.literal().is_some() || text.starts_with('[') || text.parse::<IpAddr>().is_ok() {
        return Err(problem("is an address"));
    }
    if !text.contains('.') {
        return Err(problem("is no full host name").hint("other servers look it up: it needs its domain"));
    }
    if !text.is_ascii() {
        return Err(problem("is not ASCII").hint("write its A-label: xn--…"));
    }
    Ok(text.to_ascii_lowercase())
}

/// A path.
pub(super) fn path(value: &DeValue<'_>) -> Read<PathBuf> {
    let text = string(value, "expected a path")?;
    if text.is_empty() || text.contains('\0') {
        return Err(Problem::new("is no path", "expected a path"));
    }
    Ok(text.into())
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let expected = format!("expected \"{}\"", names.join("\" or \""));
        let text = string(value, &expected)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let problem = Problem::new(format!("cannot be \"{}\"", text.escape_debug()), expected);
            match nearest(text, &names) {
                Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
                None => problem,
            }
        })
    }
}

/// One character, or `""` for none.
pub(super) fn separator(value: &DeValue<'_>) -> Read<Option<char>> {
    let expected = "expected one character, or \"\" for none";
    let mut chars = string(value, expected)?.chars();
    match (chars.next(), chars.next()) {
        (one, None) => Ok(one),
        (_, Some(_)) => Err(Problem::new("is too long", expected)),
    }
}

fn string<'v>(value: &'v DeValue<'_>, expected: &str) -> Read<&'v str> {
    value.as_str().ok_or_else(|| wrong_kind(value, expected))
}

fn wrong_kind(value: &DeValue<'_>, expected: impl Into<String>) -> Problem {
    let kind = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::new(format!("cannot be {kind}"), expected)
}

/// A number of octets; prints exactly, in the largest unit that needs no more than one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = [("TiB", 1_u128 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let decimal =
            [("TB", 10_u128.pow(12)), ("GB", 10_u128.pow(9)), ("MB", 10_u128.pow(6)), ("kB", 1_000)];
        let octets = u128::from(self.0);
        let fits = |(_, unit): &(&str, u128)| octets >= *unit && (octets * 10).is_multiple_of(*unit);
        match binary.into_iter().zip(decimal).flat_map(|(two, ten)| [two, ten]).find(fits) {
            Some((name, unit)) => {
                let (whole, tenth) = (octets / unit, octets * 10 / unit % 10);
                if tenth == 0 { write!(f, "{whole} {name}") } else { write!(f, "{whole}.{tenth} {name}") }
            }
            None => write!(f, "{octets} B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: impl Fn(&DeValue<'_>) -> Read<T>) -> Option<T> {
        read(DeValue::parse(text).expect("a TOML value").get_ref()).ok()
    }

    #[test]
    fn sizes_and_times_are_what_they_say() {
        let any_size = size(0..=u64::MAX);
        for (text, octets) in [
            ("\"35 MiB\"", Some(36_700_160)),
            ("\"35MiB\"", Some(36_700_160)),
            ("\"50 kB\"", Some(50_000)),
            ("\"1.5 KiB\"", Some(1_536)),
            ("\"7 B\"", Some(7)),
            ("\"7\"", None),
            ("7", None),
            ("\"-1 B\"", None),
            ("\"MiB\"", None),
        ] {
            assert_eq!(read(text, &any_size), octets, "{text}");
        }
        let any_time = duration(Duration::ZERO..=Duration::MAX);
        for (text, seconds) in [
            ("\"90 s\"", Some(90)),
            ("\"10 min\"", Some(600)),
            ("\"1 h 30 min\"", Some(5_400)),
            ("\"14 days\"", Some(1_209_600)),
            ("\"0 s\"", Some(0)),
            ("\"10\"", None),
            ("10", None),
            ("\"-1 s\"", None),
        ] {
            assert_eq!(read(text, &any_time), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn sizes_print_as_they_read_best_and_read_as_they_print() {
        for (octets, text) in [
            (2 << 30, "2 GiB"),
            (3 << 29, "1.5 GiB"),
            (500_000_000, "500 MB"),
            (2_500_000_000, "2.5 GB"),
            (50_000, "50 kB"),
            (64 << 10, "64 KiB"),
            (1_000 << 10, "1000 KiB"),
            (1_000_001, "1000001 B"),
            (0, "0 B"),
            (u64::MAX, "18446744073709551615 B"),
        ] {
            assert_eq!(Size(octets).to_string(), text);
            if octets < 1 << 50 {
                assert_eq!(read(&format!("\"{text}\""), size(0..=u64::MAX)), Some(octets));
            }
        }
    }

    #[test]
    fn numbers_are_read_in_every_way_that_toml_writes_them() {
        for (text, number) in
            [("100", Some(100_u32)), ("1_000", Some(1_000)), ("0x10", Some(16)), ("-1", None), ("1001", None)]
        {
            assert_eq!(read(text, count(0..=1_000_u32)), number, "{text}");
        }
    }

    #[test]
    fn places_and_networks() {
        let tcp = |text: &str| Some(ListenAddress::Tcp(text.parse().expect("an address")));
        for (text, place) in [
            ("\"[::]:25\"", tcp("[::]:25")),
            ("\"127.0.0.1:0\"", tcp("127.0.0.1:0")),
            ("\"unix:/run/a.sock\"", Some(ListenAddress::Unix("/run/a.sock".into()))),
            ("\"unix:a.sock\"", Some(ListenAddress::Unix("a.sock".into()))),
            ("\"unix:\"", None),
            ("\"25\"", None),
        ] {
            assert_eq!(read(text, listen), place, "{text}");
        }
        for (text, is) in [
            ("\"192.0.2.0/24\"", true),
            ("\"192.0.2.1\"", true),
            ("\"2001:db8::/32\"", true),
            ("\"192.0.2.1/24\"", false),
        ] {
            assert_eq!(read(text, network).is_some(), is, "{text}");
        }
    }
}
