//! What a process has used, read from /proc.

use std::fs;
use std::io::{Error, Result};
use std::thread;
use std::time::{Duration, Instant};

const REST: Duration = Duration::from_millis(200);
const LONGEST_SETTLING: Duration = Duration::from_secs(5);

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Processor time of the whole machine in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Machine {
    pub(crate) busy: f64,
    pub(crate) all: f64,
}

impl Usage {
    /// Of a process with all its threads, those that have ended included.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces; user and system time are fields 14 and 15.
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut times = fields.split(' ').skip(11).map(|field| field.parse::<f64>().unwrap_or(0.0) / ticks());
        let (user, system) = (times.next().unwrap_or(0.0), times.next().unwrap_or(0.0));
        Ok(Self { user, system })
    }

    pub(crate) fn here() -> Result<Self> {
        Self::of(std::process::id())
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Machine {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let first = stat.split('\n').next().unwrap_or_default();
        let times: Vec<f64> =
            first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let all = times.iter().take(8).sum::<f64>() / ticks();
        // Fields 4 and 5: idle, and idle while the disk works.
        let idle = times.iter().skip(3).take(2).sum::<f64>() / ticks();
        Ok(Self { busy: all - idle, all })
    }

    /// The share of all cores that worked since then.
    pub(crate) fn busy_since(self, earlier: Self) -> f64 {
        (self.busy - earlier.busy) / (self.all - earlier.all).max(f64::MIN_POSITIVE)
    }
}

/// Waits until a process has rested for a moment, but never long: what it does behind the scenes after a
/// slice must not meet the next one.
pub(crate) fn settle(pid: u32) -> Result<()> {
    let until = Instant::now() + LONGEST_SETTLING;
    let mut before = Usage::of(pid)?;
    while Instant::now() < until {
        thread::sleep(REST);
        let now = Usage::of(pid)?;
        if now.since(before).total() == 0.0 {
            break;
        }
        before = now;
    }
    Ok(())
}

/// Resident memory in octets.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    Ok(line(&format!("/proc/{pid}/status"), "VmRSS:")? * 1_024)
}

fn line(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path)?;
    let value = text.split('\n').find_map(|line| line.strip_prefix(name));
    value
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Error::other(format!("no {name} in {path}")))
}

/// The unit of times in /proc.
fn ticks() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}
