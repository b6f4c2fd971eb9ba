//! Mail that is made to exhaust whoever takes it apart. It knows nothing but the standard library, so that the tests of
//! any crate can include this file.

fn fill(prefix: &str, unit: &str, suffix: &str, octets: usize) -> Vec<u8> {
    let count = (octets.saturating_sub(prefix.len()) / unit.len()).max(1);
    [prefix.as_bytes(), &unit.as_bytes().repeat(count), suffix.as_bytes()].concat()
}

/// Numbered units, up to a size.
fn count(octets: usize, unit: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    let mut number = 0;
    while out.len() < octets {
        out.push_str(&unit(number));
        number += 1;
    }
    out
}

/// In lines of 76.
#[must_use]
pub fn base64(text: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (place, three) in text.chunks(3).enumerate() {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS[(bits >> shift & 63) as usize];
            out.push(if at > three.len() { '=' } else { char::from(letter) });
        }
        if place % 19 == 18 {
            out.push_str("\r\n");
        }
    }
    out
}

/// Encoded messages in encoded messages, as deep as the size allows.
fn encoded(inner: &[u8], octets: usize) -> Vec<u8> {
    let mut text = inner.to_vec();
    while text.len() * 138 / 100 < octets {
        let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        text = [head.as_bytes(), base64(&text).as_bytes()].concat();
    }
    text
}

/// A message of parts that a line `--b` divides.
pub const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const MESSAGE: &str = "Content-Type: message/rfc822\r\n\r\n";

/// A message of one of [`KINDS`] and about this size.
///
/// # Panics
///
/// Of a kind that there is not.
#[must_use]
pub fn attack(kind: &str, octets: usize) -> Vec<u8> {
    let long = "b".repeat(7_000);
    match kind {
        "parts" => fill(MIXED, "--b\r\n\r\n", "", octets),
        "parts_lf" => fill(&MIXED.replace("\r\n", "\n"), "--b\n\n", "", octets),
        "lines" => fill(MIXED, "--c\n", "", octets),
        "closing" => fill(MIXED, "--b--\n", "", octets),
        "rfc822" => fill("", MESSAGE, "x", octets),
        "digest" => fill("", "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n", "x", octets),
        "nest" => count(octets, |i| match i.checked_sub(1) {
            Some(before) => format!("--b{before}\r\nContent-Type: multipart/mixed; boundary=b{i}\r\n\r\n"),
            None => format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n"),
        })
        .into(),
        "b64nest" => encoded(b"Subject: x\r\n\r\nx", octets),
        // What no scan of the octets on the wire can see.
        "b64rfc822" => encoded(&fill("", MESSAGE, "x", octets / 2), octets),
        "b64parts" => encoded(&fill(MIXED, "--b\r\n\r\n", "", octets / 2), octets),
        "boundaries" => {
            // Boundaries that differ in their last letter, and lines that match none.
            let open: String = (0..31)
                .map(|i| format!("Content-Type: multipart/mixed; boundary={long}{i}\r\n\r\n--{long}{i}\r\n"))
                .collect();
            fill(&open, &format!("--{long}x\r\n"), "", octets)
        }
        "headers" => fill("", "a:\r\n", "\r\nx", octets),
        "no_fields" => fill("", "just words\r\n", "", octets),
        "params" => {
            format!("Content-Type: text/plain{}\r\n\r\nx", count(octets, |i| format!(";\r\n a*{i}=x"))).into()
        }
        "names" => {
            format!("Content-Type: text/plain{}\r\n\r\nx", count(octets, |i| format!(";name*{i}*=%41")))
                .into()
        }
        "many_names" => {
            let names = count(7_000, |i| format!(";name*{i}=\"=?utf-8?q?a\""));
            let part = format!("--b\r\nContent-Type: x/y{names}\r\nContent-Disposition: x{names}\r\n\r\n");
            fill(MIXED, &part, "", octets)
        }
        "addrs" => fill("To: a", ",a", "\r\n\r\nx", octets),
        "groups" => fill("To: ", "a:b<", "\r\n\r\nx", octets),
        "comments" => fill("To: ", "(", "\r\n\r\nx", octets),
        "quotes" => fill("From: ", "\"\\", "\r\n\r\nx", octets),
        "encwords" => fill("Subject: ", "=?utf-8?q?a?= ", "\r\n\r\nx", octets),
        "encbegins" => fill("Subject: ", "=?x", "?=\r\n\r\nx", octets),
        "longline" => fill("Subject: x\r\n\r\n", "A", "\r\n", octets),
        "html" => fill("Content-Type: text/html\r\n\r\n", "<div a='b'>&amp;", "", octets),
        "html_open" => fill("Content-Type: text/html\r\n\r\n", "<", "", octets),
        "html_comments" => fill("Content-Type: text/html\r\n\r\n", "<!--", "", octets),
        "html_entities" => fill("Content-Type: text/html\r\n\r\n", "&", "", octets),
        "uu" => fill("\r\n", "begin 644 a\r\n#0V%T\r\n", "", octets),
        "uu_words" => fill("\r\n", "begin ", "", octets),
        "soft_ends" => fill("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", "", octets),
        "zip" => fill("Content-Type: x/y\r\n\r\n", "PK\x03\x04\x14\0\x08\0\0\0", "", octets),
        "utf7" => fill("Content-Type: text/plain; charset=utf-7\r\n\r\n", "+A", "", octets),
        "iso2022" => fill("Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", "\x1b$B", "", octets),
        "signatures" => {
            let one = |i| {
                format!(
                    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=e{i}.example; s=s; h=from;\r\n \
                     bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
                )
            };
            let few = count(octets.min(100_000), one);
            fill(&format!("{few}From: a@b.example\r\n\r\n"), "words\r\n", "", octets)
        }
        "signed_names" => {
            let names = count(octets.min(60_000), |i| format!(":\r\n {i:x}"));
            let field = format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d=e.example; s=s; bh=AAAA; b=AAAA; h=from{names}\r\n"
            );
            fill(&format!("{field}From: a@b.example\r\n\r\n"), "words\r\n", "", octets)
        }
        "chains" => {
            let set = |i: usize| {
                format!(
                    "ARC-Seal: i={i}; a=rsa-sha256; d=e.example; s=s; cv=pass; b=AAAA\r\n\
                     ARC-Message-Signature: i={i}; a=rsa-sha256; d=e.example; s=s; h=from; bh=AAAA; b=AAAA\r\n\
                     ARC-Authentication-Results: i={i}; e.example; spf=pass\r\n"
                )
            };
            let sets = count(octets.min(60_000), |i| set(i + 1));
            fill(&format!("{sets}From: a@b.example\r\n\r\n"), "words\r\n", "", octets)
        }
        "authors" => {
            let authors = count(octets.min(60_000), |i| format!(",\r\n \"a\" <a@e{i}.example>"));
            fill(&format!("From: a@b.example{authors}\r\n\r\n"), "words\r\n", "", octets)
        }
        "two_authors" => fill(
            "From: a@b.example\r\nFrom: a@c.example\r\nFr om: a@d.example\r\n\r\n",
            "words\r\n",
            "",
            octets,
        ),
        "results" => {
            let results = count(octets.min(60_000), |i| {
                format!("Authentication-Results: ((((e{i}.example; spf=pass\r\n")
            });
            fill(&format!("{results}From: a@b.example\r\n\r\n"), "words\r\n", "", octets)
        }
        "hops" => {
            let hop = "Received: from a by b with c; Mon, 1 Jan 2024 00:00:00 +0000\r\n";
            fill(&hop.repeat(99), "X: y\r\n\r\nwords\r\n", "", octets)
        }
        other => panic!("no attack {other}"),
    }
}

/// What mail does to those that take it apart.
pub const KINDS: &[&str] = &[
    "parts",
    "parts_lf",
    "lines",
    "closing",
    "rfc822",
    "digest",
    "nest",
    "b64nest",
    "b64rfc822",
    "b64parts",
    "boundaries",
    "headers",
    "no_fields",
    "params",
    "names",
    "many_names",
    "addrs",
    "groups",
    "comments",
    "quotes",
    "encwords",
    "encbegins",
    "longline",
    "html",
    "html_open",
    "html_comments",
    "html_entities",
    "uu",
    "uu_words",
    "soft_ends",
    "zip",
    "utf7",
    "iso2022",
    "signatures",
    "signed_names",
    "chains",
    "authors",
    "two_authors",
    "results",
    "hops",
];

/// Rules that look at everything. What they want stands in no mail here, so that each is tried; the last one takes it.
pub const RULES: &str = r#"
[[rule]]
name = "everything"
when = { any = [
  { attachment = "*never*" }, { attachment-type = "*never*" }, { attachment = '/n+e+v+e+r/' }, { body = "*never ever*" },
  { body = '/(n|o)+never(n|o)+$/' }, { from = "never@*" }, { from-name = "*never*" }, { to = "*never*" },
  { cc = "*never*" }, { subject = "*never*" }, { list-id = "*never*" }, { header."X-Never" = "*never*" },
  { header."Received" = '/never.*ever/' }, { content-type = "never/*" }, { size = "> 1 GiB" }, { arc = "temperror" },
  { verified-domain = "*.never.example" }, { spf = "softfail" }, { all = [{ too-complex = true }, { helo = "never" }] },
] }
then = { refuse = "550 5.7.1" }
if-unknown = "skip"

[[rule]]
name = "signed"
when = { dkim = "pass", dmarc = "pass" }
then = { tag = "[never]" }
continue = true
if-unknown = "skip"

[[rule]]
name = "the rest is taken"
then = {}
"#;
