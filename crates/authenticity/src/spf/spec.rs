use std::net::IpAddr;

/// A domain-spec: a name, or how to make one (RFC 7208 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Macro(Macro),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    /// As an URL writes it (RFC 7208 §7.3).
    escaped: bool,
    /// How many parts from the right are kept.
    parts: Option<usize>,
    reversed: bool,
    delimiters: Vec<char>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Sender,
    Local,
    SenderDomain,
    Domain,
    Ip,
    Validated,
    Family,
    Helo,
}

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) helo: &'a str,
    pub(super) ip: IpAddr,
    /// The name of the address that leads back to it, or `unknown`.
    pub(super) validated: &'a str,
}

impl Spec {
    /// Reads a domain-spec; nothing where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let spec = Self::parse_string(text)?;
        let ends_well = match spec.0.last()? {
            Piece::Macro(_) => true,
            // The name ends with a top label of its own, behind a dot.
            Piece::Text(end) => {
                let name = end.strip_suffix('.').unwrap_or(end);
                name.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label))
            }
        };
        ends_well.then_some(spec)
    }

    /// Reads a macro-string, which may be anything.
    pub(super) fn parse_string(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next()? {
                    '%' => literal.push('%'),
                    '_' => literal.push(' '),
                    '-' => literal.push_str("%20"),
                    '{' => {
                        let (inside, behind) = chars.as_str().split_once('}')?;
                        if !literal.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut literal)));
                        }
                        pieces.push(Piece::Macro(Macro::parse(inside)?));
                        chars = behind.chars();
                    }
                    _ => return None,
                },
                '!'..='~' => literal.push(c),
                _ => return None,
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Some(Self(pieces))
    }

    /// Whether the name of the address must be known first.
    pub(super) fn wants_validated(&self) -> bool {
        let validated = |piece: &Piece| matches!(piece, Piece::Macro(of) if of.letter == Letter::Validated);
        self.0.iter().any(validated)
    }

    /// The name, cut from the left to what a name may have (RFC 7208 §7.3).
    pub(super) fn name(&self, values: &Values<'_>) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Macro(of) => of.write(values, &mut name),
            }
        }
        let mut name = name.strip_suffix('.').unwrap_or(&name);
        while name.len() > 253 {
            let Some((_, rest)) = name.split_once('.') else { break };
            name = rest;
        }
        name.to_owned()
    }
}

impl Macro {
    fn parse(inside: &str) -> Option<Self> {
        let mut chars = inside.chars();
        let first = chars.next()?;
        let letter = match first.to_ascii_lowercase() {
            's' => Letter::Sender,
            'l' => Letter::Local,
            'o' => Letter::SenderDomain,
            'd' => Letter::Domain,
            'i' => Letter::Ip,
            'p' => Letter::Validated,
            'v' => Letter::Family,
            'h' => Letter::Helo,
            // `c`, `r` and `t` are for explanations alone (RFC 7208 §7.2).
            _ => return None,
        };
        let rest = chars.as_str();
        let (digits, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let parts = match digits {
            "" => None,
            // More parts than any name has is all of them.
            digits => Some(digits.parse().unwrap_or(usize::MAX)).filter(|parts| *parts > 0).map(Some)?,
        };
        let (reversed, rest) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let delimiters: Vec<char> = rest.chars().collect();
        let known = delimiters.iter().all(|c| ".-+,/_=".contains(*c));
        known.then_some(Self { letter, escaped: first.is_ascii_uppercase(), parts, reversed, delimiters })
    }

    fn write(&self, values: &Values<'_>, out: &mut String) {
        let value = match self.letter {
            Letter::Sender => format!("{}@{}", values.local, values.sender_domain),
            Letter::Local => values.local.to_owned(),
            Letter::SenderDomain => values.sender_domain.to_owned(),
            Letter::Domain => values.domain.to_owned(),
            Letter::Ip => dotted(values.ip),
            Letter::Validated => values.validated.to_owned(),
            Letter::Family => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Letter::Helo => values.helo.to_owned(),
        };
        let delimiter = |c: char| {
            if self.delimiters.is_empty() { c == '.' } else { self.delimiters.contains(&c) }
        };
        let mut parts: Vec<&str> = value.split(delimiter).collect();
        if self.reversed {
            parts.reverse();
        }
        let kept = self.parts.unwrap_or(usize::MAX).min(parts.len());
        let whole = parts[parts.len() - kept..].join(".");
        if self.escaped { out.push_str(&escaped(&whole)) } else { out.push_str(&whole) }
    }
}

/// As `%{i}` has it: the four numbers, or every nibble (RFC 7208 §7.3).
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// RFC 3986 §2.1, §2.3.
fn escaped(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

/// RFC 7208 §7.1: letters, digits and inner hyphens, and not digits alone.
fn is_top_label(label: &str) -> bool {
    label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7208 §7.3.
    #[test]
    fn macros_come_to_what_the_standard_says() {
        let four = Values {
            local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            helo: "mx.example.org",
            ip: "192.0.2.3".parse().expect("an address"),
            validated: "mx.example.org",
        };
        let six = Values { ip: "2001:db8::cb01".parse().expect("an address"), ..four };
        let name = |text: &str, values| Spec::parse_string(text).map(|spec| spec.name(values));
        for (text, name4) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("a%%b%_c%-d", "a%b c%20d"),
        ] {
            assert_eq!(name(text, &four).as_deref(), Some(name4), "{text}");
        }
        assert_eq!(
            name("%{ir}.%{v}._spf.%{d2}", &six).as_deref(),
            Some("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com")
        );
    }

    #[test]
    fn what_is_no_macro_is_refused() {
        for text in ["%", "%{", "%{}", "%{x}", "%{d0}", "%{c}", "%(d)", "%{d;}", "a b", "%{d2rr}", "\u{fc}"] {
            assert_eq!(Spec::parse_string(text), None, "{text}");
        }
        for text in ["", "localhost", "example.123", "example.-a", "a..", "%{d}x", "a.b-", "e.%%"] {
            assert_eq!(Spec::parse(text), None, "{text}");
        }
        for text in ["example.com", "example.com.", "%{d}", "a.%{d}", "_spf.x-1", "a..b"] {
            assert!(Spec::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_loses_labels_from_the_left() {
        let local = ["abcdefgh"; 40].join(".");
        let values = Values {
            local: &local,
            sender_domain: "b.example",
            domain: "b.example",
            helo: "c.example",
            ip: "192.0.2.3".parse().expect("an address"),
            validated: "unknown",
        };
        let name = Spec::parse("%{l}.%{d}").expect("a spec").name(&values);
        assert!(
            name.len() <= 253
                && name.len() > 240
                && name.starts_with("abcdefgh.")
                && name.ends_with(".b.example")
        );
    }
}
