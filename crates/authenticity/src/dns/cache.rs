use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;
use lru::LruCache;

use super::answer::Kept;

/// Answers of more octets are asked for each time.
const OCTETS: usize = 4 << 10;
/// How long any answer is believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// Answers for as long as they say that they last; the one that nobody asked for longest goes first.
pub(super) struct Cache {
    kept: Mutex<LruCache<Question, (Kept, Instant)>>,
}

type Question = (RecordType, Box<str>);

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self { kept: Mutex::new(LruCache::new(most)) }
    }

    pub(super) fn get(&self, kind: RecordType, name: &str, now: Instant) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, name.into());
        let (answer, until) = kept.get(&key)?;
        if now < *until {
            return Some(answer.clone());
        }
        kept.pop(&key);
        None
    }

    pub(super) fn put(&self, kind: RecordType, name: &str, answer: &Kept, until: Instant) {
        let now = Instant::now();
        let small = match answer {
            Kept::Found(records) => records.octets() <= OCTETS,
            Kept::NoData | Kept::NoName => true,
        };
        if small && until > now {
            let until = until.min(now + LONGEST);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.put((kind, name.into()), (answer.clone(), until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_as_long_as_they_last_and_no_more_than_there_is_room_for() {
        let cache = Cache::new(2);
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        cache.put(RecordType::A, "a", &Kept::NoName, later);
        assert_eq!(cache.get(RecordType::A, "a", now), Some(Kept::NoName));
        assert_eq!(cache.get(RecordType::AAAA, "a", now), None);
        assert_eq!(cache.get(RecordType::A, "a", later), None);
        for name in ["a", "b", "c"] {
            cache.put(RecordType::A, name, &Kept::NoData, later);
        }
        assert_eq!(cache.get(RecordType::A, "a", now), None);
        assert_eq!(cache.get(RecordType::A, "c", now), Some(Kept::NoData));
        cache.put(RecordType::A, "d", &Kept::NoData, now + Duration::from_secs(1_000_000));
        assert_eq!(cache.get(RecordType::A, "d", Instant::now() + LONGEST), None);
    }
}
