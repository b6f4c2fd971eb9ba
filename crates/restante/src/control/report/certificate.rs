use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use net::Validity;

use super::Certificate;
use crate::config::outdated;

const DAY: u64 = 24 * 60 * 60;

impl Certificate {
    /// Of one that is good for some time.
    pub(crate) fn of(validity: Validity, now: SystemTime) -> Self {
        let whole = |time: Duration| i64::try_from(time.as_secs() / DAY).unwrap_or(i64::MAX);
        let days = match validity.until.duration_since(now) {
            Ok(left) => whole(left),
            Err(gone) => -1 - whole(gone.duration()),
        };
        let expires = format_rfc3339_seconds(validity.until).to_string();
        Self { expires, days, wrong: outdated(validity, now) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn days_are_whole_and_below_zero_afterwards() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let validity = Validity { from: at(0), until: at(1_803_772_800) };
        for (now, days) in [
            (1_803_772_800 - 86_400, 1),
            (1_803_772_800 - 86_399, 0),
            (1_803_772_800, 0),
            (1_803_772_801, -1),
            (1_803_772_800 + 86_400, -2),
        ] {
            let found = Certificate::of(validity, at(now));
            assert_eq!((found.expires.as_str(), found.days), ("2027-02-28T00:00:00Z", days));
            assert!(found.wrong.is_some());
        }
        assert_eq!(Certificate::of(validity, at(1)).wrong, None);
    }
}
