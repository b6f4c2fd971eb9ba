//! Medians with their spread, and latencies without an allocation per sample.

use std::time::Duration;

/// What one figure came to in every round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Not a number when there is none.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(crate) fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn most(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.0.len()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Buckets of a sixteenth of a power of two, in microseconds: a quantile is right to about 6 %.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    buckets: Vec<u64>,
}

const FINE: u32 = 4;

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; (64 << FINE) as usize] }
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        let micros = usize::try_from(latency.as_micros()).unwrap_or(usize::MAX).max(1 << FINE);
        let power = micros.ilog2();
        let fraction = (micros >> (power - FINE)) & ((1 << FINE) - 1);
        let bucket = ((power as usize) << FINE) | fraction;
        self.buckets[bucket] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
    }

    /// The latency that this share of the samples stays below, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = self.buckets.iter().sum::<u64>() as f64 * share;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                let (power, fraction) = (bucket >> FINE, bucket & ((1 << FINE) - 1));
                let base = 2f64.powf(power as f64);
                return base * (1.0 + (fraction as f64 + 0.5) / f64::from(1 << FINE)) / 1_000.0;
            }
        }
        f64::NAN
    }
}
