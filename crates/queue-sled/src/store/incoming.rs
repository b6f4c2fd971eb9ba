use std::sync::Arc;

use mail::{Envelope, QueueId};
use queue::{Incoming, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::engine::Engine;
use crate::big::Spill;
use crate::buffers::{Held, Reserved};
use crate::disk::{is_no_space, read_exact};
use crate::inflight::Share;
use crate::log::change::Draft;
use crate::log::{Answer, Job};
use crate::reader::blocking;

/// What is believed of a declared size before octets have come.
const FIRST_MAX: usize = 256 << 10;
const FIRST_MIN: usize = 8 << 10;
/// Octets that are written to a file at once. This much each message may take beyond the budget.
const STAGE: usize = 64 << 10;

/// A message on its way in: in memory while it is short and the budget lasts, else in a file.
pub struct SledIncoming {
    engine: Arc<Engine>,
    expected: usize,
    buffer: Vec<u8>,
    reserved: Option<Reserved>,
    spill: Option<Spill>,
    /// What was read back of the file last, for whoever decides before the commit.
    window: Vec<u8>,
    share: Share,
    octets: u64,
    crc: u32,
}

impl SledIncoming {
    pub(super) fn new(engine: Arc<Engine>, expected: Option<u64>) -> Self {
        let expected = expected.map_or(FIRST_MIN, |octets| usize::try_from(octets).unwrap_or(usize::MAX));
        let share = engine.inflight.share();
        let (buffer, window) = (Vec::new(), Vec::new());
        Self { engine, expected, buffer, reserved: None, spill: None, window, share, octets: 0, crc: 0 }
    }

    /// Makes room in memory for so many more octets; false when they must go to a file.
    fn room(&mut self, more: usize) -> bool {
        let needed = self.buffer.len() + more;
        let most = self.engine.sizes.body_max;
        if needed > most || self.expected > most {
            return false;
        }
        // Eight more, so that padding never moves the whole body.
        if needed + 8 <= self.buffer.capacity() && self.reserved.is_some() {
            return true;
        }
        let wanted = match self.reserved {
            None => needed.max(self.expected.clamp(FIRST_MIN, FIRST_MAX)),
            Some(_) => needed.max(self.buffer.capacity() * 2).min(most),
        };
        let enough = match &mut self.reserved {
            Some(reserved) => reserved.grow(wanted),
            None => {
                self.reserved = self.engine.buffers.reserve(wanted);
                self.reserved.is_some()
            }
        };
        if let (true, Some(reserved)) = (enough, &mut self.reserved) {
            let buffer = self.engine.buffers.grown(std::mem::take(&mut self.buffer), wanted + 8);
            self.buffer = reserved.cover(buffer, wanted + 8);
        }
        enough
    }

    /// Moves what is in memory to the file.
    async fn stage(&mut self) -> Result<(), StoreError> {
        let (spill, mut buffer) = (self.spill.take(), std::mem::take(&mut self.buffer));
        let big = self.engine.big.clone();
        let written = blocking(move || {
            let mut spill = spill.map_or_else(|| big.receive(), Ok)?;
            spill.append(&buffer)?;
            buffer.clear();
            Ok((spill, buffer))
        });
        let (spill, buffer) = written.await.map_err(full)?;
        self.spill = Some(spill);
        self.reserved = None;
        if buffer.capacity() <= STAGE {
            self.buffer = buffer;
        } else {
            self.engine.buffers.give_back(buffer);
        }
        Ok(())
    }

    /// The record of the message, its octets durable already if they are not inside.
    async fn draft(mut self, envelope: &Envelope) -> Result<(Draft, Held), StoreError> {
        if self.spill.is_some() {
            self.stage().await?;
            if self.octets <= self.engine.sizes.body_max as u64 {
                let permits = self.engine.read_back.clone();
                let permit = permits.acquire_owned().await.map_err(|_| StoreError::Unavailable)?;
                return self.short(envelope, permit).await;
            }
            let draft = self.keep(envelope).await?;
            return Ok((draft, Held::Nothing));
        }
        // A write that was cut off has taken its part with it.
        if self.buffer.len() as u64 != self.octets {
            return Err(StoreError::Unavailable);
        }
        match Draft::accept(envelope, std::mem::take(&mut self.buffer), self.crc) {
            Ok(draft) => Ok((draft, self.reserved.take().map_or(Held::Nothing, Held::Budget))),
            Err(body) => {
                self.buffer = body;
                self.stage().await?;
                Ok((self.keep(envelope).await?, Held::Nothing))
            }
        }
    }

    /// It was spilled for want of memory, and belongs into the log.
    async fn short(
        mut self,
        envelope: &Envelope,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Draft, Held), StoreError> {
        let Some(spill) = self.spill.take() else { return Err(StoreError::Unavailable) };
        let (spill, body) =
            blocking(move || spill.read_back().map(|body| (spill, body)).map_err(Into::into)).await?;
        if crc32c::crc32c(&body) != self.crc {
            return Err(StoreError::Damaged("a message came back from the disk as another".into()));
        }
        match Draft::accept(envelope, body, self.crc) {
            Ok(draft) => {
                // Its file goes where waiting for that hurts nobody.
                tokio::task::spawn_blocking(move || drop(spill));
                Ok((draft, Held::ReadBack(permit)))
            }
            Err(_) => {
                self.spill = Some(spill);
                Ok((self.keep(envelope).await?, Held::Nothing))
            }
        }
    }

    async fn keep(mut self, envelope: &Envelope) -> Result<Draft, StoreError> {
        let Some(spill) = self.spill.take() else { return Err(StoreError::Unavailable) };
        let file = blocking(move || spill.keep().map_err(Into::into)).await.map_err(full)?;
        Draft::big(envelope, self.octets, file, self.crc).map_err(super::too_long)
    }
}

impl Incoming for SledIncoming {
    async fn write(&mut self, mut octets: &[u8]) -> Result<(), StoreError> {
        if !self.share.grow(octets.len() as u64) {
            return Err(StoreError::Full("too much mail is being received at once"));
        }
        self.crc = crc32c::crc32c_append(self.crc, octets);
        self.octets += octets.len() as u64;
        if self.spill.is_none() {
            if self.room(octets.len()) {
                self.buffer.extend_from_slice(octets);
                return Ok(());
            }
            self.stage().await?;
        }
        while !octets.is_empty() {
            let part = octets.len().min(STAGE - self.buffer.len());
            self.buffer.reserve_exact(if self.buffer.capacity() == 0 { STAGE } else { part });
            self.buffer.extend_from_slice(&octets[..part]);
            octets = &octets[part..];
            if self.buffer.len() == STAGE {
                self.stage().await?;
            }
        }
        Ok(())
    }

    fn octets(&self) -> u64 {
        self.octets
    }

    async fn reread(&mut self, from: u64) -> Result<&[u8], StoreError> {
        let staged = self.spill.as_ref().map_or(0, Spill::octets);
        if let Some(at) = from.checked_sub(staged) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            return Ok(self.buffer.get(at..).unwrap_or_default());
        }
        // The spill stays where it is: whoever asks may be cut off while it waits.
        let Some(file) = self.spill.as_ref().map(Spill::file) else { return Err(StoreError::Unavailable) };
        let mut window = std::mem::take(&mut self.window);
        let octets = usize::try_from(staged - from).map_or(STAGE, |left| left.min(STAGE));
        self.window = blocking(move || {
            window.resize(octets, 0);
            read_exact(&*file, &mut window, from)?;
            Ok(window)
        })
        .await?;
        Ok(&self.window)
    }

    async fn commit(mut self, envelope: Envelope) -> Result<QueueId, StoreError> {
        // What was read again need not be held over the sync.
        self.window = Vec::new();
        let (engine, octets) = (self.engine.clone(), self.octets);
        // Until it is in the log it takes what it took.
        let _share = self.share.take();
        engine.health.check()?;
        let (draft, held) = self.draft(&envelope).await?;
        let (waiter, durable) = oneshot::channel();
        let answer = Answer::Durable(waiter);
        let job = Job { draft, envelope: Some(Arc::new(envelope)), octets, held, answer };
        engine.intake.submit(job).await?;
        let lsn = durable.await.unwrap_or(Err(StoreError::Unavailable))?;
        Ok(QueueId(lsn.0))
    }
}

fn full(error: StoreError) -> StoreError {
    match error {
        StoreError::Io(error) if is_no_space(&error) => StoreError::Full("the disk has no room"),
        error => error,
    }
}
