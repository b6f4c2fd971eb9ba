//! The directory as configuration and the servers see it.

mod faults;
mod pickups;
mod precedence;
mod properties;
mod recipients;
mod teams;

use directory::{Alias, Directory, DomainSpec, MailboxSpec, Refuse, Resolution, Spec, Table, VerifierParams};
use mail::ForwardPath;

/// Two domains with one other name each, and the separator of the default configuration.
fn spec() -> Spec {
    let domain = |name: &str, alias: &str, postmaster: &str| DomainSpec {
        name: name.into(),
        aliases: vec![alias.into()],
        catch_all: None,
        postmaster: Some(postmaster.into()),
    };
    Spec {
        domains: vec![
            domain("example.com", "example.net", "root"),
            domain("other.example", "bücher.example", "chief@other.example"),
        ],
        mailboxes: vec![mailbox("root", &[]), mailbox("chief@other.example", &[])],
        detail_separator: Some('+'),
        hostname: "mx.example.com".into(),
        literals: vec![
            "192.0.2.25".parse().expect("an address"),
            "2001:db8::25".parse().expect("an address"),
        ],
        ..Spec::default()
    }
}

fn mailbox(name: &str, addresses: &[&str]) -> MailboxSpec {
    MailboxSpec {
        name: name.into(),
        addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
        passwords: Vec::new(),
        receives: true,
        allowance: Default::default(),
        ..MailboxSpec::default()
    }
}

fn alias(address: &str, to: &[&str]) -> Alias {
    Alias {
        address: address.into(),
        to: to.iter().map(|text| (*text).to_owned()).collect(),
        duplicate: false,
    }
}

fn refuse(address: &str) -> Refuse {
    Refuse { address: address.into(), text: None }
}

/// [`spec`] with more of everything.
fn with(mailboxes: &[MailboxSpec], aliases: &[Alias], refused: &[Refuse], catch_all: Option<&str>) -> Spec {
    let mut spec = spec();
    spec.mailboxes.extend_from_slice(mailboxes);
    spec.aliases.extend_from_slice(aliases);
    spec.refused.extend_from_slice(refused);
    spec.domains[0].catch_all = catch_all.map(Into::into);
    spec
}

fn directory(spec: &Spec) -> Directory {
    let (table, faults) = Table::build(spec);
    Directory::new(table.unwrap_or_else(|| panic!("{faults:#?}")), VerifierParams::default())
}

fn path(text: &str) -> ForwardPath {
    match ForwardPath::parse(&format!("<{text}>")) {
        Ok((path, "")) => path,
        other => panic!("{text}: {other:?}"),
    }
}

/// The answer for one recipient in short; `explain` must give the same one.
fn ask(directory: &Directory, recipient: &str) -> String {
    let resolution = directory.resolve(&path(recipient));
    assert_eq!(directory.explain(&path(recipient)).1, resolution, "{recipient}");
    match resolution {
        Resolution::Deliver { mailboxes, duplicate } => {
            let names: Vec<_> = mailboxes.iter().map(ToString::to_string).collect();
            format!("{}{}", names.join(" "), if duplicate { ", each" } else { "" })
        }
        Resolution::Refused { text } => format!("refused: {text}"),
        Resolution::Unknown => "unknown".into(),
        Resolution::NotLocal => "not local".into(),
    }
}

fn check(spec: &Spec, rows: &[(&str, &str)]) {
    let directory = directory(spec);
    for (recipient, answer) in rows {
        assert_eq!(
            ask(&directory, recipient),
            *answer,
            "{recipient}: {:#?}",
            directory.explain(&path(recipient)).0
        );
    }
}
