use super::offered::Offered;
use super::poison::Poison;
use super::robots::Robots;
use super::sessions::{Present, Sessions};

/// What POP3 remembers beyond one connection: shared by every listener of a process, and kept over a reload. A handle:
/// clones are of one memory. Everything in it is bounded.
#[derive(Clone, Default)]
pub struct Registry {
    pub(super) sessions: Sessions,
    pub(super) robots: Robots,
    pub(super) poison: Poison,
    pub(super) offered: Offered,
}

impl Registry {
    /// Nobody was here yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is logged in now, the longest first.
    pub fn present(&self) -> Vec<Present> {
        self.sessions.all()
    }
}
