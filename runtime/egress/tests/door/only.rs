//! Grants for any site, narrowed to addresses that a person wrote; and what a guest learns of where it ended up.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use openpact_egress::credential::References;
use openpact_egress::{Body, Door, Error, FINAL_URL, Only, Options, empty, request};
use openpact_model::audit::Verdict;

use crate::peer::Peer;
use crate::server::{Seen, Server, Step, reply};
use crate::world::{World, get, grant as peer_grant, read};

/// Asks for an address where only `written` may be reached.
async fn ask(door: &Door, url: &str, written: &[&str]) -> Result<http::Response<Body>, Error> {
    let written: BTreeSet<String> = written.iter().map(|&address| address.to_owned()).collect();
    let mut request = request("GET", url, &[], empty()).unwrap();
    request.extensions_mut().insert(Only(Arc::new(written)));
    door.send(request, Options::default(), &References::none()).await
}

/// `/r?URL` redirects there; everything else says ok, and lies about where it is.
async fn site() -> Server {
    Server::start(|seen: &Seen| {
        let path = seen.line().split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = match path.strip_prefix("/r?") {
            Some(target) => reply("302 Found", &[("location", target)], b""),
            None => reply("200 OK", &[("Openpact-Final-Url", "https://bank.example/")], b"ok"),
        };
        vec![Step::Write(answer)]
    })
    .await
}

#[tokio::test]
async fn any_site_is_the_addresses_that_were_written_and_no_other() {
    let (site, world) = (site().await, World::new());
    let port = site.port();
    let door = world.door(&[&format!("GET http://*.test:{port}/** private=127.0.0.1")]);
    let written = format!("http://docs.test:{port}/guide?page=1");
    let ask = async |url: &str| ask(&door, url, &[&written]).await;
    assert_eq!(read(ask(&written).await).await.unwrap().0, 200);
    assert_eq!(
        read(ask(&format!("HTTP://DOCS.test:{port}/x/../guide?page=1#part")).await).await.unwrap().0,
        200
    );
    let before = site.connections();
    for invented in [
        format!("http://docs.test:{port}/guide?page=1&q=memory"),
        format!("http://docs.test:{port}/guide"),
        format!("http://docs.test:{port}/guide/?page=1"),
        format!("http://docs.test:{port}/%67uide?page=1"),
        format!("http://memory.docs.test:{port}/guide?page=1"),
        format!("http://docs.test.:{port}/guide?page=1"),
        format!("http://evil.test:{port}/"),
    ] {
        let refused = ask(&invented).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{invented}: {refused:?}");
        let record = world.log.last();
        assert_eq!((record.kind.as_str(), record.verdict), ("egress.request", Verdict::Denied), "{invented}");
    }
    assert_eq!(site.connections(), before, "nothing of that was sent, and no name of it was looked up");
    // The same door without the wish, as a conversation without private things asks.
    assert_eq!(read(get(&door, &format!("http://evil.test:{port}/")).await).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_grant_that_names_its_site_is_not_narrowed() {
    let (site, world) = (site().await, World::new());
    let port = site.port();
    let any = format!("GET http://*.test:{port}/** private=127.0.0.1");
    let named = format!("GET http://api.test:{port}/** private=127.0.0.1");
    for rules in [[&*any, &*named], [&*named, &*any]] {
        let door = world.door(&rules);
        assert_eq!(read(ask(&door, &format!("http://api.test:{port}/x"), &[]).await).await.unwrap().0, 200);
        assert!(ask(&door, &format!("http://other.test:{port}/x"), &[]).await.is_err());
    }
}

#[tokio::test]
async fn a_redirect_from_a_written_address_is_followed_and_told() {
    let (site, world) = (site().await, World::new());
    let port = site.port();
    let door = world.door(&[&format!("GET http://*.test:{port}/** private=127.0.0.1")]);
    let end = format!("http://else.test:{port}/end?session=7");
    let written = format!("http://docs.test:{port}/r?{end}");
    let answer = ask(&door, &written, &[&written]).await.unwrap();
    let told: Vec<_> = answer.headers().get_all(FINAL_URL).iter().collect();
    assert_eq!(told, [end.as_str()], "what the server said under this name is dropped");
    assert!(ask(&door, &end, &[&written]).await.is_err(), "where it leads was not written");
}

/// A connection carries as much as a request: it is no way round.
#[tokio::test]
async fn connections_are_narrowed_too() {
    let (peer, world) = (Peer::echo().await, World::new());
    let url = format!("ws://evil.test:{}/memory", peer.address.port());
    let door = world.door(&[&format!("GET ws://*.test:{}/** private=127.0.0.1", peer.address.port())]);
    let none = Arc::new(References::none());
    let open = |only| door.connect(&url, &[], Options::default(), only, &none);
    let nothing = || Some(Only(Arc::new(BTreeSet::new())));
    assert!(open(nothing()).await.is_err());
    let record = world.log.last();
    assert_eq!((record.kind.as_str(), record.verdict), ("egress.request", Verdict::Denied));
    door.set_grants(Vec::new());
    door.count_until(Some(Timestamp::from_second(4_000_000_000).unwrap()));
    assert!(open(nothing()).await.is_err(), "counting neither");
    assert!(world.log.last().detail["reason"].as_str().unwrap().contains("that a person wrote"));
    assert_eq!(peer.connections(), 0);
    door.count_until(None);
    door.set_grants(vec![peer_grant(&format!(
        "GET ws://*.test:{}/** private=127.0.0.1",
        peer.address.port()
    ))]);
    assert!(open(None).await.is_ok(), "as a conversation without private things opens it");
}

#[tokio::test]
async fn counting_opens_no_way_out_of_a_conversation_with_private_things() {
    let (site, world) = (site().await, World::new());
    let door = world.door(&[]);
    door.count_until(Some(Timestamp::from_second(4_000_000_000).unwrap()));
    assert!(ask(&door, &site.url("/?memory"), &[]).await.is_err());
    assert_eq!(site.connections(), 0);
}
