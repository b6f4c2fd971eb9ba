use std::time::{Duration, SystemTime, UNIX_EPOCH};

use yasna::tags::TAG_UTCTIME;

/// From when until when a certificate is good (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first instant.
    pub from: SystemTime,
    /// The last one.
    pub until: SystemTime,
}

/// The tag of the version, which may be left out before the serial number.
const VERSION: u8 = 0xA0;

impl Validity {
    /// Reads it from a certificate in DER; nothing if that is not one.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let signed = parts(parts(certificate)?.first()?)?;
        let version = usize::from(signed.first()?.first() == Some(&VERSION));
        // Serial number, algorithm and issuer come before it.
        let validity = parts(signed.get(version + 3)?)?;
        Some(Self { from: instant(validity.first()?)?, until: instant(validity.get(1)?)? })
    }
}

/// The elements of a sequence, unread.
fn parts(sequence: &[u8]) -> Option<Vec<Vec<u8>>> {
    yasna::parse_der(sequence, |reader| reader.collect_sequence_of(|part| part.read_der())).ok()
}

fn instant(time: &[u8]) -> Option<SystemTime> {
    let seconds = yasna::parse_der(time, |reader| {
        Ok(match reader.lookahead_tag()? {
            TAG_UTCTIME => reader.read_utctime()?.datetime().unix_timestamp(),
            _ => reader.read_generalized_time()?.datetime().unix_timestamp(),
        })
    });
    // Before 1970 is as long ago as matters.
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds.ok()?).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["mx.example.test".into()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    fn year(year: u64) -> SystemTime {
        // Leap years by the rule of four, which holds from 1970 to 2100.
        UNIX_EPOCH + Duration::from_secs(((year - 1970) * 365 + (year - 1969) / 4) * 24 * 60 * 60)
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        // From 2050 on a year is written with four digits.
        for (from, until) in [(2026, 2027), (2049, 2051), (2060, 2090)] {
            let read = Validity::of(&certificate(from, until)).expect("a certificate");
            let as_u64 = |year: i32| u64::try_from(year).expect("positive");
            assert_eq!(read, Validity { from: year(as_u64(from)), until: year(as_u64(until)) });
        }
        assert_eq!(Validity::of(&certificate(1960, 2030)).expect("a certificate").from, UNIX_EPOCH);
    }

    #[test]
    fn what_is_cut_or_noise_is_no_certificate() {
        let whole = certificate(2026, 2027);
        for length in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..length]), None);
        }
        assert_eq!(Validity::of(&[0x30; 100]), None);
    }
}
