use std::time::Duration;

use bytesize::ByteSize;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::Span;

/// Rows of a name and what there is to say of it.
#[derive(Debug, Default)]
pub(super) struct Rows(String);

impl Rows {
    pub(super) fn row(&mut self, name: &str, text: &str) {
        self.0.push_str(format!("{name:<13} {text}").trim_end());
        self.0.push('\n');
    }

    /// One row with all of them, if there are any.
    pub(super) fn some(&mut self, name: &str, texts: impl Iterator<Item = String>) {
        let texts: Vec<String> = texts.collect();
        if !texts.is_empty() {
            self.row(name, &texts.join(", "));
        }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// Rows of cells under each other, as wide as their widest.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Octets for people.
pub(super) fn size(octets: u64) -> String {
    ByteSize(octets).display().iec().to_string()
}

/// For how long something has been so.
pub(super) fn time(seconds: u64) -> String {
    Span::about(Duration::from_secs(seconds)).to_string()
}

/// How long something is to be so.
pub(super) fn setting(seconds: u64) -> String {
    Span(Duration::from_secs(seconds)).to_string()
}

/// An instant, by the clock of this machine.
pub(super) fn at(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        for (seconds, about, exactly) in
            [(0, "0 s", "0 s"), (61, "61 s", "61 s"), (5400, "90 min", "90 min"), (90_061, "25 h", "90061 s")]
        {
            assert_eq!((time(seconds).as_str(), setting(seconds).as_str()), (about, exactly));
        }
        for (octets, text) in [(0, "0 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")] {
            assert_eq!(size(octets), text);
        }
        let mut rows = Rows::default();
        rows.row("queue", "empty");
        rows.some("none", std::iter::empty());
        assert_eq!(rows.text(), "queue         empty\n");
    }
}
