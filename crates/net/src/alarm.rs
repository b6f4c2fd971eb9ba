use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Goes off at a deadline that is another one all the time.
///
/// A connection waits for input hundreds of times until one deadline passes. A timer for each of these waits
/// would be set and taken down under a lock that all connections share, and would wake the thread that sleeps
/// until the earliest of them. This timer stays where it is while deadlines move on; when it goes off too early,
/// once in the length of a deadline, it is set again.
#[derive(Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Runs `work` until the deadline; nothing when that has come first.
    pub(crate) async fn until<T>(&mut self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll(context, deadline).map(|()| None),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long it takes until the alarm goes off.
    async fn waits(alarm: &mut Alarm, time: Duration) -> Duration {
        let start = Instant::now();
        assert_eq!(alarm.until(start + time, pending::<()>()).await, None);
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn every_deadline_is_kept_whatever_the_one_before_it_was() {
        let mut alarm = Alarm::default();
        for seconds in [5, 300, 60, 60, 1, 300] {
            assert_eq!(waits(&mut alarm, seconds * SECOND).await, seconds * SECOND);
        }
        assert_eq!(waits(&mut alarm, Duration::ZERO).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_left_behind_ends_nothing_before_its_deadline() {
        let mut alarm = Alarm::default();
        for _ in 0..10 {
            let deadline = Instant::now() + 300 * SECOND;
            assert_eq!(alarm.until(deadline, sleep(100 * SECOND)).await, Some(()));
        }
        // It has gone off while nobody waited.
        sleep(500 * SECOND).await;
        assert_eq!(waits(&mut alarm, 10 * SECOND).await, 10 * SECOND);
        let deadline = Instant::now() + SECOND;
        assert_eq!(alarm.until(deadline, async { 7 }).await, Some(7));
    }
}
