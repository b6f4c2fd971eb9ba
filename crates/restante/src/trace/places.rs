use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use mail::QueueId;
use serde::Deserialize;

use super::days::{Day, Folder, day_of};
use super::judged::Judged;
use super::line::{Line, Unread, What};
use super::search::{LINE_MAX, each_octets};

/// Where the trace has what the gate knew of each message, by its name: whoever has a message at hand finds its facts
/// here, and what is not at hand is read in order. Every line is taken apart once, and of a message no more than its
/// place is in memory.
pub(crate) struct Places {
    days: Vec<Shelf>,
    /// By id.
    judged: Vec<Place>,
    /// Lines that another version has written.
    passed: u64,
}

/// Where one message's line is.
struct Place {
    id: QueueId,
    at_ms: i64,
    day: usize,
    offset: u64,
}

/// As much of a line as its place needs: the facts are most of it.
#[derive(Deserialize)]
struct Head {
    at: Timestamp,
    judged: Option<String>,
}

impl Places {
    /// Of all that was told since, and for some time before; `other` gets the lines that are of no message's facts,
    /// those of the same time among them.
    pub(crate) fn read(
        folder: &Folder,
        since: Option<Timestamp>,
        mut other: impl FnMut(Line),
    ) -> io::Result<Self> {
        // What came just before may have been told just after.
        let since = since.map(|since| since.checked_sub(Span::new().hours(1)).unwrap_or(Timestamp::MIN));
        // And what was written at midnight may stand in the file of the day before.
        let first = since.map_or(Date::MIN, |since| day_of(since).yesterday().unwrap_or(Date::MIN));
        let days = folder.days()?.into_iter().filter(|day| day.date >= first);
        let mut places =
            Self { days: days.map(|day| Shelf { day, open: None }).collect(), judged: Vec::new(), passed: 0 };
        for (place, shelf) in places.days.iter().enumerate() {
            each_octets(&shelf.day, |offset, octets| match serde_json::from_slice(octets) {
                Ok(Head { at, judged: Some(id) }) => {
                    let id = id.parse().ok().filter(|_| since.is_none_or(|since| at >= since));
                    let at_ms = at.as_millisecond();
                    places.judged.extend(id.map(|id| Place { id, at_ms, day: place, offset }));
                }
                Ok(Head { judged: None, .. }) | Err(_) => match Line::read(octets) {
                    Ok(line) => other(line),
                    Err(Unread::Strange) => places.passed += 1,
                    Err(Unread::Torn) => {}
                },
            })?;
        }
        places.judged.sort_unstable_by_key(|place| (place.id, place.day, place.offset));
        places.judged.dedup_by_key(|place| place.id);
        Ok(places)
    }

    fn find(&self, id: QueueId) -> Option<&Place> {
        let found = self.judged.binary_search_by_key(&id, |place| place.id).ok()?;
        self.judged.get(found)
    }

    /// When a message was taken, in milliseconds since 1970, if its facts are here.
    pub(crate) fn taken_ms(&self, id: QueueId) -> Option<i64> {
        self.find(id).map(|place| place.at_ms)
    }

    /// What was known of a message; nothing when its day has gone meanwhile.
    pub(crate) fn judged(&mut self, id: QueueId) -> Option<Judged> {
        let Place { day, offset, .. } = *self.find(id)?;
        self.line(day, offset)
    }

    /// What was known of each message that is wanted, by its name and when it was taken, in the order of the files.
    /// Returned is how many lines, of all, another version has written.
    pub(crate) fn others(
        mut self,
        is_wanted: impl Fn(QueueId, i64) -> bool,
        mut each: impl FnMut(Judged),
    ) -> u64 {
        let mut wanted = std::mem::take(&mut self.judged);
        wanted.retain(|place| is_wanted(place.id, place.at_ms));
        wanted.sort_unstable_by_key(|place| (place.day, place.offset));
        for Place { day, offset, .. } in wanted {
            self.line(day, offset).into_iter().for_each(&mut each);
        }
        self.passed
    }

    fn line(&mut self, day: usize, offset: u64) -> Option<Judged> {
        let octets = self.days.get_mut(day)?.line(offset)?;
        match Line::read(&octets).map(|line| line.what) {
            Ok(What::Judged(judged)) => Some(judged),
            Ok(What::Event(_) | What::Lost { .. } | What::More { .. }) | Err(Unread::Torn) => None,
            Err(Unread::Strange) => {
                self.passed += 1;
                None
            }
        }
    }
}

/// One day's file, opened when something in it is asked for.
struct Shelf {
    day: Day,
    open: Option<(BufReader<File>, u64)>,
}

impl Shelf {
    fn line(&mut self, offset: u64) -> Option<Vec<u8>> {
        let (mut lines, at) = match self.open.take() {
            Some(open) => open,
            None => (BufReader::new(File::open(&self.day.path).ok()?), 0),
        };
        let way = i64::try_from(offset).ok()?.checked_sub(i64::try_from(at).ok()?)?;
        // What is near is in memory already.
        lines.seek_relative(way).ok()?;
        let mut octets = Vec::new();
        let read = lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut octets).ok()?;
        self.open = Some((lines, offset + read as u64));
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use mail::Event;

    use super::*;
    use crate::trace::days::Kind;
    use crate::trace::judged::tests::judged;

    fn put(folder: &Folder, at: &str, what: What) {
        let at: Timestamp = at.parse().expect("a time");
        let mut line = Vec::new();
        Line { at, what }.write(&mut line);
        folder.open(day_of(at), Kind::Mail).expect("opened").write_all(&line).expect("written");
    }

    fn of(id: u64) -> What {
        What::Judged(judged(&QueueId(id).to_string()))
    }

    #[test]
    fn each_message_is_found_by_its_name_and_the_others_in_order() {
        assert!(size_of::<Place>() <= 32, "a million messages are 32 MB");
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        // Ids need not be in the order of the lines, and days are not those of the window.
        put(&folder, "2026-11-20T10:00:00Z", of(1));
        put(&folder, "2026-11-27T23:30:00Z", of(9));
        put(&folder, "2026-11-27T23:59:00Z", of(3));
        put(&folder, "2026-11-28T00:00:00Z", What::Event(Event::Discarded { id: QueueId(3) }));
        put(&folder, "2026-11-28T10:00:00Z", of(7));
        put(&folder, "2026-11-28T10:00:01Z", of(7));
        put(&folder, "2026-11-28T11:00:00Z", of(5));
        let day = folder.days().expect("listed").pop().expect("a day").path;
        let strange =
            "{\"at\":\"2026-11-28T12:00:00Z\",\"judged\":\"000000000000000b\",\"facts\":7}\n{\"at\":\"2026";
        let text = fs::read_to_string(&day).expect("read") + strange;
        fs::write(&day, text).expect("written");
        let since = Some("2026-11-28T00:45:00Z".parse().expect("a time"));
        let mut others = 0;
        let mut places = Places::read(&folder, since, |_| others += 1).expect("read");
        assert_eq!(others, 1);
        let hour = 3_600_000;
        let day = 1_795_824_000_000;
        let taken = [1, 3, 5, 7, 9].map(|id| places.taken_ms(QueueId(id)));
        assert_eq!(taken, [None, Some(day - 60_000), Some(day + 11 * hour), Some(day + 10 * hour), None]);
        for id in [5, 3, 7, 5] {
            let judged = places.judged(QueueId(id)).expect("there");
            assert_eq!(judged.judged, QueueId(id).to_string());
        }
        assert_eq!(places.judged(QueueId(9)), None);
        let mut found = Vec::new();
        let passed =
            places.others(|id, at_ms| id != QueueId(5) && at_ms >= day - hour, |it| found.push(it.judged));
        assert_eq!(found, [3, 7].map(|id| QueueId(id).to_string()));
        assert_eq!(passed, 1, "one has facts that this version does not read");
        let all = Places::read(&folder, None, |_| {}).expect("read");
        let mut count = 0;
        all.others(|_, _| true, |_| count += 1);
        assert_eq!(count, 5);
    }
}
