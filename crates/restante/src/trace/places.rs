use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use jiff::{Span, Timestamp};
use mail::{Event, QueueId, Uid};

use super::days::{Day, Folder};
use super::judged::Judged;
use super::line::{Line, What};
use super::search::{LINE_MAX, each_line_at};

/// Where the trace has what the gate knew of each message, by its name: a message that is at hand finds its facts here,
/// without all of the trace in memory.
pub(crate) struct Places {
    days: Vec<(Day, Option<BufReader<File>>)>,
    /// By id: which day, and where in it.
    judged: Vec<(QueueId, usize, u64)>,
    /// By uid: what it was delivered from.
    owners: Vec<(Uid, QueueId)>,
}

impl Places {
    /// Of all that was told since.
    pub(crate) fn read(folder: &Folder, since: Option<Timestamp>) -> io::Result<Self> {
        // What came just before may have been told just after.
        let since = since.map(|since| since.checked_sub(Span::new().hours(1)).unwrap_or(Timestamp::MIN));
        let days = folder.days()?;
        let (mut judged, mut owners) = (Vec::new(), Vec::new());
        for (place, day) in days.iter().enumerate() {
            each_line_at(day, |at, line| {
                if since.is_some_and(|since| line.at < since) {
                    return;
                }
                match &line.what {
                    What::Judged(Judged { judged: id, .. }) => {
                        judged.extend(id.parse().ok().map(|id: QueueId| (id, place, at)));
                    }
                    What::Event(Event::Delivered { id, uid, .. }) => owners.push((*uid, *id)),
                    What::Event(_) | What::Lost { .. } | What::More { .. } => {}
                }
            })?;
        }
        judged.sort_unstable_by_key(|(id, ..)| *id);
        owners.sort_unstable();
        Ok(Self { days: days.into_iter().map(|day| (day, None)).collect(), judged, owners })
    }

    /// Which message was delivered under a uid.
    pub(crate) fn owner(&self, uid: Uid) -> Option<QueueId> {
        let place = self.owners.binary_search_by_key(&uid, |(uid, _)| *uid).ok()?;
        self.owners.get(place).map(|(_, id)| *id)
    }

    /// What was known of a message; nothing when its day has gone meanwhile.
    pub(crate) fn judged(&mut self, id: QueueId) -> Option<Judged> {
        let place = self.judged.binary_search_by_key(&id, |(id, ..)| *id).ok()?;
        let (_, day, at) = *self.judged.get(place)?;
        let (day, file) = self.days.get_mut(day)?;
        let file = match file {
            Some(file) => file,
            none => none.insert(BufReader::new(File::open(&day.path).ok()?)),
        };
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut octets = Vec::new();
        file.by_ref().take(LINE_MAX).read_until(b'\n', &mut octets).ok()?;
        match Line::read(&octets).ok()?.what {
            What::Judged(judged) => Some(judged),
            What::Event(_) | What::Lost { .. } | What::More { .. } => None,
        }
    }
}
