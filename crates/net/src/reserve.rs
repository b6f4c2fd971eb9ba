use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::process::{Resource, getrlimit};

/// Descriptors that connections leave to others, who have mail to write down: these, and a fourth of all where
/// there are few.
const OTHERS: u64 = 32;

/// A descriptor that is kept for the time when the process has no other: given up, it makes room to take one
/// connection, and to say why it cannot stay. Otherwise peers would wait in the kernel's queue without a word.
#[derive(Debug)]
pub(crate) struct Reserve {
    kept: Option<OwnedFd>,
    /// The first descriptor that is not for connections.
    ceiling: RawFd,
}

impl Reserve {
    /// Has none yet.
    pub(crate) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        let ceiling = limit.and_then(|all| RawFd::try_from(all - OTHERS.min(all / 4)).ok());
        Self { kept: None, ceiling: ceiling.unwrap_or(RawFd::MAX) }
    }

    /// Whether a connection has got one of the last descriptors: each new one is the lowest that is free.
    pub(crate) fn is_touched_by(&self, connection: &impl AsFd) -> bool {
        connection.as_fd().as_raw_fd() >= self.ceiling
    }

    /// Has one, as soon as there is one: another handle of what is open already, for that needs no file.
    pub(crate) fn refill(&mut self, open: &impl AsFd) {
        if self.kept.is_none() {
            self.kept = open.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Gives it up; false when there is none to give.
    pub(crate) fn spend(&mut self) -> bool {
        self.kept.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_once_until_it_is_filled_again() {
        let (open, mut reserve) = (std::io::stdin(), Reserve::new());
        assert!(!reserve.spend());
        reserve.refill(&open);
        reserve.refill(&open);
        assert!(reserve.spend() && !reserve.spend());
        reserve.refill(&open);
        assert!(reserve.spend());
    }

    #[test]
    fn the_last_descriptors_are_not_for_connections() {
        let mut reserve = Reserve::new();
        assert!(!reserve.is_touched_by(&std::io::stdin()));
        reserve.ceiling = 1;
        assert!(!reserve.is_touched_by(&std::io::stdin()));
        assert!(reserve.is_touched_by(&std::io::stdout()));
    }
}
