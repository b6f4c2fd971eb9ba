use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for company before it is written.
const GATHER: Duration = Duration::from_millis(10);
/// Octets that wait at most; who logs more waits with them.
const WAITING_MAX: usize = 1 << 20;

/// Writes the log from a thread of its own: a line costs who logs it no system call, and a slow reader of the
/// log holds up nobody's mail before a megabyte of lines waits for it. Nothing is dropped; only a process that
/// is killed takes the lines of its last moments with it.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The thread holds lines that are not written yet.
    writing: bool,
}

impl LogWriter {
    /// Begins to write what comes to `out`.
    pub(super) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared: Arc<Shared> = Arc::default();
        let writer = Self(shared.clone());
        thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                let lines = shared.take();
                // Where the log cannot be written there is nobody to tell.
                let _ = out.write_all(&lines).and_then(|()| out.flush());
                shared.lock().writing = false;
                shared.changed.notify_all();
            }
        })?;
        Ok(writer)
    }

    /// Returns when everything that was logged before is written.
    pub(super) fn flush(&self) {
        let mut state = self.0.lock();
        while state.writing || !state.waiting.is_empty() {
            state = self.0.wait(state);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Appending and taking are one step each: what a panic left behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and a moment longer for more of them.
    fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state = self.wait(state);
        }
        drop(state);
        thread::sleep(GATHER);
        let mut state = self.lock();
        state.writing = true;
        std::mem::take(&mut state.waiting)
    }
}

/// Takes one event's line.
pub(super) struct Line<'w>(&'w Shared);

impl Write for Line<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        while state.waiting.len() > WAITING_MAX {
            state = self.0.wait(state);
        }
        if state.waiting.is_empty() {
            self.0.changed.notify_all();
        }
        state.waiting.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a moment for everything, as a busy journal does.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(1));
            let octets = &octets[..octets.len().min(100_000)];
            self.0.lock().expect("no panic").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_once_and_in_order_of_its_thread() {
        let out = Slow::default();
        let writer = LogWriter::start(out.clone()).expect("started");
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let writer = writer.clone();
                thread::spawn(move || {
                    for n in 0..20_000 {
                        let line = format!("{thread} {n} {}\n", "x".repeat(40));
                        writer.make_writer().write_all(line.as_bytes()).expect("taken");
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        writer.flush();
        let text = String::from_utf8(out.0.lock().expect("no panic").clone()).expect("text");
        let mut next = [0; 4];
        for line in text.lines() {
            let mut words = line.split(' ').map(|word| word.parse::<usize>());
            let (Some(Ok(thread)), Some(Ok(n))) = (words.next(), words.next()) else { panic!("{line}") };
            assert_eq!(n, next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [20_000; 4]);
    }
}
