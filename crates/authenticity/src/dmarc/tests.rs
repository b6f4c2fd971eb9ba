use mail::{AuthResult, DkimResult, DmarcPolicy, DmarcResult, SpfResult};

use super::{Verified, judge};
use crate::authors::authors;
use crate::dns::Budget;
use crate::testing::dns::{Dns, TXT};
use crate::testing::{resolver, server};

use AuthResult::{Fail, None as Nothing, Pass, PermError, TempError};
use DmarcPolicy::{None as Accept, Quarantine, Reject};

fn spf(result: AuthResult, domain: &str) -> SpfResult {
    SpfResult { result, of_helo: false, domain: domain.into(), reason: None }
}

fn dkim(result: AuthResult, domain: &str) -> DkimResult {
    DkimResult { result, domain: domain.into(), selector: "s".into(), signature: String::new(), reason: None }
}

async fn ask(dns: &Dns, header: &str, spf: Option<SpfResult>, dkim: &[DkimResult]) -> DmarcResult {
    let resolver = resolver(dns);
    let budget = Budget::new(&resolver, 50);
    let authors = authors(format!("{header}\r\n\r\n").as_bytes());
    judge(&resolver.library(), &budget, &authors, Verified { spf: spf.as_ref(), dkim }).await
}

/// Result and policy of a mail from an address, with SPF of one domain and a signature of another.
async fn from(zone: &str, from: &str, by_spf: &str, by_dkim: &str) -> (AuthResult, DmarcPolicy) {
    let spf = (!by_spf.is_empty()).then(|| spf(Pass, by_spf));
    let dkim: Vec<_> = (!by_dkim.is_empty()).then(|| dkim(Pass, by_dkim)).into_iter().collect();
    let found = ask(&server(zone), &format!("From: a@{from}"), spf, &dkim).await;
    (found.result, found.policy)
}

/// RFC 9989 §4.10.2.
#[tokio::test]
async fn what_agrees_passes_and_nothing_else() {
    let relaxed = "_dmarc.b.example TXT v=DMARC1; p=reject";
    let strict = "_dmarc.b.example TXT v=DMARC1; p=quarantine; adkim=s; aspf=s";
    for (zone, author, by_spf, by_dkim, expected) in [
        (relaxed, "b.example", "b.example", "", (Pass, Reject)),
        (relaxed, "b.example", "", "b.example", (Pass, Reject)),
        (relaxed, "b.example", "B.Example", "", (Pass, Reject)),
        (relaxed, "b.example", "x.b.example", "", (Pass, Reject)),
        (relaxed, "b.example", "", "x.y.b.example", (Pass, Reject)),
        (relaxed, "x.b.example", "y.b.example", "", (Pass, Reject)),
        (relaxed, "x.b.example", "", "b.example", (Pass, Reject)),
        (relaxed, "b.example", "", "", (Fail, Reject)),
        (relaxed, "b.example", "evil.example", "evil.example", (Fail, Reject)),
        (relaxed, "b.example", "xb.example", "example", (Fail, Reject)),
        (strict, "b.example", "b.example", "", (Pass, Quarantine)),
        (strict, "b.example", "x.b.example", "x.b.example", (Fail, Quarantine)),
        ("", "b.example", "b.example", "b.example", (Nothing, Accept)),
        (relaxed, "other.example", "other.example", "", (Nothing, Accept)),
        (relaxed, "localhost", "", "", (Nothing, Accept)),
        (relaxed, "[192.0.2.1]", "", "", (Nothing, Accept)),
    ] {
        assert_eq!(from(zone, author, by_spf, by_dkim).await, expected, "{author} {by_spf} {by_dkim}");
    }
}

/// RFC 9989 §4.7: `sp` for what is below, `np` for what is not there, one step less for a test.
#[tokio::test]
async fn what_is_below_has_a_policy_of_its_own() {
    let zone = "_dmarc.b.example TXT v=DMARC1; p=reject; sp=quarantine; np=none\nthere.b.example A 192.0.2.1\n\
                deep.down.b.example A 192.0.2.1\n_dmarc.own.b.example TXT v=DMARC1; p=none\n\
                _dmarc.test.example TXT v=DMARC1; p=reject; t=y; np=quarantine\nthere.test.example A 192.0.2.1";
    for (author, policy) in [
        ("b.example", Reject),
        ("there.b.example", Quarantine),
        ("down.b.example", Quarantine),
        ("not.b.example", Accept),
        ("own.b.example", Accept),
        ("test.example", Quarantine),
        ("there.test.example", Quarantine),
        ("not.test.example", Accept),
    ] {
        assert_eq!(from(zone, author, "", "").await, (Fail, policy), "{author}");
    }
}

/// RFC 9989 §4.10, §4.10.2.
#[tokio::test]
async fn the_tree_is_walked_to_the_organization_and_no_further() {
    let zone = "_dmarc.b.example TXT v=DMARC1; p=reject; psd=n\n_dmarc.example TXT v=DMARC1; p=quarantine\n\
                _dmarc.bank TXT v=DMARC1; p=reject; psd=y; sp=quarantine\n\
                a.bank A 192.0.2.1\nx.a.bank A 192.0.2.1";
    for (author, by_spf, expected) in [
        ("x.y.b.example", "z.b.example", (Pass, Reject)),
        // What stands above `psd=n` is another organization.
        ("x.b.example", "c.example", (Fail, Reject)),
        ("c.example", "d.example", (Pass, Quarantine)),
        // A registry's record is the wish for those below, who are strangers to each other.
        ("a.bank", "a.bank", (Pass, Quarantine)),
        ("x.a.bank", "a.bank", (Pass, Quarantine)),
        ("a.bank", "c.bank", (Fail, Quarantine)),
    ] {
        assert_eq!(from(zone, author, by_spf, "").await, expected, "{author} {by_spf}");
    }
    let deep = (0..40).map(|n| format!("l{n}.")).collect::<String>() + "b.example";
    let dns = server(zone);
    let found = ask(&dns, &format!("From: a@{deep}"), Some(spf(Pass, "b.example")), &[]).await;
    assert_eq!((found.result, found.policy), (Pass, Reject));
    let walked =
        dns.asked().iter().filter(|(name, kind)| name.starts_with("_dmarc.") && *kind == TXT).count();
    assert!(walked <= 16, "{:?}", dns.asked());
}

/// RFC 9989 §4.10, §4.10.1.
#[tokio::test]
async fn records_that_say_nothing_certain_are_none() {
    for (records, expected) in [
        ("_dmarc.b.example TXT v=DMARC1; p=reject\n_dmarc.b.example TXT v=DMARC1; p=none", (Nothing, Accept)),
        ("_dmarc.b.example TXT some words\n_dmarc.b.example TXT v=DMARC1; p=reject", (Fail, Reject)),
        ("_dmarc.b.example TXT v=DMARC2; p=reject", (Nothing, Accept)),
        ("_dmarc.b.example TXT p=reject; v=DMARC1", (Nothing, Accept)),
        ("_dmarc.b.example TXT v=DMARC1; rua=mailto:x@b.example", (Fail, Accept)),
        ("_dmarc.b.example TXT v=DMARC1", (Nothing, Accept)),
        ("_dmarc.b.example TXT v=DMARC1; p=sometimes", (PermError, Accept)),
        ("_dmarc.b.example SERVFAIL", (TempError, Accept)),
        ("_dmarc.b.example SILENT", (TempError, Accept)),
    ] {
        assert_eq!(from(records, "b.example", "", "").await, expected, "{records}");
    }
}

/// RFC 9989 §5.3.6: nobody could tell whether it agrees: that is no fail. What does not agree anyway changes nothing.
#[tokio::test]
async fn what_could_not_be_asked_is_no_fail() {
    let dns = server("_dmarc.b.example TXT v=DMARC1; p=reject");
    for (spf, dkim, expected) in [
        (Some(spf(TempError, "b.example")), vec![], TempError),
        (Some(spf(TempError, "c.example")), vec![], Fail),
        (None, vec![dkim(TempError, "b.example")], TempError),
        (None, vec![dkim(TempError, "b.example"), dkim(Pass, "b.example")], Pass),
        (Some(spf(AuthResult::SoftFail, "b.example")), vec![dkim(AuthResult::Policy, "b.example")], Fail),
    ] {
        let found = ask(&dns, "From: a@b.example", spf, &dkim).await;
        assert_eq!(found.result, expected, "{dkim:?}");
    }
}

#[tokio::test]
async fn nobody_hides_behind_another_author() {
    let zone = "_dmarc.b.example TXT v=DMARC1; p=reject\n_dmarc.evil.example TXT v=DMARC1; p=none";
    let dns = server(zone);
    let pass = || Some(spf(Pass, "evil.example"));
    for (header, result, policy) in [
        ("From: a@evil.example", Pass, Accept),
        ("From: a@evil.example, b@b.example", Fail, Reject),
        ("From: b@b.example, a@evil.example", Fail, Reject),
        ("From: \"b@b.example\" <a@evil.example>", Pass, Accept),
        ("From: g: a@evil.example, b@b.example;", Fail, Reject),
        ("From: a@evil.example\r\nFrom: b@b.example", Fail, Reject),
        ("From: a@evil.example\r\nFrom: a@evil.example", Fail, Quarantine),
        ("Fr om: b@b.example\r\nFrom: a@evil.example", Fail, Reject),
        ("From: x@1.test, x@2.test, x@3.test, x@4.test, b@b.example", Fail, Quarantine),
        (&format!("From: {}b@b.example", "a@evil.example,".repeat(50)), Fail, Quarantine),
        ("From:", Nothing, Accept),
        ("Subject: x", Nothing, Accept),
    ] {
        let found = ask(&dns, header, pass(), &[]).await;
        assert_eq!((found.result, found.policy), (result, policy), "{header}: {found:?}");
    }
}
