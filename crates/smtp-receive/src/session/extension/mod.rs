//! The service extensions that EHLO announces (RFC 5321 §2.2.2). A new one is a file here and a row in
//! [`ALL`].

mod chunking;
mod eight_bit_mime;
mod enhanced_status_codes;
mod help;
mod limits;
mod pipelining;
mod size;
mod smtputf8;
mod starttls;

use mail::Body;

use super::params::Params;
use super::reply::Fault;

/// One extension.
pub(crate) struct Extension {
    /// Its EHLO keyword.
    keyword: &'static str,
    /// Whether it is announced; the flag says that TLS is on.
    offered: fn(&Params, bool) -> bool,
    /// What stands behind the keyword.
    argument: fn(&Params) -> Option<String>,
    /// The parameter that it adds to MAIL.
    parameter: Option<Parameter>,
}

/// A parameter of MAIL.
struct Parameter {
    name: &'static str,
    read: fn(Option<&str>, &mut MailParameters) -> Result<(), Fault>,
}

/// In the order they are announced.
const ALL: &[&Extension] = &[
    &pipelining::PIPELINING,
    &size::SIZE,
    &eight_bit_mime::EIGHT_BIT_MIME,
    &smtputf8::SMTPUTF8,
    &enhanced_status_codes::ENHANCED_STATUS_CODES,
    &chunking::CHUNKING,
    &starttls::STARTTLS,
    &help::HELP,
    &limits::LIMITS,
];

/// What the parameters of a MAIL have said; each may say it once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MailParameters {
    pub(crate) size: Option<u64>,
    pub(crate) body: Option<Body>,
    pub(crate) smtputf8: bool,
}

impl MailParameters {
    /// Reads what follows the path (RFC 5321 §4.1.1.11).
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let mut parameters = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let known = ALL.iter().filter_map(|extension| extension.parameter.as_ref());
            let mut known = known.filter(|parameter| parameter.name.eq_ignore_ascii_case(name));
            (known.next().ok_or(Fault::Parameter)?.read)(value, &mut parameters)?;
        }
        Ok(parameters)
    }
}

/// Writes the whole answer to EHLO (RFC 5321 §3.5.2, §4.1.1.1, §4.2.1, §4.2.4) or LHLO (RFC 2033 §5).
pub(crate) fn write_all(params: &Params, secured: bool, out: &mut Vec<u8>) {
    let offered = ALL.iter().filter(|extension| (extension.offered)(params, secured));
    let lines = offered.map(|extension| match (extension.argument)(params) {
        Some(argument) => format!("{} {argument}", extension.keyword),
        None => extension.keyword.into(),
    });
    let lines: Vec<String> = std::iter::once(params.hostname.clone()).chain(lines).collect();
    for (place, line) in lines.iter().enumerate() {
        out.extend_from_slice(if place + 1 < lines.len() { b"250-" } else { b"250 " });
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

fn always(_: &Params, _: bool) -> bool {
    true
}

fn no_argument(_: &Params) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MailParameters, Fault> {
        MailParameters::read(text)
    }

    /// RFC 5321 §2.4, §4.1.1.1.
    #[test]
    fn parameters_are_read_in_any_order_and_case() {
        let all = MailParameters { size: Some(7), body: Some(Body::EightBitMime), smtputf8: true };
        assert_eq!(read(" size=7 Body=8bitmime smtputf8"), Ok(all));
        assert_eq!(read(" SMTPUTF8 BODY=7BIT").map(|read| read.body), Ok(Some(Body::SevenBit)));
        assert_eq!(read(" SIZE=99999999999999999999").map(|read| read.size), Ok(Some(u64::MAX)));
        assert_eq!(read(""), Ok(MailParameters::default()));
    }

    /// RFC 1870 §3; RFC 6152 §3; RFC 6531 §3.4.
    #[test]
    fn what_was_not_offered_is_told_apart_from_what_is_malformed() {
        for text in [" AUTH=<>", " RET=FULL", " X", " =", " SIZE7"] {
            assert_eq!(read(text), Err(Fault::Parameter), "{text}");
        }
        for text in [
            " SIZE",
            " SIZE=",
            " SIZE=x",
            " SIZE=-1",
            " SIZE=+1",
            " SIZE=1 SIZE=1",
            " SIZE=999999999999999999999",
            " BODY",
            " BODY=BINARYMIME",
            " BODY=7BIT BODY=7BIT",
            " SMTPUTF8=1",
            " SMTPUTF8 SMTPUTF8",
        ] {
            assert_eq!(read(text), Err(Fault::Arguments), "{text}");
        }
    }
}
