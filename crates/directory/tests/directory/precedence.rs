//! Product rule: refused exactly > a mailbox's address > an exact alias > the same after cutting the detail >
//! globs, longest literal first > catch-all > unknown. One test for each pair of neighbours.

use std::time::Duration;

use directory::{Expiry, Password, Spec, Step, password};

use crate::{alias, ask, check, directory, mailbox, path, refuse, spec, with};

const CLOSED: &str = "refused: this address is closed";

#[test]
fn refused_beats_a_mailbox_and_an_alias_of_that_address() {
    let spec = with(
        &[mailbox("alice", &["a.smith"])],
        &[alias("info@example.com", &["alice"])],
        &[refuse("a.smith@example.com"), refuse("info@example.com")],
        None,
    );
    check(
        &spec,
        &[
            ("a.smith@example.com", CLOSED),
            ("info@example.com", CLOSED),
            ("A.Smith@EXAMPLE.NET", CLOSED),
            ("alice@example.com", "alice"),
        ],
    );
}

/// One address cannot be both, so there is no order to hold: it is a fault of the file.
#[test]
fn a_mailbox_and_an_alias_cannot_both_claim_an_address() {
    let spec = with(&[mailbox("alice", &[])], &[alias("alice@example.net", &["root"])], &[], None);
    assert!(directory::Table::build(&spec).0.is_none());
}

#[test]
fn an_exact_alias_beats_what_is_left_after_the_cut() {
    let spec = with(&[mailbox("alice", &[])], &[alias("alice+list@example.com", &["root"])], &[], None);
    check(&spec, &[("alice+list@example.com", "root"), ("alice+lists@example.com", "alice")]);
}

#[test]
fn an_exact_mailbox_address_beats_what_is_left_after_the_cut() {
    let spec = with(
        &[mailbox("alice", &[]), mailbox("bob", &["alice+bob", "alice+"])],
        &[],
        &[refuse("alice@example.com")],
        None,
    );
    check(
        &spec,
        &[
            ("alice+bob@example.com", "bob"),
            ("alice+@example.com", "bob"),
            ("alice+carol@example.com", CLOSED),
        ],
    );
}

#[test]
fn after_the_cut_refused_beats_the_mailbox() {
    let spec = with(&[mailbox("alice", &["a"])], &[], &[refuse("a@example.com")], Some("root"));
    check(&spec, &[("a+x@example.com", CLOSED), ("alice+x@example.com", "alice")]);
}

#[test]
fn what_is_left_after_the_cut_beats_globs() {
    let spec = with(
        &[mailbox("alice", &[])],
        &[alias("alice*@example.com", &["root"]), alias("info@example.com", &["alice"])],
        &[refuse("info*@example.com")],
        None,
    );
    check(
        &spec,
        &[
            ("alice+x@example.com", "alice"),
            ("alicex@example.com", "root"),
            ("info+x@example.com", "alice"),
            ("infox@example.com", CLOSED),
        ],
    );
}

#[test]
fn the_longest_literal_wins_whatever_it_says() {
    let spec = with(
        &[mailbox("alice", &[])],
        &[alias("press-*@example.com", &["alice"]), alias("press-vip-*@example.com", &["root"])],
        &[refuse("press-old-*@example.com"), refuse("p*@example.com")],
        None,
    );
    check(
        &spec,
        &[
            ("press-1@example.com", "alice"),
            ("press-old-1@example.com", CLOSED),
            ("press-vip-1@example.com", "root"),
            ("plan@example.com", CLOSED),
        ],
    );
}

#[test]
fn a_refusal_wins_a_tie_and_then_the_file_order_does() {
    let spec = with(
        &[mailbox("alice", &[])],
        &[
            alias("a*@example.com", &["alice"]),
            alias("*b@example.com", &["root"]),
            alias("*c@example.com", &["root"]),
        ],
        &[refuse("*c@example.com")],
        None,
    );
    check(&spec, &[("ab@example.com", "alice"), ("xb@example.com", "root"), ("ac@example.com", CLOSED)]);
}

#[test]
fn globs_beat_the_catch_all_and_it_beats_unknown() {
    let globs = [alias("press-*@example.com", &["alice"])];
    let spec = with(&[mailbox("alice", &[])], &globs, &[refuse("old-*@example.com")], Some("root"));
    check(
        &spec,
        &[
            ("press-1@example.com", "alice"),
            ("old-1@example.com", CLOSED),
            ("nobody@example.com", "root"),
            ("nobody+x@example.net", "root"),
            ("nobody@other.example", "unknown"),
        ],
    );
}

#[test]
fn a_glob_can_reach_several_domains() {
    let spec = with(
        &[mailbox("alice", &[])],
        &[alias("info-*@*", &["alice"]), alias("b?@*.example", &["root"]), alias("q-*", &["alice"])],
        &[],
        None,
    );
    check(
        &spec,
        &[
            ("info-1@example.com", "alice"),
            ("info-1@example.net", "alice"),
            ("info-1@xn--bcher-kva.example", "alice"),
            ("b1@other.example", "root"),
            ("b1@example.com", "unknown"),
            ("q-1@example.com", "alice"),
            ("q-1@other.example", "unknown"),
        ],
    );
}

#[test]
fn names_of_a_domain_are_one_and_domains_are_not() {
    let spec = with(
        &[mailbox("alice", &["boss@other.example"]), mailbox("alice@other.example", &["al"])],
        &[],
        &[],
        None,
    );
    check(
        &spec,
        &[
            ("alice@example.com", "alice"),
            ("alice@example.net", "alice"),
            ("alice@other.example", "alice@other.example"),
            ("alice@bücher.example", "alice@other.example"),
            ("boss@other.example", "alice"),
            ("al@other.example", "alice@other.example"),
            ("al@example.com", "unknown"),
            ("alice@sub.example.com", "not local"),
            ("alice@mx.example.com", "unknown"),
        ],
    );
}

/// RFC 5321 §2.4.
#[test]
fn spellings_fold() {
    let spec = with(&[mailbox("müller", &[]), mailbox("strasse", &[])], &[], &[], None);
    check(
        &spec,
        &[
            ("MÜLLER@Example.Com", "müller"),
            ("Mu\u{308}ller+Tag@example.com", "müller"),
            ("straße@example.com", "strasse"),
            ("\"müller\"@example.com", "müller"),
            ("chief@XN--BCHER-KVA.Example", "chief@other.example"),
            ("chief@BÜCHER.example", "chief@other.example"),
        ],
    );
}

#[test]
fn the_first_separator_cuts_and_a_leading_one_does_not() {
    let spec = with(&[mailbox("alice", &["a+b", "\"\"@example.com"])], &[], &[], None);
    check(
        &spec,
        &[
            ("alice+x+y@example.com", "alice"),
            ("a+b@example.com", "alice"),
            ("a+b+c@example.com", "unknown"),
            ("+alice@example.com", "unknown"),
            ("\"\"@example.com", "alice"),
            ("alice-x@example.com", "unknown"),
        ],
    );
    check(
        &Spec { detail_separator: Some('-'), ..spec.clone() },
        &[("alice-x@example.com", "alice"), ("alice+x@example.com", "unknown")],
    );
    check(
        &Spec { detail_separator: None, ..spec },
        &[("alice+x@example.com", "unknown"), ("alice@example.com", "alice"), ("a+b@example.com", "alice")],
    );
}

/// RFC 5321 §3.9.
#[test]
fn aliases_are_followed_to_their_end_and_each_mailbox_is_named_once() {
    let spec = with(
        &[mailbox("alice", &["a.smith"]), mailbox("bob", &[]), mailbox("bob@other.example", &[])],
        &[
            alias("all@example.com", &["staff@example.net", "alice", "sales", "bob@other.example"]),
            alias("staff@example.com", &["bob", "alice", "a.smith@example.com"]),
            alias("sales@example.com", &["bob+sales@example.com", "press-1@example.com"]),
            alias("press-*@example.com", &["root"]),
            alias("bob2@other.example", &["bob"]),
        ],
        &[],
        None,
    );
    check(
        &spec,
        &[
            ("all@example.com", "bob alice root bob@other.example"),
            ("sales@example.com", "bob root"),
            // A bare name in `to` is the first domain's, wherever the alias is.
            ("bob2@other.example", "bob"),
        ],
    );
}

#[test]
fn a_bare_name_in_to_is_the_mailbox_before_the_address() {
    let mut helpdesk = mailbox("helpdesk", &[]);
    helpdesk.receives = false;
    let spec = with(
        &[mailbox("alice", &["team"]), helpdesk, mailbox("bob@other.example", &[])],
        &[
            alias("x@example.com", &["alice"]),
            alias("y@example.com", &["team"]),
            alias("z@example.com", &["x"]),
            alias("helpdesk@example.com", &["alice"]),
            alias("bob@example.com", &["bob@bücher.example"]),
        ],
        &[],
        None,
    );
    check(
        &spec,
        &[
            ("x@example.com", "alice"),
            ("y@example.com", "alice"),
            ("z@example.com", "alice"),
            ("helpdesk@example.com", "alice"),
            ("bob@example.com", "bob@other.example"),
        ],
    );
}

#[test]
fn duplicate_on_any_alias_of_the_way_asks_for_a_copy_each() {
    let mut pizza = alias("pizza@example.com", &["alice"]);
    pizza.duplicate = true;
    let spec = with(
        &[mailbox("alice", &[])],
        &[alias("food@example.com", &["pizza@example.com"]), pizza, alias("plain@example.com", &["alice"])],
        &[],
        None,
    );
    check(
        &spec,
        &[
            ("pizza@example.com", "alice, each"),
            ("food@example.com", "alice, each"),
            ("plain@example.com", "alice"),
            ("alice@example.com", "alice"),
        ],
    );
}

/// RFC 5321 §2.3.5, §4.5.1.
#[test]
fn postmaster_and_abuse_always_resolve() {
    let closed =
        ["postmaster@example.com", "abuse@example.net", "*@example.com", "*@*", "postmaster+x@example.com"];
    let spec = with(
        &[mailbox("alice", &["abuse@other.example"])],
        &[alias("postmaster@other.example", &["alice", "root"])],
        &closed.map(refuse),
        None,
    );
    check(
        &spec,
        &[
            ("postmaster", "root"),
            ("PostMaster", "root"),
            ("POSTMASTER@example.com", "root"),
            ("postmaster@example.net", "root"),
            ("abuse@example.com", "root"),
            ("abuse@example.net", "root"),
            ("abuse+spam@example.com", "root"),
            ("postmaster+x@example.com", CLOSED),
            ("postmaster@mx.example.com", "root"),
            ("postmaster@[192.0.2.25]", "root"),
            ("Postmaster@[IPv6:2001:db8:0::25]", "root"),
            // Somebody's own wins over the default.
            ("postmaster@other.example", "alice root"),
            ("abuse@other.example", "alice"),
            // Nobody else lives at the host itself.
            ("abuse@mx.example.com", "unknown"),
            ("root@[192.0.2.25]", "unknown"),
            ("postmaster@[192.0.2.26]", "not local"),
            ("postmaster@[x-tag:y]", "not local"),
            ("anyone@example.com", CLOSED),
        ],
    );
    let open = directory(&spec);
    for (text, is) in [
        ("postmaster", true),
        ("Abuse@example.net", true),
        ("postmaster@mx.example.com", true),
        ("abuse@mx.example.com", false),
        ("root@example.com", false),
        ("postmaster+x@example.com", false),
        ("postmaster@gmail.example", false),
    ] {
        assert_eq!(open.always_open(&path(text)), is, "{text}");
    }
}

#[test]
fn the_catch_all_is_postmaster_where_nobody_else_is() {
    let mut spec = with(&[], &[], &[], Some("root"));
    spec.domains[0].postmaster = None;
    check(&spec, &[("postmaster", "root"), ("abuse@example.net", "root"), ("x@example.com", "root")]);
    spec.domains[0].postmaster = Some("chief@other.example".into());
    check(&spec, &[("postmaster", "chief@other.example"), ("x@example.com", "root")]);
}

/// Every way to ask for relaying, under a catch-all and a glob that would swallow it.
/// RFC 5321 §2.3.11, §3.6.1.
#[test]
fn relay_tricks_are_refused_as_what_they_are() {
    let spec = with(
        &[mailbox("alice", &["a%b", "\"c@d\"@example.com"])],
        &[alias("*@other.example", &["alice"]), alias("e!f@other.example", &["root"])],
        &[],
        Some("root"),
    );
    check(
        &spec,
        &[
            ("user@ext.example", "not local"),
            ("@example.com:user@ext.example", "not local"),
            ("user%ext.example@example.com", "not local"),
            ("\"user@ext.example\"@example.com", "not local"),
            ("\"user%ext.example\"@example.com", "not local"),
            ("ext.example!user@example.com", "not local"),
            ("ext.example!user%other@example.com", "not local"),
            ("user%ext.example@other.example", "not local"),
            ("user%ext.example@mx.example.com", "not local"),
            ("user%ext.example@[192.0.2.25]", "not local"),
            ("postmaster%ext.example@example.com", "not local"),
            ("nobody+x%ext.example@example.com", "not local"),
            // A route is only stripped: what is left is an address of ours.
            ("@ext.example:alice@example.com", "alice"),
            ("@ext.example:nobody@example.com", "root"),
            // Letter for letter somebody's, or the detail of one.
            ("a%b@example.com", "alice"),
            ("\"c@d\"@example.com", "alice"),
            ("e!f@other.example", "root"),
            ("alice+x%y@example.com", "alice"),
        ],
    );
}

#[test]
fn the_text_of_a_refusal_is_its_own() {
    let mut own = refuse("old-shop@example.com");
    own.text = Some("the shop has moved".into());
    check(&with(&[], &[], &[own], Some("root")), &[("old-shop@example.com", "refused: the shop has moved")]);
}

#[test]
fn explain_says_every_step() {
    let spec = with(
        &[mailbox("alice", &[])],
        &[alias("info@example.com", &["staff", "alice"]), alias("staff@example.com", &["alice", "root"])],
        &[refuse("old-*@example.com")],
        Some("root"),
    );
    let directory = directory(&spec);
    let explain = |recipient: &str| -> Vec<String> {
        let (steps, _) = directory.explain(&path(recipient));
        steps.into_iter().map(|Step { at, why }| format!("{at}: {why}")).collect()
    };
    assert_eq!(
        explain("Info+x@example.net"),
        [
            "info+x@example.com: nobody has exactly this; without the detail +x",
            "info@example.com: an alias to staff@example.com, alice",
            "staff@example.com: an alias to alice, root",
            "alice: a mailbox",
            "alice: a mailbox",
            "root: a mailbox",
        ]
    );
    assert_eq!(
        explain("postmaster"),
        [
            "postmaster: the postmaster of the first domain",
            "postmaster@example.com: every domain has it: mailbox root",
        ]
    );
    assert_eq!(
        explain("old-1@example.com"),
        [
            "old-1@example.com: fits old-*@example.com",
            "old-*@example.com: closed by [[refuse]]: this address is closed",
        ]
    );
    assert_eq!(explain("x@example.com"), ["x@example.com: nobody has it: the catch-all, mailbox root"]);
    assert_eq!(
        explain("x@other.example"),
        ["x@other.example: nobody has it, and the domain has no catch-all"]
    );
    assert_eq!(explain("x@ext.example"), ["x@ext.example: not a domain of ours"]);
    assert_eq!(
        explain("x%y@example.com"),
        ["x%y@example.com: nobody has exactly this, and it asks to be relayed"]
    );
    assert_eq!(explain("x@mx.example.com"), ["x@mx.example.com: our own host, where only postmaster lives"]);
}

#[test]
fn a_reload_answers_from_the_new_table() {
    let directory = directory(&with(&[mailbox("alice", &[])], &[], &[], None));
    let other = directory.clone();
    assert_eq!(ask(&other, "alice@example.com"), "alice");
    directory.replace(directory::Table::build(&spec()).0.expect("no fault"));
    assert_eq!(ask(&other, "alice@example.com"), "unknown");
}

#[test]
fn mailboxes_are_known_by_name() {
    let mut alice = mailbox("Alice", &[]);
    alice.allowance.octets = Some(2 << 30);
    let directory = directory(&with(&[alice, mailbox("bob@other.example", &[])], &[], &[], None));
    let name = |text: &str| mail::MailboxName::parse(text).expect("a name");
    assert_eq!(directory.quota(&name("alice")), Some(2 << 30));
    assert_eq!(directory.quota(&name("root")), None);
    assert_eq!(directory.quota(&name("nobody")), None);
    assert!(directory.has_mailbox(&name("alice")) && !directory.has_mailbox(&name("nobody")));
    for (text, found) in [
        ("alice@example.net", Some("alice")),
        ("BOB@xn--bcher-kva.example", Some("bob@other.example")),
        ("bob", None),
        ("alice@other.example", None),
        ("alice@", None),
    ] {
        assert_eq!(directory.mailbox_named(text).as_ref().map(mail::MailboxName::as_str), found, "{text}");
    }
    assert!(!directory.is_collected(&name("alice")), "nobody can log in");
    let names: Vec<_> = directory.mailbox_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["alice", "bob@other.example", "chief@other.example", "root"]);
    assert_eq!(directory.home_address(&name("alice")), "alice@example.com");
    assert_eq!(directory.home_address(&name("bob@other.example")), "bob@other.example");
    assert_eq!(directory.home_address(&name("gone")), "gone@example.com");
    assert_eq!(directory.home_address(&name("gone@left.example")), "gone@left.example");
}

/// RFC 2449 §6.7.
#[test]
fn the_least_age_counts_of_those_who_can_log_in() {
    let kept = |name: &str, days: Option<u64>, login: bool| {
        let mut spec = mailbox(name, &[]);
        spec.allowance.age = days.map(|days| Duration::from_secs(days * 86_400));
        let hash = password::hash(&mail::Secret::from(&b"correct horse"[..]));
        spec.passwords = login.then_some(Password { name: None, hash }).into_iter().collect();
        spec
    };
    let least = |days: u64| Some(Duration::from_secs(days * 86_400));
    for (mailboxes, expiry) in [
        (vec![kept("alice", None, true)], Expiry { least: None, differs: false }),
        (vec![kept("alice", Some(30), true)], Expiry { least: least(30), differs: false }),
        (
            vec![kept("alice", None, true), kept("bob", Some(30), true), kept("carol", Some(14), true)],
            Expiry { least: least(14), differs: true },
        ),
        (
            vec![kept("alice", Some(30), true), kept("bob", Some(1), false)],
            Expiry { least: least(30), differs: false },
        ),
    ] {
        assert_eq!(directory(&with(&mailboxes, &[], &[], None)).expiry(), expiry);
    }
}
