//! Numbers as the listings print them: a poll of a large mailbox does little else.

use mail::Uid;

/// Appends a number in decimal digits.
pub(crate) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [b'0'; 20];
    let mut at = digits.len() - 1;
    while number >= 10 {
        digits[at] += (number % 10) as u8;
        number /= 10;
        at -= 1;
    }
    digits[at] += (number % 10) as u8;
    out.extend_from_slice(&digits[at..]);
}

/// Appends a uid exactly as its `Display` does.
pub(crate) fn uid(out: &mut Vec<u8>, uid: Uid) {
    let mut text = *b"r0000000000000000";
    for (digit, octet) in text[1..].chunks_exact_mut(2).zip(uid.0.to_be_bytes()) {
        digit[0] = HEX[usize::from(octet >> 4)];
        digit[1] = HEX[usize::from(octet & 15)];
    }
    out.extend_from_slice(&text);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_the_standard_library_prints_them() {
        let mut numbers: Vec<u64> = (0..=20).chain([99, 100, 101, u64::MAX - 1, u64::MAX]).collect();
        numbers.extend((0..64).map(|bit| 1 << bit));
        for number in numbers {
            let (mut text, mut name) = (Vec::new(), Vec::new());
            decimal(&mut text, number);
            uid(&mut name, Uid(number));
            assert_eq!(text, number.to_string().into_bytes());
            assert_eq!(name, Uid(number).to_string().into_bytes());
        }
    }
}
