use mail::Uid;
use queue::Trashed;

use super::guard::masses;
use crate::caretaker::Guard;

const DAY: u64 = 24 * 60 * 60 * 1000;

#[test]
fn only_much_old_mail_that_went_at_one_instant_is_a_mass() {
    let guard = Guard { messages: 3, ..Guard::default() };
    let went = |first: u64, count: u64, delivered: u64, trashed: u64| {
        (first..first + count).map(move |uid| Trashed {
            uid: Uid(uid),
            octets: 1,
            delivered_ms: delivered * DAY,
            trashed_ms: trashed * DAY + trashed,
        })
    };
    let trash: Vec<_> = went(1, 2, 100, 120)
        .chain(went(10, 3, 106, 121))
        .chain(went(20, 5, 115, 122))
        .chain(went(30, 2, 100, 123))
        .chain(went(40, 9, 122, 123))
        .chain(went(50, 3, 100, 124))
        .chain(went(60, 1, 124, 124))
        .collect();
    let found: Vec<_> =
        masses(&trash, &guard).into_iter().map(|mass| (mass.uids[0].0, mass.uids.len())).collect();
    assert_eq!(found, [(10, 3), (50, 4)], "what went with it is part of it");
}
