//! Producers that each commit one thing after another, as the sessions of a server do.

use std::future::Future;
use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::figures::Latencies;

/// What a slice came to.
#[derive(Debug, Default)]
pub(crate) struct Produced {
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    pub(crate) latencies: Latencies,
}

/// When nothing further is begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    pub(crate) time: Duration,
    /// So many things have been begun.
    pub(crate) count: u64,
}

/// Lets so many producers work at once; each is told its number.
pub(crate) async fn produce<F>(
    producers: usize,
    until: Until,
    commit: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Result<Produced>
where
    F: Future<Output = Result<()>> + Send,
{
    let left = Arc::new(AtomicU64::new(until.count));
    let start = Instant::now();
    let end = start + until.time;
    let task = |producer| {
        let (left, commit) = (left.clone(), commit.clone());
        let take = move || left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        tokio::spawn(async move {
            let (mut count, mut latencies, mut begun) = (0, Latencies::default(), Instant::now());
            while begun < end && take().is_ok() {
                commit(producer).await?;
                let now = Instant::now();
                latencies.add(now - begun);
                count += 1;
                begun = now;
            }
            Ok::<_, Error>((count, latencies))
        })
    };
    let tasks: Vec<_> = (0..producers).map(task).collect();
    let mut produced = Produced::default();
    for task in tasks {
        let (count, latencies) = task.await.map_err(Error::other)??;
        produced.count += count;
        produced.latencies.merge(&latencies);
    }
    produced.per_second = produced.count as f64 / start.elapsed().as_secs_f64();
    Ok(produced)
}
