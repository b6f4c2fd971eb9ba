use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::dkim::Canonicalization;

/// Ways to hash a body, of one message.
const WAYS: usize = 4;

/// The hashes of a body, each made once: as many signatures as are looked at may want the same one.
#[derive(Default)]
pub(super) struct Hashes {
    pub(super) made: Vec<(Canonicalization, HashAlgorithm, u64, Vec<u8>)>,
}

impl Hashes {
    /// Makes one more, unless there are too many; whether it is there.
    pub(super) fn make(
        &mut self,
        how: Canonicalization,
        by: HashAlgorithm,
        length: u64,
        body: &[u8],
    ) -> bool {
        if self
            .made
            .iter()
            .any(|(known, by_known, octets, _)| *known == how && *by_known == by && *octets == length)
        {
            return true;
        }
        if self.made.len() >= WAYS {
            return false;
        }
        let hash = by.hash(how.canonical_body(body, length)).as_ref().to_vec();
        self.made.push((how, by, length, hash));
        true
    }
}

/// Whether a signature over so many octets leaves any to be added by whoever likes (RFC 6376 §8.2).
pub(super) fn leaves_some(length: u64, body: &[u8]) -> bool {
    length > 0 && length < body.trim_ascii_end().len() as u64
}
