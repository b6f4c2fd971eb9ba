use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use mail::{Envelope, Uid};
use proptest::prelude::*;
use queue::{Message, Stamp, StoreError};

use super::*;

/// A maildrop of names.
struct Names {
    /// Uid and body.
    entries: Vec<(u64, u64)>,
    stamp: u64,
}

struct Nothing;

impl Message for Nothing {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
}

impl Maildrop for Names {
    type Message = Nothing;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let (uid, body) = *self.entries.get(index)?;
        Some(Entry { uid: Uid(uid), octets: uid * 3, foreign_uidl: Some("x"), body })
    }

    fn octets(&self) -> u64 {
        self.entries.iter().map(|(uid, _)| uid * 3).sum()
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.stamp)
    }

    async fn envelope(&self, _index: usize) -> Result<Arc<Envelope>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn message(&self, _index: usize, _range: Range<u64>) -> Result<Nothing, StoreError> {
        Err(StoreError::Unavailable)
    }
}

fn names() -> Vec<MailboxName> {
    ["alice", "sales", "office"].map(|text| MailboxName::parse(text).expect("a name")).to_vec()
}

fn collected(lists: &[Vec<(u64, u64)>], stamp: u64, orders: &OrderCache) -> Collected<Names> {
    let parts = lists.iter().map(|list| Arc::new(Names { entries: list.clone(), stamp })).collect();
    let names = names();
    Collected::new(parts, &names.iter().take(lists.len()).collect::<Vec<_>>(), orders).expect("few messages")
}

fn opened(collected: &Collected<Names>) -> Opened {
    collected.opened(&names()[0], Arc::new(ListingCache::new(1 << 20)))
}

/// Uids of the listing, with those that each stands for.
fn listed(collected: &Collected<Names>) -> Vec<Vec<u64>> {
    let opened = opened(collected);
    let of = |index: usize| -> Vec<u64> {
        collected.places(index).map(|place| collected.entry(place).expect("there").uid.0).collect()
    };
    (0..opened.messages().count())
        .inspect(|index| {
            let entry = opened.messages().entry(*index).expect("listed");
            let (part, at) = collected.at(*index).expect("somewhere");
            assert_eq!(
                Some((entry.uid, entry.octets)),
                Maildrop::entry(&**part, at).map(|entry| (entry.uid, entry.octets))
            );
        })
        .map(of)
        .collect()
}

#[test]
fn her_own_copy_stands_for_the_teams() {
    // Message 7 came to both, 8 twice to her, 9 to two teams.
    let lists =
        [vec![(10, 7), (20, 8), (21, 8)], vec![(11, 7), (15, 1), (22, 8), (30, 9)], vec![(29, 9), (40, 2)]];
    let collected = collected(&lists, 1, &OrderCache::new(1 << 20));
    let wanted = [vec![10, 11], vec![15], vec![20, 22], vec![21], vec![30, 29], vec![40]];
    assert_eq!(listed(&collected), wanted);
    let opened = opened(&collected);
    assert_eq!(opened.messages().octets(), 3 * (10 + 15 + 20 + 21 + 30 + 40));
    let foreign: Vec<_> =
        (0..6).map(|index| opened.messages().entry(index).expect("listed").foreign_uidl.is_some()).collect();
    assert_eq!(foreign, [true, false, true, true, false, false], "unique in their own mailbox only");
}

#[test]
fn one_alone_is_as_it_was() {
    let orders = OrderCache::new(1 << 20);
    let collected = collected(&[vec![(1, 5), (2, 5)]], 1, &orders);
    assert_eq!(listed(&collected), [vec![1], vec![2]]);
    assert_eq!(orders.kept(), (0, 0));
    assert!(opened(&collected).messages().entry(0).is_some_and(|entry| entry.foreign_uidl.is_some()));
}

#[test]
fn an_order_is_kept_until_something_changes_and_what_is_kept_is_bounded() {
    let orders = OrderCache::new(4_000);
    let lists = |many: u64| vec![(1..=many).map(|uid| (uid, uid)).collect::<Vec<_>>(); 2];
    let first = collected(&lists(10), 1, &orders).order;
    let again = collected(&lists(10), 1, &orders).order;
    assert!(first.as_ref().zip(again.as_ref()).is_some_and(|(first, again)| Arc::ptr_eq(first, again)));
    let later = collected(&lists(11), 2, &orders).order;
    assert_eq!((later.as_ref().map(|order| order.len()), orders.kept().0), (Some(11), 1));
    assert_eq!(Some(orders.kept().1), later.map(|order| order.cost()));
    collected(&lists(1_000), 3, &orders);
    assert_eq!(orders.kept(), (0, 0), "one that is too large is not kept");
    let roomy = OrderCache::new(1 << 20);
    collected(&lists(1_000), 1, &roomy);
    assert!(roomy.kept().1 >= 1_000 * (4 + 8), "what is listed, and a twin of each");
}

proptest! {
    /// Against a map: the first part that has a body lists it, all in the order of uids.
    #[test]
    fn the_order_is_the_models(
        entries in proptest::collection::vec((0usize..3, 0u64..40), 0..120)
    ) {
        let mut lists = vec![Vec::new(); 3];
        for (uid, (part, body)) in (1u64..).zip(entries) {
            lists[part].push((uid, body));
        }
        let mut first: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
        let mut stands: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (part, list) in lists.iter().enumerate() {
            for (uid, body) in list {
                match first.get(body) {
                    Some((earlier, stand)) if *earlier < part => stands.entry(*stand).or_default().push(*uid),
                    Some(_) => drop(stands.insert(*uid, vec![*uid])),
                    None => {
                        first.insert(*body, (part, *uid));
                        stands.insert(*uid, vec![*uid]);
                    }
                }
            }
        }
        let wanted: Vec<_> = stands.into_values().collect();
        let collected = collected(&lists, 1, &OrderCache::new(1 << 20));
        prop_assert_eq!(listed(&collected), wanted);
    }
}
