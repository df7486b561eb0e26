//! The names by which clients reach the server.

use std::net::SocketAddr;

use http::uri::Authority;

use crate::Error;

/// Checks that an entry of [`crate::Config::hosts`] is a name or an address, perhaps with a port, and nothing else.
///
/// # Errors
/// [`Error::Host`], which says what to write in its place.
pub fn check(entry: &str) -> Result<(), Error> {
    if authority(entry).is_some() {
        return Ok(());
    }
    let rest = entry.trim().split_once("://").map_or(entry.trim(), |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let instead =
        authority(rest).map_or("a name such as 'mcp.example.org'".to_owned(), |_| format!("'{rest}'"));
    Err(Error::Host { entry: openpact_model::text::one_line(entry, 200), instead })
}

/// What `Host` says when a client uses this entry. Users, wildcards and empty ports are none.
fn authority(entry: &str) -> Option<Authority> {
    let authority: Authority = entry.parse().ok()?;
    let (host, port) = (authority.host(), authority.port_u16());
    let is_port = port.is_some() || entry.len() == host.len();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (is_port && !host.is_empty() && host.bytes().all(good) && !entry.contains('@')).then_some(authority)
}

/// The address for clients of a server that listens at `address`.
pub(crate) fn url(address: SocketAddr, hosts: &[String]) -> String {
    match hosts.first().filter(|_| address.ip().is_unspecified()) {
        None => format!("http://{address}/mcp"),
        Some(host) if authority(host).is_some_and(|host| host.port().is_some()) => {
            format!("http://{host}/mcp")
        }
        Some(host) => format!("http://{host}:{}/mcp", address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in ["mcp.example.org", "localhost", "192.0.2.7", "[2001:db8::1]", "x.y:8765", "[::1]:80"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for (bad, instead) in [
            ("https://x.y", "'x.y'"),
            ("https://x.y:1/mcp", "'x.y:1'"),
            ("x.y/mcp", "'x.y'"),
            ("me@x.y", "'x.y'"),
            (" x.y", "'x.y'"),
            ("x y", "a name"),
            ("x.y:", "a name"),
            ("x.y:99999", "a name"),
            ("*.x.y", "a name"),
            ("", "a name"),
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("write {instead}")), "{bad}: {error}");
        }
    }

    #[test]
    fn nobody_is_told_an_address_that_is_none() {
        let url = |address: &str, host: &str| url(address.parse().unwrap(), &[host.to_owned()]);
        assert_eq!(url("0.0.0.0:8765", "x.y"), "http://x.y:8765/mcp");
        assert_eq!(url("[::]:8765", "x.y:80"), "http://x.y:80/mcp");
        assert_eq!(url("127.0.0.2:8765", "x.y"), "http://127.0.0.2:8765/mcp");
    }
}
