use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;
use mail::MailboxName;
use queue::{Entry, Stamp};

use crate::format;

/// Messages that are listed, and cached, as one piece.
pub(crate) const PAGE: usize = 2048;

/// What a session must see of a [`queue::Maildrop`]: all of it but the octets of its messages.
pub trait Messages: Send + Sync {
    /// How many messages.
    fn count(&self) -> usize;
    /// The `index`-th, from 0; clients count from 1 (RFC 1939 §4).
    fn entry(&self, index: usize) -> Option<Entry<'_>>;
    /// The sum of all octets.
    fn octets(&self) -> u64;
}

impl<M: queue::Maildrop> Messages for M {
    fn count(&self) -> usize {
        self.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        queue::Maildrop::entry(self, index)
    }

    fn octets(&self) -> u64 {
        queue::Maildrop::octets(self)
    }
}

/// Which of the two listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// LIST: numbers and octets (RFC 1939 §5).
    Scan,
    /// UIDL: numbers and unique-ids (RFC 1939 §7).
    Unique,
}

/// A maildrop as a login gets it.
#[derive(Clone)]
pub struct Opened {
    messages: Arc<dyn Messages>,
    cached: Option<(Arc<ListingCache>, Source)>,
}

/// What a listing is of. Equal stamps of one mailbox mean equal maildrops, so it does not matter whose view it was
/// rendered for: the members of a team share their pages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// One mailbox.
    One(MailboxName, Stamp),
    /// Several as one maildrop, in this order.
    Several(Arc<[(MailboxName, Stamp)]>),
}

impl Opened {
    /// One whose listings are rendered every time.
    pub fn new(messages: Arc<dyn Messages>) -> Self {
        Self { messages, cached: None }
    }

    /// One whose listings serve every session of the same source.
    pub fn cached(messages: Arc<dyn Messages>, cache: Arc<ListingCache>, source: Source) -> Self {
        Self { messages, cached: Some((cache, source)) }
    }

    /// Its messages.
    pub fn messages(&self) -> &dyn Messages {
        &*self.messages
    }

    /// Appends the lines of page `page` in full.
    pub(crate) fn page(&self, kind: Kind, page: usize, out: &mut Vec<u8>) {
        let Some((cache, source)) = &self.cached else {
            return self.render(kind, page, |_| true, out);
        };
        let key = Key { source: source.clone(), kind, page };
        if let Some(lines) = cache.get(&key) {
            return out.extend_from_slice(&lines);
        }
        let start = out.len();
        self.render(kind, page, |_| true, out);
        cache.put(key, Bytes::copy_from_slice(&out[start..]));
    }

    /// Appends the lines of those messages of page `page` that `listed` is true for.
    pub(crate) fn render(&self, kind: Kind, page: usize, listed: impl Fn(usize) -> bool, out: &mut Vec<u8>) {
        let first = page.saturating_mul(PAGE);
        for index in first..self.messages.count().min(first.saturating_add(PAGE)) {
            if let (true, Some(entry)) = (listed(index), self.messages.entry(index)) {
                line(kind, index, &entry, out);
            }
        }
    }
}

/// Appends the line of one message.
pub(crate) fn line(kind: Kind, index: usize, entry: &Entry<'_>, out: &mut Vec<u8>) {
    format::decimal(out, index as u64 + 1);
    out.push(b' ');
    match kind {
        Kind::Scan => format::decimal(out, entry.octets),
        Kind::Unique => match entry.foreign_uidl.filter(|text| is_unique_id(text)) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => format::uid(out, entry.uid),
        },
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 1939 §7: 1 to 70 characters from 0x21 to 0x7E. What another server called a message must not be
/// able to end a line here.
fn is_unique_id(text: &str) -> bool {
    (1..=70).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Pages of listings as they were rendered, shared by all sessions, the least used dropped first.
pub struct ListingCache {
    pages: Mutex<Pages>,
    /// Octets of text, and of what it costs to keep them, at most.
    limit: usize,
}

struct Pages {
    lru: LruCache<Key, Bytes>,
    octets: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    source: Source,
    kind: Kind,
    page: usize,
}

/// What a page costs beside its text.
const OVERHEAD: usize = 256;

impl ListingCache {
    /// Keeps at most `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self { pages: Mutex::new(Pages { lru: LruCache::unbounded(), octets: 0 }), limit }
    }

    fn get(&self, key: &Key) -> Option<Bytes> {
        self.lock().lru.get(key).cloned()
    }

    fn put(&self, key: Key, lines: Bytes) {
        let cost = lines.len() + OVERHEAD;
        // A mailbox that alone would fill a quarter of the cache is rendered anew rather than drive all
        // others out.
        if key.page.saturating_add(1).saturating_mul(cost) > self.limit / 4 {
            return;
        }
        let mut pages = self.lock();
        pages.octets += cost;
        if let Some(old) = pages.lru.put(key, lines) {
            pages.octets -= old.len() + OVERHEAD;
        }
        while pages.octets > self.limit {
            let Some((_, old)) = pages.lru.pop_lru() else { break };
            pages.octets -= old.len() + OVERHEAD;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pages> {
        // A page is put in whole or not at all: a panic elsewhere leaves nothing half done.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Shelf;

    fn opened(cache: &Arc<ListingCache>, messages: usize, stamp: u64) -> Opened {
        let name = MailboxName::parse("alice").expect("valid");
        let messages = Arc::new(Shelf::numbered(messages));
        Opened::cached(messages, cache.clone(), Source::One(name, Stamp(stamp)))
    }

    fn text(opened: &Opened, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        for page in 0..=opened.messages.count() / PAGE {
            opened.page(kind, page, &mut out);
        }
        out
    }

    #[test]
    fn a_cached_listing_is_the_rendered_one() {
        let cache = Arc::new(ListingCache::new(1 << 20));
        for kind in [Kind::Scan, Kind::Unique] {
            for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
                let plain = text(&Opened::new(Arc::new(Shelf::numbered(count))), kind);
                assert_eq!(plain.iter().filter(|&&octet| octet == b'\n').count(), count);
                let shared = opened(&cache, count, count as u64);
                assert_eq!(text(&shared, kind), plain, "{count} first");
                assert_eq!(text(&shared, kind), plain, "{count} again");
            }
        }
        assert!(!cache.lock().lru.is_empty());
    }

    #[test]
    fn the_cache_stays_within_its_limit_and_keeps_what_is_used() {
        let cache = Arc::new(ListingCache::new(600_000));
        let used = opened(&cache, PAGE, 0);
        for stamp in 1..100 {
            text(&used, Kind::Unique);
            text(&opened(&cache, PAGE, stamp), Kind::Unique);
            assert!(cache.lock().octets <= 600_000);
        }
        let pages = cache.lock();
        assert!(pages.lru.len() > 5);
        let is_first = |key: &Key| matches!(key.source, Source::One(_, Stamp(0)));
        assert!(pages.lru.iter().any(|(key, _)| is_first(key)));
        assert_eq!(pages.octets, pages.lru.iter().map(|(_, lines)| lines.len() + OVERHEAD).sum::<usize>());
    }

    #[test]
    fn sessions_of_one_stamp_share_their_lines() {
        let cache = Arc::new(ListingCache::new(1 << 20));
        let first = text(&opened(&cache, 3, 1), Kind::Scan);
        // No two maildrops of one stamp differ: this one does to show whose lines are printed.
        assert_eq!(text(&opened(&cache, 2, 1), Kind::Scan), first);
        assert_ne!(text(&opened(&cache, 2, 1), Kind::Unique), first, "of the other listing");
        assert_ne!(text(&opened(&cache, 2, 2), Kind::Scan), first, "of another stamp");
    }

    /// A page as the cache knows it: its number, its stamp, and what it costs.
    fn put(cache: &ListingCache, page: usize, stamp: u64, cost: usize) {
        let mailbox = MailboxName::parse("alice").expect("valid");
        let key = Key { source: Source::One(mailbox, Stamp(stamp)), kind: Kind::Scan, page };
        cache.put(key, vec![b'x'; cost - OVERHEAD].into());
    }

    #[test]
    fn a_page_of_a_mailbox_that_would_fill_a_quarter_of_the_cache_is_not_kept() {
        let kept = |page, cost| {
            let cache = ListingCache::new(4000);
            put(&cache, page, 0, cost);
            let pages = cache.lock();
            assert_eq!(pages.octets, pages.lru.len() * cost);
            pages.lru.len() == 1
        };
        assert!(kept(0, 1000) && !kept(0, 1001));
        assert!(kept(1, 500) && !kept(1, 501), "the pages before it are as long");
        assert!(!kept(usize::MAX, 500));
    }

    #[test]
    fn a_full_cache_is_full_to_the_octet_and_a_page_put_twice_counts_once() {
        let cache = ListingCache::new(4000);
        let count = || {
            let pages = cache.lock();
            (pages.lru.len(), pages.octets)
        };
        // Two sessions may render the same page at the same time.
        (0..2).for_each(|_| put(&cache, 0, 0, 1000));
        assert_eq!(count(), (1, 1000));
        (1..4).for_each(|stamp| put(&cache, 0, stamp, 1000));
        assert_eq!(count(), (4, 4000));
        put(&cache, 0, 4, 300);
        assert_eq!(count(), (4, 3300), "the oldest goes");
    }

    /// RFC 1939 §7.
    #[test]
    fn a_foreign_unique_id_is_printed_when_it_is_one() {
        let print = |foreign: &str| {
            let entry = Entry { uid: mail::Uid(1), octets: 2, foreign_uidl: Some(foreign), body: 0 };
            let mut out = Vec::new();
            line(Kind::Unique, 0, &entry, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(print("old-1"), "1 old-1\r\n");
        for foreign in ["", "a b", "a\r\n.\r\n", "é", &"x".repeat(71)] {
            assert_eq!(print(foreign), "1 r0000000000000001\r\n");
        }
    }
}
