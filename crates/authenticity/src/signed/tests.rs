use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::{ArcResult, AuthResult, DkimResult};
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults, MessageAuthenticator, Parameters};

use super::{Keys, names, verify};
use crate::dns::{Budget, Resolver};
use crate::testing::dns::{Dns, Zone};
use crate::testing::{corpus, resolver, server};

const MAIL: &str =
    "From: A <a@b.example>\r\nTo: c@d.example\r\nSubject: one\r\n\r\nSome words.\r\nMore of them.\r\n";

/// A key of `s._domainkey.b.example`, and the zone in which it is found.
fn key() -> (Ed25519Key, String) {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().expect("a key")).expect("a key");
    let record =
        format!("s._domainkey.b.example TXT v=DKIM1; k=ed25519; p={}\n", STANDARD.encode(key.public_key()));
    (key, record)
}

fn signer(key: Ed25519Key) -> DkimSigner<Ed25519Key, mail_auth::dkim::Done> {
    DkimSigner::from_key(key).domain("b.example").selector("s").headers(["From", "To", "Subject"])
}

fn signed(signer: &DkimSigner<Ed25519Key, mail_auth::dkim::Done>, mail: &str) -> String {
    signer.sign(mail.as_bytes()).expect("a signature").to_header() + mail
}

async fn look(resolver: &Resolver, mail: &[u8]) -> (Vec<DkimResult>, ArcResult) {
    let keys = Keys::find(&Budget::new(resolver, 50), names::wanted(mail)).await;
    let signed = verify(&resolver.library(), mail, &keys);
    (signed.dkim, signed.arc)
}

/// The one result, and why.
async fn one(zone: &str, mail: &str) -> (AuthResult, String) {
    let dns = server(zone);
    let (found, _) = look(&resolver(&dns), mail.as_bytes()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].result, found[0].reason.clone().unwrap_or_default())
}

#[tokio::test]
async fn real_mail_of_others_passes() {
    let Some(folder) = corpus("mail-auth/resources/dkim") else { return };
    for (file, results) in [
        ("001.txt", vec![AuthResult::Pass, AuthResult::Pass]),
        ("002.txt", vec![AuthResult::Pass]),
        ("003.txt", vec![AuthResult::Pass, AuthResult::Pass]),
        ("004.txt", vec![AuthResult::Pass]),
        // It was valid for a day in 2022.
        ("005.txt", vec![AuthResult::Fail]),
        ("006.txt", vec![AuthResult::Pass]),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let (records, mail) = text.split_once("\n\n").expect("records and a mail");
        let dns = Dns::start(records.lines().fold(Zone::default(), |zone, line| {
            let (name, record) = line.split_once(' ').expect("a name and a record");
            zone.with(name, crate::testing::dns::text(record.as_bytes()))
        }));
        let mail = mail.replace('\n', "\r\n");
        let (found, arc) = look(&resolver(&dns), mail.as_bytes()).await;
        assert_eq!(found.iter().map(|one| one.result).collect::<Vec<_>>(), results, "{file}: {found:?}");
        assert!(found.iter().all(|one| one.signature.len() == 8 && !one.domain.is_empty()), "{file}");
        assert_eq!(arc.result, AuthResult::None);
        let altered = mail.trim_end().to_owned() + "!\r\n";
        let (found, _) = look(&resolver(&dns), altered.as_bytes()).await;
        assert!(found.iter().all(|one| one.result == AuthResult::Fail), "{file}: {found:?}");
    }
}

/// RFC 6376 §3.4.
#[tokio::test]
async fn what_the_way_may_change_is_no_change_and_everything_else_is() {
    let (key, zone) = key();
    let relaxed = signed(&signer(key), MAIL);
    assert_eq!(one(&zone, &relaxed).await.0, AuthResult::Pass);
    let folded = relaxed.replace("To: c@d", "TO:\r\n\t c@d").replace("Some words.\r\n", "Some  words. \r\n")
        + "\r\n\r\n";
    assert_eq!(one(&zone, &folded).await.0, AuthResult::Pass);
    for (was, is) in [("words", "word"), ("one", "two"), ("a@b.example>", "x@b.example>"), ("c@d", "e@d")] {
        let (result, reason) = one(&zone, &relaxed.replace(was, is)).await;
        assert_eq!(result, AuthResult::Fail, "{was}: {reason}");
    }
}

#[tokio::test]
async fn simple_signatures_bear_no_change() {
    let (key, zone) = key();
    let signer = signer(key)
        .header_canonicalization(Canonicalization::Simple)
        .body_canonicalization(Canonicalization::Simple);
    let simple = signed(&signer, MAIL);
    assert_eq!(one(&zone, &simple).await.0, AuthResult::Pass);
    assert_eq!(one(&zone, &(simple.clone() + "\r\n")).await.0, AuthResult::Pass);
    assert_eq!(one(&zone, &simple.replace("To: c", "To:  c")).await.0, AuthResult::Fail);
    assert_eq!(one(&zone, &simple.replace("Some words", "Some  words")).await.0, AuthResult::Fail);
}

/// RFC 6376 §8.2: what comes behind the signed part was written by anybody.
#[tokio::test]
async fn a_signature_over_a_part_of_the_body_is_right_and_not_good_enough() {
    let (key, zone) = key();
    let whole = signed(&signer(key).body_length(true), MAIL);
    assert_eq!(one(&zone, &whole).await.0, AuthResult::Pass);
    let (result, reason) = one(&zone, &(whole.clone() + "More, by another.\r\n")).await;
    assert_eq!((result, reason.starts_with("it covers the first")), (AuthResult::Policy, true), "{reason}");
    assert_eq!(one(&zone, &(whole.replace("words", "wordz") + "More.\r\n")).await.0, AuthResult::Fail);
}

/// RFC 6376 §3.5, §6.1.1; RFC 8301 §3.1; RFC 8601 §2.7.1.
#[tokio::test]
async fn a_signature_is_judged_by_what_it_says_of_itself() {
    let (key, zone) = key();
    let good = signed(&signer(key), MAIL);
    for (was, is, result, why) in [
        ("v=1;", "v=2;", AuthResult::Neutral, "version"),
        ("v=1;", "", AuthResult::Neutral, "version"),
        ("a=ed25519-sha256", "a=rot13", AuthResult::Neutral, "algorithm"),
        ("a=ed25519-sha256", "a=rsa-sha1", AuthResult::Policy, "rsa-sha1"),
        ("v=1;", "v=1; x=1;", AuthResult::Fail, "expired"),
        ("v=1;", "v=1; i=a@evil.example;", AuthResult::PermError, "another domain"),
        ("v=1;", "v=1; i=a@xb.example;", AuthResult::PermError, "another domain"),
        ("d=b.example", "d=b..example", AuthResult::PermError, "no name of a key"),
        ("s=s;", "s=other;", AuthResult::PermError, "there is no key"),
        ("h=Subject:To:From", "h=Subject:To", AuthResult::PermError, "From field is not signed"),
    ] {
        let altered = good.replacen(was, is, 1);
        assert_ne!(altered, good, "{was}");
        let (found, reason) = one(&zone, &altered).await;
        assert_eq!((found, reason.contains(why)), (result, true), "{is}: {found:?} {reason}");
    }
    let below = good.replacen("v=1;", "v=1; i=a@x.b.example;", 1);
    // What was added was not signed: it gets as far as that.
    assert_eq!(one(&zone, &below).await.0, AuthResult::Fail);
}

/// An RSA public key of so many bits, as a record has it.
fn rsa(bits: usize) -> String {
    let length = |octets: usize| match u8::try_from(octets) {
        Ok(short) if short < 128 => vec![short],
        Ok(short) => vec![0x81, short],
        Err(_) => [vec![0x82], u16::try_from(octets).expect("small").to_be_bytes().to_vec()].concat(),
    };
    let number = |octets: &[u8]| [vec![2], length(octets.len()), octets.to_vec()].concat();
    let modulus = [vec![0], vec![0xc5; bits / 8]].concat();
    let key = [number(&modulus), number(&[1, 0, 1])].concat();
    STANDARD.encode([vec![0x30], length(key.len()), key].concat())
}

/// RFC 8301 §3.2.
#[tokio::test]
async fn keys_that_are_too_short_or_too_long_are_not_tried() {
    let (key, _) = key();
    let mail = signed(&signer(key), MAIL).replacen("a=ed25519-sha256", "a=rsa-sha256", 1);
    for (bits, result) in [
        (512, AuthResult::Policy),
        (1016, AuthResult::Policy),
        (1024, AuthResult::Fail),
        (4096, AuthResult::Fail),
        (8192, AuthResult::Policy),
    ] {
        let zone = format!("s._domainkey.b.example TXT v=DKIM1; p={}", rsa(bits));
        let (found, reason) = one(&zone, &mail).await;
        assert_eq!(found, result, "{bits}: {reason}");
        assert!(found != AuthResult::Policy || reason == format!("a key of {bits} bits"), "{reason}");
    }
}

/// RFC 6376 §3.6.2.2.
#[tokio::test]
async fn no_key_is_told_from_no_answer() {
    let (key, zone) = key();
    let mail = signed(&signer(key), MAIL);
    let name = "s._domainkey.b.example";
    for (zone, result, why) in [
        (String::new(), AuthResult::PermError, "there is no key"),
        (format!("{name} A 192.0.2.1"), AuthResult::PermError, "there is no key"),
        (format!("{name} TXT v=DKIM1; p="), AuthResult::PermError, "revoked"),
        (format!("{name} TXT v=DKIM1; k=rsa; p=AAAA"), AuthResult::Policy, "bits"),
        (format!("{name} TXT some words"), AuthResult::PermError, ""),
        (format!("{name} TXT v=DKIM1; k=dsa; p=AAAA"), AuthResult::PermError, ""),
        (format!("{name} SERVFAIL"), AuthResult::TempError, "failed"),
        (format!("{name} SILENT"), AuthResult::TempError, "in time"),
        (format!("{name} TXT some words\n{zone}"), AuthResult::Pass, ""),
    ] {
        let (found, reason) = one(&zone, &mail).await;
        assert_eq!((found, reason.contains(why)), (result, true), "{zone}: {found:?} {reason}");
    }
}

/// RFC 6376 §6.1.1.
#[tokio::test]
async fn the_first_ten_signatures_are_looked_at_however_many_there_are() {
    let (key, zone) = key();
    let good = signed(&signer(key), MAIL);
    let junk = |n: usize| {
        let line = |n| {
            format!(
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=e{n}.example; s=s; h=from; \
                 bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
            )
        };
        (0..n).map(line).collect::<String>()
    };
    let dns = server(&zone);
    let resolver = resolver(&dns);
    let (found, _) = look(&resolver, format!("{}{good}", junk(9)).as_bytes()).await;
    assert_eq!((found.len(), found[9].result), (10, AuthResult::Pass));
    let (found, _) = look(&resolver, format!("{}{good}", junk(10)).as_bytes()).await;
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|one| one.result == AuthResult::PermError), "{found:?}");
    dns.set(Zone::default());
    let many = junk(10_000) + MAIL;
    let began = Instant::now();
    let (found, _) = look(&resolver, many.as_bytes()).await;
    assert_eq!(found.len(), 10);
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    assert!(dns.asked().len() <= 20, "{}", dns.asked().len());
}

/// One silent server takes nothing from the others' signatures.
#[tokio::test]
async fn a_key_that_does_not_come_leaves_the_others_alone() {
    let (key, zone) = key();
    let good = signed(&signer(key), MAIL);
    let other = good.replacen("s=s;", "s=silent;", 1).replace(MAIL, "");
    let dns = server(&format!("{zone}silent._domainkey.b.example SILENT"));
    let resolver = resolver(&dns);
    let mail = format!("{other}{good}");
    let began = Instant::now();
    let budget = Budget::new(&resolver, 50).waiting(std::time::Duration::from_millis(200));
    let keys = Keys::find(&budget, names::wanted(mail.as_bytes())).await;
    assert!(began.elapsed().as_millis() < 450, "{:?}", began.elapsed());
    let found = verify(&resolver.library(), mail.as_bytes(), &keys).dkim;
    let results: Vec<_> = found.iter().map(|one| one.result).collect();
    assert_eq!(results, [AuthResult::TempError, AuthResult::Pass]);
}

#[tokio::test]
async fn a_list_of_names_without_end_and_hashes_without_end_cost_nothing() {
    let names: String = (0..30_000).map(|n| format!(":{n:x}")).collect();
    let list = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=e.example; s=s; \
         bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; h=from{names}\r\n{MAIL}"
    );
    let began = Instant::now();
    assert_eq!(one("", &list).await.0, AuthResult::Policy);
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());

    let (key, zone) = key();
    let good = signed(&signer(key), MAIL);
    let lengths: String =
        (1..10).map(|n| good.replacen("v=1;", &format!("v=1; l={n};"), 1).replace(MAIL, "")).collect();
    let dns = server(&zone);
    let (found, _) = look(&resolver(&dns), (lengths + MAIL).as_bytes()).await;
    let refused =
        found.iter().filter(|one| one.reason.as_deref() == Some("too many ways to hash the body")).count();
    assert_eq!((found.len(), refused), (9, 5));
}

/// A message that `times` hosts passed on.
async fn passed_on(resolver: &Resolver, pkcs8: &[u8], times: usize) -> String {
    let mut mail = MAIL.to_owned();
    for _ in 0..times {
        let key = Ed25519Key::from_pkcs8_der(pkcs8).expect("a key");
        let keys = Keys::find(&Budget::new(resolver, 50), names::wanted(mail.as_bytes())).await;
        let library: MessageAuthenticator = resolver.library();
        let parsed = AuthenticatedMessage::parse(mail.as_bytes()).expect("a mail");
        let output: ArcOutput<'_> = library.verify_arc(Parameters::new(&parsed).with_txt_cache(&keys)).await;
        let results = AuthenticationResults::new("list.example");
        let sealer = ArcSealer::from_key(key).domain("b.example").selector("s").headers(["From", "Subject"]);
        let set = sealer.seal(&parsed, &results, &output).expect("a link");
        mail = set.to_header() + &mail;
    }
    mail
}

/// RFC 8617 §5.2.
#[tokio::test]
async fn a_chain_holds_as_long_as_nobody_touches_it() {
    let pkcs8 = Ed25519Key::generate_pkcs8().expect("a key");
    let public = Ed25519Key::from_pkcs8_der(&pkcs8).expect("a key").public_key();
    let dns =
        server(&format!("s._domainkey.b.example TXT v=DKIM1; k=ed25519; p={}", STANDARD.encode(public)));
    let resolver = resolver(&dns);
    let result = async |mail: &str| look(&resolver, mail.as_bytes()).await.1;
    assert_eq!(result(MAIL).await, ArcResult { result: AuthResult::None, sealer: None });
    for links in [1, 3] {
        let mail = passed_on(&resolver, &pkcs8, links).await;
        let good = result(&mail).await;
        assert_eq!(good, ArcResult { result: AuthResult::Pass, sealer: Some("b.example".into()) }, "{links}");
        for (was, is) in [
            ("Some words", "Other words"),
            ("cv=none", "cv=pass"),
            ("list.example", "evil.example"),
            ("i=1", "i=2"),
        ] {
            assert_eq!(result(&mail.replacen(was, is, 1)).await.result, AuthResult::Fail, "{links}: {was}");
        }
        let without = mail.split_once("\r\nARC-").map(|(_, rest)| format!("ARC-{rest}")).expect("a chain");
        assert_eq!(result(&without).await.result, AuthResult::Fail, "{links}");
    }
    let long = passed_on(&resolver, &pkcs8, 11).await;
    assert_eq!(result(&long).await.result, AuthResult::Fail);
    assert_eq!(result(&format!("ARC-Seal: i=1; x\r\n{MAIL}")).await.result, AuthResult::Fail);
    let mail = passed_on(&resolver, &pkcs8, 1).await;
    dns.set(Zone::parse("s._domainkey.b.example SERVFAIL"));
    let fresh = crate::testing::resolver(&dns);
    assert_eq!(look(&fresh, mail.as_bytes()).await.1.result, AuthResult::TempError);
}

proptest::proptest! {
    #[test]
    fn random_octets_are_verified_without_a_panic(
        name in "DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|From",
        value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        tags in "((v|a|d|s|b|bh|h|c|l|x|i|q|t|cv|z)=[a-zA-Z0-9/:.@=+-]{0,12}; ?){0,12}",
    ) {
        let nobody = nobody();
        let fields = [[name.as_bytes(), b":", &value, b"\r\n\r\nx"].concat(), format!("{name}: {tags}\r\n\r\nx").into_bytes()];
        for mail in fields {
            let _ = names::wanted(&mail);
            let _ = verify(nobody, &mail, &Keys::default());
            let _ = crate::authors(&mail);
        }
    }
}

/// The library, with a resolver that can ask nobody.
fn nobody() -> &'static MessageAuthenticator {
    static NOBODY: std::sync::OnceLock<(tokio::runtime::Runtime, MessageAuthenticator)> =
        std::sync::OnceLock::new();
    let made = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let servers = vec![([127, 0, 0, 1], 9).into()];
        let settings = crate::DnsSettings { servers, ..crate::DnsSettings::default() };
        let library = runtime.block_on(async { Resolver::new(&settings).expect("a resolver").library() });
        (runtime, library)
    };
    &NOBODY.get_or_init(made).1
}
