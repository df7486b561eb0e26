//! Who asks, and how much they may see.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};

/// What a visitor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Which part does not work, and why.
    Detail,
    /// Whether it works, and the measurements.
    State,
    /// Nothing: this is a web page of somebody else that reaches this machine's own port through a name of its own
    /// (DNS rebinding).
    Nothing,
}

/// What a proxy adds when it passes on what somebody else asked.
const PASSED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "via"];

/// Judges by the connection. The `Host` header can only take away: it never makes anybody local.
pub(crate) fn sight(local: SocketAddr, peer: SocketAddr, headers: &HeaderMap) -> Sight {
    let is_passed_on = PASSED_ON.iter().any(|name| headers.contains_key(*name));
    let names_loopback = names_loopback(headers);
    if is_loopback(peer.ip()) && names_loopback && !is_passed_on {
        Sight::Detail
    } else if is_loopback(local.ip()) && !names_loopback {
        Sight::Nothing
    } else {
        Sight::State
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether there is exactly one `Host`, and it is `localhost` or a loopback address.
fn names_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<http::uri::Authority>().ok())
    else {
        return false;
    };
    let host = authority.host();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(local: &str, peer: &str, headers: &[(&'static str, &'static str)], expected: Sight) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let local = format!("{local}:8766").parse().unwrap();
        let peer = format!("{peer}:50000").parse().unwrap();
        assert_eq!(sight(local, peer, &map), expected, "{local} {peer} {headers:?}");
    }

    #[test]
    fn detail_is_for_this_machine_under_its_own_name() {
        for host in ["localhost", "LOCALHOST:8766", "127.0.0.1:8766", "127.0.0.2", "[::1]:8766"] {
            check("127.0.0.1", "127.0.0.1", &[("host", host)], Sight::Detail);
            check("[::]", "[::ffff:127.0.0.1]", &[("host", host)], Sight::Detail);
        }
    }

    #[test]
    fn a_host_header_makes_nobody_local() {
        check("10.0.0.1", "10.0.0.9", &[("host", "localhost")], Sight::State);
        check("[::]", "[::ffff:10.0.0.9]", &[("host", "127.0.0.1:8766")], Sight::State);
    }

    #[test]
    fn a_web_page_that_points_its_name_here_sees_nothing() {
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8766", "0x7f.1", ""] {
            check("127.0.0.1", "127.0.0.1", &[("host", host)], Sight::Nothing);
        }
        check("127.0.0.1", "127.0.0.1", &[], Sight::Nothing);
        check("127.0.0.1", "127.0.0.1", &[("host", "localhost"), ("host", "evil.example")], Sight::Nothing);
        check("127.0.0.1", "127.0.0.1", &[("host", "user@localhost@evil")], Sight::Nothing);
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_lend_its_place() {
        for name in PASSED_ON {
            check("127.0.0.1", "127.0.0.1", &[("host", "localhost"), (name, "x")], Sight::State);
        }
        check("0.0.0.0", "127.0.0.1", &[("host", "bot.example")], Sight::State);
        check("0.0.0.0", "172.17.0.5", &[("host", "openpact:8766")], Sight::State);
    }
}
