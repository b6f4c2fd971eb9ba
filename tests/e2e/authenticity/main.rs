//! Who mail is from, asked of a name server on the loopback and told in the Authentication-Results of each copy.

mod judged;
mod lists;
mod suite;

use restante_tests::dns::{Dns, Zone};
use restante_tests::{Appliance, Setup};

/// An appliance that asks `dns`, and judges mail from this machine like a stranger's.
fn appliance(dns: &Dns) -> Appliance {
    judging(dns, Setup::default())
}

fn judging(dns: &Dns, setup: Setup) -> Appliance {
    let tables = format!(
        "[authenticity]\nloopback = true\nresolvers = [\"{}\"]\nquestion-timeout = \"1 s\"\nspf-timeout = \"2 s\"\n\
         message-timeout = \"3 s\"\n",
        dns.address()
    );
    Appliance::with(Setup { tables, ..setup })
}

fn server(zone: &str) -> Dns {
    Dns::start(Zone::parse(zone))
}

/// The value of our own results field of a copy, on one line.
fn results(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let header = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n\t", " ");
    let own: Vec<&str> = header
        .lines()
        .filter_map(|line| line.strip_prefix("Authentication-Results: mx.example.test; "))
        .collect();
    assert_eq!(own.len(), 1, "one field of ours in:\n{header}");
    own[0].to_owned()
}
