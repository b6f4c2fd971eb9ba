//! What aliases lead to, followed to the end.

use super::Builder;
use super::names::{NotOurs, Words, did_you_mean, nearest};
use crate::fault::Item;
use crate::resolve::{Found, Silent, find};
use crate::table::{Onward, Target};

/// Longest chain of aliases; a longer one is a mistake, and would cost every look at it.
const CHAIN_MAX: usize = 32;

/// How far the walk over one alias is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unseen,
    /// On the way that is walked now: to meet it again is a cycle.
    Open,
    /// Followed; so many aliases long.
    Done(usize),
}

impl Builder<'_> {
    pub(super) fn follow_aliases(&mut self) {
        for (index, alias) in self.spec.aliases.iter().enumerate() {
            if alias.to.is_empty() && !self.is_unread(Item::Alias(index), "to") {
                self.error(Item::Alias(index), "to", 0, format!("`{}` leads nowhere", alias.address)).hint =
                    Some("to = [\"a mailbox\"]; to close an address use [[refuse]]".into());
            }
            for (place, text) in alias.to.iter().enumerate() {
                if let Some(onward) = self.onward(index, place, text) {
                    self.table.aliases[index].to.push(onward);
                }
            }
        }
        let mut marks = vec![Mark::Unseen; self.table.aliases.len()];
        for index in 0..marks.len() {
            self.follow(index, &mut marks, &mut Vec::new());
        }
    }

    /// Reads one entry of `to`: the mailbox of that name; without one, an address of ours (a bare one in
    /// the first domain) that is somebody's.
    fn onward(&mut self, index: usize, place: usize, text: &str) -> Option<Onward> {
        let problem = if self.table.mailbox_named(text).is_some() {
            match self.receiving_mailbox(text) {
                Ok(name) => return Some(Onward::Mailbox(name)),
                Err(problem) => problem,
            }
        } else {
            match self.address(text, 0) {
                Ok((domain, local)) => match find(&self.table, domain, &local, &mut Silent) {
                    Found::Mailbox(_) | Found::Alias(_) => return Some(Onward::Address(domain, local)),
                    Found::Refused(_) => Some((format!("`{text}` is closed by [[refuse]]"), None)),
                    // The catch-all is not looked at here: what only it would take is a slip of the pen.
                    Found::CatchAll(_) | Found::Nobody | Found::Relay => self.nobody(text, domain, &local),
                },
                Err(NotOurs::Foreign(_)) if self.unsure.domains => None,
                Err(NotOurs::Foreign(domain)) => Some(self.outside(text, domain.as_str())),
                Err(malformed @ NotOurs::Malformed(_)) => malformed.words(text, self),
            }
        };
        if let Some((message, hint)) = problem {
            self.error(Item::Alias(index), "to", place, message).hint = hint;
        }
        None
    }

    /// None where nobody knows that it is nobody's.
    fn nobody(&self, text: &str, domain: usize, local: &str) -> Option<Words> {
        if self.unsure.addresses {
            return None;
        }
        let message = match text.contains('@') {
            true => format!("`{text}` is nobody's address"),
            false => format!("there is no mailbox `{text}`"),
        };
        let exact = self.table.domains.get(domain).into_iter().flat_map(|row| &row.exact);
        let taken = exact.filter(|(_, said)| said.target.is_some()).map(|(local, _)| &**local);
        let near = self
            .near_mailbox(text)
            .or_else(|| nearest(local, taken).map(|near| self.table.spelled(domain, &near)));
        Some((message, near.map(|near| did_you_mean(&near))))
    }

    fn outside(&self, text: &str, domain: &str) -> Words {
        let ours = self.table.domains.iter().flat_map(|row| row.names.iter().map(String::as_str));
        let near = nearest(domain, ours).map(|near| format!("{} Otherwise ", did_you_mean(&near)));
        let message = format!("`{text}` is outside: restante receives and hands out mail, it sends none");
        let hint = "let its owner collect here by POP3, or forward it where mail is sent from; see \
                    \"Sending\" in the README";
        (message, Some(format!("{}{hint}", near.unwrap_or_default())))
    }

    /// Follows an alias to its mailboxes; gives how many aliases long the way is.
    fn follow(&mut self, index: usize, marks: &mut [Mark], way: &mut Vec<usize>) -> usize {
        match marks[index] {
            Mark::Done(depth) => return depth,
            Mark::Open => {
                self.cycle(index, way);
                return 0;
            }
            Mark::Unseen => {}
        }
        if let (Some(first), true) = (way.first(), way.len() >= CHAIN_MAX) {
            self.too_long(*first);
            return 0;
        }
        marks[index] = Mark::Open;
        way.push(index);
        let mut depth = 1;
        for onward in self.table.aliases[index].to.clone() {
            let next = match onward {
                Onward::Mailbox(name) => Target::Mailbox(name),
                Onward::Address(domain, local) => match find(&self.table, domain, &local, &mut Silent) {
                    Found::Mailbox(name) => Target::Mailbox(name.clone()),
                    Found::Alias(next) => Target::Alias(next),
                    Found::Refused(_) | Found::CatchAll(_) | Found::Relay | Found::Nobody => continue,
                },
            };
            let (mailboxes, duplicate) = match next {
                Target::Mailbox(name) => (vec![name], false),
                Target::Alias(next) => {
                    depth = depth.max(1 + self.follow(next, marks, way));
                    let next = &self.table.aliases[next];
                    (next.mailboxes.clone(), next.duplicate)
                }
            };
            let row = &mut self.table.aliases[index];
            row.duplicate |= duplicate;
            for name in mailboxes {
                if !row.mailboxes.contains(&name) {
                    row.mailboxes.push(name);
                }
            }
        }
        way.pop();
        if depth > CHAIN_MAX {
            self.too_long(index);
            // Said once: what leads here counts from here.
            depth = 0;
        }
        marks[index] = Mark::Done(depth);
        depth
    }

    fn too_long(&mut self, index: usize) {
        let message =
            format!("`{}` leads over more than {CHAIN_MAX} aliases", self.table.aliases[index].spelled);
        self.error(Item::Alias(index), "to", 0, message);
    }

    fn cycle(&mut self, index: usize, way: &[usize]) {
        let from = way.iter().position(|on| *on == index).unwrap_or_default();
        let mut names: Vec<&str> =
            way[from..].iter().map(|on| self.table.aliases[*on].spelled.as_str()).collect();
        names.push(&self.table.aliases[index].spelled);
        let message = format!("aliases go round in a circle: {}", names.join(" -> "));
        self.error(Item::Alias(index), "to", 0, message);
    }
}
