//! DNS block lists: whether a list names a client's address (RFC 5782).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mail::Known;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::Resolver;
use crate::dns::reverse;

/// Lists that are asked.
const LISTS: usize = 16;
/// How long all of them have together.
const PATIENCE: Duration = Duration::from_secs(5);

/// Block lists, all asked at once. A list that cannot tell names nobody, and is told of.
#[derive(Debug, Clone)]
pub struct Dnsbl {
    resolver: Resolver,
    lists: Vec<String>,
    patience: Duration,
    loopback: bool,
}

/// What block lists say of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listings {
    /// The lists that name it, in their order.
    pub listed: Vec<Listing>,
    /// Lists that could not tell, and why, for the log.
    pub failed: Vec<(String, String)>,
}

/// One list that names an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The list's own domain.
    pub list: String,
    /// What it says about it.
    pub text: Option<String>,
}

impl Listings {
    /// As rules see it: the names of the lists.
    pub fn known(&self) -> Known<Vec<String>> {
        Known::Is(self.listed.iter().map(|listing| listing.list.clone()).collect())
    }
}

impl Dnsbl {
    /// Lists by their domains, `zen.spamhaus.org` and such; the first sixteen of them.
    pub fn new(resolver: Resolver, lists: &[String]) -> Self {
        let lists =
            lists.iter().take(LISTS).map(|list| list.trim_end_matches('.').to_ascii_lowercase()).collect();
        Self { resolver, lists, patience: PATIENCE, loopback: false }
    }

    /// The same, which asks about addresses of the loopback too: every list has 127.0.0.2, to be tried with, and none
    /// has 127.0.0.1 (RFC 5782 §5).
    #[must_use]
    pub fn with_loopback(self, loopback: bool) -> Self {
        Self { loopback, ..self }
    }

    /// Asks all lists about an address. One that no list can know, such as that of a private network, is not
    /// asked about.
    pub async fn look_up(&self, address: IpAddr) -> Listings {
        let address = address.to_canonical();
        if !(is_public(address) || (self.loopback && address.is_loopback())) {
            return Listings::default();
        }
        let until = Instant::now() + self.patience;
        let mut asking = JoinSet::new();
        for (place, list) in self.lists.iter().enumerate() {
            let (resolver, name) = (self.resolver.clone(), question(address, list));
            asking.spawn(async move {
                let answer = timeout_at(until, ask(&resolver, &name, until)).await;
                (place, answer.unwrap_or_else(|_| Err("no answer in time".into())))
            });
        }
        let mut answers: Vec<Option<Result<Said, String>>> = vec![None; self.lists.len()];
        while let Some(joined) = asking.join_next().await {
            // A task of ours neither panics nor is it aborted; if it were, it could not tell.
            if let Ok((place, answer)) = joined {
                answers[place] = Some(answer);
            }
        }
        let mut listings = Listings::default();
        for (list, answer) in self.lists.iter().zip(answers) {
            match answer.unwrap_or_else(|| Err("it was not asked".into())) {
                Ok(Said::Nothing) => {}
                Ok(Said::Listed(text)) => listings.listed.push(Listing { list: list.clone(), text }),
                Err(why) => listings.failed.push((list.clone(), why)),
            }
        }
        listings
    }
}

#[derive(Debug, Clone)]
enum Said {
    Nothing,
    Listed(Option<String>),
}

async fn ask(resolver: &Resolver, name: &str, until: Instant) -> Result<Said, String> {
    let answer = resolver.a(name).await.map_err(|fault| fault.to_string())?;
    let addresses = answer.found();
    if let Some(error) = addresses.iter().find(|address| !is_listing(**address)) {
        return Err(format!("{error} is no listing"));
    }
    if addresses.is_empty() {
        return Ok(Said::Nothing);
    }
    // What it says about it is a help, not an answer.
    let text = timeout_at(until, resolver.txt(name)).await.ok().and_then(Result::ok);
    let text = text.and_then(|texts| texts.into_found().into_iter().next());
    Ok(Said::Listed(text.map(|text| mail::shown(String::from_utf8_lossy(&text)))))
}

/// RFC 5782 §2.1 and §2.4.
fn question(address: IpAddr, list: &str) -> String {
    let reverse = reverse(address);
    let labels = reverse.trim_end_matches("in-addr.arpa").trim_end_matches("ip6.arpa");
    format!("{labels}{list}")
}

/// Lists answer from 127/8. 127.0.0.1 is what hijacked names lead to, and 127.255.255/24 is how lists say that they
/// do not answer this resolver.
fn is_listing(address: Ipv4Addr) -> bool {
    address.is_loopback() && address != Ipv4Addr::LOCALHOST && !address.octets().starts_with(&[127, 255, 255])
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local() || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dns::{Dns, Mood, Zone};
    use crate::testing::{resolver, server};

    const ZONE: &str = "9.2.0.192.one.test A 127.0.0.2
9.2.0.192.one.test TXT listed for a test
9.2.0.192.two.test A 127.0.0.4
9.2.0.192.two.test A 127.0.0.11
8.2.0.192.one.test A 127.255.255.254
8.2.0.192.two.test A 192.0.2.1
7.2.0.192.one.test A 127.0.0.1
7.2.0.192.two.test SERVFAIL
6.2.0.192.one.test A 127.0.0.2
6.2.0.192.one.test A 127.255.255.255
6.2.0.192.two.test GARBAGE
1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.one.test A 127.0.0.3";

    fn lists(dns: &Dns) -> Dnsbl {
        Dnsbl::new(resolver(dns), &["One.test.".into(), "two.test".into()])
    }

    async fn listed(dnsbl: &Dnsbl, address: &str) -> (Vec<String>, usize) {
        let listings = dnsbl.look_up(address.parse().expect("an address")).await;
        let Known::Is(names) = listings.known() else { panic!("it fails open") };
        (names, listings.failed.len())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn addresses_that_a_list_names_are_listed() {
        let dns = server(ZONE);
        let dnsbl = lists(&dns);
        assert_eq!(listed(&dnsbl, "192.0.2.9").await, (names(&["one.test", "two.test"]), 0));
        assert_eq!(listed(&dnsbl, "::ffff:192.0.2.9").await, (names(&["one.test", "two.test"]), 0));
        assert_eq!(listed(&dnsbl, "2001:db8::cb01").await, (names(&["one.test"]), 0));
        assert_eq!(listed(&dnsbl, "192.0.2.10").await, (vec![], 0));
        let listing = dnsbl.look_up("192.0.2.9".parse().expect("an address")).await.listed;
        assert_eq!(listing[0].text.as_deref(), Some("listed for a test"));
        assert_eq!(listing[1].text, None);
    }

    #[tokio::test]
    async fn errors_are_no_listings() {
        let dns = server(ZONE);
        let dnsbl = lists(&dns);
        for address in ["192.0.2.8", "192.0.2.7", "192.0.2.6"] {
            assert_eq!(listed(&dnsbl, address).await, (vec![], 2), "{address}");
        }
    }

    #[tokio::test]
    async fn what_no_list_can_know_is_asked_of_none() {
        let dns = server(ZONE);
        for address in ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", "fd00::1", "::ffff:192.168.0.1", "0.0.0.0"]
        {
            assert_eq!(listed(&lists(&dns), address).await, (vec![], 0));
        }
        assert_eq!(dns.asked(), []);
    }

    /// RFC 5782 §5.
    #[tokio::test]
    async fn the_address_that_lists_have_to_be_tried_with_is_asked_about_when_told_to() {
        let dns = server("2.0.0.127.one.test A 127.0.0.2");
        let dnsbl = lists(&dns).with_loopback(true);
        assert_eq!(listed(&dnsbl, "127.0.0.2").await, (names(&["one.test"]), 0));
        assert_eq!(listed(&dnsbl, "127.0.0.1").await, (vec![], 0));
        assert_eq!(listed(&lists(&dns), "127.0.0.2").await, (vec![], 0));
        assert_eq!(listed(&dnsbl, "10.0.0.2").await, (vec![], 0));
        assert_eq!(dns.asked().iter().filter(|(name, _)| name.starts_with("2.0.0.10.")).count(), 0);
    }

    #[tokio::test]
    async fn lists_that_say_nothing_hold_nobody_up() {
        let silent = Dns::start(Zone::parse(ZONE).all_in_mood(Mood::Silent));
        let mut dnsbl = lists(&silent);
        dnsbl.patience = Duration::from_millis(300);
        let started = std::time::Instant::now();
        assert_eq!(listed(&dnsbl, "192.0.2.9").await, (vec![], 2));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    #[test]
    fn so_many_lists_are_asked_and_no_more() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _in = runtime.enter();
        let dns = server("");
        let many: Vec<String> = (0..100).map(|number| format!("{number}.test")).collect();
        assert_eq!(Dnsbl::new(resolver(&dns), &many).lists.len(), LISTS);
    }
}
