use std::collections::BTreeSet;

/// Which messages a client certainly has, by their places. A message counts when a further command was read from the
/// socket after its last octet was written; of commands that came all at once, when the client then closes in order,
/// or when everything is written before its QUIT is done. In doubt it does not count: it is shown once more.
///
/// Sets, for a client may fetch one message as often as it likes.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// Put out to the end, and not known to be written.
    put_out: BTreeSet<usize>,
    /// Written, and nothing was read since.
    written: BTreeSet<usize>,
    /// Those came with other commands behind or before them, which nothing had to wait for.
    batched: bool,
    /// The next command is one that was read after these were written.
    due: BTreeSet<usize>,
    /// Not handed out yet.
    certain: BTreeSet<usize>,
    /// What `due` waits to be passed by.
    commands: u64,
    /// Nothing of a command was there when we last began to read.
    clean: bool,
}

impl Receipts {
    /// The last octet of a message waits to be written.
    pub(super) fn put_out(&mut self, index: usize) {
        self.put_out.insert(index);
    }

    /// So many commands have come by now.
    pub(super) fn commanded(&mut self, commands: u64) {
        if !self.due.is_empty() && commands > self.commands {
            self.certain.append(&mut self.due);
        }
    }

    /// All is written and we begin to read, after so many commands; `clean` when no part of a further one is there.
    pub(super) fn reads(&mut self, commands: u64, clean: bool) {
        if !self.put_out.is_empty() {
            self.batched = commands - self.commands > 1;
            self.written.append(&mut self.put_out);
        }
        self.commands = commands;
        self.clean = clean;
    }

    /// Something came.
    pub(super) fn read(&mut self) {
        // The rest of a command proves nothing: its begin was said before.
        if self.clean {
            self.due.append(&mut self.written);
        }
    }

    /// Something was written that a close in order makes certain.
    pub(super) fn await_close(&self) -> bool {
        self.clean && self.batched && !self.written.is_empty()
    }

    /// The client has closed as it should, and has read all.
    pub(super) fn closed(&mut self) {
        if self.clean && self.batched {
            self.certain.append(&mut self.written);
        }
    }

    /// Something waits that QUIT would make certain.
    pub(super) fn is_waiting(&self) -> bool {
        !self.put_out.is_empty()
    }

    /// QUIT has come, and all that was put out before it is written.
    pub(super) fn quits(&mut self) {
        self.certain.append(&mut self.due);
        self.certain.append(&mut self.written);
        self.certain.append(&mut self.put_out);
    }

    /// Those that have become certain.
    pub(super) fn certain(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.certain)
    }

    /// Nothing was sent of which it is not known that the client has it.
    pub(super) fn are_all_certain(&self) -> bool {
        self.put_out.is_empty() && self.written.is_empty() && self.due.is_empty()
    }

    /// Those that wait to be written.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> {
        self.put_out.iter().copied()
    }

    /// Those that were written, and have not become certain.
    pub(super) fn written(&self) -> impl Iterator<Item = usize> {
        self.written.iter().chain(&self.due).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(receipts: &mut Receipts) -> Vec<usize> {
        receipts.certain().into_iter().collect()
    }

    #[test]
    fn a_further_command_makes_it_certain_and_nothing_before_it_does() {
        let mut receipts = Receipts::default();
        receipts.put_out(0);
        assert_eq!(certain(&mut receipts), []);
        receipts.reads(1, true);
        assert_eq!((certain(&mut receipts), receipts.written().collect()), (vec![], vec![0]));
        receipts.read();
        receipts.commanded(1);
        assert_eq!(certain(&mut receipts), [], "half a command");
        receipts.reads(1, false);
        receipts.read();
        receipts.commanded(2);
        assert_eq!((certain(&mut receipts), receipts.written().count()), (vec![0], 0));
    }

    #[test]
    fn one_alone_is_not_certain_when_the_client_closes() {
        let mut receipts = Receipts::default();
        receipts.reads(4, true);
        receipts.read();
        receipts.put_out(0);
        receipts.commanded(5);
        receipts.reads(5, true);
        receipts.closed();
        assert_eq!(certain(&mut receipts), []);
    }

    #[test]
    fn commands_that_came_at_once_are_certain_when_the_client_closes_in_order() {
        let mut receipts = Receipts::default();
        receipts.reads(4, true);
        receipts.read();
        receipts.put_out(0);
        receipts.put_out(1);
        receipts.commanded(6);
        assert_eq!(certain(&mut receipts), [], "they were said before anything was written");
        receipts.reads(6, true);
        receipts.closed();
        assert_eq!(certain(&mut receipts), [0, 1]);
    }

    #[test]
    fn the_rest_of_a_command_that_was_begun_before_proves_nothing() {
        let mut receipts = Receipts::default();
        receipts.reads(4, true);
        receipts.read();
        receipts.put_out(0);
        receipts.reads(5, false);
        receipts.read();
        receipts.commanded(6);
        assert_eq!(certain(&mut receipts), []);
        receipts.reads(6, false);
        receipts.closed();
        assert_eq!(certain(&mut receipts), [], "it closed within a command");
        receipts.reads(6, true);
        receipts.read();
        receipts.commanded(7);
        assert_eq!(certain(&mut receipts), [0]);
    }

    #[test]
    fn quit_makes_certain_what_is_written() {
        let mut receipts = Receipts::default();
        receipts.put_out(3);
        receipts.reads(5, true);
        assert_eq!(receipts.waiting().count(), 0);
        receipts.put_out(5);
        receipts.put_out(7);
        receipts.put_out(5);
        assert!(receipts.is_waiting());
        assert_eq!((receipts.waiting().collect(), receipts.written().collect()), (vec![5, 7], vec![3]));
        receipts.quits();
        assert_eq!((certain(&mut receipts), receipts.is_waiting()), (vec![3, 5, 7], false));
        assert_eq!(receipts.waiting().count() + receipts.written().count(), 0);
    }
}
