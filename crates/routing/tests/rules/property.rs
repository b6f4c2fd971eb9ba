//! What holds of any rules and any mail.

use std::fmt::Write;
use std::path::Path;

use mail::Known;
use proptest::prelude::*;
use proptest::sample::select;
use routing::rules::{Decision, Facts, Judgement, Phase, RuleSet, To};
use toml::Table;

use crate::case::{Case, not_yet};
use crate::house::{compile, compile_right, show};

const CONDITIONS: &[&str] = &[
    "sender = \"*@a.test\"",
    "sender = \"<>\"",
    "recipient = \"alice@*\"",
    "recipient = [\"bob@example.com\", \"abuse@*\"]",
    "detail = true",
    "ip = \"192.0.2.0/24\"",
    "helo = \"*.a.test\"",
    "reverse-dns = false",
    "tls = true",
    "listed = true",
    "listed = \"bl.example.org\"",
    "spf = [\"fail\", \"softfail\"]",
    "spf = \"temperror\"",
    "dkim = \"pass\"",
    "dmarc = \"fail\"",
    "arc = [\"pass\", \"none\"]",
    "dmarc-policy = \"reject\"",
    "verified-domain = \"a.test\"",
    "trusted-forwarder = true",
    "from = \"*@a.test\"",
    "from-name = '/boss/'",
    "to = \"?*@example.com\"",
    "cc = true",
    "subject = [\"*a*\", '/^b/']",
    "list-id = false",
    "header.\"X-Y\" = \"*\"",
    "size = \"> 1 kB\"",
    "attachment = \"*.exe\"",
    "attachment-type = \"text/*\"",
    "content-type = \"multipart/*\"",
    "body = \"*a*\"",
    "too-complex = true",
    "spam-score = \">= 5\"",
    "spam-symbol = \"X*\"",
    "virus = true",
    "hours = \"Mon 12:00-14:00\"",
];

const ACTIONS: &[&str] = &[
    "deliver = \"bob\"",
    "deliver = [\"alice\", \"archive\"]",
    "copy = \"archive\"",
    "refuse = \"550 5.7.1\"",
    "refuse = \"450 4.7.1\"",
    "quarantine = true",
    "discard = true",
    "tag = \"[x]\", add-header = \"X-A: b\"",
    "expire = \"1 day\", remove-header = \"X-A\"",
];

fn condition() -> impl Strategy<Value = String> {
    let one = select(CONDITIONS).prop_map(str::to_owned);
    one.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| group("any", &all)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| group("all", &all)),
            inner.prop_map(|one| format!("not = {{ {one} }}")),
        ]
    })
}

fn group(word: &str, inner: &[String]) -> String {
    let tables: Vec<String> = inner.iter().map(|one| format!("{{ {one} }}")).collect();
    format!("{word} = [{}]", tables.join(", "))
}

/// What stands behind a rule's name.
fn rule() -> impl Strategy<Value = String> {
    let rest = select(&["", "if-unknown = \"match\"\n", "if-unknown = \"skip\"\n"][..]);
    (condition(), select(ACTIONS), any::<bool>(), rest).prop_map(|(when, then, goes_on, rest)| {
        let ends = then.starts_with("refuse") || then.starts_with("discard");
        let goes_on = if goes_on && !ends { "continue = true\n" } else { "" };
        format!("when = {{ {when} }}\nthen = {{ {then} }}\n{goes_on}{rest}")
    })
}

fn file(rules: &[String]) -> String {
    rules.iter().enumerate().fold(String::new(), |mut text, (place, rule)| {
        write!(text, "[[rule]]\nname = \"{place}\"\n{rule}\n").expect("a string takes all");
        text
    })
}

/// Mail at the end of the data.
fn mail() -> impl Strategy<Value = (Facts, Option<To>)> {
    let line = |key: &'static str, values: &'static [&'static str]| {
        prop::option::of(select(values)).prop_map(move |value| match value {
            Some(value) => format!("{key} = {value}\n"),
            None => String::new(),
        })
    };
    let words =
        &["\"pass\"", "\"fail\"", "\"softfail\"", "\"temperror\"", "\"pass:a.test\"", "\"fail:a.test\""];
    let unknown = ["iprev", "listed", "spf", "dkim", "dmarc", "arc", "content", "spam", "virus", "body"];
    let lines = (
        line(
            "recipient",
            &["\"bob@example.com\"", "\"alice+x@example.net\"", "\"abuse@example.com\"", "\"postmaster\""],
        ),
        line("sender", &["\"x@a.test\"", "\"\"", "\"y@b.test\""]),
        line("ip", &["\"192.0.2.9\"", "\"2001:db8::1\"", "\"none\""]),
        line("helo", &["\"mx.a.test\"", "\"\""]),
        line("listed", &["\"bl.example.org\"", "[\"zen.example.org\"]"]),
        line("spf", words),
        line("dkim", words),
        (line("dmarc", words), line("dmarc-policy", &["\"reject\"", "\"quarantine\""])),
        (
            line("from", &["\"x@a.test\"", "[\"y@b.test\", \"z@A.TEST\"]"]),
            line("from-name", &["\"The Boss\""]),
        ),
        line(
            "header",
            &["{ Subject = \"a\" }", "{ Subject = [\"b\", \"\"], \"X-Y\" = \"z\", List-Id = \"<>\" }"],
        ),
        (line("attachment", &["\"x.exe\"", "[\"\", \"a|text/plain\"]"]), line("too-complex", &["true"])),
        (
            line("score", &["500", "-100"]),
            line("virus", &["\"x\"", "\"clean\""]),
            line("tls", &["\"TLS1.2\""]),
        ),
    );
    let forgotten = prop::sample::subsequence(unknown.to_vec(), 0..=4);
    (lines, forgotten).prop_map(|(lines, forgotten)| {
        let (a, b, c, d, e, f, g, (h, i), (j, k), l, (m, n), (o, p, q)) = lines;
        let unknown = format!("unknown = {forgotten:?}\n");
        let mail = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, unknown].concat();
        let table: Table = format!("says = \"\"\n[mail]\n{mail}").parse().expect("TOML");
        let case = Case::read(&table, "mail");
        (case.facts, case.to)
    })
}

/// The same mail at an earlier phase.
fn earlier(facts: &Facts, to: Option<&To>, phase: &str) -> (Facts, Option<To>) {
    let mut facts = facts.clone();
    not_yet(&mut facts, phase);
    (facts, to.filter(|_| phase == "RCPT").cloned())
}

fn ruling(judgement: &Judgement) -> Option<&mail::Ruling> {
    match judgement {
        Judgement::Decided(Decision { ruling, .. }) => Some(ruling),
        Judgement::Refuse { .. } | Judgement::Wait | Judgement::Defer { .. } => None,
    }
}

fn set(rules: &[String]) -> RuleSet {
    compile_right(&file(rules), Path::new("."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_judgement_is_there_at_the_end_and_its_explanation_agrees(
        rules in prop::collection::vec(rule(), 0..6), (facts, to) in mail(),
    ) {
        let set = set(&rules);
        let judgement = set.judge(&facts, to.as_ref());
        prop_assert_ne!(&judgement, &Judgement::Wait);
        for phase in ["connection", "MAIL", "RCPT", "data"] {
            let (facts, to) = if phase == "data" { (facts.clone(), to.clone()) } else { earlier(&facts, to.as_ref(), phase) };
            let explained = set.judge_explained(&facts, to.as_ref());
            prop_assert_eq!(set.judge(&facts, to.as_ref()), explained.judgement);
        }
        if let Judgement::Defer { rule, .. } = &judgement {
            let explained = set.judge_explained(&facts, to.as_ref());
            let trial = explained.trials.iter().find(|trial| trial.rule == *rule).expect("it was tried");
            prop_assert_eq!(trial.answer, routing::rules::Said::Unknown);
        }
    }

    /// A refusal at RCPT is what would have come at the end, whatever the content is.
    #[test]
    fn what_is_said_early_stays(rules in prop::collection::vec(rule(), 0..6), (facts, to) in mail()) {
        let set = set(&rules);
        let at_the_end = set.judge(&facts, to.as_ref());
        for phase in ["connection", "MAIL", "RCPT"] {
            let (facts, to) = earlier(&facts, to.as_ref(), phase);
            match set.judge(&facts, to.as_ref()) {
                Judgement::Wait => {}
                early @ Judgement::Refuse { .. } => prop_assert_eq!(&early, &at_the_end),
                early @ Judgement::Decided(_) => prop_assert_eq!(ruling(&early), ruling(&at_the_end)),
                Judgement::Defer { .. } => prop_assert!(false, "nothing is put off before all is known"),
            }
        }
    }

    /// Nothing moves between a set and itself, and nothing does when its rules have other names.
    #[test]
    fn a_set_and_itself_never_differ(rules in prop::collection::vec(rule(), 0..6), (facts, to) in mail()) {
        let judgement = set(&rules).judge(&facts, to.as_ref());
        prop_assert_eq!(&set(&rules).judge(&facts, to.as_ref()), &judgement);
        let renamed = file(&rules).replace("name = \"", "name = \"other ");
        let renamed = compile_right(&renamed, Path::new(".")).judge(&facts, to.as_ref());
        match (&judgement, &renamed) {
            (Judgement::Decided(one), Judgement::Decided(other)) => {
                let fate = |ruling: &mail::Ruling| {
                    let quarantine = ruling.quarantine.as_ref().map(|_| String::new());
                    mail::Ruling { rules: Vec::new(), quarantine, ..ruling.clone() }
                };
                prop_assert_eq!(fate(&one.ruling), fate(&other.ruling));
            }
            (Judgement::Refuse { code: one, .. }, Judgement::Refuse { code: other, .. }) => prop_assert_eq!(one, other),
            (Judgement::Defer { why: one, .. }, Judgement::Defer { why: other, .. }) => prop_assert_eq!(one, other),
            (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
        }
    }

    #[test]
    fn a_shadow_rule_changes_nothing(
        rules in prop::collection::vec(rule(), 0..5), shadow in rule(), at in any::<prop::sample::Index>(),
        (facts, to) in mail(),
    ) {
        let plain = set(&rules).judge(&facts, to.as_ref());
        let place = at.index(rules.len() + 1);
        let mut text = String::new();
        for (number, rule) in rules.iter().enumerate() {
            if number == place {
                write!(text, "[[rule]]\nname = \"shadow\"\nmode = \"shadow\"\n{shadow}\n").expect("a string");
            }
            write!(text, "[[rule]]\nname = \"{number}\"\n{rule}\n").expect("a string");
        }
        if place == rules.len() {
            write!(text, "[[rule]]\nname = \"shadow\"\nmode = \"shadow\"\n{shadow}\n").expect("a string");
        }
        let with = compile_right(&text, Path::new(".")).judge(&facts, to.as_ref());
        match (&plain, &with) {
            (Judgement::Decided(plain), Judgement::Decided(with)) => prop_assert_eq!(&plain.ruling, &with.ruling),
            (plain, with) => prop_assert_eq!(plain, with),
        }
    }

    /// Where the load says that a rule is never reached, none of the mail reaches it.
    #[test]
    fn what_is_called_unreachable_never_decides(
        rules in prop::collection::vec(rule(), 2..6), (facts, to) in mail(),
    ) {
        let text = file(&rules);
        let (set, said) = compile(&text, Path::new("."));
        let set = set.expect("rules without a fault");
        if let Some(rule) = set.judge_explained(&facts, to.as_ref()).trials.iter()
            .rfind(|trial| trial.answer == routing::rules::Said::Yes && trial.note.is_none())
        {
            let hidden = said.iter().any(|said| said.message.starts_with(&format!("`{}` is never reached", rule.rule)));
            prop_assert!(!hidden, "{}\n{:?}", text, said.iter().map(|said| show(said, &text)).collect::<Vec<_>>());
        }
    }

    /// Whatever the file is, it is read without a panic, and it either gives rules or says why not.
    #[test]
    fn any_text_is_read(text in "(\\[\\[(rule|test)\\]\\]\n|[a-z-]{1,9}( = |\\.)|\"[ -~]{0,9}\"\n?|'/[ -~]{0,9}/'\n|\\{ |\\} |\\[|\\]|\n|5|true|, ){0,40}") {
        let (set, said) = compile(&text, Path::new("."));
        prop_assert!(set.is_some() || !said.is_empty());
        said.iter().for_each(|said| drop(show(said, &text)));
    }
}

/// The rules that are always behind the others.
#[test]
fn without_a_rule_there_is_what_is_built_in() {
    let rules = compile_right("", Path::new("."));
    assert_eq!(rules.names().collect::<Vec<_>>(), ["default:dmarc"]);
}

#[test]
fn a_file_has_no_more_rules_than_can_be_searched() {
    let rule = "when = { subject = \"x\" }\nthen = { tag = \"x\" }\ncontinue = true\n".to_owned();
    let text = file(&vec![rule.clone(); 500]);
    assert!(compile(&text, Path::new(".")).0.is_some());
    let text = file(&vec![rule; 501]);
    let (set, said) = compile(&text, Path::new("."));
    assert!(set.is_none());
    assert_eq!(show(&said[0], &text), "error: there are 501 rules: at most 500\n  3001:1 [[rule]]");
}

#[test]
fn a_search_that_takes_too_long_is_put_off() {
    let rules: Vec<String> =
        (0..9).map(|n| format!("when = {{ subject = \"{n}\" }}\nthen = {{ tag = \"x\" }}\n")).collect();
    let set = set(&rules);
    let case = Case::read(&"says = \"\"".parse().expect("TOML"), "mail");
    let asked = std::cell::Cell::new(0);
    let after_five = || {
        asked.set(asked.get() + 1);
        asked.get() > 5
    };
    let judgement = set.examine(&case.facts).until(&after_five).judge(case.to.as_ref());
    let why = "the rules take too long on this message".to_owned();
    assert_eq!(judgement, Judgement::Defer { rule: "5".into(), why });
    let mut early = case.facts.clone();
    early.content = Known::NotYet;
    assert_eq!(set.examine(&early).until(&|| true).judge(case.to.as_ref()), Judgement::Wait);
}

#[test]
fn a_refusal_has_its_phases() {
    let rules = [
        "when = { ip = \"192.0.2.0/24\" }\nthen = { refuse = \"550\" }\n",
        "when = { subject = \"x\" }\nthen = { tag = \"x\" }\ncontinue = true\n",
        "when = { any = [{ recipient = \"bob@*\", body = \"x\" }, { helo = \"x\" }] }\nthen = {}\n",
        "when = { sender = \"a@*\" }\nthen = { refuse = \"550\" }\n",
        "when = { any = [{ sender = \"a@*\" }, { from = \"a@*\" }] }\nthen = { refuse = \"550\" }\n",
        "when = { not = { any = [{ ip = \"192.0.2.0/24\" }, { from = \"a@*\" }] } }\nthen = { refuse = \"550\" }\n",
        "when = { virus = true }\nthen = {}\n",
        "when = { sender = \"b@*\" }\nthen = { refuse = \"550\" }\n",
    ];
    let set = set(&rules.map(str::to_owned));
    let firings = set.phases().into_iter();
    let shown: Vec<String> = firings
        .map(|it| {
            format!("{}: {} to {}, behind {}", it.rule, it.earliest, it.latest, it.behind.unwrap_or_default())
        })
        .collect();
    let expected = [
        "0: RCPT to RCPT, behind ",
        "3: RCPT to end of data, behind 2",
        "4: RCPT to end of data, behind ",
        "5: end of data to end of data, behind ",
        "7: end of data to end of data, behind 2",
    ];
    assert_eq!(shown, expected);
    let reads = set.reads();
    assert!(reads.content && reads.body && reads.virus && !reads.spam && !reads.listed);
    assert_eq!(reads.refuses_from, Some(Phase::Recipient));
    let reads = compile_right("", Path::new(".")).reads();
    assert!(reads.sender_by_dns && !reads.content && reads.refuses_from.is_none());
}
