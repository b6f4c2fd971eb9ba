use std::time::{Duration, Instant};

use bytes::Bytes;
use mail::{AuthResult, DmarcPolicy, ReversePath};

use super::{Verifier, VerifierLimits};
use crate::testing::dns::{Dns, Mood, Zone};
use crate::testing::{resolver, server};

fn verifier(dns: &Dns) -> Verifier {
    Verifier::new(resolver(dns), VerifierLimits::default())
}

fn path(text: &str) -> ReversePath {
    ReversePath::parse(text).expect("a path").0
}

const ZONE: &str = "b.example TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all
mail.b.example TXT v=spf1 a -all
mail.b.example A 192.0.2.1
mail.b.example AAAA 2001:db8::1
other.b.example A 192.0.2.7
_dmarc.b.example TXT v=DMARC1; p=reject
xn--bcher-kva.example TXT v=spf1 ip4:192.0.2.1 -all
1.2.0.192.in-addr.arpa PTR nothing.b.example
1.2.0.192.in-addr.arpa PTR mail.b.example
2.2.0.192.in-addr.arpa PTR mail.b.example
4.2.0.192.in-addr.arpa SERVFAIL
5.2.0.192.in-addr.arpa PTR broken.b.example
6.2.0.192.in-addr.arpa PTR one.six.b.example
6.2.0.192.in-addr.arpa PTR two.six.b.example
6.2.0.192.in-addr.arpa PTR three.six.b.example
6.2.0.192.in-addr.arpa PTR four.six.b.example
6.2.0.192.in-addr.arpa PTR five.six.b.example
6.2.0.192.in-addr.arpa PTR six.six.b.example
six.six.b.example A 192.0.2.6
broken.b.example SERVFAIL
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.b.example";

/// RFC 8601 §3, §7.4.
#[tokio::test]
async fn an_address_has_a_name_that_leads_back_to_it() {
    let dns = server(ZONE);
    let verifier = verifier(&dns);
    for (ip, result, name) in [
        ("192.0.2.1", AuthResult::Pass, Some("mail.b.example")),
        ("::ffff:192.0.2.1", AuthResult::Pass, Some("mail.b.example")),
        ("2001:db8::1", AuthResult::Pass, Some("mail.b.example")),
        ("192.0.2.2", AuthResult::Fail, None),
        ("192.0.2.3", AuthResult::PermError, None),
        ("192.0.2.4", AuthResult::TempError, None),
        ("192.0.2.5", AuthResult::TempError, None),
        // The sixth of its names is not asked about.
        ("192.0.2.6", AuthResult::Fail, None),
    ] {
        let found = verifier.connected(ip.parse().expect("an address")).await;
        assert_eq!((found.result, found.name.as_deref()), (result, name), "{ip}");
    }
}

/// RFC 7208 §2.3, §2.4.
#[tokio::test]
async fn the_sender_is_judged_and_the_client_where_there_is_none() {
    let dns = server(ZONE);
    let verifier = verifier(&dns);
    for (ip, helo, sender, result, domain) in [
        ("192.0.2.1", "x", "<a@b.example>", AuthResult::Pass, "b.example"),
        ("192.0.2.2", "x", "<a@b.example>", AuthResult::Fail, "b.example"),
        ("::ffff:192.0.2.1", "x", "<a@b.example>", AuthResult::Pass, "b.example"),
        ("192.0.2.1", "mail.b.example", "<>", AuthResult::Pass, "mail.b.example"),
        ("192.0.2.2", "mail.b.example", "<>", AuthResult::Fail, "mail.b.example"),
        ("192.0.2.2", "[192.0.2.2]", "<>", AuthResult::None, "[192.0.2.2]"),
        ("192.0.2.2", "x", "<a@[192.0.2.2]>", AuthResult::None, "[192.0.2.2]"),
        ("192.0.2.1", "x", "<a@b\u{fc}cher.example>", AuthResult::Pass, "xn--bcher-kva.example"),
        ("192.0.2.1", "x", "<a@nothing.example>", AuthResult::None, "nothing.example"),
        ("192.0.2.1", "x", "<a@broken.b.example>", AuthResult::TempError, "broken.b.example"),
    ] {
        let found = verifier.sender(ip.parse().expect("an address"), helo, &path(sender)).await;
        assert_eq!((found.result, found.domain.as_str()), (result, domain), "{ip} {helo} {sender}");
        assert_eq!(found.of_helo, sender == "<>");
    }
}

#[tokio::test]
async fn a_message_is_judged_by_its_octets_and_its_sender() {
    let dns = server(ZONE);
    let verifier = verifier(&dns);
    let mail = Bytes::from_static(b"From: a@b.example\r\nSubject: x\r\n\r\nwords\r\n");
    let good = verifier.sender("192.0.2.1".parse().expect("an address"), "x", &path("<a@b.example>")).await;
    let found = verifier.message(mail.clone(), Some(&good)).await;
    assert_eq!((found.dmarc.result, found.dmarc.policy), (AuthResult::Pass, DmarcPolicy::Reject));
    assert_eq!((found.dkim.len(), found.arc.result), (0, AuthResult::None));
    assert_eq!(found.authors.domains(), ["b.example"]);
    let bad = verifier.sender("192.0.2.2".parse().expect("an address"), "x", &path("<a@b.example>")).await;
    assert_eq!(verifier.message(mail.clone(), Some(&bad)).await.dmarc.result, AuthResult::Fail);
    assert_eq!(verifier.message(mail, None).await.dmarc.result, AuthResult::Fail);
    let empty = verifier.message(Bytes::new(), None).await;
    assert_eq!((empty.dmarc.result, empty.authors.fields), (AuthResult::None, 0));
}

/// Whatever the name servers do, there is an answer in time, and others are judged meanwhile.
#[tokio::test]
async fn no_name_server_stalls_anybody() {
    let signature = |n: usize| {
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=e{n}.slow.example; s=s; h=from; bh=AAAA; b=AAAA\r\n")
    };
    let slow: String = (0..10).map(signature).collect::<String>() + "From: a@slow.example\r\n\r\nx\r\n";
    let silent = (0..10).map(|n| format!("s._domainkey.e{n}.slow.example"));
    let zone = silent.fold(Zone::parse(ZONE), |zone, name| zone.in_mood(&name, None, Mood::Silent));
    let dns = Dns::start(zone.in_mood("_dmarc.slow.example", None, Mood::Silent));
    let limits = VerifierLimits { message: Duration::from_millis(300), ..VerifierLimits::default() };
    let verifier = Verifier::new(resolver(&dns), limits);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (verifier, mail) = (verifier.clone(), Bytes::from(slow.clone()));
            tokio::spawn(async move { verifier.message(mail, None).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let began = Instant::now();
    let mail = Bytes::from_static(b"From: a@b.example\r\n\r\nx\r\n");
    assert_eq!(verifier.message(mail, None).await.dmarc.result, AuthResult::Fail);
    assert!(began.elapsed() < Duration::from_millis(280), "{:?}", began.elapsed());
    for one in waiting {
        let found = one.await.expect("no panic");
        assert_eq!((found.dmarc.result, found.dmarc.from.as_str()), (AuthResult::TempError, "slow.example"));
        assert_eq!(found.dkim.len(), 10);
        assert!(found.dkim.iter().all(|one| one.result == AuthResult::TempError), "{:?}", found.dkim);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_sender_whose_servers_are_slow_is_a_temporary_error_in_time() {
    let dns = Dns::start(Zone::default().all_in_mood(Mood::Slow(400)));
    let limits = VerifierLimits {
        iprev: Duration::from_millis(100),
        spf: Duration::from_millis(100),
        ..VerifierLimits::default()
    };
    let verifier = Verifier::new(resolver(&dns), limits);
    let ip = "192.0.2.1".parse().expect("an address");
    let began = Instant::now();
    assert_eq!(verifier.sender(ip, "x", &path("<a@b.example>")).await.result, AuthResult::TempError);
    assert_eq!(verifier.connected(ip).await.result, AuthResult::TempError);
    assert!(began.elapsed() < Duration::from_millis(390), "{:?}", began.elapsed());
}
