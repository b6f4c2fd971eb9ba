use directory::Allowance;
use queue::Amount;

/// The share of its quota from which on the owner of a mailbox is warned.
pub(crate) const WARN: u64 = 90;
/// The share below which a mailbox must fall before its owner is warned again.
pub(crate) const FORGET: u64 = 80;

/// How much of its quota a mailbox takes, in hundredths: of octets or of messages, whichever is more. None when
/// it has no quota.
pub(crate) fn fullness(allowance: Allowance, taken: Amount) -> Option<u64> {
    let share = |taken: u64, quota: Option<u64>| {
        quota.map(|quota| (u128::from(taken) * 100).checked_div(u128::from(quota)).unwrap_or(100))
    };
    let most = share(taken.octets, allowance.octets).max(share(taken.messages, allowance.messages))?;
    Some(u64::try_from(most).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_of_both_counts() {
        let of = |octets, messages, taken: (u64, u64)| {
            let allowance = Allowance { octets, messages, age: None };
            fullness(allowance, Amount { octets: taken.0, messages: taken.1 })
        };
        assert_eq!(of(None, None, (u64::MAX, u64::MAX)), None);
        assert_eq!(of(Some(1000), None, (899, 7)), Some(89));
        assert_eq!(of(Some(1000), None, (900, 7)), Some(90));
        assert_eq!(of(Some(1000), Some(10), (0, 9)), Some(90));
        assert_eq!(of(Some(1000), Some(10), (2000, 1)), Some(200));
        assert_eq!(of(Some(u64::MAX), None, (u64::MAX, 0)), Some(100));
    }
}
