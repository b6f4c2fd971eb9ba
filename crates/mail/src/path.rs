use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, AddressError, Domain};

/// Why the text after `FROM:` or `TO:` is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not `<...>`.
    #[error("a path stands in angle brackets")]
    Brackets,
    /// What stands between them is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Where a bounce would go: `<>`, or an address (RFC 5321 §4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: a bounce or a notice itself, never to be bounced (RFC 5321 §4.5.5).
    Null,
    /// The sender.
    Address(Address),
}

/// One recipient as the client wrote it (RFC 5321 §4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, in any case (RFC 5321 §2.3.5).
    Postmaster,
    /// The recipient.
    Address(Address),
}

impl ReversePath {
    /// Reads a path at the start of `text`; also gives what follows the closing bracket.
    /// A source route is stripped (RFC 5321 §3.6.1, §4.1.2).
    pub fn parse(text: &str) -> Result<(Self, &str), PathError> {
        let (inner, rest) = bracketed(text)?;
        if inner.is_empty() {
            return Ok((Self::Null, rest));
        }
        Ok((Self::Address(Address::parse(without_route(inner)?)?), rest))
    }

    /// The sender, unless it is `<>`.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl ForwardPath {
    /// Reads a path at the start of `text`; also gives what follows the closing bracket.
    /// A source route is stripped (RFC 5321 §3.6.1, §4.1.2).
    pub fn parse(text: &str) -> Result<(Self, &str), PathError> {
        let (inner, rest) = bracketed(text)?;
        if inner.eq_ignore_ascii_case("postmaster") {
            return Ok((Self::Postmaster, rest));
        }
        Ok((Self::Address(Address::parse(without_route(inner)?)?), rest))
    }

    /// The recipient, unless it is the bare `<postmaster>`.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Postmaster => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// What goes between the brackets; nothing for `<>`.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What goes between the brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Splits `<inner>rest`; a `>` inside a quoted string does not close.
fn bracketed(text: &str) -> Result<(&str, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::Brackets)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in inner.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Ok((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    Err(PathError::Brackets)
}

/// `@one,@two:mailbox` → `mailbox`; the hosts must at least be domains.
fn without_route(inner: &str) -> Result<&str, PathError> {
    if !inner.starts_with('@') {
        return Ok(inner);
    }
    // A literal such as @[IPv6:::1] holds colons of its own: the route ends at one outside brackets.
    let mut depth = false;
    let colon = inner.bytes().position(|octet| {
        match octet {
            b'[' => depth = true,
            b']' => depth = false,
            _ => {}
        }
        octet == b':' && !depth
    });
    let colon = colon.ok_or(AddressError::Domain)?;
    for hop in inner[..colon].split(',') {
        Domain::parse(hop.strip_prefix('@').ok_or(AddressError::Domain)?)?;
    }
    Ok(&inner[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(text: &str) -> Result<(String, &str), PathError> {
        ForwardPath::parse(text).map(|(path, rest)| (path.to_string(), rest))
    }

    /// RFC 5321 §3.3, §3.6.1.
    #[test]
    fn routes_are_stripped_and_parameters_left() {
        assert_eq!(forward("<@a,@b:c@d> X=Y"), Ok(("c@d".into(), " X=Y")));
        assert_eq!(forward("<@[IPv6:::1]:c@d>"), Ok(("c@d".into(), "")));
        assert_eq!(forward("<\"a>b\"@c>"), Ok(("\"a>b\"@c".into(), "")));
        assert_eq!(forward("<PostMaster>"), Ok(("postmaster".into(), "")));
    }

    /// RFC 5321 §4.5.5.
    #[test]
    fn the_null_path_is_a_sender_only() {
        assert_eq!(ReversePath::parse("<> SIZE=1"), Ok((ReversePath::Null, " SIZE=1")));
        assert!(ForwardPath::parse("<>").is_err());
        assert!(ReversePath::parse("<postmaster>").is_err());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", "a@b", "<a@b", "a@b>", "<a@b@c>", "<@a:>", "<@:a@b>", "<;cmd;>", "<@a b@c>", "< a@b>"]
        {
            assert!(ForwardPath::parse(text).is_err(), "{text:?}");
        }
    }
}
