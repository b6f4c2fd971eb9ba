use std::time::{Duration, Instant};

use super::{Answer, DnsFault};
use crate::testing::dns::{Dns, Mood, Zone, text};
use crate::testing::{resolver, server};

const ZONE: &str = "b.example A 192.0.2.1
b.example A 192.0.2.2
b.example AAAA 2001:db8::1
b.example TXT one two
B.example TXT three
b.example MX 20 Second.example
b.example MX 10 first.example
x.deep.example A 192.0.2.3
alias.example CNAME b.example
1.2.0.192.in-addr.arpa PTR B.Example
broken.example SERVFAIL
silent.example SILENT
garbage.example GARBAGE";

#[tokio::test]
async fn what_is_there_is_told_from_what_is_not_and_from_what_nobody_knows() {
    let dns = server(ZONE);
    let resolver = resolver(&dns);
    let address = |text: &str| text.parse().expect("an address");
    let both = Answer::Found(vec![address("192.0.2.1"), address("192.0.2.2")]);
    assert_eq!(resolver.a("B.Example.").await, Ok(both.clone()));
    assert_eq!(resolver.a("alias.example").await, Ok(both));
    assert_eq!(resolver.aaaa("b.example").await.map(|found| found.found().len()), Ok(1));
    let texts = [b"one two".to_vec(), b"three".to_vec()];
    assert_eq!(resolver.txt("b.example").await, Ok(Answer::Found(texts.to_vec())));
    let mx = ["first.example", "second.example"].map(str::to_owned);
    assert_eq!(resolver.mx("b.example").await, Ok(Answer::Found(mx.to_vec())));
    let ptr = resolver.ptr("192.0.2.1".parse().expect("an address")).await;
    assert_eq!(ptr, Ok(Answer::Found(vec!["b.example".to_owned()])));

    assert_eq!(resolver.aaaa("alias.example").await.map(|found| found.found().len()), Ok(1));
    assert_eq!(resolver.a("deep.example").await, Ok(Answer::NoData));
    assert_eq!(resolver.txt("x.deep.example").await, Ok(Answer::NoData));
    assert_eq!(resolver.a("nowhere.example").await, Ok(Answer::NoName));
    assert_eq!(resolver.a("a..b").await, Ok(Answer::NoName));
    assert!(matches!(resolver.a("broken.example").await, Err(DnsFault::Failed(_))));
    assert_eq!(resolver.a("silent.example").await, Err(DnsFault::Timeout));
    assert!(resolver.a("garbage.example").await.is_err());
    assert_eq!(resolver.leads_to("b.example", "2001:db8::1".parse().expect("an address")).await, Ok(true));
    assert_eq!(resolver.leads_to("b.example", "192.0.2.3".parse().expect("an address")).await, Ok(false));
}

#[tokio::test]
async fn answers_are_kept_and_faults_are_not() {
    let dns = server(ZONE);
    let resolver = resolver(&dns);
    for _ in 0..3 {
        let _ = resolver.a("b.example").await;
        let _ = resolver.a("nowhere.example").await;
        let _ = resolver.a("broken.example").await;
    }
    let asked = |name: &str| dns.asked().iter().filter(|(asked, _)| asked == name).count();
    assert_eq!((asked("b.example"), asked("nowhere.example")), (1, 1));
    assert!(asked("broken.example") >= 3);
    dns.set(Zone::parse("broken.example A 192.0.2.7"));
    assert_eq!(resolver.a("broken.example").await.map(|found| found.found().len()), Ok(1));
}

#[tokio::test]
async fn an_answer_that_is_too_much_is_none() {
    let zone = (0..200)
        .fold(Zone::default(), |zone, n| zone.with("b.example", text(format!("{n:0100}").as_bytes())));
    let dns = Dns::start(zone);
    assert!(matches!(resolver(&dns).txt("b.example").await, Err(DnsFault::Failed(_)) | Ok(Answer::Found(_))));
    let found = resolver(&dns).txt("b.example").await.map(Answer::into_found).unwrap_or_default();
    assert!(found.len() <= 64);
}

/// A silent server keeps nobody from asking another question.
#[tokio::test]
async fn questions_that_wait_hold_up_no_others() {
    let zone = Zone::parse("b.example A 192.0.2.1");
    let dns =
        Dns::start((0..100).fold(zone, |zone, n| zone.in_mood(&format!("s{n}.example"), None, Mood::Silent)));
    let resolver = resolver(&dns);
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.a(&format!("s{n}.example")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    assert!(matches!(resolver.a("b.example").await, Ok(Answer::Found(_))));
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    for one in waiting {
        assert!(one.await.expect("no panic").is_err());
    }
}
