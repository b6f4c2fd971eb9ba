use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use mail::{Event, Journeys, Listen};
use tracing::{error, info, warn};

use super::days::{Bounds, Folder, day_of};
use super::judged::Judged;
use super::line::{Line, What};

/// Events that wait to be written at most; what comes when so many wait is lost, and counted.
const WAITING: usize = 16 << 10;
/// How long a line waits for company.
const GATHER: Duration = Duration::from_millis(50);
/// Octets that are written at once.
const WRITE: usize = 256 << 10;
/// How often what is old is looked for, and a file that could not be written is tried again.
const LOOK: Duration = Duration::from_secs(60);
/// How long a stop waits for a disk that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nothing is the end.
type Told = Option<(Timestamp, Kept)>;

/// What is kept.
enum Kept {
    Event(Event),
    /// With the header section of its message, for as far as nobody has read it.
    Judged(Judged, Vec<u8>),
}

impl Kept {
    fn line(self, at: Timestamp) -> Line {
        let what = match self {
            Self::Event(event) => What::Event(event),
            Self::Judged(judged, header) => What::Judged(judged.prepare(&header)),
        };
        Line { at, what }
    }
}

/// The near end of the channel to the scribe. Telling never waits.
#[derive(Clone)]
struct Ear {
    events: SyncSender<Told>,
    /// How many events are in the channel: whoever has one to tell makes it only where there is room for it.
    waiting: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

impl Ear {
    fn tell(&self, kept: Kept) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.events.try_send(Some((Timestamp::now(), kept))).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.miss();
        }
    }
}

impl Listen for Ear {
    fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }

    fn keep(&self, event: Event) {
        self.tell(Kept::Event(event));
    }

    fn miss(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where the gate tells what it knew of a message.
#[derive(Clone)]
pub(crate) struct Judgements(Ear);

impl Judgements {
    /// Whether what was known would be kept now.
    pub(crate) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    pub(crate) fn tell(&self, judged: Judged, header: Vec<u8>) {
        self.0.tell(Kept::Judged(judged, header));
    }

    /// There was no room, and nothing was prepared.
    pub(crate) fn miss(&self) {
        self.0.miss();
    }
}

/// Keeps the trace, from a thread of its own: who tells of an event never waits for the disk, and a disk that
/// takes nothing costs lines of the trace and no mail. Lines are not synced: a power cut takes the last of them.
pub(crate) struct Keeper {
    ear: Ear,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Begins to keep what is told.
    pub(crate) fn start(folder: Folder, bounds: Bounds) -> io::Result<Self> {
        let (events, told) = sync_channel(WAITING);
        let ear = Ear { events, waiting: Arc::default(), lost: Arc::default() };
        let (waiting, lost) = (ear.waiting.clone(), ear.lost.clone());
        let scribe = Scribe { folder, bounds, told, waiting, lost, file: None, failed: None, tidied: None };
        let thread = thread::Builder::new().name("trace".into()).spawn(move || scribe.run())?;
        Ok(Self { ear, thread })
    }

    /// Where to tell.
    pub(crate) fn journeys(&self) -> Journeys {
        Journeys::new(self.ear.clone())
    }

    /// Where the gate tells.
    pub(crate) fn judgements(&self) -> Judgements {
        Judgements(self.ear.clone())
    }

    /// Returns when all that was told before is written, or when the disk takes nothing for some seconds.
    pub(crate) fn stop(self) {
        let until = Instant::now() + PATIENCE;
        while self.ear.events.try_send(None).is_err() && !self.thread.is_finished() && Instant::now() < until
        {
            thread::sleep(GATHER);
        }
        while !self.thread.is_finished() {
            if Instant::now() >= until {
                warn!("the trace does not take its last lines: the stop goes on without them");
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Who writes.
struct Scribe {
    folder: Folder,
    bounds: Bounds,
    told: Receiver<Told>,
    waiting: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    file: Option<(Date, File)>,
    /// Since when nothing can be written.
    failed: Option<Instant>,
    tidied: Option<Instant>,
}

impl Scribe {
    fn run(mut self) {
        let mut stopped = false;
        while !stopped {
            self.tidy();
            let mut lines = Vec::new();
            let mut date = None;
            let mut count = 0;
            match self.told.recv_timeout(LOOK) {
                Ok(Some((at, event))) => {
                    thread::sleep(GATHER);
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    count += 1;
                    date = Some(day_of(at));
                    event.line(at).write(&mut lines);
                }
                Ok(None) => stopped = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while !stopped && lines.len() < WRITE {
                match self.told.try_recv() {
                    Ok(Some((at, event))) => {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                        count += 1;
                        // One file for all that is written at once: midnight is not so exact.
                        event.line(at).write(&mut lines);
                    }
                    Ok(None) => stopped = true,
                    Err(_) => break,
                }
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let at = Timestamp::now();
                Line { at, what: What::Lost { lost } }.write(&mut lines);
            }
            if !lines.is_empty() {
                self.write(date.unwrap_or_else(|| day_of(Timestamp::now())), &lines, count + lost);
            }
        }
    }

    /// What cannot be written is lost, and told of when something can.
    fn write(&mut self, date: Date, lines: &[u8], count: u64) {
        if self.failed.is_some_and(|since| since.elapsed() < LOOK) {
            self.lost.fetch_add(count, Ordering::Relaxed);
            return;
        }
        let most = self.bounds.octets;
        match self.open(date).and_then(|file| append(file, lines, most)) {
            Ok(()) => {
                if self.failed.take().is_some() {
                    info!("the trace is written again");
                }
            }
            Err(error) => {
                if self.failed.is_none() {
                    let folder = self.folder.path().display();
                    error!(%error, %folder, "the trace cannot be written: journeys of mail are not recorded; mail is");
                }
                self.failed = Some(Instant::now());
                self.file = None;
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    fn open(&mut self, date: Date) -> io::Result<&mut File> {
        // Somebody may have removed it, or all of the folder: what is written to it then nobody could read.
        let is_there = |file: &File| file.metadata().is_ok_and(|found| found.nlink() > 0);
        if self.file.as_ref().is_none_or(|(of, file)| *of != date || !is_there(file)) {
            self.file = None;
        }
        match &mut self.file {
            Some((_, file)) => Ok(file),
            none => {
                let file = self.folder.open(date)?;
                Ok(&mut none.insert((date, file)).1)
            }
        }
    }

    fn tidy(&mut self) {
        if self.tidied.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        self.tidied = Some(Instant::now());
        if let Err(error) = self.folder.tidy(day_of(Timestamp::now()), self.bounds) {
            error!(%error, folder = %self.folder.path().display(), "old days of the trace stay for now");
        }
    }
}

/// Strangers decide how much there is to tell: not even one day may take more than all of the trace.
fn append(file: &mut File, lines: &[u8], most: u64) -> io::Result<()> {
    if file.metadata()?.len().saturating_add(lines.len() as u64) > most {
        let text = "today's file would take more than the `size` of [trace]";
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    file.write_all(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mail::QueueId;

    use super::*;

    const BOUNDS: Bounds = Bounds { days: 30, octets: 1 << 30 };

    fn lines(folder: &Folder) -> Vec<Line> {
        let mut lines = Vec::new();
        for day in folder.days().expect("listed") {
            let text = fs::read(&day.path).expect("read");
            lines.extend(text.split(|octet| *octet == b'\n').filter_map(Line::read));
        }
        lines
    }

    fn events(lines: &[Line]) -> u64 {
        lines.iter().filter(|line| matches!(line.what, What::Event(_))).count() as u64
    }

    fn event(number: u64) -> Event {
        Event::Discarded { id: QueueId(number) }
    }

    #[test]
    fn what_was_told_before_the_end_is_there_and_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        for run in 0..3 {
            let keeper = Keeper::start(folder.clone(), BOUNDS).expect("started");
            let journeys = keeper.journeys();
            (run * 1000..run * 1000 + 1000).for_each(|number| journeys.tell(|| event(number)));
            keeper.stop();
            journeys.tell(|| event(u64::MAX));
        }
        let told: Vec<_> = lines(&folder).into_iter().map(|line| line.what).collect();
        let expected: Vec<_> = (0..3000).map(|number| What::Event(event(number))).collect();
        assert!(told == expected, "{} lines", told.len());
    }

    #[test]
    fn who_tells_never_waits_and_what_is_lost_is_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        // A file stands where the folder should be: nothing can be written.
        fs::write(dir.path().join("trace"), "in the way").expect("written");
        let keeper = Keeper::start(Folder::of(dir.path()), BOUNDS).expect("started");
        let lost = keeper.ear.lost.clone();
        let journeys = keeper.journeys();
        let told = 3 * WAITING as u64;
        let since = Instant::now();
        (0..told).for_each(|number| journeys.tell(|| event(number)));
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        keeper.stop();
        assert_eq!(lost.load(Ordering::Relaxed), told);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_not_even_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let keeper = Keeper::start(folder.clone(), BOUNDS).expect("started");
        let (lost, journeys, judgements) = (keeper.ear.lost.clone(), keeper.journeys(), keeper.judgements());
        let (mut made, mut told) = (0, 0);
        while lost.load(Ordering::Relaxed) < 1000 && told < 100 * WAITING as u64 {
            told += 1;
            journeys.tell(|| {
                made += 1;
                event(made)
            });
        }
        keeper.stop();
        assert!(judgements.has_room(), "it comes back");
        let lost_for_good = told - made;
        assert!(lost_for_good > 900, "{lost_for_good} of {told} were not made");
        let lines = lines(&folder);
        let said: u64 =
            lines.iter().map(|line| if let What::Lost { lost } = line.what { lost } else { 0 }).sum();
        assert_eq!(said + lost.load(Ordering::Relaxed) + events(&lines), told);
    }

    #[test]
    fn one_day_takes_no_more_than_all_days_may() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let bounds = Bounds { octets: 2000, ..BOUNDS };
        let keeper = Keeper::start(folder.clone(), bounds).expect("started");
        let (lost, journeys) = (keeper.ear.lost.clone(), keeper.journeys());
        for number in 0..20 {
            journeys.tell(|| event(number));
            // Each a write of its own.
            thread::sleep(GATHER + Duration::from_millis(5));
        }
        (0..100).for_each(|number| journeys.tell(|| event(number)));
        keeper.stop();
        let octets: u64 = folder.days().expect("listed").iter().map(|day| day.octets).sum();
        let kept = lines(&folder).len() as u64;
        assert!(octets <= 2000 && kept >= 10, "{kept} lines, {octets} octets");
        assert_eq!(lost.load(Ordering::Relaxed), 120 - kept);
    }

    #[test]
    fn a_file_that_is_taken_away_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let keeper = Keeper::start(folder.clone(), BOUNDS).expect("started");
        let journeys = keeper.journeys();
        journeys.tell(|| event(1));
        let since = Instant::now();
        while lines(&folder).is_empty() && since.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
        fs::remove_dir_all(folder.path()).expect("removed");
        journeys.tell(|| event(2));
        keeper.stop();
        assert_eq!(
            lines(&folder).into_iter().map(|line| line.what).collect::<Vec<_>>(),
            [What::Event(event(2))]
        );
    }
}
