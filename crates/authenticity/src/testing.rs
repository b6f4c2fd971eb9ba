//! What the tests of this crate share with those of others: a name server on the loopback, scanners, and the
//! public suite.

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of other crates")]
#[path = "../../../tests/harness/dns.rs"]
pub(crate) mod dns;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of other crates")]
#[path = "../../../tests/harness/scanners.rs"]
pub(crate) mod scanners;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of other crates")]
#[path = "../../../tests/harness/spf_suite.rs"]
pub(crate) mod spf_suite;

use std::path::PathBuf;
use std::time::Duration;

use dns::{Dns, Zone};

use crate::{DnsSettings, Resolver};

/// A file of the corpora beside the repository, or where RESTANTE_CORPORA says; nothing, and a word about it, when
/// it is not there.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let path = std::env::var_os("RESTANTE_CORPORA").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("skipped: the corpus {name} is not here");
        return None;
    }
    Some(path)
}

/// A name server that knows `zone`.
pub(crate) fn server(zone: &str) -> Dns {
    Dns::start(Zone::parse(zone))
}

/// A resolver that asks it, once and not for long.
pub(crate) fn resolver(dns: &Dns) -> Resolver {
    let settings = DnsSettings {
        servers: vec![dns.address()],
        timeout: Duration::from_millis(500),
        attempts: 1,
        ..DnsSettings::default()
    };
    Resolver::new(&settings).expect("a resolver")
}
