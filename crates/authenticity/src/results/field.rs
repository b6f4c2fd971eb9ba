use std::net::IpAddr;

use mail::{AuthResults, DkimResult, DmarcPolicy, DmarcResult, SpfResult, write_field};

/// Most octets of a reason.
const REASON: usize = 120;

/// The Authentication-Results field of a message with its final CRLF, whatever the peer had a say in (RFC 8601
/// §2.2, §4). `ip` is the address that was judged.
pub fn results_field(authserv_id: &str, results: &AuthResults, ip: Option<IpAddr>) -> String {
    let mut methods = Vec::new();
    methods.extend(results.spf.as_ref().map(spf));
    methods.extend(results.dkim.iter().map(dkim));
    // Of a message without signatures that was looked at.
    if results.dkim.is_empty() && (results.dmarc.is_some() || results.arc.is_some()) {
        methods.push(vec!["dkim=none".to_owned()]);
    }
    methods.extend(results.dmarc.as_ref().map(dmarc));
    if let Some(arc) = &results.arc {
        let mut words = vec![format!("arc={}", arc.result.as_str())];
        words.extend(arc.sealer.as_ref().map(|sealer| format!("(d={})", in_comment(sealer))));
        methods.push(words);
    }
    // RFC 8601 §2.7.3.
    if let Some(iprev) = &results.iprev {
        let mut words = vec![format!("iprev={}", iprev.result.as_str())];
        words.extend(iprev.name.as_ref().map(|name| format!("({})", in_comment(name))));
        words.extend(ip.map(|ip| format!("policy.iprev={}", value(&ip.to_string()))));
        methods.push(words);
    }
    if methods.is_empty() {
        methods.push(vec!["none".to_owned()]);
    }
    let mut words = vec![value(authserv_id)];
    for method in methods {
        if let Some(last) = words.last_mut() {
            last.push(';');
        }
        words.extend(method);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut field = String::new();
    write_field(&mut field, "Authentication-Results", &words);
    field
}

/// The one identity that was judged, and of it only what SPF speaks of: the domain (RFC 8601 §2.7.2, §4).
fn spf(spf: &SpfResult) -> Vec<String> {
    let property = if spf.of_helo { "smtp.helo" } else { "smtp.mailfrom" };
    let mut words = vec![format!("spf={}", spf.result.as_str())];
    words.extend(reason(spf.reason.as_ref()));
    words.push(format!("{property}={}", value(&spf.domain)));
    words
}

fn dkim(dkim: &DkimResult) -> Vec<String> {
    let mut words = vec![format!("dkim={}", dkim.result.as_str())];
    words.extend(reason(dkim.reason.as_ref()));
    let properties = [("d", &dkim.domain), ("s", &dkim.selector), ("b", &dkim.signature)];
    let known = properties.into_iter().filter(|(_, text)| !text.is_empty());
    words.extend(known.map(|(name, text)| format!("header.{name}={}", value(text))));
    words
}

fn dmarc(dmarc: &DmarcResult) -> Vec<String> {
    let mut words = vec![format!("dmarc={}", dmarc.result.as_str())];
    words.extend(reason(dmarc.reason.as_ref()));
    if !dmarc.from.is_empty() {
        words.push(format!("header.from={}", value(&dmarc.from)));
    }
    words.push(format!("policy.dmarc={}", policy(dmarc.policy)));
    words
}

pub(super) fn policy(policy: DmarcPolicy) -> &'static str {
    match policy {
        DmarcPolicy::None => "none",
        DmarcPolicy::Quarantine => "quarantine",
        DmarcPolicy::Reject => "reject",
    }
}

fn reason(reason: Option<&String>) -> Option<String> {
    let text: String = reason?.chars().take(REASON).collect();
    Some(format!("reason={}", quoted(&text)))
}

/// A token where the text is one, and a quoted string where it is not (RFC 2045 §5.1).
fn value(text: &str) -> String {
    let token = |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet);
    if !text.is_empty() && text.bytes().all(token) { text.to_owned() } else { quoted(text) }
}

/// A quoted string of ASCII: what no mail program must be able to read becomes a question mark.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

/// What may stand in a comment without ending it.
fn in_comment(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\');
    text.chars().take(255).map(|c| if plain(&c) { c } else { '?' }).collect()
}
