use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use mail::{Event, Journeys, Listen};
use tracing::{error, info, warn};
use upkeep::{AgeClock, Reading};

use super::days::{Bounds, Folder, Kind, day_of};
use super::judged::Judged;
use super::line::{Line, What};
use super::pen::Pen;
use super::tally::Tally;

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
    /// Where it is written.
    fn kind(&self) -> Kind {
        match self {
            Self::Event(Event::Refused { .. } | Event::CutOff { .. }) => Kind::Refused,
            Self::Event(_) | Self::Judged(..) => Kind::Mail,
        }
    }

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
    tally: Tally,
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
        self.tally.count(&event);
        self.tell(Kept::Event(event));
    }

    fn miss(&self) {
        self.tally.miss();
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
        let ear = Ear { events, waiting: Arc::default(), lost: Arc::default(), tally: Tally::default() };
        let (waiting, lost) = (ear.waiting.clone(), ear.lost.clone());
        let clock = fs::read_to_string(folder.clock()).unwrap_or_default();
        let scribe = Scribe {
            folder,
            bounds,
            told,
            waiting,
            lost,
            mail: Pen::new(Kind::Mail),
            refused: Pen::new(Kind::Refused),
            more: 0,
            failed: None,
            tidied: None,
            clock: AgeClock::read(&clock),
        };
        let thread = thread::Builder::new().name("trace".into()).spawn(move || scribe.run())?;
        Ok(Self { ear, thread })
    }

    /// Where to tell.
    pub(crate) fn journeys(&self) -> Journeys {
        Journeys::new(self.ear.clone())
    }

    /// How much was told.
    pub(crate) fn tally(&self) -> Tally {
        self.ear.tally.clone()
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
    mail: Pen,
    refused: Pen,
    /// Refusals for which there was no more room, and that are to be told of by their number.
    more: u64,
    /// Since when nothing can be written.
    failed: Option<Instant>,
    tidied: Option<Instant>,
    clock: AgeClock,
}

/// What is written at once.
#[derive(Default)]
struct Batch {
    /// One day for all of it: midnight is not so exact.
    date: Option<Date>,
    mail: Vec<u8>,
    mail_count: u64,
    refused: Vec<u8>,
    refused_count: u64,
}

impl Batch {
    fn add(&mut self, at: Timestamp, kept: Kept) {
        self.date.get_or_insert_with(|| day_of(at));
        let (lines, count) = match kept.kind() {
            Kind::Mail => (&mut self.mail, &mut self.mail_count),
            Kind::Refused => (&mut self.refused, &mut self.refused_count),
        };
        *count += 1;
        kept.line(at).write(lines);
    }

    fn len(&self) -> usize {
        self.mail.len() + self.refused.len()
    }
}

impl Scribe {
    fn run(mut self) {
        let mut stopped = false;
        while !stopped {
            let tidied = self.tidy();
            let mut batch = Batch::default();
            match self.told.recv_timeout(LOOK) {
                Ok(Some((at, event))) => {
                    thread::sleep(GATHER);
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    batch.add(at, event);
                }
                Ok(None) => stopped = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while !stopped && batch.len() < WRITE {
                match self.told.try_recv() {
                    Ok(Some((at, event))) => {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                        batch.add(at, event);
                    }
                    Ok(None) => stopped = true,
                    Err(_) => break,
                }
            }
            let at = Timestamp::now();
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                batch.mail_count += lost;
                Line { at, what: What::Lost { lost } }.write(&mut batch.mail);
            }
            self.write(batch);
            if tidied || stopped {
                self.tell_of_more(at);
            }
        }
    }

    /// What cannot be written is lost, and told of when something can.
    fn write(&mut self, batch: Batch) {
        let Batch { date, mail, mail_count, refused, refused_count } = batch;
        let date = date.unwrap_or_else(|| day_of(Timestamp::now()));
        if !refused.is_empty() {
            match self.attempt(Kind::Refused, date, &refused) {
                Written::Yes => {}
                Written::Full(left) => self.more += left,
                Written::No => drop(self.lost.fetch_add(refused_count, Ordering::Relaxed)),
            }
        }
        if !mail.is_empty() && !matches!(self.attempt(Kind::Mail, date, &mail), Written::Yes) {
            self.lost.fetch_add(mail_count, Ordering::Relaxed);
        }
    }

    /// Says how many refusals found no more room: among the mail, where there is some.
    fn tell_of_more(&mut self, at: Timestamp) {
        if self.more == 0 {
            return;
        }
        let mut line = Vec::new();
        Line { at, what: What::More { more_refusals: self.more } }.write(&mut line);
        if matches!(self.attempt(Kind::Mail, day_of(at), &line), Written::Yes) {
            self.more = 0;
        }
    }

    fn attempt(&mut self, kind: Kind, date: Date, lines: &[u8]) -> Written {
        if self.failed.is_some_and(|since| since.elapsed() < LOOK) {
            return Written::No;
        }
        let pen = match kind {
            Kind::Mail => &mut self.mail,
            Kind::Refused => &mut self.refused,
        };
        let full = match pen.write(&self.folder, date, lines, self.bounds.octets) {
            Ok(0) => {
                if self.failed.take().is_some() {
                    info!("the trace is written again");
                }
                return Written::Yes;
            }
            Ok(left) if kind == Kind::Refused => return Written::Full(left),
            Ok(_) => {
                let text = "today's file would take more than the `size` of [trace]";
                io::Error::new(io::ErrorKind::StorageFull, text)
            }
            Err(error) => error,
        };
        if self.failed.is_none() {
            let folder = self.folder.path().display();
            error!(error = %full, %folder, "the trace cannot be written: journeys of mail are not recorded; mail is");
        }
        self.failed = Some(Instant::now());
        Written::No
    }

    /// Whether it was time to.
    fn tidy(&mut self) -> bool {
        if self.tidied.is_some_and(|last| last.elapsed() < LOOK) {
            return false;
        }
        let first = self.tidied.replace(Instant::now()).is_none();
        let now = Timestamp::now();
        let wall_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let believed = match self.clock.look(wall_ms, Instant::now()) {
            Reading::Now(ms) => i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            Reading::Suspended(_) => None,
        };
        if let Err(error) = fs::write(self.folder.clock(), self.clock.to_string()) {
            warn!(%error, "the next start does not know the clock of the trace: no day of it grows old at first");
        }
        if let Err(error) = self.folder.tidy(day_of(now), believed.map(day_of), self.bounds) {
            error!(%error, folder = %self.folder.path().display(), "old days of the trace stay for now");
        }
        !first
    }
}

/// What became of lines.
enum Written {
    Yes,
    /// For so many their day has no more room.
    Full(u64),
    /// Nothing can be written.
    No,
}

#[cfg(test)]
mod tests {
    use mail::{About, Arrival, Phase, QueueId};

    use super::*;

    const BOUNDS: Bounds = Bounds { days: 30, octets: 1 << 30 };

    fn lines(folder: &Folder) -> Vec<Line> {
        let mut lines = Vec::new();
        for day in folder.days().expect("listed") {
            let text = fs::read(&day.path).expect("read");
            lines.extend(text.split(|octet| *octet == b'\n').filter_map(|line| Line::read(line).ok()));
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
    fn a_flood_of_refusals_is_counted_and_takes_no_room_from_mail() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let keeper = Keeper::start(folder.clone(), Bounds { octets: 16_000, ..BOUNDS }).expect("started");
        let (lost, journeys) = (keeper.ear.lost.clone(), keeper.journeys());
        let refused = || Event::Refused {
            arrival: Arrival::default(),
            phase: Phase::Rcpt,
            code: 550,
            rule: None,
            reason: "550 5.1.1 nobody".into(),
            about: About::default(),
        };
        for _ in 0..10 {
            (0..20).for_each(|_| journeys.tell(refused));
            thread::sleep(GATHER + Duration::from_millis(20));
        }
        (0..50).for_each(|number| journeys.tell(|| event(number)));
        keeper.stop();
        let kept = lines(&folder);
        let count = |is: &dyn Fn(&What) -> bool| kept.iter().filter(|line| is(&line.what)).count() as u64;
        let refusals = count(&|what| matches!(what, What::Event(Event::Refused { .. })));
        let more = kept.iter().find_map(|line| match line.what {
            What::More { more_refusals } => Some(more_refusals),
            What::Event(_) | What::Judged(_) | What::Lost { .. } => None,
        });
        assert_eq!(count(&|what| matches!(what, What::Event(Event::Discarded { .. }))), 50);
        assert!((1..200).contains(&refusals), "{refusals}");
        assert_eq!((more, lost.load(Ordering::Relaxed)), (Some(200 - refusals), 0));
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
