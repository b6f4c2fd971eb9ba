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

    /// In a firm with the mailboxes that the file says its examples need: the tests in it run at every load.
    fn in_a_firm(rules: String) -> Vec<String> {
        let said = shipped(File::Rules).lines().map_while(|line| line.strip_prefix('#'));
        let needed: Vec<&str> = said.filter_map(|line| line.strip_prefix("   ")).collect();
        let mailboxes = format!(
            "[[domain]]\nname = \"example.com\"\npostmaster = \"alice\"\n[[mailbox]]\nname = \"alice\"\n{}\n",
            needed.join("\n")
        );
        let restante = shipped(File::Restante).to_owned();
        let texts = Texts { dir: "/etc/restante".into(), restante, mailboxes, rules };
        let loaded = check(&texts).unwrap_or_else(|faults| panic!("{faults}\n{}", texts.rules));
        loaded.rules.set.names().filter(|name| !name.starts_with("default:")).map(str::to_owned).collect()
    }

    #[test]
    fn the_rules_of_a_small_firm_do_what_their_tests_say() {
        let on = switched_on(File::Rules);
        let names = in_a_firm(on.clone());
        assert_eq!(names.len(), on.matches("\n[[rule]]\n").count());
        assert!(on.matches("\n[[test]]\n").count() > names.len() && on.contains("\n[lists]\n"));
    }

    /// Whoever takes one of them needs no other, but for the lists.
    #[test]
    fn each_of_the_rules_of_a_small_firm_stands_by_itself() {
        let on = switched_on(File::Rules);
        let (keys, firm) = on.split_once(FIRM).expect("the firm's rules");
        let lists: Vec<&str> =
            keys.lines().skip_while(|line| *line != "[lists]").take_while(|line| !line.is_empty()).collect();
        let blocks: Vec<&str> = firm.split("\n\n").filter(|block| block.contains("\n[[rule]]\n")).collect();
        let rules = |block: &str| block.matches("\n[[rule]]\n").count();
        assert!(blocks.len() > 7 && blocks.iter().map(|block| rules(block)).sum::<usize>() > blocks.len());
        for block in blocks {
            assert!(block.contains("\n[[test]]\n"), "{block}");
            assert_eq!(in_a_firm(format!("{}\n{block}", lists.join("\n"))).len(), rules(block));
        }
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
