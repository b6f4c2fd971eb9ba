//! What 500 rules cost one message: `cargo bench -p routing --bench rules`. Each figure is the median of many
//! searches for one recipient, facts to judgement, nothing kept from one to the next.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use directory::{Allowance, DomainSpec, MailboxSpec, Spec, Table};
use jiff::tz::TimeZone;
use mail::Known;
use routing::rules::{Attachment, Content, Facts, Person, RuleSet, Surroundings, To};

fn directory() -> Table {
    let mailbox = |name: &str| MailboxSpec {
        name: name.into(),
        addresses: Vec::new(),
        passwords: Vec::new(),
        receives: true,
        allowance: Allowance::default(),
        ..MailboxSpec::default()
    };
    let domain =
        DomainSpec { name: "example.com".into(), postmaster: Some("alice".into()), ..DomainSpec::default() };
    let spec = Spec { domains: vec![domain], mailboxes: vec![mailbox("alice")], ..Spec::default() };
    Table::build(&spec).0.expect("a directory")
}

fn compile(when: impl Fn(usize) -> String) -> RuleSet {
    let text = (0..500).fold(String::new(), |mut text, n| {
        let when = when(n);
        writeln!(
            text,
            "[[rule]]\nname = \"rule {n}\"\nwhen = {{ {when} }}\nthen = {{ deliver = \"alice\" }}\n"
        )
        .expect("a string takes all");
        text
    });
    let directory = directory();
    let around = Surroundings {
        directory: Some(&directory),
        spam_filter: true,
        virus_scanner: true,
        block_lists: &[],
        time_zone: TimeZone::UTC,
        read_list: &|_| Err("there are no files".into()),
    };
    let (rules, said) = RuleSet::compile(&text, &around);
    rules.unwrap_or_else(|| panic!("{said:?}"))
}

/// Headers, envelope, names of attachments: what an office has.
fn office(n: usize) -> String {
    match n % 8 {
        0 => format!("subject = [\"*invoice {n}*\", \"*rechnung-{n}*\"]"),
        1 => format!("sender = \"*@customer{n}.example\""),
        2 => format!("from = [\"sales@vendor{n}.example\", \"*@*.vendor{n}.example\"]"),
        3 => format!("attachment = \"*.ex{n}\", recipient = \"*@example.com\""),
        4 => format!("header.\"X-Mailer\" = \"*mailer {n}*\""),
        5 => {
            format!("recipient = \"alice@*\", subject = \"order {n}:*\", not = {{ attachment = \"*.pdf\" }}")
        }
        6 => format!("list-id = \"*.list{n}.example\""),
        _ => format!("any = [{{ to = \"team{n}@example.com\" }}, {{ cc = \"team{n}@example.com\" }}]"),
    }
}

fn facts(content: Content) -> Facts {
    Facts {
        ip: Some([192, 0, 2, 1].into()),
        helo: Known::Is("mx.author.example".into()),
        sender: Known::Is("Some.One@author.example".into()),
        tls: Known::Is(None),
        iprev: Known::Is(None),
        listed: Known::Is(Vec::new()),
        spf: Known::Is(None),
        dkim: Known::Is(Vec::new()),
        dmarc: Known::Is(None),
        arc: Known::Is(None),
        trusted_forwarder: Known::Is(false),
        content: Known::Is(content),
        verdicts: mail::Verdicts { spam: Known::Is(None), virus: Known::Is(None) },
        ..Facts::default()
    }
}

fn content(subject: &str, fields: usize, field: &str, names: usize, name: &str, body: String) -> Content {
    let person = |text: &str| vec![Person { address: text.into(), name: "Some One".into() }];
    let attachment =
        |_| Attachment { name: name.into(), content_type: "application/pdf".into(), detected: None, size: 1 };
    let mut headers = vec![("subject".to_owned(), subject.to_owned()), ("x-mailer".into(), "Mailer".into())];
    headers.extend((0..fields).map(|n| (format!("x-field-{n}"), field.to_owned())));
    Content {
        size: 100_000,
        headers,
        from: person("Some.One@author.example"),
        to: person("Alice@example.com"),
        cc: person("bob@example.com"),
        attachments: (0..names).map(attachment).collect(),
        content_type: "multipart/mixed".into(),
        too_complex: false,
        header_only: false,
        body: Some(body),
    }
}

fn say(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").expect("a place for figures");
}

fn measure(name: &str, rules: &RuleSet, facts: &Facts) {
    let to = To { address: "alice@example.com".into(), detail: None, protected: false };
    let begin = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < 11 || (begin.elapsed() < Duration::from_secs(2) && times.len() < 10_000) {
        let begin = Instant::now();
        black_box(rules.judge(black_box(facts), Some(&to)));
        times.push(begin.elapsed());
    }
    times.sort();
    let [median, worst] = [times[times.len() / 2], times[times.len() * 99 / 100]];
    let text = format!("{name:<58} median {median:>10.1?}   p99 {worst:>10.1?}   of {}", times.len());
    say(&text);
}

fn main() {
    let begin = Instant::now();
    let rules = compile(office);
    say(&format!("{:<58} {:.1?}", "500 rules of an office: compile", begin.elapsed()));
    let usual = || {
        content(
            "Re: Your order of last week",
            30,
            "from a by b; some date",
            3,
            "scan 12.pdf",
            "Hello.".repeat(300),
        )
    };
    measure("500 rules of an office: usual mail", &rules, &facts(usual()));

    let long = |octets: usize| "Invoice ".repeat(octets / 8);
    let hostile = content(&long(64 << 10), 900, &long(64), 1000, &long(255), String::new());
    measure("500 rules of an office: 128 KiB header, 1000 long names", &rules, &facts(hostile));
    let many = content("x", 990, &long(100), 1000, "a.b", String::new());
    measure("500 rules of an office: 990 fields, 1000 short names", &rules, &facts(many));

    let rules = compile(|n| format!("subject = '/inv(oice)?[ -]{n}\\b/'"));
    measure("500 regexes over the subject: usual mail", &rules, &facts(usual()));
    let hostile = content(&long(64 << 10), 10, "x", 0, "", String::new());
    measure("500 regexes over the subject: 64 KiB", &rules, &facts(hostile));

    let rules = compile(|n| format!("body = \"*phrase {n} of spam*\""));
    measure("500 globs over the body: 2 kB", &rules, &facts(usual()));
    let body = content("x", 10, "x", 0, "", "Phrase 7 of Span. ".repeat(60_000));
    measure("500 globs over the body: 1 MB", &rules, &facts(body));

    let rules = compile(|n| format!("body = '/.*.*.*={n}.*/'"));
    let body = content("x", 10, "x", 0, "", "x=".repeat(500_000));
    measure("500 times .*.*.*=.* over the body: 1 MB", &rules, &facts(body));
}
