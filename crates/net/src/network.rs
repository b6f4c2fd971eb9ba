use std::net::IpAddr;

use ipnet::IpNet;

/// A set of networks in CIDR form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Takes the networks; an IPv4 address that came by a dual-stack socket is matched as IPv4.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Both sets together.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).copied().collect())
    }

    /// Whether one of them holds the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The key by which one peer is counted: an IPv4 address, or the /64 that one IPv6 customer has.
pub(crate) fn host_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        // Documented as disjoint from IPv4: no routed IPv6 prefix begins with 32 zero bits.
        IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64 | 1 << 63,
    }
}

/// The key of the network around it: an IPv4 /24, or an IPv6 /48.
pub(crate) fn network_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> 8),
        IpAddr::V6(v6) => (u128::from(v6) >> 80) as u64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let networks = Networks::new(vec!["192.0.2.0/24".parse().expect("a network")]);
        assert!(networks.contains(ip("::ffff:192.0.2.7")));
        assert!(!networks.contains(ip("192.0.3.7")));
    }

    #[test]
    fn a_customers_addresses_count_as_one() {
        assert_eq!(host_key(ip("2001:db8::1")), host_key(ip("2001:db8::ffff")));
        assert_ne!(host_key(ip("2001:db8::1")), host_key(ip("2001:db8:0:1::1")));
        assert_ne!(host_key(ip("192.0.2.1")), host_key(ip("192.0.2.2")));
        assert_eq!(network_key(ip("192.0.2.1")), network_key(ip("192.0.2.2")));
    }
}
