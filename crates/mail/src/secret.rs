use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password as a client sent it: wiped when dropped, never printed.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets; the caller wipes whatever it copied them from.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets, for the one place that compares them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::from(&b"hunter2"[..])), "Secret(****)");
    }
}
