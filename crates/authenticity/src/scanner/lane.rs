use mail::Known;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Scan, ScanFault, ScannerSettings, WhenDown};

/// The way to one scanner: so many messages at once, so many more that wait, none longer than its time.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) settings: ScannerSettings,
    /// For those who wait as well.
    present: Semaphore,
    turns: Semaphore,
}

impl Lane {
    pub(super) fn new(settings: ScannerSettings) -> Self {
        let turns = settings.at_once.clamp(1, Semaphore::MAX_PERMITS);
        let present = settings.waiting.saturating_add(turns).min(Semaphore::MAX_PERMITS);
        Self { settings, present: Semaphore::new(present), turns: Semaphore::new(turns) }
    }

    /// Does the work when it is its turn, and makes of a failure what the settings say. `name` is the scanner's.
    pub(super) async fn scan<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, ScanFault>>,
    ) -> Scan<T> {
        match self.in_turn(work).await {
            Ok(answer) => Scan { known: Known::Is(Some(answer)), down: None },
            Err(fault) => {
                let why = format!("{name}: {fault}");
                let known = match self.settings.when_down {
                    WhenDown::Defer => Known::Unknown(why.clone()),
                    WhenDown::Accept => Known::Is(None),
                };
                Scan { known, down: Some(why) }
            }
        }
    }

    async fn in_turn<T>(&self, work: impl Future<Output = Result<T, ScanFault>>) -> Result<T, ScanFault> {
        let Ok(_present) = self.present.try_acquire() else { return Err(ScanFault::Busy) };
        let patience = self.settings.timeout;
        let turn = async {
            // Never closed: an error would be no turn.
            let _turn = self.turns.acquire().await.map_err(|_| ScanFault::Busy)?;
            work.await
        };
        timeout(patience, turn).await.unwrap_or(Err(ScanFault::Timeout(patience)))
    }
}
