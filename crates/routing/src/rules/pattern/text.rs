use std::borrow::Cow;

use mail::{Address, Domain};

/// Octets of a value that are looked at; what is behind them no pattern sees.
pub(crate) const LONGEST: usize = 256 << 10;

/// A value that patterns are held against, with the form that globs compare, made once.
#[derive(Debug)]
pub(crate) struct Text<'f> {
    raw: &'f str,
    folded: Cow<'f, str>,
}

impl<'f> Text<'f> {
    pub(crate) fn new(raw: &'f str) -> Self {
        let raw = cut(raw);
        Self { raw, folded: fold(raw) }
    }

    /// An address: one spelling for all that name the same (RFC 6531 §3.2).
    pub(crate) fn address(raw: &'f str) -> Self {
        let raw = cut(raw);
        Self { raw, folded: fold_address(raw) }
    }

    /// A domain or host name.
    pub(crate) fn domain(raw: &'f str) -> Self {
        let raw = cut(raw);
        Self { raw, folded: fold_domain(raw) }
    }

    /// As it came; regexes look at this.
    pub(crate) fn raw(&self) -> &'f str {
        self.raw
    }

    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

fn is_folded(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase())
}

pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if is_folded(text) { Cow::Borrowed(text) } else { Cow::Owned(mail::fold(text)) }
}

/// `local@domain` in the form to compare by; also of a pattern, whose wildcards stay what they are.
pub(crate) fn fold_address(text: &str) -> Cow<'_, str> {
    if is_folded(text) && !text.contains("xn--") && !text.contains('"') {
        return Cow::Borrowed(text);
    }
    if let Ok(address) = Address::parse(text) {
        return Cow::Owned(address.folded());
    }
    match text.rsplit_once('@') {
        Some((local, domain)) => Cow::Owned(format!("{}@{}", fold(local), fold_domain(domain))),
        None => fold(text),
    }
}

/// A domain in the form to compare by: A-labels are U-labels. A trailing dot goes.
pub(crate) fn fold_domain(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if is_folded(text) && !text.contains("xn--") {
        return Cow::Borrowed(text);
    }
    match Domain::parse(text) {
        Ok(domain) => Cow::Owned(domain.folded()),
        // A pattern such as `*.xn--bcher-kva.example`: its labels one by one.
        Err(_) => Cow::Owned(
            text.split('.')
                .map(|label| Domain::parse(label).map_or_else(|_| mail::fold(label), |label| label.folded()))
                .collect::<Vec<_>>()
                .join("."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        for (a, b) in [
            ("MÜLLER@XN--BCHER-KVA.example", "müller@bücher.example"),
            ("\"alice\"@Example.com", "alice@example.com"),
            ("*@*.XN--BCHER-KVA.example", "*@*.bücher.example"),
            ("<odd", "<ODD"),
        ] {
            assert_eq!(fold_address(a), fold_address(b), "{a}");
        }
        assert_eq!(fold_domain("MX.Example.com."), "mx.example.com");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "ü".repeat(LONGEST);
        let text = Text::new(&long);
        assert!(text.raw().len() <= LONGEST && text.raw().ends_with('ü'));
    }
}
