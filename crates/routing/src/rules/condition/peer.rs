//! Who brings it: `ip`, `helo`, `reverse-dns`, `tls`, `listed`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::pattern::{Kind, Wanted, fold_domain, is_glob, regex_of};
use super::super::phase::Phase;
use super::super::source::{Reader, Value, did_you_mean};
use super::evidence::{Values, words};
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] = &["ip", "helo", "reverse-dns", "tls", "listed"];

#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// The client's address is in one of these networks.
    Ip(Vec<IpNet>),
    Text(Of, Wanted),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// What the client called itself.
    Helo,
    /// The name of its address, if that leads back to it.
    ReverseDns,
    /// Such as `TLS1.3`.
    Tls,
    /// The block lists that name its address.
    Listed,
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let test = match key {
        "ip" => Test::Ip(networks(key, value, reader)?),
        "helo" => Test::Text(Of::Helo, Wanted::Matches(reader.patterns(key, value, Kind::Domain)?)),
        "reverse-dns" => Test::Text(Of::ReverseDns, reader.wanted(key, value, Kind::Domain)?),
        "tls" => Test::Text(Of::Tls, reader.wanted(key, value, Kind::Text)?),
        _ => {
            let wanted = reader.wanted(key, value, Kind::Domain)?;
            check_zones(key, value, reader);
            Test::Text(Of::Listed, wanted)
        }
    };
    Some(super::Test::Peer(test))
}

fn networks(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    let expected = "expected a network such as \"192.0.2.0/24\"";
    let entries = reader.entries(key, value, expected);
    let mut found = Vec::with_capacity(entries.len());
    let all = entries.len();
    for (text, span) in entries {
        if let Ok(address) = text.parse::<IpAddr>() {
            found.push(address.into());
            continue;
        }
        match text.parse::<IpNet>() {
            Ok(network) if network.trunc() == network => found.push(network),
            Ok(network) => {
                let message = format!("`{key}`: `{text}` has bits behind its prefix");
                let hint = format!("did you mean \"{}\", or only \"{}\"?", network.trunc(), network.addr());
                reader.say(Diagnostic::error(span, message).label(expected).hint(hint));
            }
            Err(_) => {
                let message = format!("`{key}`: `{}` is no network", text.escape_debug());
                reader.say(Diagnostic::error(span, message).label(expected));
            }
        }
    }
    (all > 0 && found.len() == all).then_some(found)
}

/// A zone that nobody asks never names anybody.
fn check_zones(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) {
    let asked = reader.around.block_lists;
    if value.get_ref().is_bool() {
        if asked.is_empty() {
            let message = format!("`{key}`: no DNS block list is asked");
            reader.say(Diagnostic::warning(value.span(), message).hint("name some in restante.toml"));
        }
        return;
    }
    for (zone, span) in reader.entries(key, value, "expected the zone of a DNS block list") {
        let folded = fold_domain(&zone);
        let known = asked.iter().any(|asked| fold_domain(asked) == folded);
        if !known && regex_of(&zone).is_none() && !is_glob(&zone) {
            let message = format!("`{key}`: `{zone}` is no DNS block list that is asked");
            let hint = did_you_mean(&folded, asked.iter().map(String::as_str))
                .unwrap_or_else(|| "name it in restante.toml".into());
            reader.say(Diagnostic::error(span, message).hint(hint));
        }
    }
}

impl Test {
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(mine), Self::Ip(others)) => {
                others.iter().all(|other| mine.iter().any(|mine| mine.contains(other)))
            }
            (Self::Text(of, wanted), Self::Text(its, other)) => of == its && wanted.covers(other),
            (Self::Ip(_), Self::Text(..)) | (Self::Text(..), Self::Ip(_)) => false,
        }
    }
}

impl Of {
    fn values<'e>(self, mail: &'e Evidence<'_>) -> Values<'e> {
        match self {
            Self::Helo => mail.helo(),
            Self::ReverseDns => mail.reverse_dns(),
            Self::Tls => mail.tls(),
            Self::Listed => mail.listed(),
        }
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        match self {
            Self::Ip(_) | Self::Text(Of::ReverseDns | Of::Listed, _) => Phase::Connection,
            Self::Text(Of::Helo | Of::Tls, _) => Phase::Sender,
        }
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        match self {
            Self::Ip(networks) => {
                let ip = mail.facts.ip.map(|ip| ip.to_canonical());
                ip.is_some_and(|ip| networks.iter().any(|network| network.contains(&ip))).into()
            }
            Self::Text(of, wanted) => {
                of.values(mail).map_or_else(|answer| answer, |values| wanted.of(values).into())
            }
        }
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        match self {
            Self::Ip(_) => mail.facts.ip.map_or_else(|| "no address".into(), |ip| ip.to_string()),
            Self::Text(of, _) => words(&of.values(mail)),
        }
    }
}
