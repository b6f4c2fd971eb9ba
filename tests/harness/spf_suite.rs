//! The public test suite of SPF: scenarios, each with the zone of a fake name server and cases with their results.
//! It knows nothing of the crates that it is held against.

use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use super::dns::{Data, Mood, Zone, text};

/// Type 99, which nobody asks for any more (RFC 7208 §3.1).
const SPF: u16 = 99;

/// One zone and what is found out with it.
#[derive(Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// What the name server knows.
    pub zone: Zone,
    /// What is asked.
    pub cases: Vec<Case>,
}

/// One client and sender.
#[derive(Debug)]
pub struct Case {
    /// Its name in the suite.
    pub name: String,
    /// What the client calls itself.
    pub helo: String,
    /// Its address.
    pub host: String,
    /// The sender; empty for the null reverse-path.
    pub mail_from: String,
    /// The results that are right.
    pub results: Vec<String>,
}

/// Reads a file of the suite.
///
/// # Panics
///
/// When it is none.
#[must_use]
pub fn read(path: &Path) -> Vec<Scenario> {
    let text = std::fs::read_to_string(path).expect("the suite can be read");
    let documents = YamlLoader::load_from_str(&text).expect("the suite is YAML");
    documents.iter().filter(|document| !document["tests"].is_badvalue()).map(scenario).collect()
}

fn scenario(document: &Yaml) -> Scenario {
    let tests = document["tests"].as_hash().expect("tests");
    let cases = tests.iter().map(|(name, test)| {
        let results = match &test["result"] {
            Yaml::Array(several) => several.iter().map(plain).collect(),
            one => vec![plain(one)],
        };
        Case {
            name: plain(name),
            helo: plain(&test["helo"]),
            host: plain(&test["host"]),
            mail_from: plain(&test["mailfrom"]),
            results,
        }
    });
    let zone = document["zonedata"].as_hash().expect("zone data");
    Scenario {
        name: plain(&document["description"]),
        zone: zone.iter().fold(Zone::default(), |zone, (name, entries)| with(zone, &plain(name), entries)),
        cases: cases.collect(),
    }
}

fn plain(value: &Yaml) -> String {
    match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Null => String::new(),
        other => panic!("{other:?} is no text"),
    }
}

/// An octet for each character, as the suite means them.
fn octets(value: &Yaml) -> Vec<u8> {
    plain(value).chars().map(|c| u8::try_from(u32::from(c)).expect("an octet")).collect()
}

fn with(mut zone: Zone, name: &str, entries: &Yaml) -> Zone {
    let entries = entries.as_vec().expect("records");
    let typed: Vec<(String, &Yaml)> = entries
        .iter()
        .filter_map(Yaml::as_hash)
        .flat_map(|entry| entry.iter().map(|(kind, value)| (plain(kind), value)))
        .collect();
    if entries.iter().any(|entry| entry.as_str() == Some("TIMEOUT")) {
        zone = zone.in_mood(name, None, Mood::Fails);
    }
    // A record of the old type stands for one of each, unless the name has texts of its own.
    let has_texts = typed.iter().any(|(kind, _)| kind == "TXT");
    for (kind, value) in typed {
        let data = match kind.as_str() {
            "A" => vec![Data::A(plain(value).parse().expect("an address"))],
            "AAAA" => vec![Data::Aaaa(plain(value).parse().expect("an address"))],
            "PTR" => vec![Data::Ptr(plain(value))],
            "CNAME" => vec![Data::Cname(plain(value))],
            "MX" => {
                let preference = value[0].as_i64().expect("a preference");
                vec![Data::Mx(u16::try_from(preference).expect("a preference"), plain(&value[1]))]
            }
            "TXT" if value.as_str() == Some("NONE") => Vec::new(),
            "TXT" => vec![strings(value)],
            "SPF" if has_texts => vec![Data::Other(SPF, Vec::new())],
            "SPF" if value.as_str() == Some("TIMEOUT") => Vec::new(),
            "SPF" => vec![Data::Other(SPF, Vec::new()), strings(value)],
            other => panic!("{other} is no type of the suite"),
        };
        for data in data {
            zone = zone.in_mood(name, Some(data.kind()), Mood::Honest).with(name, data);
        }
    }
    zone
}

fn strings(value: &Yaml) -> Data {
    match value {
        // A record without any string is none that DNS has room for.
        Yaml::Array(several) if several.is_empty() => text(b" "),
        Yaml::Array(several) => Data::Txt(several.iter().map(octets).collect()),
        one => text(&octets(one)),
    }
}
