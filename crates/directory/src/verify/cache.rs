use std::num::NonZeroUsize;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use mail::Secret;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// How long a right password is taken without hashing it again, whatever comes between.
const RIGHT_TTL: Duration = Duration::from_secs(60 * 60);
/// How long a wrong one is known to be wrong.
const WRONG_TTL: Duration = Duration::from_secs(10 * 60);
/// Most entries of either kind; guesses cannot push out those who are right.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// Passwords that were verified a while ago, in memory alone, as keyed digests: a poll each minute must not
/// cost a hash each minute. The stored hash is part of the digest, so a changed password is another question.
pub(super) struct VerifyCache {
    /// Nobody outside this process can make digests.
    keyed: Hmac<Sha256>,
    right: LruCache<u64, Entry>,
    wrong: LruCache<u64, Entry>,
}

/// One question: these octets, as this user's password, for this stored hash.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

struct Entry {
    digest: Digest,
    until: Instant,
}

impl VerifyCache {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        Self { keyed, right: LruCache::sparse(ENTRIES), wrong: LruCache::sparse(ENTRIES) }
    }

    /// No user name and no stored hash has a NUL, so no two questions are the same octets.
    pub(super) fn digest(&self, user: &str, stored: &str, password: &Secret) -> Digest {
        let mut mac = self.keyed.clone();
        for part in [user.as_bytes(), b"\0", stored.as_bytes(), b"\0", password.expose()] {
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }

    /// What was found lately, if anything.
    pub(super) fn get(&mut self, digest: &Digest, now: Instant) -> Option<bool> {
        if fresh(&mut self.right, digest, now) {
            return Some(true);
        }
        fresh(&mut self.wrong, digest, now).then_some(false)
    }

    pub(super) fn put(&mut self, digest: Digest, right: bool, now: Instant) {
        let (entries, ttl) = if right { (&mut self.right, RIGHT_TTL) } else { (&mut self.wrong, WRONG_TTL) };
        entries.put(digest.place(), Entry { digest, until: now + ttl });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.right.len() + self.wrong.len()
    }
}

/// A place is found by eight octets of the digest; all of it is then compared in constant time.
fn fresh(entries: &mut LruCache<u64, Entry>, digest: &Digest, now: Instant) -> bool {
    entries
        .get(&digest.place())
        .is_some_and(|entry| entry.until > now && bool::from(entry.digest.0.ct_eq(&digest.0)))
}

impl Digest {
    /// Its first octets: where its entry is kept.
    pub(super) fn place(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from(text.as_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_right_holds_an_hour_and_what_is_wrong_ten_minutes() {
        let mut cache = VerifyCache::new(&[7; 32]);
        let (good, bad) = (cache.digest("a", "$h", &secret("good")), cache.digest("a", "$h", &secret("bad")));
        cache.put(good, true, Instant::now());
        cache.put(bad, false, Instant::now());
        tokio::time::advance(WRONG_TTL - Duration::from_secs(1)).await;
        assert_eq!(
            (cache.get(&good, Instant::now()), cache.get(&bad, Instant::now())),
            (Some(true), Some(false))
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((cache.get(&good, Instant::now()), cache.get(&bad, Instant::now())), (Some(true), None));
        tokio::time::advance(RIGHT_TTL - WRONG_TTL).await;
        assert_eq!(cache.get(&good, Instant::now()), None, "a hit must not have prolonged it");
    }

    #[test]
    fn every_part_of_the_question_counts() {
        let cache = VerifyCache::new(&[7; 32]);
        let one = cache.digest("a", "$h", &secret("p"));
        for other in [
            cache.digest("b", "$h", &secret("p")),
            cache.digest("a", "$i", &secret("p")),
            cache.digest("a", "$h", &secret("q")),
            cache.digest("a", "$", &secret("hp")),
            VerifyCache::new(&[8; 32]).digest("a", "$h", &secret("p")),
        ] {
            assert_ne!(one.0, other.0);
        }
    }

    #[tokio::test]
    async fn guesses_are_bounded_and_leave_the_right_ones_alone() {
        let mut cache = VerifyCache::new(&[7; 32]);
        let now = Instant::now();
        let good = cache.digest("a", "$h", &secret("good"));
        cache.put(good, true, now);
        for guess in 0..20_000 {
            let digest = cache.digest("a", "$h", &secret(&guess.to_string()));
            cache.put(digest, false, now);
        }
        assert_eq!(cache.len(), ENTRIES.get() + 1);
        assert_eq!(cache.get(&good, now), Some(true));
    }
}
