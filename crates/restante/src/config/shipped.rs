//! The three files as they are shipped, with every key at its default: what `restante init` starts from,
//! and the documentation of the keys.

use super::source::File;

/// The shipped text of a file.
pub fn shipped(file: File) -> &'static str {
    match file {
        File::Restante => include_str!("../../../../etc/restante/restante.toml"),
        File::Mailboxes => include_str!("../../../../etc/restante/mailboxes.toml"),
        File::Rules => include_str!("../../../../etc/restante/rules.toml"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use toml::de::{DeTable, DeValue};

    use super::*;
    use crate::config::section::{Notes, Section};
    use crate::config::{Config, Texts, check, machine, mailboxes};

    /// The shipped text with every key that is off switched on: a bare `#` goes, prose has a blank behind it.
    fn switched_on(file: File) -> String {
        let on = |line: &'static str| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
            Some(_) | None => line,
        };
        shipped(file).lines().map(on).collect::<Vec<_>>().join("\n")
    }

    fn written(table: &DeTable<'_>, prefix: &str, keys: &mut BTreeSet<String>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            keys.insert(name.clone());
            let inside: Vec<&DeValue<'_>> = match value.get_ref() {
                DeValue::Array(items) => items.iter().map(toml::Spanned::get_ref).collect(),
                other => vec![other],
            };
            for table in inside.iter().filter_map(|value| value.as_table()) {
                written(table, &format!("{name}."), keys);
            }
        }
    }

    /// What is written and what is asked for, when everything is switched on.
    fn keys(file: File, read: impl FnOnce(&mut Section<'_, '_>)) -> (BTreeSet<String>, BTreeSet<String>) {
        let text = switched_on(file);
        let table = DeTable::parse(&text).expect("TOML");
        let mut notes = Notes::new(file);
        let mut top = Section::top(&table, &mut notes);
        read(&mut top);
        top.finish();
        assert_eq!(notes.faults, []);
        let mut found = BTreeSet::new();
        written(table.get_ref(), "", &mut found);
        (found, notes.known)
    }

    #[test]
    fn every_key_that_is_known_is_shipped_and_every_key_that_is_shipped_is_known() {
        let (found, known) = keys(File::Restante, |top| drop(machine::read(top, Path::new("/etc/restante"))));
        assert_eq!(found, known);
        assert!(found.contains("smtp.limits.recipients") && found.contains("relay.authserv-id"));
        let (found, known) =
            keys(File::Mailboxes, |top| drop(mailboxes::read(top, &Config::default().limits)));
        assert_eq!(found, known);
        assert!(found.contains("mailbox.passwords.hash") && found.contains("refuse.text"));
        assert!(found.contains("mailbox.release.ignore-absent") && found.contains("mailbox.members.mirrors"));
    }

    /// Where the keys end and the rules of a firm begin.
    const FIRM: &str = "# ---- The rules of a small firm";

    /// The examples use mailboxes that are shipped, and no address has to be there.
    #[test]
    fn the_rules_that_are_shipped_as_examples_are_sound() {
        let [restante, mailboxes] = [File::Restante, File::Mailboxes].map(|file| shipped(file).to_owned());
        let on = switched_on(File::Rules).replace("office@", "postmaster+office@");
        let on = on.split(FIRM).next().expect("the keys").to_owned();
        let texts = Texts { dir: "/etc/restante".into(), restante, mailboxes, rules: on.clone() };
        let loaded = check(&texts).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(loaded.rules.set.names().next(), Some("invoices"));
        assert!(on.contains("\n[[test]]\n") && on.contains("\n[lists]\n"));
    }

    /// In a firm that has the mailboxes which they name, with their tests: those run at every load.
    #[test]
    fn the_rules_of_a_small_firm_do_what_their_tests_say() {
        let on = switched_on(File::Rules);
        let (_, rules) = on.split_once(FIRM).expect("the firm's rules");
        let mut mailboxes = "[[domain]]\nname = \"example.com\"\npostmaster = \"alice\"\n".to_owned();
        for name in ["alice", "archive", "sales", "support", "newsletters", "big", "office", "info"] {
            mailboxes.push_str(&format!("[[mailbox]]\nname = \"{name}\"\n"));
        }
        mailboxes.push_str("[[mailbox]]\nname = \"accounts\"\naddresses = [\"billing\"]\n");
        let restante = shipped(File::Restante).to_owned();
        let texts = Texts { dir: "/etc/restante".into(), restante, mailboxes, rules: format!("#{rules}") };
        let loaded = check(&texts).unwrap_or_else(|faults| panic!("{faults}"));
        let own = loaded.rules.set.names().filter(|name| !name.starts_with("default:")).count();
        assert_eq!(own, rules.matches("\n[[rule]]\n").count());
        assert!(rules.matches("\n[[test]]\n").count() > own);
    }

    #[test]
    fn what_is_shipped_is_the_default() {
        let [restante, mailboxes, rules] = File::ALL.map(|file| shipped(file).to_owned());
        let texts = Texts { dir: "/etc/restante".into(), restante, mailboxes, rules };
        let loaded = check(&texts).expect("the shipped files have no fault");
        let mut expected = Config { hostname: "mx.example.com".into(), ..Config::default() };
        // Ports for TLS open only with a certificate, which cannot be shipped.
        expected.pop3.listen_tls.clear();
        assert_eq!(loaded.config, expected);
        let config = Texts { restante: switched_on(File::Restante), ..texts.clone() };
        let config = check(&config).expect("no fault with everything on").config;
        assert_eq!(config.pop3, Config::default().pop3);
        // With nothing but what has no default, it is the same.
        let bare = Texts { restante: "hostname = \"mx.example.com\"".into(), ..texts };
        assert_eq!(check(&bare).expect("no fault").config, expected);
    }
}
