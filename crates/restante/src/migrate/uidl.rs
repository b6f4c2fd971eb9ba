use std::fmt;

/// What another server's UIDL called a message, kept so that clients know it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uidl(Box<str>);

/// Why a text cannot be a message's unique id here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidlError {
    /// Empty, or more than RFC 1939 allows.
    #[error("a unique id has 1 to 70 characters")]
    Length,
    /// A space, a control character, or more than ASCII.
    #[error("a unique id has visible ASCII characters only, and no space")]
    Character,
    /// It could be the name of another message one day, or be it already.
    #[error("`r` and 16 hex digits is how restante itself names mail")]
    Ours,
}

/// Characters at most (RFC 1939 §7).
const MAX: usize = 70;

impl Uidl {
    /// Reads one. RFC 1939 §7 says what it may be; beyond that it must not look like a [`mail::Uid`], which
    /// this store hands out itself.
    pub fn parse(text: &str) -> Result<Self, UidlError> {
        if text.is_empty() || text.len() > MAX {
            return Err(UidlError::Length);
        }
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(UidlError::Character);
        }
        if is_ours(text) {
            return Err(UidlError::Ours);
        }
        Ok(Self(text.into()))
    }

    /// A name made of a message's content, for mail whose old server's name for it is not known: the same
    /// message has the same name at every import. `copy` counts equal messages, from 1.
    pub fn of_content(digest: &[u8], copy: u32) -> Self {
        let hex: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        Self(if copy > 1 { format!("x{hex}.{copy}") } else { format!("x{hex}") }.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whatever the case: clients need not tell them apart.
fn is_ours(text: &str) -> bool {
    let digits = text.strip_prefix(['r', 'R']);
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1939 §7.
    #[test]
    fn what_may_stand_in_a_listing_is_taken_and_nothing_else() {
        for text in ["1", "!~", "0000002a4c05ac90", &"x".repeat(70), "r0123", "r0123456789abcdeg"] {
            assert_eq!(Uidl::parse(text).map(|uidl| uidl.to_string()), Ok(text.to_owned()));
        }
        for (text, error) in [
            ("", UidlError::Length),
            (&*"x".repeat(71), UidlError::Length),
            ("a b", UidlError::Character),
            ("a\r\n.", UidlError::Character),
            ("\u{e9}", UidlError::Character),
            ("a\0", UidlError::Character),
        ] {
            assert_eq!(Uidl::parse(text), Err(error), "{text:?}");
        }
    }

    /// What the store will hand out one day can never be taken before.
    #[test]
    fn our_own_names_are_never_foreign() {
        for uid in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let text = mail::Uid(uid).to_string();
            assert_eq!(Uidl::parse(&text), Err(UidlError::Ours), "{text}");
            assert_eq!(Uidl::parse(&text.to_uppercase()), Err(UidlError::Ours), "{text}");
        }
    }

    #[test]
    fn names_of_content_are_unique_ids() {
        let [one, two] = [1, 2].map(|copy| Uidl::of_content(&[0xab; 32], copy));
        assert_ne!(one, two);
        assert!(one.as_str().starts_with("xabab"));
        for name in [one, two] {
            assert_eq!(Uidl::parse(name.as_str()), Ok(name));
        }
    }
}
