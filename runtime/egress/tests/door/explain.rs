//! What would become of a request, without sending it.

use openpact_model::secret::{SecretEntry, SecretValue};

use crate::server::Server;
use crate::world::{Names, PROBE, World, grant, placed};
use openpact_egress::Config;

#[tokio::test]
async fn nothing_is_sent_or_recorded_and_every_question_is_answered() {
    let server = Server::saying("ok").await;
    let world = World::new();
    world.vault.set("TOKEN", "a-value-of-a-secret", &[PROBE]);
    let rule = format!("GET {} credential=token private=127.0.0.1/32", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "header X-Token: {}", "TOKEN")]);
    let found = door.explain("GET", &server.url("/a?key=a-value-of-a-secret")).await.unwrap();
    assert_eq!((found.rule.as_deref(), &found.denied), (Some(rule.as_str()), &None));
    assert!(!format!("{found:?}").contains("a-value"), "{found:?}");
    assert_eq!(found.credentials[0].problem, None);
    assert_eq!(found.credentials[0].placement.as_deref(), Some("header x-token: {}"));
    assert_eq!(found.addresses[0].refused, None, "the rule names it");

    let denied = door.explain("POST", &server.url("/a")).await.unwrap();
    assert_eq!(denied.allow.unwrap(), format!("POST {} private=127.0.0.1/32", server.url("/a")));
    assert!(denied.denied.unwrap().contains("no grant allows POST"));
    assert_eq!(denied.addresses[0].refused.as_deref(), Some("loopback"));
    assert!(door.explain("TRACE", &server.url("/a")).await.is_err());
    assert!(door.explain("GET", "ftp://a.example/").await.is_err());
    let socket = server.url("/socket").replacen("http", "ws", 1);
    let denied = door.explain("GET", &socket).await.unwrap();
    assert_eq!(denied.allow.unwrap(), format!("GET {socket} private=127.0.0.1/32"));
    assert!(door.explain("POST", &socket).await.is_err(), "a WebSocket is opened with GET");
    assert_eq!((server.connections(), world.log.events().len()), (0, 0));
}

#[tokio::test]
async fn an_address_that_is_refused_is_a_denial_with_the_rule_that_would_do() {
    let names = Names::new(|_, host| match host {
        "none.example" => Vec::new(),
        _ => vec![[192, 0, 2, 1].into(), [93, 184, 215, 14].into(), [10, 0, 0, 7].into()],
    });
    let world = World::with(Config { lookup: Some(names), ..Config::default() });
    let door = world.door_with(vec![grant("GET https://a.example/**"), grant("GET https://none.example/")]);
    let found = door.explain("GET", "https://a.example/x").await.unwrap();
    let kinds: Vec<_> = found.addresses.iter().map(|one| one.refused.as_deref()).collect();
    assert_eq!(kinds, [Some("documentation"), None, Some("private")]);
    assert_eq!(found.allow.as_deref(), Some("GET https://a.example/** private=192.0.2.1/32"));
    let found = door.explain("GET", "https://none.example/").await.unwrap();
    assert_eq!(found.lookup.as_deref(), Some("it has no address"));
}

#[tokio::test]
async fn a_credential_that_would_not_be_filled_in_says_why() {
    let world = World::new();
    let rule = "GET https://a.example/** credential=token private=127.0.0.1/32";
    let door = world.door_with(vec![placed(rule, "header X-Token: {}", "TOKEN")]);
    let check = async |expected: &str| {
        let found = door.explain("GET", "https://a.example/x").await.unwrap();
        let problem = found.credentials[0].problem.clone().unwrap();
        assert!(problem.contains(expected), "{problem}");
    };
    check("not set").await;
    world.vault.set("TOKEN", "a-value-of-a-secret", &["component:other"]);
    check("not bound to component:probe").await;
    let mut entry =
        SecretEntry::new(SecretValue::new("a-value-of-a-secret".into()), vec![PROBE.parse().unwrap()]);
    entry.hosts = vec!["b.example".parse().unwrap()];
    world.vault.put("TOKEN", entry);
    check("bound to b.example and does not go to a.example").await;
}
