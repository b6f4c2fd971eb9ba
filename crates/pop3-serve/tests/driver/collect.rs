//! One maildrop of her own mail and a team's.

use crate::world::World;
use mail::Event;
use queue::{Join, Store, Unwanted, contract};

#[tokio::test]
async fn what_came_to_both_is_one_entry_and_one_dele_clears_both() {
    let world = World::of_a_firm().await;
    let team = world.deliver_to(&["sales"], "team").await;
    let both = world.deliver_to(&["sales", "alice"], "both").await;
    let own = world.deliver_to(&["alice"], "own").await;
    let mut alice = world.session("alice").await;
    let listed = alice.listing("UIDL").await;
    assert_eq!(listed, [format!("1 {}", team[0]), format!("2 {}", both[1]), format!("3 {}", own[0])]);
    let (mut octets, mut sizes) = (0, Vec::new());
    for (number, subject) in [(1, "team"), (2, "both"), (3, "own")] {
        let body = alice.retr(number).await;
        assert!(body.contains(&format!("Subject: {subject}")), "{body}");
        assert_eq!(body.contains("Delivered-To: alice"), number != 1, "her own stands for both");
        let size = body.split('\n').map(|line| line.len() + 2).sum::<usize>();
        octets += size;
        sizes.push(format!("{number} {size}"));
    }
    assert_eq!(alice.listing("LIST").await, sizes);
    assert_eq!(alice.say("STAT").await, format!("+OK 3 {octets}"));
    for number in [1, 2] {
        assert!(alice.say(&format!("DELE {number}")).await.starts_with("+OK"));
    }
    alice.quit().await;
    let state = world.view("sales", "alice").await;
    assert!(state.done.contains(team[0]) && state.done.contains(both[0]));
    assert!(state.fetched.contains(team[0]), "told before it was done");
    assert_eq!(world.listed("sales", "bob").await.len(), 2);
    assert!(world.view("alice", "").await.done.contains(both[1]));
    let mut alice = world.session("alice").await;
    assert_eq!(alice.listing("UIDL").await, [format!("1 {}", own[0])]);
    // Her phone shows her own mail alone.
    let mut phone = world.session("alice+phone").await;
    assert_eq!(phone.listing("UIDL").await, [format!("1 {}", both[1]), format!("2 {}", own[0])]);
}

/// What she leaves on the server she has fetched in both.
#[tokio::test]
async fn what_stands_for_both_is_fetched_from_both() {
    let world = World::of_a_firm().await;
    let both = world.deliver_to(&["sales", "alice"], "both").await;
    let mut alice = world.session("alice").await;
    alice.retr(1).await;
    alice.quit().await;
    assert!(world.view("sales", "alice").await.fetched.contains(both[0]));
    assert!(world.view("alice", "").await.fetched.contains(both[1]));
    let told = world.told().into_iter().filter_map(|event| match event {
        Event::Fetched { mailbox, uid, .. } => Some((mailbox.to_string(), uid)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [("alice".into(), both[1]), ("sales".into(), both[0])]);
    // The team's is done by her other login: her own stays.
    let mut team = world.session("alice/sales").await;
    assert!(team.say("DELE 1").await.starts_with("+OK"));
    team.quit().await;
    let mut alice = world.session("alice").await;
    assert_eq!(alice.listing("UIDL").await, [format!("1 {}", both[1])]);
}

/// RFC 1939 §6.
#[tokio::test]
async fn both_are_deleted_or_none() {
    let world = World::of_a_firm().await;
    world.deliver_to(&["sales", "alice"], "both").await;
    world.deliver_to(&["sales"], "team").await;
    let mut alice = world.session("alice").await;
    assert!(alice.say("DELE 1").await.starts_with("+OK"));
    assert!(alice.say("DELE 2").await.starts_with("+OK"));
    world.store.fail_at(1, queue::StoreError::ReadOnly("test".into()));
    assert_eq!(alice.say("QUIT").await, "-ERR [SYS/TEMP] nothing deleted");
    alice.rest().await;
    assert_eq!(world.listed("sales", "alice").await.len() + world.listed("alice", "").await.len(), 3);
    assert_eq!(contract::listed(&world.store, "alice", "phone").await.len(), 1);
}

/// Whenever it comes while she logs in.
#[tokio::test]
async fn what_comes_to_both_while_she_logs_in_is_listed_once_and_deleted_of_both() {
    for nth in 1..=4 {
        let world = World::of_a_firm().await;
        world.deliver_to(&["sales", "alice"], "before").await;
        let id = contract::accept(&world.store, b"Subject: meanwhile\r\n\r\nbody\r\n").await;
        world.store.deliver_meanwhile(nth, vec![contract::route(id, &["sales", "alice"])]);
        let mut alice = world.session("alice").await;
        let listed = alice.listing("UIDL").await.len();
        for number in 1..=listed {
            assert!(alice.say(&format!("DELE {number}")).await.starts_with("+OK"));
        }
        alice.quit().await;
        // At the latest it comes now.
        world.listed("bob", "").await;
        let listed = [world.listed("alice", "").await.len(), world.listed("sales", "alice").await.len()];
        assert_eq!(listed[0], listed[1], "{nth}: gone from both, or from none");
        assert_eq!(contract::listed(&world.store, "sales", "bob").await.len(), 2, "{nth}");
    }
}

#[tokio::test]
async fn mail_that_comes_all_the_time_does_not_keep_her_out() {
    let world = World::of_a_firm().await;
    let mut routes = Vec::new();
    for _ in 0..100 {
        let id = contract::accept(&world.store, b"Subject: one more\r\n\r\nbody\r\n").await;
        routes.push(contract::route(id, &["sales", "alice"]));
    }
    world.store.deliver_meanwhile(1, routes);
    let mut alice = world.session("alice").await;
    let listed = alice.listing("UIDL").await.len();
    assert_eq!(listed, 8, "four times all was opened, and once more before each something came");
    alice.quit().await;
}

#[tokio::test]
async fn a_view_that_has_not_joined_yet_does_not_keep_her_from_her_own_mail() {
    let world = World::of_a_firm().await;
    let own = world.deliver_to(&["alice"], "own").await[0];
    world.deliver_to(&["sales"], "team").await;
    let (sales, view) = (contract::name("sales"), contract::view("alice"));
    world.store.leave(&sales, &view, Unwanted::Stays).await.expect("left");
    let mut alice = world.session("alice").await;
    assert_eq!(alice.listing("UIDL").await, [format!("1 {own}")]);
    assert_eq!(world.registry.present()[0].views, ["alice"]);
    alice.quit().await;
    let mut team = world.connect();
    team.line().await;
    team.say("USER alice/sales").await;
    assert!(
        team.say("PASS secret").await.starts_with("-ERR [SYS/TEMP]"),
        "what she asks for by name must be there"
    );
    world.store.join(&sales, &view, Join::All).await.expect("joined");
    let mut alice = world.session("alice").await;
    assert_eq!(alice.listing("UIDL").await.len(), 2);
}
