//! Who holds what back, decided by hand and at random.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use directory::{JoinFrom, Member, Release, Team, When};
use mail::Uid;
use proptest::prelude::*;
use queue::contract::{name, view};
use queue::{Runs, ViewState};

use super::claim::{Claims, Verdict, Why};

fn member(login: &str, robot: bool, mirrors: bool) -> Member {
    Member { view: view(login), login: name(login), robot, mirrors, from: JoinFrom::All }
}

fn team(members: Vec<Member>) -> Team {
    let hold = Duration::from_secs(60);
    let release = Release { when: When::AllFetched, hold, max_age: None, ignore_absent: None };
    Team { members, release: Some(release), shared: false }
}

fn runs(uids: &[u64]) -> Arc<Runs> {
    let mut runs = Runs::default();
    for uid in uids {
        runs.insert(Uid(*uid), Some(Uid(uid - 1)), Some(Uid(uid + 1)));
    }
    Arc::new(runs)
}

fn state(of: &str, after: u64, fetched: &[u64], done: &[u64]) -> ViewState {
    let (fetched, done) = (runs(fetched), runs(done));
    ViewState { view: view(of), joined_ms: 1, after: Uid(after), offered: Uid(0), fetched, done }
}

fn absent(views: &[&str]) -> BTreeSet<mail::ViewName> {
    views.iter().map(|name| view(name)).collect()
}

/// alice and bob read, desk is a robot, carol's phone mirrors.
fn of(members: &str, when: When, states: &[ViewState], away: &[&str]) -> Vec<Verdict> {
    let all = [
        member("alice", false, false),
        member("bob", false, false),
        member("carol", false, true),
        member("desk", true, false),
        member("bot", true, false),
    ];
    let named = all.into_iter().filter(|member| members.split(' ').any(|name| name == member.view.as_str()));
    let claims = Claims::new(&team(named.collect()), when, states, &absent(away));
    (1..=4).map(|uid| claims.verdict(Uid(uid))).collect()
}

#[test]
fn what_everyone_has_is_released_and_nothing_else() {
    use Verdict::{Kept, Released, Unread, Wanted};
    use When::{AllDone, AllFetched, Never};
    const FETCHED: Verdict = Released(Why::AllFetched);
    const DONE: Verdict = Released(Why::AllDone);
    let some = [state("alice", 0, &[1, 2], &[3]), state("bob", 0, &[1], &[2, 3])];
    assert_eq!(of("alice bob", AllFetched, &some, &[]), [FETCHED, FETCHED, DONE, Wanted]);
    assert_eq!(of("alice bob", AllDone, &some, &[]), [Wanted, Wanted, DONE, Wanted]);
    assert_eq!(of("alice bob", Never, &some, &[]), [Kept; 4]);
    // Who has joined later is owed nothing of before.
    let late = [state("alice", 0, &[1, 2], &[]), state("bob", 2, &[3], &[])];
    assert_eq!(of("alice bob", AllFetched, &late, &[]), [FETCHED, FETCHED, Wanted, Wanted]);
    let both_late = [state("alice", 2, &[3], &[]), state("bob", 2, &[3], &[])];
    assert_eq!(
        of("alice bob", AllFetched, &both_late, &[]),
        [Unread, Unread, FETCHED, Wanted],
        "nobody had it"
    );
    // A robot's word is no human's.
    let robot = [state("alice", 0, &[1], &[]), state("desk", 0, &[1, 2], &[1, 3])];
    assert_eq!(of("alice desk", AllFetched, &robot, &[]), [FETCHED, Wanted, Wanted, Wanted]);
    assert_eq!(of("alice desk", AllDone, &robot, &[]), [Wanted; 4]);
    let unread = [state("alice", 4, &[], &[]), state("desk", 0, &[], &[1, 2])];
    assert_eq!(of("alice desk", AllFetched, &unread, &[]), [Unread, Unread, Wanted, Wanted]);
    let robots = [state("desk", 0, &[2], &[1]), state("bot", 0, &[2], &[1])];
    assert_eq!(of("desk bot", AllFetched, &robots, &[]), [DONE, FETCHED, Wanted, Wanted], "robots alone");
    // A phone that mirrors would lose what goes: its fetching frees nothing, but it is a human's.
    let mirror = [state("alice", 0, &[1, 2], &[]), state("carol", 0, &[1, 2], &[2])];
    assert_eq!(of("alice carol", AllFetched, &mirror, &[]), [Wanted, FETCHED, Wanted, Wanted]);
    let human = [state("desk", 0, &[], &[1]), state("carol", 0, &[1], &[])];
    assert_eq!(
        of("desk carol", AllFetched, &human, &["carol"]),
        [DONE, Wanted, Wanted, Wanted],
        "she had it once"
    );
}

#[test]
fn who_is_absent_new_or_gone_counts_as_the_rules_say() {
    use Verdict::{Kept, Released, Wanted};
    const FETCHED: Verdict = Released(Why::AllFetched);
    let states = [state("alice", 0, &[1, 2], &[]), state("bob", 0, &[1], &[])];
    let alice = |away: &[&str]| of("alice bob", When::AllFetched, &states, away);
    assert_eq!(alice(&["bob"]), [FETCHED, FETCHED, Wanted, Wanted]);
    assert_eq!(alice(&["alice", "bob"]), [Kept; 4], "nobody is there");
    // A member of the file that has not joined yet may want everything.
    assert_eq!(of("alice bob carol", When::AllFetched, &states, &[]), [Kept; 4]);
    // One that the file does not name any more still wants what it has not, and is no witness.
    assert_eq!(of("alice", When::AllFetched, &states, &[]), [FETCHED, Wanted, Wanted, Wanted]);
    let left = [state("alice", 2, &[], &[]), state("bob", 0, &[1, 2], &[])];
    assert_eq!(of("alice", When::AllFetched, &left, &[])[..2], [Verdict::Unread; 2]);
    // A shared password is nobody.
    let owner = ViewState { view: mail::ViewName::owner(), ..state("x", 0, &[], &[]) };
    let shared = [states[0].clone(), owner.clone()];
    assert_eq!(of("alice", When::AllFetched, &shared, &[])[..2], [FETCHED; 2], "it holds nothing back");
    let shared = [state("alice", 2, &[], &[]), ViewState { fetched: runs(&[1, 2]), ..owner }];
    assert_eq!(of("alice", When::AllFetched, &shared, &[])[..2], [Verdict::Unread; 2], "it frees nothing");
}

/// Whoever has the password beside robots is their human; what that view does holds nothing back.
#[test]
fn robots_beside_a_shared_password_are_not_alone() {
    use Verdict::{Released, Unread, Wanted};
    let robots = || vec![member("desk", true, false), member("bot", true, false)];
    let both = [state("desk", 0, &[], &[1, 2, 3]), state("bot", 0, &[], &[1, 2, 3])];
    let with = |shared: bool, owner: ViewState| {
        let states = [&both[..], &[ViewState { view: mail::ViewName::owner(), ..owner }]].concat();
        let claims =
            Claims::new(&Team { shared, ..team(robots()) }, When::AllFetched, &states, &BTreeSet::new());
        [1, 2, 3, 4].map(|uid| claims.verdict(Uid(uid)))
    };
    let done = Released(Why::AllDone);
    assert_eq!(with(true, state("x", 0, &[], &[])), [Unread, Unread, Unread, Wanted]);
    assert_eq!(with(true, state("x", 0, &[1, 4], &[2])), [done, done, Unread, Wanted]);
    assert_eq!(
        with(true, state("x", 1, &[1, 2], &[])),
        [Unread, done, Unread, Wanted],
        "as far as it came there"
    );
    assert_eq!(with(false, state("x", 0, &[1], &[])), [done, done, done, Wanted], "it was one once");
    let humans = Team { shared: true, ..team(vec![member("alice", false, false)]) };
    let states = [
        state("alice", 2, &[], &[]),
        ViewState { view: mail::ViewName::owner(), ..state("x", 0, &[1, 2], &[]) },
    ];
    let claims = Claims::new(&humans, When::AllFetched, &states, &BTreeSet::new());
    assert_eq!(claims.verdict(Uid(1)), Unread, "beside humans it may be anybody's");
}

#[derive(Debug, Clone)]
struct One {
    robot: bool,
    mirrors: bool,
    after: u64,
    fetched: BTreeSet<u64>,
    done: BTreeSet<u64>,
    is_absent: bool,
    is_declared: bool,
}

fn one() -> impl Strategy<Value = One> {
    let set = || proptest::collection::btree_set(1u64..8, 0..8);
    let flag = || prop::bool::weighted(0.2);
    (any::<bool>(), flag(), 0u64..4, set(), set(), flag(), prop::bool::weighted(0.9)).prop_map(
        |(robot, mirrors, after, fetched, done, is_absent, is_declared)| One {
            robot,
            mirrors,
            after,
            fetched,
            done,
            is_absent,
            is_declared,
        },
    )
}

fn claims(all: &[One], when: When) -> Claims {
    let named = |index: usize| format!("m{index}");
    let declared = all.iter().enumerate().filter(|(_, one)| one.is_declared);
    let members = declared.map(|(index, one)| member(&named(index), one.robot, one.mirrors)).collect();
    let list = |set: &BTreeSet<u64>| set.iter().copied().collect::<Vec<_>>();
    let states: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(index, one)| state(&named(index), one.after, &list(&one.fetched), &list(&one.done)))
        .collect();
    let away = all.iter().enumerate().filter(|(_, one)| one.is_absent).map(|(index, _)| view(&named(index)));
    Claims::new(&team(members), when, &states, &away.collect())
}

fn released(all: &[One], when: When) -> BTreeSet<u64> {
    let claims = claims(all, when);
    (1..8).filter(|uid| matches!(claims.verdict(Uid(*uid)), Verdict::Released(_))).collect()
}

fn whens() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::AllFetched), Just(When::AllDone), Just(When::Never)]
}

proptest! {
    /// The rule once more, in other words.
    #[test]
    fn nothing_is_released_that_somebody_may_still_want(
        all in proptest::collection::vec(one(), 1..6), when in whens()
    ) {
        for uid in released(&all, when) {
            prop_assert!(when != When::Never);
            for one in all.iter().filter(|one| !one.is_absent && uid > one.after) {
                let reads = !one.mirrors && when == When::AllFetched;
                let reads = reads || (!one.is_declared && when == When::AllFetched);
                prop_assert!(one.done.contains(&uid) || (reads && one.fetched.contains(&uid)), "{uid} {one:?}");
            }
            let members = || all.iter().filter(|one| one.is_declared);
            prop_assert!(members().any(|one| !one.is_absent));
            let robots_alone = members().all(|one| one.robot);
            let had = members().filter(|one| robots_alone || !one.robot).any(|one| {
                uid > one.after && (one.done.contains(&uid) || one.fetched.contains(&uid))
            });
            prop_assert!(had, "no human has had {uid}");
        }
    }

    /// Whoever fetches or deletes more never makes less go, and the milder rule lets go what the stricter does.
    #[test]
    fn more_fetched_never_releases_less(
        all in proptest::collection::vec(one(), 1..6), when in whens(), who in any::<prop::sample::Index>(),
        uid in 1u64..8, is_done in any::<bool>()
    ) {
        let before = released(&all, when);
        let mut after = all.clone();
        let one = &mut after[who.index(all.len())];
        if is_done { one.done.insert(uid) } else { one.fetched.insert(uid) };
        prop_assert!(before.is_subset(&released(&after, when)));
        prop_assert!(released(&all, When::AllDone).is_subset(&released(&all, When::AllFetched)));
    }
}
