//! Whatever is configured and whatever is asked: no panic, one answer, and it keeps the promises.

use directory::{Alias, Refuse, Resolution, Severity, Spec, Table, VerifierParams};
use mail::ForwardPath;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::mailbox;

/// Few enough that what is asked often is what is configured.
fn local() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]{1,2}(\\+[ab])?",
        2 => "[ab*?]{1,3}",
        1 => "(postmaster|abuse|Postmaster)(\\+a)?",
        1 => "[ab][%!][ab]",
        1 => "\"[ab@ ]{1,3}\"",
        1 => "\\PC{0,4}",
    ]
}

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a.example", "b.example", "A.EXAMPLE", "xn--bcher-kva.example", "bücher.example"]),
        1 => prop::sample::select(vec!["*", "?.example", "mx.example.com", "elsewhere.example", "[192.0.2.25]", ""]),
    ]
    .prop_map(Into::into)
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![5 => (local(), domain()).prop_map(|(local, domain)| format!("{local}@{domain}")), 1 => local()]
}

prop_compose! {
    fn anything()(
        domains in prop::sample::select(vec![0, 1, 2, 2, 2, 2, 2]),
        mailboxes in vec((prop_oneof![local(), address()], vec(address(), 0..3), prop::bool::weighted(0.9)), 0..4),
        aliases in vec((address(), vec(address(), 0..3), any::<bool>()), 0..5),
        refused in vec(address(), 0..3),
        catch_all in prop::option::of(local()),
        postmaster in prop::option::of(local()),
        separator in prop::option::of(prop_oneof![Just('+'), any::<char>()]),
    ) -> Spec {
        let mut spec = crate::spec();
        for (spec, name) in spec.domains.iter_mut().zip(["a.example", "b.example"]) {
            spec.name = name.into();
            spec.postmaster = Some("root".into());
        }
        spec.domains[0].aliases = vec!["bücher.example".into()];
        spec.domains[1].aliases.clear();
        spec.domains[0].catch_all = catch_all;
        spec.domains[1].postmaster = postmaster.or(Some("root".into()));
        spec.mailboxes = vec![mailbox("root", &[])];
        for (name, addresses, receives) in mailboxes {
            let mut mailbox = mailbox(&name, &[]);
            mailbox.addresses = addresses;
            mailbox.receives = receives;
            spec.mailboxes.push(mailbox);
        }
        spec.aliases = aliases.into_iter().map(|(address, to, duplicate)| Alias { address, to, duplicate }).collect();
        spec.refused = refused.into_iter().map(|address| Refuse { address, text: None }).collect();
        spec.detail_separator = separator;
        spec.domains.truncate(domains);
        spec
    }
}

/// What is left of a spec when every table that has an error is taken out: a directory of some kind.
fn mended(mut spec: Spec) -> Option<Table> {
    for _ in 0..64 {
        let (table, faults) = Table::build(&spec);
        assert_eq!(table.is_none(), faults.iter().any(|fault| fault.severity == Severity::Error));
        if table.is_some() {
            return table;
        }
        let worst = faults.iter().find(|fault| fault.severity == Severity::Error)?;
        match worst.item {
            directory::Item::Mailbox(index) => drop(spec.mailboxes.remove(index)),
            directory::Item::Alias(index) => drop(spec.aliases.remove(index)),
            directory::Item::Refuse(index) => drop(spec.refused.remove(index)),
            directory::Item::Domain(index) => {
                spec.domains[index].catch_all = None;
                spec.domains[index].postmaster = Some("root".into());
            }
            directory::Item::Directory => spec.detail_separator = None,
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_question_has_one_answer(spec in anything(), asked in vec(address(), 1..24)) {
        let Some(table) = mended(spec) else { return Ok(()) };
        let directory = directory::Directory::new(table, VerifierParams::default());
        for text in asked {
            let Ok((recipient, "")) = ForwardPath::parse(&format!("<{text}>")) else { continue };
            let answer = directory.resolve(&recipient);
            let (steps, explained) = directory.explain(&recipient);
            prop_assert_eq!(&answer, &explained, "{}", &text);
            prop_assert!(!steps.is_empty());
            if let Resolution::Deliver { mailboxes, .. } = &answer {
                prop_assert!(!mailboxes.is_empty(), "{}", &text);
                for (at, name) in mailboxes.iter().enumerate() {
                    prop_assert!(directory.has_mailbox(name));
                    prop_assert!(!mailboxes[..at].contains(name), "{} twice for {}", name, &text);
                }
            }
            if directory.always_open(&recipient) {
                prop_assert!(matches!(answer, Resolution::Deliver { .. }), "{} must resolve", &text);
            }
            let ForwardPath::Address(address) = &recipient else { continue };
            // Nothing leaves: mail for others is refused, not taken.
            let ours = ["a.example", "b.example", "bücher.example", "mx.example.com", "[192.0.2.25]"];
            if !ours.contains(&address.domain.folded().as_str()) {
                prop_assert_eq!(answer, Resolution::NotLocal, "{}", &text);
            }
        }
    }
}
