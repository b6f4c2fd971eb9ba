use mail::Cut;
use queue::contract::name;

use super::*;
use crate::index::kv::MemoryKv;

fn row(uid: u64) -> EntryRow {
    EntryRow {
        octets: uid % 13,
        time_ms: uid * 3,
        body: uid,
        place: uid,
        body_at: 64,
        slot: None,
        recipient: None,
        shared: false,
        beside: None,
        foreign_uidl: None,
        trashed_ms: Some(uid * 3 + 5),
    }
}

/// Rows of five entries each.
fn put(kv: &MemoryKv, home: &MailboxName, uids: &[u64]) {
    for uids in uids.chunks(5) {
        let first = Uid(uids[0]);
        let mut value = Vec::new();
        for uid in uids {
            assert!(chunk::push(&mut value, first, Uid(*uid), &chunk::pack(Uid(*uid), &row(*uid))));
        }
        kv.apply(vec![(keys::entry(home, first), Some(value))]).expect("applied");
    }
}

/// Whoever asks page by page gets each entry once, wherever a page begins and ends in a row.
#[test]
fn pages_of_a_trash_follow_each_other() {
    let (kv, trash) = (MemoryKv::default(), name("alice").trash());
    let uids: Vec<u64> = (1..=23).map(|n| n * 4).collect();
    put(&kv, &trash, &uids);
    put(&kv, &name("alice"), &[1, 2, 3, 90, 91, 93, 500]);
    for after in 0..100 {
        for limit in [0, 1, 4, 5, 6, 23, usize::MAX] {
            let found = page(&kv, &trash, Uid(after), limit).expect("readable");
            let wanted: Vec<_> = uids.iter().copied().filter(|uid| *uid > after).take(limit).collect();
            assert_eq!(found.iter().map(|one| one.uid.0).collect::<Vec<_>>(), wanted, "{after} {limit}");
            for one in found {
                let told = (one.octets, one.delivered_ms, one.trashed_ms);
                assert_eq!(told, (one.uid.0 % 13, one.uid.0 * 3, one.uid.0 * 3 + 5));
            }
        }
    }
    assert!(page(&MemoryKv::default(), &trash, Uid(0), 9).expect("readable").is_empty());
}

/// An entry is found in the mailbox or in its trash, and nothing that was not asked for.
#[test]
fn entries_are_found_where_they_are() {
    let (kv, alice) = (MemoryKv::default(), name("alice"));
    let (here, trashed): (Vec<u64>, Vec<u64>) = (10..50).partition(|uid| uid % 3 == 0);
    put(&kv, &alice, &here);
    put(&kv, &alice.trash(), &trashed);
    put(&kv, &name("bob"), &[7, 60]);
    for from in 5..55 {
        for to in from..55 {
            let asked: BTreeSet<Uid> = [from, to].map(Uid).into();
            let found = find(&kv, &alice, &asked).expect("readable");
            let found: Vec<_> =
                found.into_iter().map(|(uid, (in_trash, row))| (uid, in_trash, row.body)).collect();
            let there = asked.iter().filter(|uid| (10..50).contains(&uid.0));
            let wanted: Vec<_> = there.map(|uid| (*uid, uid.0 % 3 != 0, uid.0)).collect();
            assert_eq!(found, wanted, "{from} {to}");
        }
    }
    assert!(find(&kv, &alice, &BTreeSet::new()).expect("readable").is_empty());
}

/// What comes back at once fits one record; nothing is left out, and the order is kept.
#[test]
fn what_comes_back_comes_in_records_that_fit() {
    let one = |was: u64, prelude: usize, cuts: usize| {
        let additions = Additions {
            prelude: vec![b'x'; prelude],
            cuts: vec![Cut { at: 0, octets: 1 }; cuts],
            terminate: false,
        };
        let entry =
            RouteEntry { mailbox: name("alice"), recipients: Vec::new(), additions, foreign_uidl: None };
        (Back { was: Uid(was), message: QueueId(was) }, entry)
    };
    let lengths = |read: Read| {
        let wanted: Vec<_> = read.iter().map(|(back, _)| back.was).collect();
        let parts = parts(read);
        let given: Vec<_> = parts.iter().flatten().map(|(back, _)| back.was).collect();
        assert_eq!(given, wanted);
        parts.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert!(parts(Vec::new()).is_empty());
    let most = u64::try_from(UNDO_ENTRIES).expect("few");
    assert_eq!(lengths((0..=most).map(|was| one(was, 1, 0)).collect()), [UNDO_ENTRIES, 1]);
    let half = UNDO_OCTETS / 2;
    assert_eq!(lengths((0..5).map(|was| one(was, half, 0)).collect()), [2, 2, 1]);
    assert_eq!(lengths((0..9).map(|was| one(was, half / 2, 0)).collect()), [4, 4, 1]);
    // The first counts too, and each cut.
    assert_eq!(lengths(vec![one(0, half, 0), one(1, half, 1)]), [1, 1]);
    assert_eq!(lengths(vec![one(0, half, 1), one(1, half, 0)]), [1, 1]);
    assert_eq!(lengths(vec![one(0, half - 16, 1), one(1, half - 32, 2)]), [2]);
    // What is longer than that alone goes alone.
    assert_eq!(lengths(vec![one(0, 5, 0), one(1, 2 * half + 1, 0), one(2, 5, 0)]), [1, 1, 1]);
}
