//! Somebody scans the network for gateways of assistants. What listens is looked up in the system itself, then asked
//! at an address that others would use, and at its own without a token.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};

use serde_json::json;

use crate::install::stage::{Place, Service};
use crate::wire::modern;

/// Where the program listens, as the system says it.
fn listeners(service: &Service) -> BTreeSet<SocketAddr> {
    let process = format!("/proc/{}", service.id());
    let sockets: BTreeSet<String> = fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("{process}/net/{name}")).unwrap());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(|line| listener(line, &sockets)).collect()
}

/// The address of a line of such a table, if it is a listener and one of these sockets.
fn listener(line: &str, sockets: &BTreeSet<String>) -> Option<SocketAddr> {
    const LISTENS: &str = "0A";
    let fields: Vec<_> = line.split_whitespace().collect();
    if fields[3] != LISTENS || !sockets.contains(fields[9]) {
        return None;
    }
    let (address, port) = fields[1].split_once(':')?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap();
        word.to_ne_bytes()
    });
    let bytes = words.collect::<Vec<_>>().concat();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).unwrap()),
    };
    Some((address, u16::from_str_radix(port, 16).unwrap()).into())
}

const ANY_PORT: &str = "health: {bind: '127.0.0.1:0'}\nmcp: {bind: '127.0.0.1:0'}\n";
const OPEN: &str = "health: {bind: '0.0.0.0:0', public: true}\n\
                    mcp: {bind: '0.0.0.0:0', public: true, hosts: [gateway.example]}\n";

#[tokio::test]
async fn what_listens_does_so_on_this_machine_alone() {
    let place = Place::new();
    // As it comes: no line of configuration. The ports may be taken by another program, the addresses are what counts.
    let service = place.serve();
    assert!(
        listeners(&service).iter().all(|address| address.ip().is_loopback()),
        "{:?}",
        listeners(&service)
    );
    let status = place.good(&["status"]);
    assert!(status.contains("127.0.0.1:8765") && status.contains("127.0.0.1:8766"), "{status}");
    drop(service);

    place.configure(ANY_PORT);
    let service = place.serve();
    let found = listeners(&service);
    assert_eq!(found.len(), 2, "health and MCP: {found:?}");
    // Another address of the same machine, as a scanner of the network has one.
    let elsewhere = |address: &SocketAddr| SocketAddr::from(([127, 0, 0, 2], address.port()));
    for address in &found {
        assert_eq!(address.ip().to_string(), "127.0.0.1");
        assert!(TcpStream::connect(address).is_ok());
        assert!(TcpStream::connect(elsewhere(address)).is_err(), "{address} is reached from outside");
    }
    drop(service);

    // Where it is meant to be open it can be found, and still says nothing to somebody without a token.
    place.configure(OPEN);
    let service = place.serve();
    let found = listeners(&service);
    assert!(found.iter().all(|address| TcpStream::connect(elsewhere(address)).is_ok()), "{found:?}");
    let mut statuses = BTreeSet::new();
    for address in &found {
        let scan = modern("guessed", "tools/list", json!({})).with("Host", "gateway.example");
        let answer = scan.send(elsewhere(address)).await;
        assert!(!answer.body.contains("workspace"), "{answer:?}");
        statuses.insert(answer.status);
    }
    assert!(statuses.contains(&401) && !statuses.contains(&200), "{statuses:?}");
    assert_eq!(place.audited("mcp.client.denied", "denied"), 1);
}

#[test]
fn a_public_address_has_to_be_meant() {
    let place = Place::new();
    for (section, words) in [("health", "health.public: true"), ("mcp", "mcp.public: true")] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"] {
            place.configure(&format!("{section}: {{bind: '{address}'}}\n"));
            place.fails(&["config", "check"], 3, &[words]);
            place.fails(&["start"], 3, &[words]);
        }
    }
    place.configure(OPEN);
    place.good(&["config", "check"]);
}
