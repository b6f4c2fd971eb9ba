//! `refuse = "550 5.7.1"`, with `text`: not taken, before the 250.

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::{Action, Then};

/// What the sender is told where the rule does not say.
const TEXT: &str = "refused by the recipient's mail rules";
/// Longest text: a reply line has 512 octets (RFC 5321 §4.5.3.1.5).
const TEXT_MAX: usize = 400;

/// A reply that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// RFC 3463; of the same class as the code.
    pub(crate) enhanced: String,
    pub(crate) text: String,
}

pub(super) fn read(value: &Value<'_>, then: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let text = match then.table.get("text") {
        Some(text) => read_text(text, reader),
        None => Some(TEXT.to_owned()),
    };
    let expected = "expected a reply such as \"550 5.7.1\"";
    let reply = reader.string("refuse", value, expected)?;
    match codes(reply) {
        Ok((code, enhanced)) => Some(Action::Refuse(Refusal { code, enhanced, text: text? })),
        Err((why, hint)) => {
            let message = format!("`refuse`: `{}` {why}", reply.escape_debug());
            reader.say(Diagnostic::error(value.span(), message).label(expected).maybe(hint));
            None
        }
    }
}

/// RFC 5321 §4.2: a reply's text is printable ASCII.
fn read_text(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.line("text", value)?;
    let why = if !text.is_ascii() {
        "has characters that a reply cannot have"
    } else if text.len() > TEXT_MAX {
        "is longer than a reply"
    } else {
        return Some(text.to_owned());
    };
    let expected = format!("expected at most {TEXT_MAX} ASCII characters");
    reader.say(Diagnostic::error(value.span(), format!("`text` {why}")).label(expected));
    None
}

type Wrong = (&'static str, Option<String>);

fn codes(reply: &str) -> Result<(u16, String), Wrong> {
    let mut words = reply.split(' ');
    let (code, enhanced, rest) = (words.next().unwrap_or_default(), words.next(), words.next());
    if rest.is_some() {
        return Err(("is more than codes", Some("put words into `text`".into())));
    }
    let digits = code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_digit());
    let number: u16 = code.parse().ok().filter(|_| digits).ok_or(("is no reply code", None))?;
    if !(400..600).contains(&number) {
        let hint = "4xx asks the sender to come back, 5xx is final";
        return Err(("does not refuse", Some(hint.into())));
    }
    // RFC 5321 §3.8, RFC 7504: these end the connection.
    if matches!(number, 421 | 521) || number % 100 > 59 {
        let class = number / 100;
        return Err(("is not for one message", Some(format!("such as \"{class}50 {class}.7.1\""))));
    }
    let class = number / 100;
    let Some(enhanced) = enhanced else { return Ok((number, format!("{class}.7.1"))) };
    let parts: Vec<&str> = enhanced.split('.').collect();
    let number_of =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(number_of) {
        return Err(("has no enhanced code behind its code", Some(format!("\"{number} {class}.7.1\""))));
    }
    if parts.first() != Some(&class.to_string().as_str()) {
        let meant = format!("\"{number} {class}.{}.{}\"", parts[1], parts[2]);
        return Err(("has two codes that disagree", Some(format!("did you mean {meant}?"))));
    }
    Ok((number, enhanced.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn replies_that_refuse() {
        for (reply, read) in [
            ("550 5.7.1", Some((550, "5.7.1"))),
            ("550", Some((550, "5.7.1"))),
            ("451 4.7.0", Some((451, "4.7.0"))),
            ("450", Some((450, "4.7.1"))),
            ("250 2.0.0", None),
            ("350", None),
            ("600 6.0.0", None),
            ("550 4.7.1", None),
            ("550 5.7", None),
            ("550 5.7.1 go away", None),
            ("550 5.7.1.1", None),
            ("550 5.7.", None),
            ("550 5.7.x", None),
            ("550 5.7.999", Some((550, "5.7.999"))),
            ("550 5.7.1000", None),
            ("421 4.7.0", None),
            ("521", None),
            ("459", Some((459, "4.7.1"))),
            ("460", None),
            ("599", None),
            ("399", None),
            ("400", Some((400, "4.7.1"))),
            ("55", None),
            ("5505", None),
            ("0550", None),
            ("+50", None),
            ("550 5.7.1\r\n", None),
            ("", None),
        ] {
            let codes = codes(reply).ok();
            assert_eq!(codes.as_ref().map(|(code, enhanced)| (*code, enhanced.as_str())), read, "{reply}");
        }
    }
}
