use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use mail::Spam;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::AsyncWriteExt;

use super::lane::Lane;
use super::stream::{Answer, both, connect};
use super::{Scan, ScanFault, ScannerSettings};

/// Octets of an answer.
const ANSWER: usize = 1 << 20;
/// Header fields of an answer.
const FIELDS: usize = 64;
/// Octets of a header field of ours.
const VALUE: usize = 512;
/// Recipients that it is told of.
const RECIPIENTS: usize = 100;
/// Symbols that are kept.
const SYMBOLS: usize = 500;
/// A score that no sum of rules reaches; in hundredths.
const SCORE: f64 = 1e9;

/// What is told of a message beside its octets.
#[derive(Debug, Clone, Default)]
pub struct About<'a> {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// What it called itself.
    pub helo: &'a str,
    /// The name that its address has, if that leads back to it.
    pub name: Option<&'a str>,
    /// The reverse-path; empty for the null one.
    pub sender: &'a str,
    /// The forward-paths.
    pub recipients: &'a [String],
    /// Who logged in, if anybody did.
    pub user: Option<&'a str>,
    /// Ours, to find it in both logs.
    pub queue_id: &'a str,
}

/// The spam filter rspamd, by HTTP: what it says of a message at `/checkv2`.
#[derive(Debug)]
pub struct Rspamd {
    lane: Lane,
}

impl Rspamd {
    /// One that is asked as the settings say.
    pub fn new(settings: ScannerSettings) -> Self {
        Self { lane: Lane::new(settings) }
    }

    /// What it thinks of a message.
    pub async fn scan(&self, message: &[u8], about: &About<'_>) -> Scan<Spam> {
        let head = head(message.len(), about);
        let asked = async {
            let (mut write, mut answer) = connect(&self.lane.settings.endpoint).await?;
            both(send(&mut write, &head, message), read(&mut answer)).await
        };
        self.lane.scan("rspamd", asked).await
    }
}

async fn send(stream: &mut (impl AsyncWriteExt + Unpin), head: &str, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(message).await?;
    stream.flush().await
}

/// The request's header. HTTP/1.0, so that the answer is in one piece and the connection ends with it.
fn head(octets: usize, about: &About<'_>) -> String {
    let mut head = format!("POST /checkv2 HTTP/1.0\r\nContent-Length: {octets}\r\n");
    let mut field = |name: &str, value: &str| {
        // A peer had a say in most of them.
        let mut value: String = value.chars().filter(|c| !c.is_control()).collect();
        value.truncate(value.floor_char_boundary(VALUE));
        if !value.is_empty() {
            // A string takes all.
            let _ = write!(head, "{name}: {value}\r\n");
        }
    };
    if let Some(ip) = about.ip {
        field("IP", &ip.to_canonical().to_string());
    }
    field("Helo", about.helo);
    field("Hostname", about.name.unwrap_or_default());
    field("From", if about.sender.is_empty() { "<>" } else { about.sender });
    for recipient in about.recipients.iter().take(RECIPIENTS) {
        field("Rcpt", recipient);
    }
    field("User", about.user.unwrap_or_default());
    field("Queue-Id", about.queue_id);
    head.push_str("\r\n");
    head
}

/// What of its answer is looked at.
#[derive(Debug, Deserialize)]
struct Said {
    score: f64,
    action: String,
    #[serde(default)]
    symbols: BTreeMap<String, IgnoredAny>,
}

async fn read(answer: &mut Answer) -> Result<Spam, ScanFault> {
    let (from, length) = loop {
        if let Some(found) = body(&answer.octets)? {
            break found;
        }
        if !answer.more(ANSWER).await? {
            return Err(ScanFault::Cut);
        }
    };
    let end = length.map(|length| from.saturating_add(length));
    while end.is_none_or(|end| answer.octets.len() < end) {
        if !answer.more(ANSWER).await? {
            match end {
                Some(_) => return Err(ScanFault::Cut),
                None => break,
            }
        }
    }
    let body = &answer.octets[from..end.unwrap_or(answer.octets.len())];
    let said: Said = serde_json::from_slice(body).map_err(|error| ScanFault::Garbage(error.to_string()))?;
    Ok(spam(said))
}

/// Where the body begins and how long it is, once the header is there.
fn body(octets: &[u8]) -> Result<Option<(usize, Option<usize>)>, ScanFault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(octets).map_err(|error| ScanFault::Garbage(error.to_string()))?;
    let httparse::Status::Complete(from) = parsed else { return Ok(None) };
    let code = response.code.unwrap_or_default();
    if code != 200 {
        return Err(ScanFault::Says(format!("{code} {}", response.reason.unwrap_or_default())));
    }
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("Content-Length"));
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.trim().parse().ok();
    match length.map(|field| number(field.value)) {
        Some(None) => Err(ScanFault::Garbage("a length that is no number".into())),
        Some(Some(length)) if length > ANSWER => Err(ScanFault::TooLong),
        Some(Some(length)) => Ok(Some((from, Some(length)))),
        None => Ok(Some((from, None))),
    }
}

fn spam(said: Said) -> Spam {
    // In bounds and whole, so nothing is lost.
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let score = (said.score * 100.0).round().clamp(-SCORE, SCORE) as i64;
    let symbols = said.symbols.into_keys().take(SYMBOLS).map(mail::shown).collect();
    Spam { score, action: mail::shown(said.action), symbols }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_said_begins_no_line_of_its_own() {
        let recipients = vec!["a@b.test".to_owned(); 500];
        let about = About {
            ip: Some("::ffff:192.0.2.1".parse().expect("an address")),
            helo: "x\r\nUser: admin",
            recipients: &recipients,
            queue_id: "1.2",
            ..About::default()
        };
        let head = head(7, &about);
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("POST /checkv2 HTTP/1.0"));
        assert_eq!(lines.next(), Some("Content-Length: 7"));
        assert_eq!(lines.next(), Some("IP: 192.0.2.1"));
        assert_eq!(lines.next(), Some("Helo: xUser: admin"));
        assert_eq!(lines.next(), Some("From: <>"));
        assert_eq!(lines.filter(|line| line.starts_with("Rcpt: ")).count(), RECIPIENTS);
        assert!(head.ends_with("Queue-Id: 1.2\r\n\r\n"));
    }

    #[test]
    fn a_score_is_kept_in_hundredths() {
        let of = |json: &str| spam(serde_json::from_str(json).expect("json"));
        let said =
            of(r#"{"score": 15.304, "action": "reject", "symbols": {"B": {}, "A": {"score": 1}}, "x": []}"#);
        assert_eq!((said.score, said.action.as_str()), (1530, "reject"));
        assert_eq!(said.symbols, ["A", "B"]);
        assert_eq!(of(r#"{"score": -1e300, "action": ""}"#).score, -1_000_000_000);
    }
}
