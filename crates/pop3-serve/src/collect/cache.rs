use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use mail::MailboxName;
use queue::{Maildrop, Stamp};

use super::Order;

/// The latest order of each login that collects, so that a poll with nothing new merges nothing; the least used goes
/// first.
pub(crate) struct OrderCache {
    orders: Mutex<Orders>,
    /// Octets at most.
    limit: usize,
}

struct Orders {
    lru: LruCache<Box<[MailboxName]>, Arc<Order>>,
    octets: usize,
}

impl OrderCache {
    /// Keeps at most `limit` octets.
    pub(crate) fn new(limit: usize) -> Self {
        Self { orders: Mutex::new(Orders { lru: LruCache::unbounded(), octets: 0 }), limit }
    }

    /// The order of some maildrops: the one that is kept, if they are still the same. None when they have more
    /// messages than anybody can count.
    pub(super) fn order<M: Maildrop>(
        &self,
        parts: &[Arc<M>],
        mailboxes: &[&MailboxName],
    ) -> Option<Arc<Order>> {
        let key: Box<[MailboxName]> = mailboxes.iter().map(|name| (*name).clone()).collect();
        let stamps = parts.iter().map(|part| part.stamp());
        if let Some(order) = self.lock().lru.get(&key)
            && order.of().iter().map(|(_, stamp)| *stamp).eq(stamps.clone())
        {
            return Some(order.clone());
        }
        // Without the lock: nobody waits for another's merge.
        let of: Arc<[(MailboxName, Stamp)]> = key.iter().cloned().zip(stamps).collect();
        let order = Arc::new(Order::new(parts, of)?);
        self.keep(key, order.clone());
        Some(order)
    }

    fn keep(&self, key: Box<[MailboxName]>, order: Arc<Order>) {
        let mut orders = self.lock();
        orders.octets += order.cost();
        if let Some(old) = orders.lru.put(key, order) {
            orders.octets -= old.cost();
        }
        while orders.octets > self.limit {
            let Some((_, old)) = orders.lru.pop_lru() else { break };
            orders.octets -= old.cost();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Orders> {
        // An order is put in whole or not at all.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        let orders = self.lock();
        (orders.lru.len(), orders.octets)
    }
}
