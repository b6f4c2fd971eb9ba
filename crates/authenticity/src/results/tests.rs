use mail::{
    ArcResult, AuthResult, AuthResults, DkimResult, DmarcPolicy, DmarcResult, IprevResult, SpfResult,
};
use proptest::prelude::*;

use super::{relayed, results_field};
use crate::{HeaderLimits, Prescan};

const RECEIVED: &str = "Received: from a by relay.example; Fri, 1 Jan 2021 00:00:00 +0000\r\n";

fn everything() -> AuthResults {
    AuthResults {
        spf: Some(SpfResult {
            result: AuthResult::Fail,
            of_helo: false,
            domain: "sender.example".into(),
            reason: None,
        }),
        dkim: vec![
            DkimResult {
                result: AuthResult::Pass,
                domain: "sender.example".into(),
                selector: "s1".into(),
                signature: "ab/+cd==".into(),
                reason: None,
            },
            DkimResult {
                result: AuthResult::Policy,
                domain: "list.example".into(),
                selector: "s2".into(),
                signature: "abcdefgh".into(),
                reason: Some("a key of 512 bits; \"weak\"".into()),
            },
        ],
        dmarc: Some(DmarcResult {
            result: AuthResult::Pass,
            from: "sender.example".into(),
            policy: DmarcPolicy::Reject,
            reason: None,
        }),
        arc: Some(ArcResult { result: AuthResult::Pass, sealer: Some("list.example".into()) }),
        iprev: Some(IprevResult { result: AuthResult::Pass, name: Some("mail.sender.example".into()) }),
    }
}

/// RFC 8601 §2.2, §2.7, §2.7.2, §2.7.3, §4; RFC 6008 §3.
#[test]
fn the_field_says_what_was_found() {
    let field =
        results_field("mx.example.test", &everything(), Some("2001:db8::1".parse().expect("an address")));
    let unfolded = field.replace("\r\n\t", " ");
    assert_eq!(
        unfolded,
        "Authentication-Results: mx.example.test; spf=fail smtp.mailfrom=sender.example; \
         dkim=pass header.d=sender.example header.s=s1 header.b=\"ab/+cd==\"; \
         dkim=policy reason=\"a key of 512 bits; \\\"weak\\\"\" header.d=list.example header.s=s2 \
         header.b=abcdefgh; dmarc=pass header.from=sender.example policy.dmarc=reject; \
         arc=pass (d=list.example); iprev=pass (mail.sender.example) policy.iprev=\"2001:db8::1\"\r\n"
    );
    assert!(field.split("\r\n").all(|line| line.len() <= 78), "{field}");
}

#[test]
fn what_was_not_tried_is_not_told() {
    let nothing = results_field("mx.example.test", &AuthResults::default(), None);
    assert_eq!(nothing, "Authentication-Results: mx.example.test; none\r\n");
    let unsigned = AuthResults {
        dmarc: Some(DmarcResult {
            result: AuthResult::None,
            from: String::new(),
            policy: DmarcPolicy::None,
            reason: None,
        }),
        ..AuthResults::default()
    };
    let field = results_field("mx.example.test", &unsigned, None);
    assert_eq!(
        field,
        "Authentication-Results: mx.example.test; dkim=none; dmarc=none\r\n\tpolicy.dmarc=none\r\n"
    );
}

fn spf_of(header: &str) -> Option<AuthResult> {
    relayed(header.as_bytes(), "relay.example").spf.map(|spf| spf.result)
}

/// RFC 8601 §5: of a relay whose name is written in A-labels here and in U-labels there, or the other way round.
#[test]
fn a_relay_may_write_its_name_in_either_form() {
    for (says, known) in
        [("mx.bücher.example", "mx.xn--bcher-kva.example"), ("MX.XN--bcher-kva.example", "mx.Bücher.example")]
    {
        let header = format!("Authentication-Results: {says}; spf=pass\r\n{RECEIVED}\r\n");
        assert_eq!(
            relayed(header.as_bytes(), known).spf.map(|spf| spf.result),
            Some(AuthResult::Pass),
            "{says}"
        );
        assert_eq!(relayed(header.as_bytes(), "mx.xn--bcher-kvb.example"), AuthResults::default(), "{says}");
    }
}

/// RFC 8601 §4.1, §5, §7.1.
#[test]
fn a_relay_is_believed_where_it_can_have_written_and_nowhere_else() {
    let says = |word: &str| {
        format!("Authentication-Results: relay.example; spf={word} smtp.mailfrom=a@b.example\r\n")
    };
    let (pass, fail) = (says("pass"), says("fail"));
    assert_eq!(spf_of(&format!("{fail}{RECEIVED}{pass}From: x\r\n\r\n")), Some(AuthResult::Fail));
    assert_eq!(spf_of(&format!("{RECEIVED}{fail}{pass}From: x\r\n\r\n")), Some(AuthResult::Fail));
    // What the sender wrote.
    assert_eq!(spf_of(&format!("{RECEIVED}From: x\r\n{pass}\r\n")), None);
    assert_eq!(spf_of(&format!("{RECEIVED}{RECEIVED}{pass}\r\n")), None);
    assert_eq!(spf_of(&format!("From: x\r\n{pass}\r\n")), None);
    assert_eq!(spf_of(&format!("{RECEIVED}\r\n{pass}\r\n")), None);
    let other = pass.replace("relay.example;", "relay.example.evil;");
    assert_eq!(spf_of(&format!("{other}{RECEIVED}\r\n")), None);
    let later = pass.replace("relay.example;", "relay.example 2;");
    assert_eq!(spf_of(&format!("{later}{RECEIVED}\r\n")), None);
}

#[test]
fn what_other_programs_write_is_understood() {
    let header = format!(
        "Authentication-Results: (x (y) \\) z) RELAY.example 1 ;\r\n\tdkim=pass (2048-bit key; unprotected) \
         header.d=b.example header.i=@b.example header.s=s header.b=Ab/c+d==;\r\n dkim=none;\r\n \
         spf=hardfail (relay.example: domain of \"a;b\"@b.example) smtp.mailfrom=\"a;b\"@B.example.;\r\n \
         dmarc = fail reason=\"x\\\"y\" (p=QUARANTINE sp=NONE) header.from=b.example; arc=none; x-y=1\r\n\
         Authentication-Results: relay.example; iprev=pass policy.iprev=192.0.2.1; spf=pass smtp.helo=c.example\r\n\
         {RECEIVED}\r\n"
    );
    let found = relayed(header.as_bytes(), "relay.example");
    let spf = found.spf.expect("SPF");
    assert_eq!((spf.result, spf.domain.as_str(), spf.of_helo), (AuthResult::Fail, "b.example", false));
    assert_eq!(found.dkim.len(), 1);
    assert_eq!((found.dkim[0].selector.as_str(), found.dkim[0].signature.as_str()), ("s", "Ab/c+d=="));
    let dmarc = found.dmarc.expect("DMARC");
    assert_eq!((dmarc.result, dmarc.policy), (AuthResult::Fail, DmarcPolicy::Quarantine));
    assert_eq!(dmarc.reason.as_deref(), Some("x\"y"));
    assert_eq!(found.arc.map(|arc| arc.result), Some(AuthResult::None));
    assert_eq!(found.iprev.map(|iprev| iprev.result), Some(AuthResult::Pass));
}

/// RFC 8601 §2.3, §2.6, §2.7.6, §2.7.7, §4.1.
#[test]
fn what_a_relay_says_in_words_that_nobody_knows_counts_for_nothing() {
    let found = |said: &str| {
        relayed(
            format!("Authentication-Results: relay.example; {said}\r\n{RECEIVED}\r\n").as_bytes(),
            "relay.example",
        )
    };
    for said in [
        "spf/2=pass smtp.mailfrom=b.example",
        "spf/10=pass smtp.mailfrom=b.example",
        "spf=certain smtp.mailfrom=b.example",
        "spf-next=pass smtp.mailfrom=b.example",
        "x-spf=pass smtp.mailfrom=b.example",
    ] {
        assert_eq!(found(said), AuthResults::default(), "{said}");
    }
    let spf = found("spf/01=pass smtp.mailfrom=b.example").spf.expect("version 1");
    assert_eq!((spf.result, spf.domain.as_str()), (AuthResult::Pass, "b.example"));
    let spf = found("spf=pass smpt.mailfrom=b.example body.helo=b.example").spf.expect("SPF");
    assert_eq!((spf.domain.as_str(), spf.of_helo), ("", false));
}

/// RFC 8601 §7.8.
#[test]
fn a_field_of_nothing_but_methods_costs_what_it_is_long() {
    let many = "; dkim=pass header.d=b.example".repeat(20_000);
    let header = format!("Authentication-Results: relay.example{many}\r\n{RECEIVED}\r\n");
    assert_eq!(relayed(header.as_bytes(), "relay.example").dkim.len(), 10);
    let open = format!("Authentication-Results: relay.example; {}\r\n{RECEIVED}\r\n", "(".repeat(60_000));
    assert_eq!(relayed(open.as_bytes(), "relay.example"), AuthResults::default());
}

fn result() -> impl Strategy<Value = AuthResult> {
    proptest::sample::select(AuthResult::ALL.to_vec())
}

fn domain() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,10}(\\.[a-z0-9-]{1,10}){1,3}"
}

fn reason() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[ -~]{0,100}")
}

prop_compose! {
    fn signature()(result in result(), domain in domain(), selector in domain(), signature in "[a-zA-Z0-9+/=]{1,8}",
        reason in reason()) -> DkimResult {
        // That there is none is not a signature.
        let result = if result == AuthResult::None { AuthResult::Pass } else { result };
        DkimResult { result, domain, selector, signature, reason }
    }
}

prop_compose! {
    fn results()(
        spf in proptest::option::of((result(), any::<bool>(), domain(), reason())),
        dkim in proptest::collection::vec(signature(), 0..10),
        dmarc in proptest::option::of((result(), domain(), 0..3, reason())),
        arc in proptest::option::of(result()),
        iprev in proptest::option::of(result()),
    ) -> AuthResults {
        AuthResults {
            spf: spf.map(|(result, of_helo, domain, reason)| SpfResult { result, of_helo, domain, reason }),
            dkim,
            dmarc: dmarc.map(|(result, from, policy, reason)| {
                let policies = [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject];
                DmarcResult { result, from, policy: policies[usize::try_from(policy).expect("small")], reason }
            }),
            arc: arc.map(|result| ArcResult { result, sealer: None }),
            iprev: iprev.map(|result| IprevResult { result, name: None }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(results in results()) {
        let field = results_field("relay.example", &results, Some("192.0.2.1".parse().expect("an address")));
        let header = format!("{field}{RECEIVED}\r\n");
        prop_assert_eq!(relayed(header.as_bytes(), "relay.example"), results);
    }

    /// Whatever a peer had a say in: one field, ASCII, and no line of it begins another.
    #[test]
    fn no_text_makes_a_field_of_its_own(domain in "\\PC{0,40}|.{0,40}", reason in "(.|\r|\n){0,80}") {
        let mut results = everything();
        results.dkim[0].domain.clone_from(&domain);
        results.dkim[0].reason = Some(reason);
        results.arc = Some(ArcResult { result: AuthResult::Pass, sealer: Some(domain.clone()) });
        results.iprev = Some(IprevResult { result: AuthResult::Pass, name: Some(domain) });
        let field = results_field("mx.example.test", &results, None);
        prop_assert!(field.is_ascii());
        let lines: Vec<&str> = field.strip_suffix("\r\n").expect("an end").split("\r\n").collect();
        prop_assert!(lines[0].starts_with("Authentication-Results: mx.example.test;"));
        prop_assert!(lines[1..].iter().all(|line| line.starts_with('\t') && !line.contains(['\r', '\n'])));
        let read = relayed(format!("{field}{RECEIVED}\r\n").as_bytes(), "mx.example.test");
        prop_assert_eq!(read.dkim.len(), 2);
        prop_assert_eq!(read.dmarc, results.dmarc);
    }

    #[test]
    fn random_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut header = b"Authentication-Results: relay.example; ".to_vec();
        header.extend(&octets);
        header.extend(b"\r\nReceived: x\r\n\r\n");
        let _ = relayed(&header, "relay.example");
        let _ = relayed(&octets, "relay.example");
    }

    #[test]
    fn what_looks_like_the_grammar_is_read_without_a_panic(text in "([a-z]{0,3}|[;=(). \"\\\\\r\n\t@/1]){0,60}") {
        let _ = relayed(format!("Authentication-Results:{text}\r\n{RECEIVED}\r\n").as_bytes(), "a");
    }

    /// No spelling of our own name is read by whoever believes results and overlooked by whoever hides them.
    #[test]
    fn what_claims_to_be_ours_is_hidden_however_it_is_spelled(
        before in spelling(),
        id in proptest::sample::select(vec![
            "mx.example.test",
            "MX.Example.test",
            r#""mx.example.test""#,
            r#"mx."example".TEST"#,
            r#""mx\.ex\ample.test""#,
            r#"""mx.example.test"#,
        ]),
        behind in spelling(),
        rest in "; ?(none|spf=pass|dkim=pass header\\.d=a\\.example){0,2}",
        name in "Authentication-Results|AUTHENTICATION-RESULTS|authentication-results ",
        piece in 1_usize..200,
    ) {
        let field = format!("{name}:{before}{id}{behind}{rest}\r\n");
        let message = format!("A: b\r\n{field}C: d\r\n\r\n");
        let mut scan = Prescan::new(HeaderLimits::default(), "mx.example.test");
        message.as_bytes().chunks(piece).for_each(|octets| scan.content(octets));
        let found = scan.finish();
        let believed = read_by_a_relay(&field);
        prop_assert!(believed, "{field}");
        let cut = mail::Cut { at: 6, octets: u32::try_from(field.len()).expect("small") };
        prop_assert_eq!(found.cuts, vec![cut], "{}", field);
    }
}

/// White space and comments, of any length.
fn spelling() -> impl Strategy<Value = String> {
    "( |\t|\r\n |\\([a-z;=\"]{0,9}(\\\\\\))?\\)|\\(x\\(y\\)\\)){0,6}".prop_flat_map(|short| {
        proptest::sample::select(vec![0_usize, 0, 0, 600, 3_000]).prop_map(move |long| {
            if long == 0 { short.clone() } else { format!("{short}({})", "z".repeat(long)) }
        })
    })
}

fn read_by_a_relay(field: &str) -> bool {
    let (_, value) = field.split_once(':').expect("a field");
    super::grammar::claim(value.as_bytes()).authserv_id.eq_ignore_ascii_case("mx.example.test")
}
