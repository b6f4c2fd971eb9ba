//! One maildrop of several: what a login shows that collects other mailboxes beside its own.

mod cache;
mod order;

use std::sync::Arc;

use mail::MailboxName;
use queue::{Entry, Maildrop};

use crate::listing::{ListingCache, Messages, Opened, Source};

pub(crate) use cache::OrderCache;
pub(crate) use order::{Order, Place};

/// What a login opened: one maildrop, or several that are listed as one.
pub(crate) struct Collected<M> {
    parts: Arc<[Arc<M>]>,
    /// Of several: how they are one.
    order: Option<Arc<Order>>,
}

impl<M: Maildrop> Collected<M> {
    /// Of maildrops and the mailboxes that they are of; the first is the login's own. None when there are none, or
    /// more messages than anybody can count.
    pub(crate) fn new(parts: Vec<Arc<M>>, mailboxes: &[&MailboxName], orders: &OrderCache) -> Option<Self> {
        let order = match parts.len() {
            0 => return None,
            1 => None,
            _ => Some(orders.order(&parts, mailboxes)?),
        };
        Some(Self { parts: parts.into(), order })
    }

    /// For a session, its listings kept in `listings`.
    pub(crate) fn opened(&self, own: &MailboxName, listings: Arc<ListingCache>) -> Opened {
        match &self.order {
            None => {
                let source = Source::One(own.clone(), self.parts[0].stamp());
                Opened::cached(self.parts[0].clone(), listings, source)
            }
            Some(order) => {
                let merged = Merged { parts: self.parts.clone(), order: order.clone() };
                Opened::cached(Arc::new(merged), listings, Source::Several(order.of().clone()))
            }
        }
    }

    /// Its parts, in their order.
    pub(crate) fn parts(&self) -> &[Arc<M>] {
        &self.parts
    }

    /// The maildrop that has the `index`-th message, and its place there.
    pub(crate) fn at(&self, index: usize) -> Option<(&Arc<M>, usize)> {
        let place = self.place(index)?;
        Some((self.parts.get(place.part)?, place.index))
    }

    /// Every place of the `index`-th message: the one that is listed, then the copies that it stands for.
    pub(crate) fn places(&self, index: usize) -> impl Iterator<Item = Place> {
        let twins = self.order.as_ref().map_or(&[][..], |order| order.twins(index));
        self.place(index).into_iter().chain(
            twins.iter().filter_map(|(_, global)| self.order.as_ref().map(|order| order.found(*global))),
        )
    }

    /// What an entry is called at a place.
    pub(crate) fn entry(&self, place: Place) -> Option<Entry<'_>> {
        self.parts.get(place.part)?.entry(place.index)
    }

    fn place(&self, index: usize) -> Option<Place> {
        match &self.order {
            None => Some(Place { part: 0, index }),
            Some(order) => order.place(index),
        }
    }
}

/// Several maildrops as a session sees them.
struct Merged<M> {
    parts: Arc<[Arc<M>]>,
    order: Arc<Order>,
}

impl<M: Maildrop> Messages for Merged<M> {
    fn count(&self) -> usize {
        self.order.len()
    }

    /// What another server called a message is unique in its own mailbox only, so the collected ones go by the names
    /// that we gave: those are unique in all of the store.
    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let Place { part, index } = self.order.place(index)?;
        let entry = self.parts.get(part)?.entry(index)?;
        Some(Entry { foreign_uidl: entry.foreign_uidl.filter(|_| part == 0), ..entry })
    }

    fn octets(&self) -> u64 {
        self.order.octets()
    }
}

#[cfg(test)]
mod tests;
