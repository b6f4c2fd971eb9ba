//! Mail of `cases.toml`: facts as a gate would have gathered them by some phase.

use mail::{
    ArcResult, AuthResult, DkimResult, DmarcPolicy, DmarcResult, ForwardPath, IprevResult, Known, Spam,
    SpfResult, Verdicts, Virus,
};
use routing::rules::{Attachment, Content, Decision, Facts, Judgement, Person, To};
use toml::{Table, Value};

use crate::house::directory;

pub(crate) struct Case {
    pub(crate) facts: Facts,
    pub(crate) to: Option<To>,
    pub(crate) says: String,
}

/// Everything that a case may say of its mail.
const KEYS: &[&str] = &[
    "phase",
    "unknown",
    "recipient",
    "sender",
    "ip",
    "helo",
    "reverse-dns",
    "iprev",
    "listed",
    "tls",
    "spf",
    "dkim",
    "dmarc",
    "dmarc-policy",
    "arc",
    "trusted-forwarder",
    "from",
    "from-name",
    "to",
    "cc",
    "header",
    "attachment",
    "detected",
    "content-type",
    "size",
    "body",
    "too-complex",
    "score",
    "symbols",
    "virus",
    "now",
];

impl Case {
    pub(crate) fn read(table: &Table, name: &str) -> Self {
        let mail = table.get("mail").and_then(Value::as_table).cloned().unwrap_or_default();
        for key in mail.keys() {
            assert!(KEYS.contains(&key.as_str()), "{name}: {key}");
        }
        let mut facts = facts(&mail);
        let unknown: Vec<&str> = texts(&mail, "unknown");
        for key in unknown {
            forget(&mut facts, key, &format!("{name}: {key}"));
        }
        let phase = text(&mail, "phase").unwrap_or("data");
        let recipient = text(&mail, "recipient").unwrap_or("alice@example.com");
        let (path, _) = ForwardPath::parse(&format!("<{recipient}>")).expect(name);
        let to = matches!(phase, "RCPT" | "data").then(|| To::new(&path, &directory()));
        not_yet(&mut facts, phase);
        Self { facts, to, says: table["says"].as_str().expect(name).to_owned() }
    }
}

fn text<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is no text")))
}

fn texts<'t>(table: &'t Table, key: &str) -> Vec<&'t str> {
    match table.get(key) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().expect(key)).collect(),
        Some(value) => vec![value.as_str().expect(key)],
    }
}

fn result(word: &str) -> AuthResult {
    AuthResult::ALL.into_iter().find(|result| result.as_str() == word).unwrap_or_else(|| panic!("{word}"))
}

/// `pass:example.org`, or a result alone.
fn of_domain(text: &str) -> (AuthResult, String) {
    let (word, domain) = text.split_once(':').unwrap_or((text, "author.example"));
    (result(word), domain.to_owned())
}

fn people(table: &Table, key: &str) -> Vec<Person> {
    let person = |address: &str| Person { address: address.into(), name: String::new() };
    texts(table, key).into_iter().map(person).collect()
}

fn facts(mail: &Table) -> Facts {
    let mut from = people(mail, "from");
    from.iter_mut().zip(texts(mail, "from-name")).for_each(|(person, name)| person.name = name.into());
    let mut headers = Vec::new();
    for (name, value) in mail.get("header").and_then(Value::as_table).into_iter().flatten() {
        let table: Table = [("v".to_owned(), value.clone())].into_iter().collect();
        headers.extend(texts(&table, "v").into_iter().map(|value| (name.to_lowercase(), value.to_owned())));
    }
    let detected = text(mail, "detected").map(str::to_owned);
    let attachment = |name: &str| {
        let (name, content_type) = name.split_once('|').unwrap_or((name, "application/octet-stream"));
        Attachment {
            name: name.into(),
            content_type: content_type.into(),
            detected: detected.clone(),
            size: 1,
        }
    };
    let content = Content {
        size: mail.get("size").and_then(Value::as_integer).unwrap_or(1000).unsigned_abs(),
        headers,
        from,
        to: people(mail, "to"),
        cc: people(mail, "cc"),
        attachments: texts(mail, "attachment").into_iter().map(attachment).collect(),
        content_type: text(mail, "content-type").unwrap_or("text/plain").into(),
        too_complex: mail.get("too-complex").and_then(Value::as_bool).unwrap_or_default(),
        header_only: false,
        body: Some(text(mail, "body").unwrap_or_default().into()),
    };
    let spam = |score: i64| Spam {
        score,
        action: "no action".into(),
        symbols: texts(mail, "symbols").into_iter().map(str::to_owned).collect(),
    };
    let dkim = texts(mail, "dkim").into_iter().map(|text| {
        let (result, domain) = of_domain(text);
        DkimResult { result, domain, selector: "s".into(), signature: "b".into(), reason: None }
    });
    let policy = match text(mail, "dmarc-policy").unwrap_or("none") {
        "none" => DmarcPolicy::None,
        "quarantine" => DmarcPolicy::Quarantine,
        "reject" => DmarcPolicy::Reject,
        word => panic!("{word}"),
    };
    Facts {
        // 1 January 2024, a Monday, at noon of UTC; and so many minutes later.
        now_ms: 1_704_110_400_000
            + 60_000 * mail.get("now").and_then(Value::as_integer).unwrap_or(0).unsigned_abs(),
        ip: match text(mail, "ip").unwrap_or("192.0.2.1") {
            "none" => None,
            ip => Some(ip.parse().expect("an address")),
        },
        iprev: Known::Is(text(mail, "reverse-dns").map(|name| IprevResult {
            result: result(text(mail, "iprev").unwrap_or("pass")),
            name: Some(name.into()),
        })),
        listed: Known::Is(texts(mail, "listed").into_iter().map(str::to_owned).collect()),
        trusted_forwarder: Known::Is(
            mail.get("trusted-forwarder").and_then(Value::as_bool).unwrap_or_default(),
        ),
        helo: Known::Is(text(mail, "helo").unwrap_or("client.example").into()),
        tls: Known::Is(text(mail, "tls").map(str::to_owned)),
        sender: Known::Is(text(mail, "sender").unwrap_or("someone@author.example").into()),
        spf: Known::Is(text(mail, "spf").map(|text| {
            let (result, domain) = of_domain(text);
            SpfResult { result, of_helo: false, domain, reason: None }
        })),
        dkim: Known::Is(dkim.collect()),
        dmarc: Known::Is(text(mail, "dmarc").map(|text| {
            let (result, from) = of_domain(text);
            DmarcResult { result, from, policy, reason: None }
        })),
        arc: Known::Is(text(mail, "arc").map(|word| ArcResult { result: result(word), sealer: None })),
        content: Known::Is(content),
        verdicts: Verdicts {
            spam: Known::Is(mail.get("score").map(|score| spam(score.as_integer().expect("hundredths")))),
            virus: Known::Is(
                text(mail, "virus").map(|name| Virus { name: (name != "clean").then(|| name.to_owned()) }),
            ),
        },
    }
}

/// Nobody can tell.
fn forget(facts: &mut Facts, key: &str, name: &str) {
    let why = || format!("{key} is down");
    match key {
        "iprev" => facts.iprev = Known::Unknown(why()),
        "listed" => facts.listed = Known::Unknown(why()),
        "spf" => facts.spf = Known::Unknown(why()),
        "dkim" => facts.dkim = Known::Unknown(why()),
        "dmarc" => facts.dmarc = Known::Unknown(why()),
        "arc" => facts.arc = Known::Unknown(why()),
        "forwarder" => facts.trusted_forwarder = Known::Unknown(why()),
        "content" => facts.content = Known::Unknown(why()),
        "spam" => facts.verdicts.spam = Known::Unknown(why()),
        "virus" => facts.verdicts.virus = Known::Unknown(why()),
        "body" | "inside" => {
            if let Known::Is(content) = &mut facts.content {
                content.body = None;
                content.header_only = key == "inside";
            }
        }
        _ => panic!("{name}"),
    }
}

/// What a phase does not know yet.
pub(crate) fn not_yet(facts: &mut Facts, phase: &str) {
    let order = ["connection", "MAIL", "RCPT", "data"];
    let phase = order.iter().position(|name| *name == phase).expect("a phase");
    if phase < 3 {
        facts.dkim = Known::NotYet;
        facts.dmarc = Known::NotYet;
        facts.arc = Known::NotYet;
        facts.trusted_forwarder = Known::NotYet;
        facts.content = Known::NotYet;
        facts.verdicts = Verdicts::default();
    }
    if phase < 1 {
        facts.helo = Known::NotYet;
        facts.tls = Known::NotYet;
        facts.sender = Known::NotYet;
        facts.spf = Known::NotYet;
    }
}

/// A judgement in one line.
pub(crate) fn says(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Wait => "wait".into(),
        Judgement::Refuse { rule, code, enhanced, text } => {
            format!("refuse {code} {enhanced} {text} ({rule})")
        }
        Judgement::Defer { rule, why } => format!("defer {rule}: {why}"),
        Judgement::Decided(Decision { ruling, shadow }) => {
            let mut words = vec!["take".to_owned()];
            let mut list = |name: &str, items: &[String]| {
                if !items.is_empty() {
                    words.push(format!("{name}={}", items.join(",")));
                }
            };
            let names =
                |names: &[mail::MailboxName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            match ruling.deliver.as_deref() {
                Some([]) => list("deliver", &["nowhere".into()]),
                Some(mailboxes) => list("deliver", &names(mailboxes)),
                None => {}
            }
            list("copy", &names(&ruling.copy));
            list("quarantine", ruling.quarantine.as_slice());
            list(
                "add",
                &ruling.add.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
            );
            list("remove", &ruling.remove);
            list("tag", &ruling.tags);
            list("expire", &ruling.expire.iter().map(ToString::to_string).collect::<Vec<_>>());
            list("shadow", shadow);
            if !ruling.rules.is_empty() {
                words.push(format!("({})", ruling.rules.join(",")));
            }
            words.join(" ")
        }
    }
}
