use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mail::{Envelope, QueueId};
use queue::StoreError;

use super::intake::Taken;
use super::record::{Kind, LAST, RecordHeader};
use super::segment::{PAGE, SegmentHeader, page_up, segment_path};
use super::segments::Segments;
use super::spares::Spares;
use super::{Answer, Intake, Job, Lsn};
use crate::buffers::Buffers;
use crate::clock::wall_ms;
use crate::disk::{Disk, DiskFile, Open, is_no_space, write_all, write_all_vectored};
use crate::health::Health;
use crate::index::Lag;
use crate::mailbox::Backlog;

const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// A record that is durable and waits to be applied.
pub(crate) struct Committed {
    pub(crate) header: RecordHeader,
    /// 64 octets, then the meta.
    pub(crate) head: Vec<u8>,
    /// Of a message: what saves the applier from reading it back, and how many octets its body has.
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) octets: u64,
    /// `None`: its waiter was told when it became durable.
    pub(crate) answer: Option<Answer>,
}

/// The one thread that writes the log: takes what is there, gives each record its place, writes the batch
/// with one call, makes it durable with one more, and only then tells anyone.
///
/// Any failed write burns the segment: the next batch opens a new one, whose header says where the good
/// octets of this one end, so that what failed never surfaces. A failed sync is the end: what the kernel
/// still has of the file is unknown, nothing more is written until the store is started again.
pub(crate) struct Committer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log: PathBuf,
    pub(crate) store: [u8; 16],
    pub(crate) segment_size: u32,
    pub(crate) intake: Arc<Intake>,
    pub(crate) spares: Arc<Spares>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) health: Arc<Health>,
    /// Where the last durable record ends.
    pub(crate) durable: Arc<AtomicU64>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) chain: Chain,
    pub(crate) active: Option<Active>,
}

/// What the header of the next segment must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    /// The highest id that any file ever had, also one that never got a record.
    pub(crate) last_id: u32,
    /// The last segment with a header, and where its good octets end.
    pub(crate) previous: u32,
    pub(crate) prev_end: u32,
}

/// The segment that is written.
pub(crate) struct Active {
    file: Arc<dyn DiskFile>,
    salt: u64,
    id: u32,
}

/// However the committer ends, nobody waits for it for ever.
impl Drop for Committer {
    fn drop(&mut self) {
        self.intake.abandon();
        self.lag.close();
    }
}

impl Committer {
    pub(crate) fn run(mut self) {
        loop {
            let room = match self.active {
                Some(_) => (self.segment_size - self.chain.prev_end) as usize,
                None => (self.segment_size - PAGE) as usize,
            };
            match self.intake.take(room) {
                Taken::Batch(batch) => self.commit(batch),
                Taken::NoRoom => self.active = None,
                Taken::Closed => break,
            }
        }
    }

    fn commit(&mut self, batch: Vec<Job>) {
        let mut batch = self.hold_back(batch);
        if batch.is_empty() {
            return;
        }
        let outcome = match self.health.read_only() {
            Some(why) => Err(StoreError::ReadOnly(why)),
            None => self.write(&mut batch),
        };
        let headers = match outcome {
            Ok(headers) => headers,
            Err(error) => {
                for job in batch {
                    self.buffers.give_back(job.draft.body);
                    job.answer.fail(error.share());
                }
                return;
            }
        };
        let mut committed = Vec::with_capacity(batch.len());
        for (job, header) in batch.into_iter().zip(headers) {
            let Job { draft, envelope, octets, held, answer } = job;
            self.buffers.give_back(draft.body);
            drop(held);
            if let Some(envelope) = &envelope {
                self.backlog.add(QueueId(header.lsn.0), octets, envelope);
            }
            let answer = match answer {
                Answer::Durable(waiter) => {
                    // A session that has gone away still gave us the message.
                    let _ = waiter.send(Ok(header.lsn));
                    None
                }
                Answer::Both(waiter, applied) => {
                    let _ = waiter.send(Ok(header.lsn));
                    Some(Answer::Applied(applied))
                }
                answer @ Answer::Applied(_) => Some(answer),
            };
            committed.push(Committed { header, head: draft.head, envelope, octets, answer });
        }
        self.lag.push(committed);
    }

    /// Refuses new mail, and mail that only moves, when no further segment can be made: the last one is for what
    /// was promised already, and for deletions, which are what makes room again.
    fn hold_back(&self, batch: Vec<Job>) -> Vec<Job> {
        if !self.spares.is_last(self.active.is_some()) {
            return batch;
        }
        let (mail, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|job| matches!(job.draft.kind, Kind::Accept | Kind::Big | Kind::Relocate));
        for job in mail {
            self.buffers.give_back(job.draft.body);
            job.answer.fail(StoreError::Full("the disk has no room"));
        }
        rest
    }

    /// Writes a batch and makes it durable.
    fn write(&mut self, batch: &mut [Job]) -> Result<Vec<RecordHeader>, StoreError> {
        let active = match self.active.take() {
            Some(active) => active,
            None => self.enter().map_err(refused)?,
        };
        let start = self.chain.prev_end;
        let (headers, end) = stamp(batch, &active, start);
        let end_of_page = page_up(end);
        let mut buffers = Vec::with_capacity(batch.len() * 2 + 1);
        for job in batch.iter() {
            buffers.push(IoSlice::new(&job.draft.head));
            if !job.draft.body.is_empty() {
                buffers.push(IoSlice::new(&job.draft.body));
            }
        }
        buffers.push(IoSlice::new(&ZEROS[..(end_of_page - end) as usize]));
        if let Err(error) = write_all_vectored(&*active.file, &mut buffers, u64::from(start)) {
            tracing::error!(%error, segment = format_args!("{:08x}", active.id), "a write failed: the segment is left");
            return Err(self.leave(error));
        }
        // What was written may be on the platter all the same, and then the next start believes it.
        self.sync(&*active.file).map_err(StoreError::Unsure)?;
        self.chain.prev_end = end_of_page;
        self.durable.store(Lsn::new(active.id, end_of_page).0, Ordering::SeqCst);
        self.active = Some(active);
        Ok(headers)
    }

    /// Whole records of a batch that failed may stand in its segment: only the header of the next one tells a
    /// start to pass them by. So that comes before anyone is told that he was refused.
    fn leave(&mut self, error: io::Error) -> StoreError {
        match self.enter() {
            Ok(active) => {
                self.active = Some(active);
                refused(error)
            }
            Err(next) => {
                StoreError::Unsure(format!("a write failed ({error}), and no other segment opens ({next})"))
            }
        }
    }

    fn sync(&self, file: &dyn DiskFile) -> Result<(), String> {
        file.fdatasync().map_err(|error| {
            let why = format!("a sync of the log failed: {error}");
            tracing::error!("{why}; the store takes no writes until it is started again");
            self.health.poison(&why);
            why
        })
    }

    /// Opens the next segment: rename, header, sync, sync of the folder, and only then its first record.
    fn enter(&mut self) -> io::Result<Active> {
        let spare = self.spares.take()?;
        let id = next_id(self.chain.last_id, wall_ms() / 1000);
        let id = id.ok_or_else(|| io::Error::other("out of segment ids"))?;
        self.chain.last_id = id;
        let path = segment_path(&self.log, id);
        self.disk.rename(&spare, &path)?;
        let file = self.disk.open(&path, Open::Write)?;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let header = SegmentHeader {
            store: self.store,
            id,
            salt: u64::from_le_bytes(salt),
            previous: self.chain.previous,
            prev_end: self.chain.prev_end,
            opened_ms: wall_ms(),
        };
        write_all(&*file, &header.encode(), 0)?;
        self.sync(&*file).map_err(|why| io::Error::other(StoreError::ReadOnly(why)))?;
        self.disk.fsync_dir(&self.log)?;
        let salt = header.salt;
        self.segments.insert(header);
        self.chain = Chain { last_id: id, previous: id, prev_end: PAGE };
        Ok(Active { file, salt, id })
    }
}

/// Never below the clock: a restored backup must not hand out again what was handed out since. A clock beyond
/// 2097 is wrong, and believing it once would leave no ids for what comes after.
fn next_id(last: u32, seconds: u64) -> Option<u32> {
    let now = u32::try_from(seconds).ok().filter(|now| *now < 0xF000_0000).unwrap_or(0);
    Some(last.checked_add(1)?.max(now))
}

/// Gives every record of a batch its place, and says where the last one ends.
fn stamp(batch: &mut [Job], active: &Active, start: u32) -> (Vec<RecordHeader>, u32) {
    let time_ms = wall_ms();
    let mut at = start;
    let mut headers = Vec::with_capacity(batch.len());
    let last = batch.len() - 1;
    for (ordinal, Job { draft, .. }) in batch.iter_mut().enumerate() {
        let header = RecordHeader {
            kind: draft.kind,
            flags: draft.flags | if ordinal == last { LAST } else { 0 },
            slots: draft.slots,
            batch_start: start,
            lsn: Lsn::new(active.id, at),
            id: draft.id,
            meta_len: draft.meta_len,
            body_len: draft.body_len,
            body_crc: draft.body_crc,
            content_crc: draft.content_crc,
            time_ms,
        };
        header.encode(active.salt, &mut draft.head);
        at += u32::try_from(draft.octets()).expect("a draft has at most RECORD_MAX octets");
        headers.push(header);
    }
    (headers, at)
}

fn refused(error: io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) if is_no_space(&error) => StoreError::Full("the disk has no room"),
        Err(error) => StoreError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::next_id;

    #[test]
    fn ids_follow_the_clock_as_far_as_it_can_be_believed() {
        assert_eq!(next_id(7, 0), Some(8), "a clock of 1970");
        assert_eq!(next_id(7, 1_800_000_000), Some(1_800_000_000));
        assert_eq!(next_id(1_800_000_000, 1_800_000_000), Some(1_800_000_001), "two in one second");
        assert_eq!(next_id(1_900_000_000, 1_800_000_000), Some(1_900_000_001), "it was set back");
        assert_eq!(next_id(7, 0xEFFF_FFFF), Some(0xEFFF_FFFF));
        for wrong in [0xF000_0000, 0xFFFF_FFFF, 0x1_0000_0008, u64::MAX] {
            assert_eq!(next_id(7, wrong), Some(8), "{wrong}");
        }
        assert_eq!(next_id(u32::MAX, 1_800_000_000), None, "no id is used twice");
    }
}
