/// What a session did, for its line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages of which TOP sent something.
    pub tops: u64,
    /// Octets of those, as stored.
    pub top_octets: u64,
    /// Messages that RETR sent whole.
    pub retrs: u64,
    /// Octets of those, as stored.
    pub retr_octets: u64,
    /// Messages that DELE has marked, until QUIT.
    pub marked: u64,
    /// Messages that are listed no more.
    pub deleted: u64,
    /// Messages in the maildrop when it was opened.
    pub messages: u64,
    /// Octets of those.
    pub octets: u64,
}
