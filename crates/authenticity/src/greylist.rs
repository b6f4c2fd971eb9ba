//! Greylisting: who was never seen before is asked to come again (RFC 6647).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use sha2::{Digest, Sha256};

/// How greylisting goes.
#[derive(Debug, Clone)]
pub struct GreylistSettings {
    /// How long somebody new has to wait.
    pub wait: Duration,
    /// How long after the first try a second one counts.
    pub within: Duration,
    /// How long who came again is known.
    pub known: Duration,
    /// How many are remembered.
    pub most: NonZeroUsize,
}

impl Default for GreylistSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5 * 60),
            within: Duration::from_secs(24 * 3600),
            known: Duration::from_secs(35 * 24 * 3600),
            most: const { NonZeroUsize::new(100_000).expect("not zero") },
        }
    }
}

/// What becomes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greyed {
    /// It passes.
    Passes,
    /// It is to come again, after so long.
    Waits(Duration),
}

/// Who was seen, in memory; [`Greylist::remembered`] is what is kept over a restart. Half of the room is for those who
/// came again: strangers, however many, push none of them out.
#[derive(Debug)]
pub struct Greylist {
    settings: GreylistSettings,
    /// Of this list alone, and kept with it.
    salt: Key,
    /// When they were seen first.
    new: LruCache<Key, Instant>,
    /// When they were seen last.
    known: LruCache<Key, Instant>,
}

/// Of a network, a domain and a recipient: by a hash that nobody outside can compute, so that a row is short
/// whatever they are.
type Key = [u8; 16];

/// What a list knew at one moment.
#[derive(Debug)]
pub struct Remembered {
    salt: Key,
    /// Whether it came again, who, and when, the oldest first.
    rows: Vec<(bool, Key, Instant)>,
}

/// The first word of what is written down, with the number of its format.
const FORMAT: &str = "restante-greylist-1";

impl Greylist {
    /// An empty one.
    pub fn new(settings: GreylistSettings) -> Self {
        let half = NonZeroUsize::new(settings.most.get() / 2).unwrap_or(NonZeroUsize::MIN);
        // Grown as they come: most hosts never see so many.
        let grown = || {
            let mut cache = LruCache::unbounded();
            cache.resize(half);
            cache
        };
        // Seeded by the system, as every table of the standard library is.
        let random = || RandomState::new().hash_one(()).to_ne_bytes();
        let mut salt = Key::default();
        salt[..8].copy_from_slice(&random());
        salt[8..].copy_from_slice(&random());
        Self { settings, salt, new: grown(), known: grown() }
    }

    /// Goes on with other settings; where there is less room, who was not seen for longest is forgotten.
    pub fn set(&mut self, settings: GreylistSettings) {
        let half = NonZeroUsize::new(settings.most.get() / 2).unwrap_or(NonZeroUsize::MIN);
        self.new.resize(half);
        self.known.resize(half);
        self.settings = settings;
    }

    /// All that still counts, to be written down by whoever has the time.
    pub fn remembered(&self, now: Instant) -> Remembered {
        let counts = |seen: Instant, for_so_long| now.saturating_duration_since(seen) <= for_so_long;
        let new =
            self.new.iter().filter(|(_, seen)| counts(**seen, self.settings.within)).map(|row| (false, row));
        let known =
            self.known.iter().filter(|(_, seen)| counts(**seen, self.settings.known)).map(|row| (true, row));
        let mut rows: Vec<_> = new.chain(known).map(|(again, (key, seen))| (again, *key, *seen)).collect();
        rows.reverse();
        Remembered { salt: self.salt, rows }
    }

    /// Takes over what [`Remembered::text`] wrote. `wall` is the time since 1970: what passed meanwhile counts, and
    /// where the clock went back, nothing did. A text that is none is an empty one: everybody waits once more.
    pub fn recall(&mut self, text: &str, now: Instant, wall: Duration) {
        let mut lines = text.lines();
        let head =
            lines.next().and_then(|line| line.strip_prefix(FORMAT)?.strip_prefix(' ')?.split_once(' '));
        let Some((written, salt)) =
            head.and_then(|(written, salt)| Some((written.parse().ok()?, key(salt)?)))
        else {
            return;
        };
        let meanwhile = wall.saturating_sub(Duration::from_secs(written));
        self.salt = salt;
        self.new.clear();
        self.known.clear();
        for line in lines.take(self.settings.most.get()) {
            let mut words = line.split(' ');
            let (Some(word), Some(key), Some(age)) = (words.next(), words.next().and_then(key), words.next())
            else {
                continue;
            };
            let age = age.parse().ok().and_then(|age| meanwhile.checked_add(Duration::from_secs(age)));
            let Some(seen) = age.and_then(|age| now.checked_sub(age)) else { continue };
            match word {
                "new" => self.new.put(key, seen),
                "known" => self.known.put(key, seen),
                _ => None,
            };
        }
    }

    /// Judges a try. `domain` is the reverse-path's; empty for the null one. Who is `authentic`, by SPF or DKIM,
    /// passes and needs no row.
    pub fn judge(
        &mut self,
        from: IpAddr,
        domain: &str,
        recipient: &str,
        authentic: bool,
        now: Instant,
    ) -> Greyed {
        if authentic {
            return Greyed::Passes;
        }
        let key = self.key(from, domain, recipient);
        let fresh = |seen: Instant, for_so_long: Duration| now.saturating_duration_since(seen) <= for_so_long;
        if let Some(seen) = self.known.get_mut(&key)
            && fresh(*seen, self.settings.known)
        {
            *seen = now;
            return Greyed::Passes;
        }
        let first = match self.new.get(&key) {
            Some(first) if fresh(*first, self.settings.within) => *first,
            Some(_) | None => {
                self.new.put(key, now);
                now
            }
        };
        let left = self.settings.wait.saturating_sub(now.saturating_duration_since(first));
        if !left.is_zero() {
            return Greyed::Waits(left);
        }
        self.new.pop(&key);
        self.known.put(key, now);
        Greyed::Passes
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.new.len() + self.known.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn key(&self, from: IpAddr, domain: &str, recipient: &str) -> Key {
        let mut hash = Sha256::new_with_prefix(self.salt);
        // Of no two triples are the octets the same: neither a domain nor a recipient has an octet of zero.
        for part in [network(from).to_string(), domain.to_lowercase(), recipient.to_lowercase()] {
            hash.update(part);
            hash.update([0]);
        }
        let mut key = Key::default();
        key.copy_from_slice(&hash.finalize()[..16]);
        key
    }
}

impl Remembered {
    /// Whether there is nobody to be remembered.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A line for each row, with how long ago it was seen; `wall` is the time since 1970.
    pub fn text(&self, now: Instant, wall: Duration) -> String {
        let hex = |key: &Key| format!("{:032x}", u128::from_be_bytes(*key));
        let mut text = format!("{FORMAT} {} {}\n", wall.as_secs(), hex(&self.salt));
        for (again, key, seen) in &self.rows {
            let word = if *again { "known" } else { "new" };
            let age = now.saturating_duration_since(*seen).as_secs();
            text.push_str(&format!("{word} {} {age}\n", hex(key)));
        }
        text
    }
}

fn key(text: &str) -> Option<Key> {
    u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).map(u128::to_be_bytes)
}

/// Large senders try again from another machine of the same network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Test {
        greylist: Greylist,
        start: Instant,
    }

    impl Test {
        fn new() -> Self {
            Self { greylist: Greylist::new(GreylistSettings::default()), start: Instant::now() }
        }

        fn judge(&mut self, from: &str, domain: &str, after: Duration) -> Greyed {
            let from = from.parse().expect("an address");
            self.greylist.judge(from, domain, "b@c.test", false, self.start + after)
        }
    }

    #[test]
    fn who_comes_again_after_a_while_passes_and_is_known() {
        let mut test = Test::new();
        assert_eq!(test.judge("192.0.2.1", "a.test", Duration::ZERO), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE), Greyed::Waits(MINUTE * 4));
        // From the same network, however it is written.
        assert_eq!(test.judge("::ffff:192.0.2.77", "A.Test", MINUTE * 5), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 30), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 60), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 96), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.3.1", "a.test", DAY * 96), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.2.1", "other.test", DAY * 96), Greyed::Waits(MINUTE * 5));
    }

    #[test]
    fn a_second_try_that_comes_too_late_is_a_first_one() {
        let mut test = Test::new();
        for days in [0, 2, 4] {
            assert_eq!(test.judge("2001:db8::1", "", DAY * days), Greyed::Waits(MINUTE * 5));
        }
        assert_eq!(test.judge("2001:db8::ffff:1", "", DAY * 4 + MINUTE * 6), Greyed::Passes);
        assert_eq!(test.judge("2001:db8:0:1::1", "", DAY * 4 + MINUTE * 6), Greyed::Waits(MINUTE * 5));
    }

    #[test]
    fn who_is_authentic_passes_and_takes_no_room() {
        let mut test = Test::new();
        let from = "192.0.2.1".parse().expect("an address");
        assert_eq!(test.greylist.judge(from, "a.test", "b@c.test", true, test.start), Greyed::Passes);
        assert!(test.greylist.is_empty());
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_is_no_way_through() {
        let mut test = Test::new();
        let later = test.start + MINUTE * 10;
        let from = "192.0.2.1".parse().expect("an address");
        for now in [later, later, test.start] {
            assert_eq!(test.greylist.judge(from, "a.test", "b", false, now), Greyed::Waits(MINUTE * 5));
        }
    }

    #[test]
    fn what_is_written_down_is_known_again() {
        let mut test = Test::new();
        let mut judge = |domain: &str, minutes: u32| test.judge("192.0.2.1", domain, MINUTE * minutes);
        judge("known.test", 0);
        assert_eq!(judge("known.test", 6), Greyed::Passes);
        judge("new.test", 8);
        let (now, wall) = (test.start + MINUTE * 10, DAY * 20_000);
        let text = test.greylist.remembered(now).text(now, wall);
        assert_eq!(text.lines().count(), 3);
        // Two minutes later by the clock of the machine, and the same where that has gone back.
        for (later, left) in [(MINUTE * 2, MINUTE), (Duration::ZERO, MINUTE * 3)] {
            let mut next = Test::new();
            let at = next.start;
            next.greylist.recall(&text, at, wall + later);
            assert_eq!(next.judge("192.0.2.1", "known.test", Duration::ZERO), Greyed::Passes);
            assert_eq!(next.judge("192.0.2.1", "new.test", Duration::ZERO), Greyed::Waits(left));
            assert_eq!(next.judge("192.0.2.1", "new.test", MINUTE * 3), Greyed::Passes);
            assert_eq!(next.judge("192.0.2.1", "other.test", Duration::ZERO), Greyed::Waits(MINUTE * 5));
        }
        let mut next = Test::new();
        let at = next.start;
        next.greylist.recall(&text, at, wall - DAY);
        assert_eq!(next.judge("192.0.2.1", "new.test", Duration::ZERO), Greyed::Waits(MINUTE * 3));
        // What is too old when it is read counts no more, and is not written again.
        next.greylist.recall(&text, at, wall + DAY * 36);
        assert_eq!(next.judge("192.0.2.1", "known.test", Duration::ZERO), Greyed::Waits(MINUTE * 5));
        next.greylist.recall(&text, at, wall + DAY * 36);
        assert!(next.greylist.remembered(at).is_empty());
    }

    #[test]
    fn a_text_that_is_none_is_an_empty_one_and_one_that_is_too_long_is_cut() {
        let settings = GreylistSettings {
            most: NonZeroUsize::new(10).expect("not zero"),
            ..GreylistSettings::default()
        };
        let mut greylist = Greylist::new(settings);
        let now = Instant::now();
        let key = "0123456789abcdef0123456789abcdef";
        let head = format!("{FORMAT} 5 {key}\n");
        for text in
            ["", "x", "restante-greylist-2 5 00\n", &format!("{FORMAT} 5 {}\nnew {key} 1\n", &key[1..])]
        {
            greylist.recall(text, now, MINUTE);
            assert!(greylist.is_empty(), "{text}");
        }
        greylist.recall(
            &format!("{head}new {key} 1\nknown {key} 1\nnew {key}\nold {key} 1\nnew x 1\nnew {key} -1\n\n"),
            now,
            MINUTE,
        );
        assert_eq!(greylist.len(), 2);
        let many: String = (0..1000_u128).map(|number| format!("known {number:032x} 1\n")).collect();
        greylist.recall(&format!("{head}{many}"), now, MINUTE);
        assert_eq!(greylist.len(), 5);
        greylist.recall(&format!("{head}known {key} {}\n", u64::MAX), now, MINUTE);
        assert!(greylist.is_empty());
    }

    #[test]
    fn other_settings_keep_who_is_known() {
        let mut test = Test::new();
        for number in 0..20 {
            test.judge("192.0.2.1", &format!("{number}.test"), Duration::ZERO);
        }
        let most = NonZeroUsize::new(10).expect("not zero");
        test.greylist.set(GreylistSettings { most, wait: MINUTE, ..GreylistSettings::default() });
        assert_eq!(test.greylist.len(), 5);
        assert_eq!(test.judge("192.0.2.1", "19.test", MINUTE), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "0.test", MINUTE), Greyed::Waits(MINUTE));
    }

    /// A million strangers (fewer where all is slow): no more room than there is, and who is known stays known.
    #[test]
    fn strangers_take_bounded_room_and_push_out_nobody_who_is_known() {
        let mut test = Test::new();
        test.judge("192.0.2.1", "a.test", Duration::ZERO);
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE * 5), Greyed::Passes);
        let started = Instant::now();
        for number in 0..if cfg!(debug_assertions) { 200_000 } else { 1_000_000_u32 } {
            let from = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into();
            let recipient = format!("{number}@c.test");
            test.greylist.judge(from, "a.test", &recipient, false, test.start + MINUTE * 6);
        }
        println!("strangers: {:?}, {} remembered", started.elapsed(), test.greylist.len());
        assert_eq!(test.greylist.len(), 50_001);
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE * 7), Greyed::Passes);
        // A row is a hash and a time, in a list and a table: some ten megabytes in all.
        assert!(size_of::<(Key, Instant)>() <= 32);
    }
}
