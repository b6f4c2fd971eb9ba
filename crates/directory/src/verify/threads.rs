use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::lock;
use super::queue::PERMITS;

type Job = Box<dyn FnOnce() + Send>;

/// The threads that hash, one for each permit. An allocator keeps for a thread what its hashes took, tens of
/// MiB: so it is always these few, never whichever thread of the runtime's many is free.
///
/// They start when there is work, and end with the last of it once this is dropped.
pub(super) struct HashThreads {
    jobs: SyncSender<Job>,
    line: Arc<Mutex<Receiver<Job>>>,
    started: Mutex<usize>,
}

impl HashThreads {
    pub(super) fn new() -> Self {
        // Who hands work in has a permit until it is done, so no more can stand here.
        let (jobs, line) = sync_channel(PERMITS);
        Self { jobs, line: Arc::new(Mutex::new(line)), started: Mutex::new(0) }
    }

    /// Does the work whether or not anybody still waits for its answer, and gives the permit back after it.
    /// No answer comes of work that panics.
    ///
    /// # Errors
    /// There is no thread, and the system starts none.
    pub(super) fn run<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        self.start()?;
        let (answer, answered) = oneshot::channel();
        let job = move || {
            let found = {
                let _permit = permit;
                work()
            };
            // Whoever asked may have left.
            let _ = answer.send(found);
        };
        self.jobs.try_send(Box::new(job)).map_err(|refused| io::Error::other(refused.to_string()))?;
        Ok(answered)
    }

    /// One more thread, until there are enough; one is enough to go on with.
    fn start(&self) -> io::Result<()> {
        let mut started = lock(&self.started);
        if *started == PERMITS {
            return Ok(());
        }
        let line = Arc::clone(&self.line);
        match thread::Builder::new().name("password-hash".into()).spawn(move || serve(&line)) {
            Ok(_) => *started += 1,
            Err(error) if *started == 0 => return Err(error),
            Err(error) => tracing::warn!(%error, "passwords are hashed by fewer threads"),
        }
        Ok(())
    }
}

fn serve(line: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is for taking work alone, not for doing it.
        let next = lock(line).recv();
        let Ok(job) = next else { return };
        // What the job held is dropped by the panic, and its locks guard nothing that one could break.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a password hash could not be computed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verify::queue::HashQueue;

    #[tokio::test]
    async fn a_panic_takes_no_thread_and_no_permit() {
        let (threads, queue) = (HashThreads::new(), HashQueue::new());
        for _ in 0..3 * PERMITS {
            let permit = queue.permit(false).await.expect("the last was given back");
            let answered = threads.run(permit, || panic!("a bad hash")).expect("a thread");
            let answer: Result<(), _> = answered.await;
            assert!(answer.is_err());
        }
        let permit = queue.permit(false).await.expect("all were given back");
        assert_eq!(threads.run(permit, || 7).expect("a thread").await, Ok(7));
        assert_eq!(*lock(&threads.started), PERMITS);
    }

    #[tokio::test]
    async fn threads_end_with_their_owner() {
        let (threads, queue) = (HashThreads::new(), HashQueue::new());
        for _ in 0..PERMITS {
            let permit = queue.permit(false).await.expect("a permit");
            threads.run(permit, || ()).expect("a thread").await.expect("no panic");
        }
        let line = Arc::downgrade(&threads.line);
        assert_eq!(line.strong_count(), 1 + PERMITS);
        drop(threads);
        for _ in 0..500 {
            if line.strong_count() == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("a thread waits for work that cannot come");
    }
}
