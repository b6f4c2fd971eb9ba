use std::net::IpAddr;

/// A name in the form that answers are kept under: lower case, without the last dot.
pub(crate) fn lower(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a question can hold the name (RFC 1035 §2.3.4).
pub(crate) fn can_be_asked(name: &str) -> bool {
    let fits = |label: &str| (1..=63).contains(&label.len());
    name.len() <= 253 && name.is_ascii() && name.split('.').all(fits)
}

/// The name that an address has for its names (RFC 1035 §3.5, RFC 3596 §2.5).
pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_backwards() {
        assert_eq!(reverse("192.0.2.1".parse().expect("an address")), "1.2.0.192.in-addr.arpa");
        let six = reverse("2001:db8::cb01".parse().expect("an address"));
        assert_eq!(six, "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }

    #[test]
    fn names_that_no_question_can_hold_are_known() {
        assert!(can_be_asked("a.b-c.example") && can_be_asked("_dmarc.example"));
        for name in ["", ".", "a..b", ".a", "b\u{fc}cher.example", &"a".repeat(64), &["a"; 130].join(".")] {
            assert!(!can_be_asked(name), "{name}");
        }
    }
}
