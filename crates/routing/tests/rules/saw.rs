use std::path::Path;

use directory::Table;
use jiff::tz::TimeZone;
use routing::rules::{RuleSet, Surroundings};

use crate::case::Case;
use crate::house::{compile_right, directory};

/// What a condition is said to have looked at, of a mail of `cases.toml`.
fn saw(when: &str, mail: &str) -> String {
    let rules = format!("[[rule]]\nname = \"a\"\nwhen = {{ {when} }}\nthen = {{ tag = \"x\" }}\n");
    let rules = compile_right(&rules, Path::new("."));
    let table = format!("says = \"\"\nmail = {{ {mail} }}\n").parse().expect("TOML");
    let case = Case::read(&table, mail);
    let explained = rules.judge_explained(&case.facts, case.to.as_ref());
    explained.trials[0].asked[0].saw.clone()
}

#[test]
fn what_a_condition_looked_at_is_told_in_words() {
    for (when, mail, said) in [
        ("spam-score = '> 5'", "score = 1234", "12.34"),
        ("spam-score = '> 5'", "score = 5", "0.05"),
        ("spam-score = '> 5'", "score = 0", "0.00"),
        ("spam-score = '> 5'", "score = -5", "-0.05"),
        ("spam-score = '> 5'", "score = -1495", "-14.95"),
        ("spam-score = '> 5'", "", "no score"),
        ("spam-score = '> 5'", "unknown = ['spam']", "spam is down"),
        ("spam-score = '> 5'", "phase = 'RCPT'", "not known yet"),
        ("spam-symbol = 'A'", "score = 5, symbols = ['A', 'B']", "\"A\", \"B\""),
        ("spam-symbol = 'A'", "unknown = ['spam']", "spam is down"),
        ("virus = true", "virus = 'EICAR'", "\"EICAR\""),
        ("virus = true", "virus = 'clean'", "nothing"),
        ("size = '> 5 B'", "size = 77", "77 octets"),
        ("size = '> 5 B'", "unknown = ['content']", "content is down"),
        ("size = '> 5 B'", "phase = 'RCPT'", "not known yet"),
        ("too-complex = true", "too-complex = true", "true"),
        ("too-complex = true", "", "false"),
        ("too-complex = true", "unknown = ['content']", "content is down"),
        ("body = 'x'", "body = 'grüße'", "7 octets of text"),
        ("body = 'x'", "unknown = ['body']", "the body was not kept"),
        ("body = 'x'", "unknown = ['inside']", "only the header was kept"),
        ("body = 'x'", "phase = 'RCPT'", "not known yet"),
        ("attachment = 'x'", "attachment = ['a', 'b']", "\"a\", \"b\""),
        ("attachment = 'x'", "unknown = ['inside']", "only the header was kept"),
        ("attachment-type = 'x'", "attachment = 'a|b/c', detected = 'd/e'", "\"b/c\", \"d/e\""),
        ("content-type = 'x'", "content-type = 'a/b', unknown = ['inside']", "\"a/b\""),
        ("subject = 'x'", "header.Subject = \"a\\u001b[2J\"", "\"a\\u{1b}[2J\""),
        ("subject = 'x'", "", "nothing"),
        ("from = 'x@a.example'", "from = ['x@a.example', 'y@b.example']", "\"x@a.example\", \"y@b.example\""),
        ("from-name = 'x'", "from = 'x@a.example', from-name = 'A'", "\"A\""),
        ("from-name = 'x'", "from = 'x@a.example'", "nothing"),
        ("list-id = 'x'", "header.List-Id = 'a <b.c>'", "\"b.c\""),
        ("header.'X-A' = 'x'", "header.X-A = ['1', '2']", "\"1\", \"2\""),
        ("ip = '192.0.2.0/24'", "ip = 'none'", "no address"),
        ("ip = '192.0.2.0/24'", "ip = '2001:db8::1'", "2001:db8::1"),
        (
            "reverse-dns = 'x'",
            "reverse-dns = 'a.example', iprev = 'temperror'",
            "the reverse lookup failed for now",
        ),
        ("reverse-dns = 'x'", "reverse-dns = 'a.example', iprev = 'fail'", "nothing"),
        ("tls = true", "", "nothing"),
        ("helo = 'x'", "phase = 'connection'", "not known yet"),
        ("sender = ''", "sender = ''", "\"\""),
        ("recipient = 'alice@*'", "phase = 'MAIL'", "not known yet"),
        ("listed = true", "listed = ['zen.example.org']", "\"zen.example.org\""),
    ] {
        assert_eq!(saw(when, mail), said, "{when} of {mail}");
    }
}

/// One may be asked and the other not.
#[test]
fn who_is_not_asked_is_named() {
    let text =
        "[[rule]]\nname = \"a\"\nwhen = { spam-score = \"> 5\", virus = true }\nthen = { tag = \"x\" }\n";
    let table: Table = directory();
    for (spam_filter, virus_scanner, expected) in [
        (true, true, ""),
        (false, true, "`spam-score`: no spam filter is asked, so this never matches"),
        (true, false, "`virus`: no virus scanner is asked, so this never matches"),
    ] {
        let around = Surroundings {
            directory: Some(&table),
            spam_filter,
            virus_scanner,
            block_lists: &[],
            time_zone: TimeZone::UTC,
            read_list: &|_| Err("none".into()),
        };
        let (_, said) = RuleSet::compile(text, &around);
        let said: Vec<&str> = said.iter().map(|said| said.message.as_str()).collect();
        assert_eq!(said.join("\n"), expected);
    }
}
