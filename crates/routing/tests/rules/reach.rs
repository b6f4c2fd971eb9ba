use std::path::Path;

use crate::house::compile;

/// What is said of the second of two rules when the first has this condition and the second has that one.
fn said(above: &str, below: &str) -> String {
    let rule = |name: &str, when: &str| {
        format!("[[rule]]\nname = \"{name}\"\nwhen = {{ {when} }}\nthen = {{ deliver = \"bob\" }}\n")
    };
    let text = rule("above", above) + &rule("below", below);
    let (set, said) = compile(&text, Path::new("."));
    assert!(set.is_some(), "{above} / {below}: {said:?}");
    said.iter().map(|said| said.message.as_str()).collect::<Vec<_>>().join("\n")
}

const ALL_OF_ITS: &str = "`below` is never reached: `above` above it matches all of its mail";
const EVERY: &str = "`below` is never reached: `above` above it matches every mail";

/// Of each pair all that the second matches the first matches too, and not the other way round.
const WIDER: &[(&str, &str)] = &[
    // Envelope.
    ("sender = '*@a.example'", "sender = 'x@a.example'"),
    ("recipient = ['bob@*', 'alice@*']", "recipient = 'bob@example.com'"),
    ("detail = true", "detail = 'shop'"),
    // Peer.
    ("ip = '192.0.2.0/24'", "ip = '192.0.2.7'"),
    ("ip = ['192.0.2.0/24', '198.51.100.0/24']", "ip = ['198.51.100.1', '192.0.2.0/25']"),
    ("helo = '*.a.example'", "helo = 'x.a.example'"),
    ("reverse-dns = true", "reverse-dns = '*.a.example'"),
    ("tls = 'TLS1.?'", "tls = 'TLS1.3'"),
    ("listed = true", "listed = 'zen.example.org'"),
    // Authentication.
    ("spf = ['fail', 'softfail']", "spf = 'fail'"),
    ("dkim = ['none', 'fail']", "dkim = 'none'"),
    ("dmarc = ['none', 'fail']", "dmarc = 'fail'"),
    ("arc = ['none', 'fail']", "arc = 'fail'"),
    ("dmarc-policy = ['reject', 'quarantine']", "dmarc-policy = 'reject'"),
    ("verified-domain = '*a.example'", "verified-domain = 'a.example'"),
    // Header.
    ("from = '*@a.example'", "from = 'x@a.example'"),
    ("from-name = '*bank*'", "from-name = 'the bank'"),
    ("to = '*@a.example'", "to = 'x@a.example'"),
    ("cc = '*@a.example'", "cc = 'x@a.example'"),
    ("subject = true", "subject = '/^x/'"),
    ("list-id = '*.a.example'", "list-id = 'x.a.example'"),
    ("header.'X-A' = '*b*'", "header.'x-a' = 'abc'"),
    // Content.
    ("size = '>= 5 MB'", "size = '> 6 MB'"),
    ("size = '<= 5 B'", "size = '<= 4 B'"),
    ("size = '< 6 B'", "size = '< 5 B'"),
    ("size = '> 4 B'", "size = '>= 6 B'"),
    ("attachment = true", "attachment = '*.exe'"),
    ("attachment-type = 'image/*'", "attachment-type = 'image/png'"),
    ("content-type = 'text/*'", "content-type = 'text/plain'"),
    ("body = '*lottery*'", "body = '*the lottery*'"),
    // Verdicts.
    ("spam-score = '>= 5'", "spam-score = '> 5'"),
    ("spam-symbol = 'A*'", "spam-symbol = 'AB'"),
    ("virus = true", "virus = 'EICAR*'"),
    // The clock.
    ("hours = ['Mon', 'Tue']", "hours = 'Mon'"),
    // Several conditions.
    ("subject = '*a*'", "subject = 'a', from = 'x@a.example'"),
    ("any = [{ subject = '*a*' }, { from = 'x@a.example' }]", "subject = 'a'"),
    ("any = [{ subject = '*a*' }, { from = '*' }]", "any = [{ from = 'x@a.example' }, { subject = 'a' }]"),
    ("any = [{ subject = '*a*' }, { from = '*' }]", "subject = 'a', to = 'x@a.example'"),
    ("not = { subject = 'a' }", "not = { subject = '*a*' }"),
    ("not = { subject = 'a', from = 'x@a.example' }", "not = { subject = '*a*' }"),
    ("not = { subject = 'a' }", "not = { subject = '*a*' }, from = 'x@a.example'"),
    // Lists do for the whole of a line what single ones do.
    ("subject = ['a', 'b'], from = '*'", "from = 'x@a.example', subject = 'b'"),
];

#[test]
fn a_rule_below_a_wider_one_is_never_reached() {
    for (wide, narrow) in WIDER {
        assert_eq!(said(wide, narrow), ALL_OF_ITS, "{wide} / {narrow}");
        assert_eq!(said(wide, wide), ALL_OF_ITS, "{wide} / itself");
        assert_eq!(said(narrow, narrow), ALL_OF_ITS, "{narrow} / itself");
        assert_eq!(said(narrow, wide), "", "{narrow} / {wide}");
    }
    for (one, same) in [
        ("size = '< 6 B'", "size = '<= 5 B'"),
        ("size = '> 4 B'", "size = '>= 5 B'"),
        ("too-complex = true", "too-complex = true"),
        ("trusted-forwarder = false", "trusted-forwarder = false"),
        ("detail = false", "detail = false"),
    ] {
        assert_eq!((said(one, same), said(same, one)), (ALL_OF_ITS.into(), ALL_OF_ITS.into()), "{one}");
    }
}

/// Of each pair neither matches all that the other matches.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sender = 'alice@example.com'", "recipient = 'alice@example.com'"),
    ("detail = 'alice@example.com'", "recipient = 'alice@example.com'"),
    ("detail = false", "detail = 'shop'"),
    ("ip = '192.0.2.7'", "helo = '192.0.2.7'"),
    ("ip = ['192.0.2.0/24', '203.0.113.1']", "ip = ['192.0.2.1', '198.51.100.1']"),
    ("helo = 'a.example'", "reverse-dns = 'a.example'"),
    ("reverse-dns = true", "tls = true"),
    ("tls = true", "tls = false"),
    ("spf = 'fail'", "dkim = 'fail'"),
    ("dmarc = 'none'", "dmarc-policy = 'none'"),
    ("verified-domain = 'a.example'", "trusted-forwarder = true"),
    ("trusted-forwarder = true", "trusted-forwarder = false"),
    ("from = 'x@a.example'", "to = 'x@a.example'"),
    ("to = 'x@a.example'", "cc = 'x@a.example'"),
    ("from-name = 'a'", "subject = 'a'"),
    ("list-id = 'a'", "header.'List-Id' = 'a'"),
    ("header.'X-A' = 'a'", "header.'X-B' = 'a'"),
    ("size = '> 5 B'", "size = '< 5 B'"),
    ("size = '> 5 B'", "too-complex = true"),
    ("size = '> 5 B'", "attachment = true"),
    ("attachment = 'a'", "attachment-type = 'a'"),
    ("content-type = 'a'", "body = 'a'"),
    ("too-complex = true", "too-complex = false"),
    ("too-complex = true", "attachment = true"),
    ("spam-score = '> 5'", "spam-symbol = 'A'"),
    ("spam-symbol = 'EICAR'", "virus = 'EICAR'"),
    ("spam-score = '> 5'", "virus = true"),
    ("spam-score = '> 5'", "size = '> 5 B'"),
    ("hours = 'Mon'", "hours = 'Tue'"),
    ("hours = 'Mon'", "spf = 'fail'"),
    ("subject = 'a', from = 'x@a.example'", "subject = 'a', to = 'x@a.example'"),
    (
        "any = [{ subject = 'a' }, { from = 'x@a.example' }]",
        "any = [{ subject = 'a' }, { to = 'x@a.example' }]",
    ),
    ("not = { subject = 'a' }", "subject = 'a'"),
    ("not = { subject = 'a' }", "not = { from = 'x@a.example' }"),
    ("not = { subject = 'a' }", "any = [{ subject = 'a' }]"),
];

#[test]
fn a_rule_that_may_match_something_else_is_reached() {
    for (one, other) in ELSEWHERE {
        assert_eq!((said(one, other), said(other, one)), (String::new(), String::new()), "{one} / {other}");
    }
}

#[test]
fn what_matches_every_mail_is_told_apart() {
    for always in
        ["", "all = [{}]", "any = [{}, { subject = 'a' }]", "all = [{}, { any = [{ subject = 'a' }, {}] }]"]
    {
        assert_eq!(said(always, "subject = 'a'"), EVERY, "{always}");
        assert_eq!(said("subject = 'a'", always), "", "{always}");
    }
    for not_always in ["all = [{}, { subject = '*' }]", "any = [{ subject = '*' }]"] {
        assert_eq!(said(not_always, "subject = 'a'"), ALL_OF_ITS, "{not_always}");
    }
}
