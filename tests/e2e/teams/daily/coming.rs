//! Members who join and members who leave, by a reload.

use super::*;

const HOLD: &str = "hold = \"1 h\"";
const BRIEF: &str = "hold = \"1 s\"";

fn member(login: &str, more: &str) -> String {
    format!("{{ login = \"{login}\", mirrors = false{more} }}")
}

fn with(members: &[String], hold: &str) -> Setup {
    let members = members.join(", ");
    let sales = format!("members = [{members}]\nrelease = {{ when = \"all-fetched\", {hold} }}");
    setup(&["alice", "bob", "carol"], &sales)
}

/// It says which messages: their numbers.
fn numbers(mails: &[String]) -> Vec<String> {
    let number = |mail: &String| {
        let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: number "));
        subject.expect("a subject").to_owned()
    };
    mails.iter().map(number).collect()
}

#[test]
fn who_joins_gets_what_the_file_says_and_all_that_comes_after() {
    let (alice, bob) = (member("alice", ""), member("bob", ", from = \"now\""));
    let carol = member("carol", ", from = \"all\"");
    let mut appliance = ran(with(std::slice::from_ref(&alice), BRIEF), &[]);
    send(&appliance, &["sales"], 1..=2);
    wait_listed(&appliance, "alice/sales", 2);
    assert!(answer(&appliance, "bob/sales").starts_with("-ERR [AUTH]"));
    let all = [alice, bob, carol];
    reload(&mut appliance, |setup| setup.mailboxes = with(&all, BRIEF).mailboxes);
    // At once: some clients ask for the password again after one failure.
    for login in ["bob/sales", "carol/sales"] {
        assert!(answer(&appliance, login).starts_with("+OK"));
    }
    appliance.logged(&["a view has joined", "mailbox=sales", "view=\"bob\"", "from=Now"]);
    assert!(listed(&appliance, "bob/sales").is_empty());
    assert_eq!(listed(&appliance, "carol/sales"), listed(&appliance, "alice/sales"));
    send(&appliance, &["sales"], 3..=3);
    wait_listed(&appliance, "alice/sales", 3);
    appliance.restart();
    assert_eq!(numbers(&fetch(&appliance, "bob/sales")), ["3"]);
    assert_eq!(numbers(&fetch(&appliance, "carol/sales")), ["1", "2", "3"]);
    // What bob was never to get does not wait for him.
    assert_eq!(numbers(&fetch(&appliance, "alice/sales")), ["1", "2", "3"]);
    until("all of it goes", || (messages(&team(&appliance), "holds") == 0).then_some(()));
    for login in ["alice/sales", "bob/sales", "carol/sales"] {
        assert!(listed(&appliance, login).is_empty(), "{login}");
    }
}

#[test]
fn what_only_she_held_who_has_left_goes_after_the_hold_and_the_trace_says_so() {
    let (alice, bob) = (member("alice", ""), member("bob", ""));
    let (alone, both) = ([alice.clone()], [alice, bob]);
    let mut appliance = ran(with(&both, HOLD), &[]);
    send(&appliance, &["sales"], 1..=2);
    let uids = wait_listed(&appliance, "bob/sales", 2);
    // What alice has not fetched waits for her, whatever becomes of others.
    let mut client = pop3(appliance.pop3, "alice/sales");
    client.retrieve(1);
    client.quit();
    reload(&mut appliance, |setup| setup.mailboxes = with(&alone, HOLD).mailboxes);
    assert!(answer(&appliance, "bob/sales").starts_with("-ERR [AUTH]"));
    appliance.logged(&["a view is not declared any more: it is kept for a while", "view=\"bob\""]);
    until("it is noted", || (!seat(&appliance, "bob")["left_ms"].is_null()).then_some(()));
    let shown = verb(&appliance, &["team", "sales"]).out;
    let parts = ["no member of this team any more", "  left        20", "  claim ends  20"];
    assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
    let bob = seat(&appliance, "bob");
    let [left, leaves] = ["left_ms", "leaves_ms"].map(|name| bob[name].as_u64().expect("an instant"));
    assert_eq!(leaves, left + HOUR, "{bob}");
    // Put back before the hold is over he goes on as he was, and his time begins anew.
    assert!(appliance.stop().success());
    earlier(&appliance, "left", HOUR - MINUTE);
    appliance.configure(|setup| setup.mailboxes = with(&both, HOLD).mailboxes);
    appliance.restart();
    assert_eq!(listed(&appliance, "bob/sales"), uids);
    reload(&mut appliance, |setup| setup.mailboxes = with(&alone, HOLD).mailboxes);
    until("it is noted", || (!seat(&appliance, "bob")["left_ms"].is_null()).then_some(()));
    assert!(appliance.stop().success());
    earlier(&appliance, "left", HOUR - MINUTE);
    appliance.restart();
    let team_now = team(&appliance);
    assert_eq!(team_now["members"].as_array().map(Vec::len), Some(2), "a minute before");
    assert_eq!(messages(&team_now, "released"), 0);
    assert!(appliance.stop().success());
    earlier(&appliance, "left", MINUTE);
    appliance.restart();
    appliance.logged(&["a view has left: what only it wanted is free", "view=\"bob\""]);
    until("it is released", || (messages(&team(&appliance), "released") == 1).then_some(()));
    traced(&appliance, "bob", "bob has left sales: not declared for 1 h");
    reload(&mut appliance, |setup| setup.mailboxes = with(&alone, BRIEF).mailboxes);
    until("it goes", || (messages(&team(&appliance), "holds") == 1).then_some(()));
    assert_eq!(listed(&appliance, "alice/sales"), uids[1..]);
    let journey = traced(&appliance, &uids[0], "to the trash of sales: everyone had it, held for 1 s");
    assert!(journey.contains("in sales, released: everyone has fetched it"), "{journey}");
    assert_eq!(team(&appliance)["members"].as_array().map(Vec::len), Some(1), "nobody remembers him");
    // The audit line stays, and a start forgets nothing of it.
    appliance.restart();
    assert!(verb(&appliance, &["trace", "bob"]).out.contains("bob has left sales"));
}
