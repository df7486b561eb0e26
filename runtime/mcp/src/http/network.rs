//! Which network somebody comes from: what one household or machine holds. With IPv6 that is 64 bits of the address (RFC
//! 4291, section 2.5.1), whose other half whoever is there chooses at will.

use std::net::{IpAddr, Ipv6Addr};

/// Of the bits of an IPv6 address, those of the network.
const NETWORK: u128 = !(u64::MAX as u128);

pub(super) fn of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_ipv6_address_is_a_network_and_a_whole_ipv4_address() {
        let of = |text: &str| of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:ffff:ffff:ffff:ffff"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
