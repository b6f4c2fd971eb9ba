//! The public test suite, and what it does not ask.

use std::net::IpAddr;

use mail::AuthResult;

use super::{Identity, judge};
use crate::dns::Budget;
use crate::testing::dns::{Dns, Mood, Zone};
use crate::testing::spf_suite::{Case, read};
use crate::testing::{corpus, resolver, server};

async fn ask(dns: &Dns, case: &Case, questions: usize) -> (AuthResult, Option<String>) {
    let (local, domain) = match case.mail_from.rsplit_once('@') {
        Some(("", domain)) => ("postmaster", domain),
        Some(parts) => parts,
        None => ("postmaster", case.helo.as_str()),
    };
    let ip = case.host.parse::<IpAddr>().expect("an address").to_canonical();
    let budget = Budget::new(&resolver(dns), questions);
    judge(&budget, Identity { ip, helo: &case.helo, local, domain }).await
}

fn case(host: &str, mail_from: &str) -> Case {
    Case {
        name: String::new(),
        helo: "helo.test".into(),
        host: host.into(),
        mail_from: mail_from.into(),
        results: Vec::new(),
    }
}

/// RFC 7208 §4, §4.4, §4.5, §4.6, §4.6.4, §5, §5.3, §5.4, §5.5, §6, §7.1, §7.2, §7.3: every requirement that its authors
/// tested.
#[tokio::test]
async fn the_public_suite_comes_out_as_it_should() {
    let Some(path) = corpus("spf/test/rfc7208-tests.yml") else { return };
    let (asked, wrong) = all(&path).await;
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(asked, 203);
}

#[tokio::test]
async fn the_suite_of_the_standard_before_comes_out_as_it_should() {
    let Some(path) = corpus("spf/test/rfc4408-tests.yml") else { return };
    let (asked, wrong) = all(&path).await;
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(asked, 191);
}

/// How many cases a suite has, and what comes out wrong.
async fn all(path: &std::path::Path) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    for scenario in read(path) {
        let dns = Dns::start(scenario.zone);
        for case in &scenario.cases {
            let (result, why) = ask(&dns, case, 50).await;
            asked += 1;
            if !case.results.iter().any(|right| right == result.as_str()) {
                let result = result.as_str();
                wrong.push(format!(
                    "{}: {}: {result} ({why:?}), not {:?}",
                    scenario.name, case.name, case.results
                ));
            }
        }
    }
    (asked, wrong)
}

/// RFC 7208 §4.6.4.
#[tokio::test]
async fn two_lookups_may_find_nothing_and_no_more() {
    let terms = |n: usize| (0..n).map(|n| format!(" a:n{n}.b.example")).collect::<String>();
    let dns = server(&format!(
        "two.example TXT v=spf1{} ~all\nthree.example TXT v=spf1{} ~all\nexist.example TXT v=spf1 \
         exists:x.b.example mx:y.b.example exists:z.b.example ~all",
        terms(2),
        terms(3)
    ));
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@two.example"), 50).await.0, AuthResult::SoftFail);
    let (result, why) = ask(&dns, &case("192.0.2.1", "a@three.example"), 50).await;
    assert_eq!((result, why.as_deref()), (AuthResult::PermError, Some("too many lookups that find nothing")));
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@exist.example"), 50).await.0, AuthResult::PermError);
}

#[tokio::test]
async fn no_record_makes_us_ask_more_than_we_want() {
    let hosts =
        |n: usize| (0..10).map(|k| format!("m{n}.example MX {k} h{n}-{k}.example\n")).collect::<String>();
    let addresses = |n: usize| (0..10).map(|k| format!("h{n}-{k}.example A 192.0.2.9\n")).collect::<String>();
    let zone: String = (0..10).map(|n| hosts(n) + &addresses(n)).collect();
    let terms: String = (0..10).map(|n| format!(" mx:m{n}.example")).collect();
    let dns = server(&format!("{zone}many.example TXT v=spf1{terms} -all"));
    let (result, why) = ask(&dns, &case("192.0.2.1", "a@many.example"), 50).await;
    assert_eq!((result, why.as_deref()), (AuthResult::PermError, Some("too many DNS lookups")));
    assert!(dns.asked().len() <= 50, "{}", dns.asked().len());
}

/// RFC 7208 §2.6.6: nobody could tell, which is no answer about the sender.
#[tokio::test]
async fn servers_that_fail_are_a_temporary_error() {
    for mood in [Mood::Fails, Mood::Silent, Mood::Garbage] {
        let dns = Dns::start(Zone::default().all_in_mood(mood));
        let began = std::time::Instant::now();
        assert_eq!(
            ask(&dns, &case("192.0.2.1", "a@b.example"), 50).await.0,
            AuthResult::TempError,
            "{mood:?}"
        );
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{mood:?}");
    }
}

#[tokio::test]
async fn long_records_come_whole_by_tcp_and_too_long_ones_are_none() {
    let list = |n: usize| (0..n).map(|n| format!(" ip4:10.0.{}.{}", n / 256, n % 256)).collect::<String>();
    let record =
        |n: usize| crate::testing::dns::text(format!("v=spf1{} ip4:192.0.2.1 -all", list(n)).as_bytes());
    let dns =
        Dns::start(Zone::default().with("long.example", record(200)).with("longer.example", record(300)));
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@long.example"), 50).await.0, AuthResult::Pass);
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@longer.example"), 50).await.0, AuthResult::PermError);
}

#[tokio::test]
async fn names_that_lead_to_names_are_followed_so_far() {
    let chain = |n: usize| {
        (0..n).map(|k| format!("c{n}-{k}.example CNAME c{n}-{}.example\n", k + 1)).collect::<String>()
    };
    let dns = server(&format!(
        "{}c3-3.example A 192.0.2.1\n{}c12-12.example A 192.0.2.1\n\
         short.example TXT v=spf1 a:c3-0.example -all\nlong.example TXT v=spf1 a:c12-0.example -all",
        chain(3),
        chain(12)
    ));
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@short.example"), 50).await.0, AuthResult::Pass);
    assert_eq!(ask(&dns, &case("192.0.2.1", "a@long.example"), 50).await.0, AuthResult::TempError);
}
