//! Which addresses may be connected to: none of the special ranges, unless a grant names the range.
//!
//! An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is
//! judged by the address that it carries, since that is where the packet would go.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918.
    Private,
    /// `100.64.0.0/10`, RFC 6598.
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// `fc00::/7`, RFC 4193.
    UniqueLocal,
    /// `fec0::/10`, RFC 3879.
    SiteLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `240.0.0.0/4` and everything in IPv6 that is not global unicast.
    Reserved,
    /// RFC 2544, RFC 5180.
    Benchmarking,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// Protocol assignments: `192.0.0.0/24`, `192.88.99.0/24`, `2001::/23`.
    Protocol,
    /// The metadata service of a cloud, which hands out its credentials.
    Metadata,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared address space",
            Self::LinkLocal => "link-local",
            Self::UniqueLocal => "unique-local",
            Self::SiteLocal => "site-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::Benchmarking => "benchmarking",
            Self::Documentation => "documentation",
            Self::Protocol => "protocol assignment",
            Self::Metadata => "cloud metadata",
        })
    }
}

/// An address that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The address as it was resolved or written.
    pub address: IpAddr,
    /// What it is.
    pub kind: Kind,
}

/// Whether `address` may be connected to under a grant whose `private=` names these ranges.
///
/// # Errors
/// [`Refused`] where it is special and no range names it. A cloud metadata address must be named alone, by a range
/// of exactly that address.
pub fn judge(address: IpAddr, private: &[IpNet]) -> Result<(), Refused> {
    let carried = carried(address);
    let carried = carried.iter().flatten().copied().map(IpAddr::V4);
    for candidate in std::iter::once(address).chain(carried) {
        let Some(kind) = kind(candidate) else { continue };
        if !named(candidate, kind, private) && !named(address, kind, private) {
            return Err(Refused { address, kind });
        }
    }
    Ok(())
}

fn named(address: IpAddr, kind: Kind, private: &[IpNet]) -> bool {
    private.iter().any(|range| {
        range.contains(&address) && (kind != Kind::Metadata || range.prefix_len() == range.max_prefix_len())
    })
}

/// What is special about `address` itself; `None` for a global unicast address, and for one that only carries
/// another.
fn kind(address: IpAddr) -> Option<Kind> {
    if METADATA.contains(&address) {
        return Some(Kind::Metadata);
    }
    match address {
        IpAddr::V4(address) => V4.iter().find(|(range, _)| range.contains(&address)).map(|(_, kind)| *kind),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v6(address: Ipv6Addr) -> Option<Kind> {
    if address.is_unspecified() {
        return Some(Kind::Unspecified);
    }
    if address.is_loopback() {
        return Some(Kind::Loopback);
    }
    if carried(IpAddr::V6(address)).iter().any(Option::is_some) {
        return None;
    }
    let special = V6.iter().find(|(range, _)| contains_v6(range, address)).map(|(_, kind)| *kind);
    let global = contains_v6(&GLOBAL_UNICAST, address);
    special.or(if global { None } else { Some(Kind::Reserved) })
}

/// The IPv4 addresses that an IPv6 address carries.
fn carried(address: IpAddr) -> [Option<Ipv4Addr>; 2] {
    let IpAddr::V6(address) = address else { return [None; 2] };
    let bytes = address.octets();
    let at = |start: usize| Ipv4Addr::new(bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]);
    if contains_v6(&TEREDO, address) {
        // The server, and the client with its bits turned over (RFC 4380, section 4).
        let client = Ipv4Addr::from_bits(!at(12).to_bits());
        return [Some(at(4)), Some(client)];
    }
    if contains_v6(&SIX_TO_FOUR, address) {
        return [Some(at(2)), None];
    }
    if LOW_32_BITS.iter().any(|range| contains_v6(range, address)) {
        // `::` and `::1` are addresses of their own, not IPv4-compatible ones.
        let own = address.is_unspecified() || address.is_loopback();
        return [if own { None } else { Some(at(12)) }, None];
    }
    // ISATAP (RFC 5214, section 6.1): a universal or local interface identifier.
    if matches!(bytes[8..12], [0x00 | 0x02, 0x00, 0x5e, 0xfe]) && contains_v6(&GLOBAL_UNICAST, address) {
        return [Some(at(12)), None];
    }
    [None; 2]
}

fn contains_v6(range: &Ipv6Net, address: Ipv6Addr) -> bool {
    range.contains(&address)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(bits: u128, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length)
}

/// IANA IPv4 Special-Purpose Address Registry, the narrower ranges first.
const V4: [(Ipv4Net, Kind); 16] = [
    (v4(255, 255, 255, 255, 32), Kind::Broadcast),
    (v4(0, 0, 0, 0, 8), Kind::Unspecified),
    (v4(10, 0, 0, 0, 8), Kind::Private),
    (v4(100, 64, 0, 0, 10), Kind::Shared),
    (v4(127, 0, 0, 0, 8), Kind::Loopback),
    (v4(169, 254, 0, 0, 16), Kind::LinkLocal),
    (v4(172, 16, 0, 0, 12), Kind::Private),
    (v4(192, 0, 0, 0, 24), Kind::Protocol),
    (v4(192, 0, 2, 0, 24), Kind::Documentation),
    (v4(192, 88, 99, 0, 24), Kind::Protocol),
    (v4(192, 168, 0, 0, 16), Kind::Private),
    (v4(198, 18, 0, 0, 15), Kind::Benchmarking),
    (v4(198, 51, 100, 0, 24), Kind::Documentation),
    (v4(203, 0, 113, 0, 24), Kind::Documentation),
    (v4(224, 0, 0, 0, 4), Kind::Multicast),
    (v4(240, 0, 0, 0, 4), Kind::Reserved),
];

/// IANA IPv6 Special-Purpose Address Registry, the narrower ranges first; what is outside of [`GLOBAL_UNICAST`] and
/// not listed is reserved.
const V6: [(Ipv6Net, Kind); 8] = [
    (v6(0x2001_0002 << 96, 48), Kind::Benchmarking),
    (v6(0x2001_0db8 << 96, 32), Kind::Documentation),
    (v6(0x2001 << 112, 23), Kind::Protocol),
    (v6(0x3fff << 112, 20), Kind::Documentation),
    (v6(0xfc00 << 112, 7), Kind::UniqueLocal),
    (v6(0xfe80 << 112, 10), Kind::LinkLocal),
    (v6(0xfec0 << 112, 10), Kind::SiteLocal),
    (v6(0xff00 << 112, 8), Kind::Multicast),
];

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000 << 112, 3);
const TEREDO: Ipv6Net = v6(0x2001 << 112, 32);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002 << 112, 16);

/// Ranges whose last four bytes are an IPv4 address: compatible and mapped (RFC 4291, section 2.5.5), translated
/// (RFC 2765), NAT64 (RFC 6052). The local-use NAT64 prefix of RFC 8215 is not among them: where the address sits in
/// it is each network's own choice, so it stays reserved.
const LOW_32_BITS: [Ipv6Net; 4] =
    [v6(0, 96), v6(0xffff << 32, 96), v6(0xffff << 48, 96), v6(0x0064_ff9b << 96, 96)];

/// Where clouds answer with the machine's own credentials. Some lie outside of every special range.
const METADATA: [IpAddr; 11] = [
    // Amazon, Google, Microsoft, DigitalOcean, Hetzner, OpenStack; Amazon's task and pod identities.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::from_bits((0xfd00_0ec2 << 96) | 0x254)),
    IpAddr::V6(Ipv6Addr::from_bits((0xfd00_0ec2 << 96) | 0x23)),
    // Google over IPv6.
    IpAddr::V6(Ipv6Addr::from_bits((0xfd20_00ce << 96) | 0x254)),
    // Scaleway.
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    IpAddr::V6(Ipv6Addr::from_bits((0xfd00_0042 << 96) | 0x42)),
    // Alibaba, Oracle, Microsoft's host agent.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, private: &[&str]) -> Option<Kind> {
        let private: Vec<IpNet> = private.iter().map(|range| range.parse().unwrap()).collect();
        judge(address.parse().unwrap(), &private).err().map(|refused| refused.kind)
    }

    #[test]
    fn the_edges_of_every_range_are_judged_from_both_sides() {
        use Kind::{
            Benchmarking, Broadcast, Documentation, LinkLocal, Loopback, Multicast, Private, Protocol,
            Reserved, Shared, SiteLocal, UniqueLocal, Unspecified,
        };
        // First and last inside; the neighbours outside, where they are public.
        let ranges: &[(&str, &str, Kind, &[&str])] = &[
            ("0.0.0.0", "0.255.255.255", Unspecified, &["1.0.0.0"]),
            ("10.0.0.0", "10.255.255.255", Private, &["9.255.255.255", "11.0.0.0"]),
            ("100.64.0.0", "100.127.255.255", Shared, &["100.63.255.255", "100.128.0.0"]),
            ("127.0.0.0", "127.255.255.255", Loopback, &["126.255.255.255", "128.0.0.0"]),
            ("169.254.0.0", "169.254.255.255", LinkLocal, &["169.253.255.255", "169.255.0.0"]),
            ("172.16.0.0", "172.31.255.255", Private, &["172.15.255.255", "172.32.0.0"]),
            ("192.0.0.0", "192.0.0.255", Protocol, &["191.255.255.255", "192.0.1.0"]),
            ("192.0.2.0", "192.0.2.255", Documentation, &["192.0.1.255", "192.0.3.0"]),
            ("192.88.99.0", "192.88.99.255", Protocol, &["192.88.98.255", "192.88.100.0"]),
            ("192.168.0.0", "192.168.255.255", Private, &["192.167.255.255", "192.169.0.0"]),
            ("198.18.0.0", "198.19.255.255", Benchmarking, &["198.17.255.255", "198.20.0.0"]),
            ("198.51.100.0", "198.51.100.255", Documentation, &["198.51.99.255", "198.51.101.0"]),
            ("203.0.113.0", "203.0.113.255", Documentation, &["203.0.112.255", "203.0.114.0"]),
            ("224.0.0.0", "239.255.255.255", Multicast, &["223.255.255.255"]),
            ("240.0.0.0", "255.255.255.254", Reserved, &[]),
            ("255.255.255.255", "255.255.255.255", Broadcast, &[]),
            ("::", "::", Unspecified, &[]),
            ("::1", "::1", Loopback, &[]),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UniqueLocal, &[]),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal, &[]),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SiteLocal, &[]),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast, &[]),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                Documentation,
                &["2001:db7::", "2001:db9::"],
            ),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmarking, &[]),
            ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Protocol, &["2001:200::"]),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, &["3ffe::", "3fff:1000::"]),
            ("100::", "100::ffff:ffff:ffff:ffff", Reserved, &[]),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reserved, &[]),
            ("4000::", "fbff::", Reserved, &["2606:4700:4700::1111", "3ffe:ffff::"]),
        ];
        for (first, last, kind, public) in ranges {
            assert_eq!(check(first, &[]), Some(*kind), "{first}");
            assert_eq!(check(last, &[]), Some(*kind), "{last}");
            for address in *public {
                assert_eq!(check(address, &[]), None, "{address} is public");
            }
        }
    }

    #[test]
    fn a_carried_address_decides() {
        for shape in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "2002:7f00:1:1:2:3:4:5",
            "2001:0:7f00:1::f7f7:f7f7",
            "2001:0:808:808::80ff:fffe",
            "2606:4700::5efe:127.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
        ] {
            assert_eq!(check(shape, &[]), Some(Kind::Loopback), "{shape}");
            assert_eq!(check(shape, &["127.0.0.0/8"]), None, "{shape} is named");
        }
        for shape in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7"] {
            assert_eq!(check(shape, &[]), None, "{shape} carries a public address");
        }
        assert_eq!(check("::ffff:169.254.169.254", &["::ffff:0:0/96"]), Some(Kind::Metadata));
    }

    #[test]
    fn a_metadata_address_must_be_named_alone() {
        for address in METADATA {
            let text = address.to_string();
            assert_eq!(check(&text, &[]), Some(Kind::Metadata), "{text}");
            assert_eq!(check(&text, &["0.0.0.0/0", "::/0"]), Some(Kind::Metadata), "{text} in a wide range");
            let alone = IpNet::from(address).to_string();
            assert_eq!(check(&text, &[&alone]), None, "{text} named alone");
        }
    }

    #[test]
    fn a_range_names_what_it_contains_and_no_more() {
        assert_eq!(check("10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(check("10.2.0.0", &["10.1.0.0/16"]), Some(Kind::Private));
        assert_eq!(check("127.0.0.1", &["10.0.0.0/8"]), Some(Kind::Loopback));
        assert_eq!(check("8.8.8.8", &["10.0.0.0/8"]), None, "public addresses stay open");
    }
}
