//! Secrets that are bound to hosts, that the host mints, and that are used.

use std::fs;

use openpact_model::mint::{Definition, Minted, Token};
use openpact_model::principal::Principal;
use openpact_model::secret::{SecretEntry, SecretName, SecretValue};
use openpact_store::Store;
use openpact_store::audit::Filter;
use openpact_store::secret::Kind;

use crate::support::{Place, contains};

fn name() -> SecretName {
    "API".parse().unwrap()
}

fn web() -> Principal {
    "component:web".parse().unwrap()
}

fn definition(refresh: &str) -> Definition {
    let text = serde_json::json!({ "kind": "oauth", "token_url": "https://a.example/token", "client_id": "c",
        "client_secret": "client-secret-of-the-test", "refresh_token": refresh });
    serde_json::from_value(text).unwrap()
}

fn token(value: &str, second: i64) -> Token {
    let at = |second| jiff::Timestamp::from_second(1_700_000_000 + second).unwrap();
    Token { value: SecretValue::new(value.into()), renew: at(second), expires: at(second + 600) }
}

async fn set(store: &Store) {
    let definition = definition("refresh-token-number-0");
    let value = definition.parts().next().unwrap().clone();
    let minted = Some(Minted { definition, tokens: Vec::new() });
    let entry = SecretEntry { minted, ..SecretEntry::new(value, vec![web()]) };
    store.secret_vault().set(name(), entry).await.unwrap();
}

fn entry(store: &Store) -> SecretEntry {
    store.secrets().snapshot().entries[&name()].clone()
}

fn values(store: &Store) -> Vec<String> {
    entry(store).values().map(|value| value.expose().to_owned()).collect()
}

async fn problem(store: &Store) -> Option<String> {
    match &store.secret_vault().list().await.unwrap()[0].kind {
        Kind::Minted { problem, .. } => problem.clone(),
        Kind::Plain => panic!("it is minted"),
    }
}

#[tokio::test]
async fn a_token_and_its_rotated_refresh_token_are_kept_together_and_encrypted() {
    let place = Place::new();
    let store = place.open();
    set(&store).await;
    store.mint_store().mint_failed(&name(), "no server".into()).await.unwrap();
    assert_eq!(problem(&store).await.as_deref(), Some("no server"));
    let (from, to) = (definition("refresh-token-number-0"), definition("refresh-token-number-1"));
    let kept =
        store.mint_store().minted(&name(), &from, Some(to), token("access-token-number-1", 3600)).await;
    assert!(kept.unwrap());
    assert_eq!(problem(&store).await, None);
    let expected = [
        "refresh-token-number-1",
        "refresh-token-number-1",
        "client-secret-of-the-test",
        "access-token-number-1",
    ];
    assert_eq!(values(&store), expected);
    // Whoever asked with the old one is too late.
    let late = store.mint_store().minted(&name(), &from, None, token("access-token-number-9", 3600)).await;
    assert!(!late.unwrap());
    store.secret_vault().rotate().await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let bytes = place.secure_bytes();
    for part in ["access-token", "refresh-token", "client-secret"] {
        assert!(!contains(&bytes, part.as_bytes()), "{part}");
    }
    let store = place.open();
    assert_eq!(values(&store), expected, "the next program goes on with it");
    let filter = Filter { kind_prefix: Some("secret.mint".into()), limit: 9, ..Filter::default() };
    let log = store.audit().page(filter).await.unwrap();
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(log[1].event.detail["rotated"], true);
}

#[tokio::test]
async fn tokens_that_may_still_be_said_back_stay_known_and_no_more() {
    let place = Place::new();
    let store = place.open();
    set(&store).await;
    let from = definition("refresh-token-number-0");
    for number in 0..12 {
        let token = token(&format!("access-token-number-{number}"), 3600);
        assert!(store.mint_store().minted(&name(), &from, None, token).await.unwrap());
    }
    let kept = entry(&store).minted.unwrap().tokens.len();
    assert_eq!(kept, 8);
    place.clock.advance(4201 * 1_000_000);
    let last = token("access-token-number-12", 9000);
    assert!(store.mint_store().minted(&name(), &from, None, last).await.unwrap());
    assert_eq!(entry(&store).minted.unwrap().tokens.len(), 1, "the others have expired");
}

#[tokio::test]
async fn setting_and_removing_end_what_was_minted() {
    let place = Place::new();
    let store = place.open();
    set(&store).await;
    let from = definition("refresh-token-number-0");
    assert!(
        store.mint_store().minted(&name(), &from, None, token("access-token-number-1", 60)).await.unwrap()
    );
    set(&store).await;
    assert_eq!(entry(&store).minted.unwrap().tokens.len(), 0);
    store.secret_vault().remove(&name()).await.unwrap();
    assert!(
        !store.mint_store().minted(&name(), &from, None, token("access-token-number-2", 60)).await.unwrap()
    );
    assert!(store.secret_vault().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn hosts_are_kept_and_cannot_be_taken_away_in_the_database() {
    for change in [
        "UPDATE secret SET hosts = '[]'",
        "UPDATE secret SET hosts = '[\"evil.example\"]'",
        "UPDATE secret SET hosts = '[]', kind = 'minted'",
    ] {
        let place = Place::new();
        let store = place.open();
        let mut bound = SecretEntry::new(SecretValue::new("a value of some length".into()), vec![web()]);
        bound.hosts = vec!["api.example.com".parse().unwrap()];
        store.secret_vault().set(name(), bound).await.unwrap();
        drop(store);
        let store = place.open();
        assert!(entry(&store).goes_to("api.example.com") && !entry(&store).goes_to("evil.example"));
        drop(store);
        place.tamper(change, 1);
        assert!(place.open().secrets().snapshot().entries.is_empty(), "{change}");
    }
}

#[tokio::test]
async fn a_use_shows_at_once_and_is_written_once_a_minute() {
    let place = Place::new();
    let store = place.open();
    set(&store).await;
    let source = store.secrets();
    let written = async |store: &Store| {
        // Whatever was asked for before this is on disk after it.
        store.mint_store().mint_failed(&name(), "x".into()).await.unwrap();
        let value: Option<i64> =
            place.raw().query_row("SELECT last_used FROM secret", [], |row| row.get(0)).unwrap();
        value
    };
    let shown = async |store: &Store| store.secret_vault().list().await.unwrap()[0].last_used.unwrap();
    source.used(&name());
    let first = written(&store).await.unwrap();
    place.clock.advance(59_999_999);
    source.used(&name());
    assert_eq!(written(&store).await, Some(first), "not yet");
    assert_eq!(shown(&store).await.as_microsecond(), first + 59_999_999, "but shown");
    place.clock.advance(1);
    source.used(&name());
    assert_eq!(written(&store).await, Some(first + 60_000_000));
    place.clock.advance(5);
    source.used(&name());
    store.close().await.unwrap();
    drop((store, source));
    assert_eq!(shown(&place.open()).await.as_microsecond(), first + 60_000_005, "the end writes the rest");
}

#[tokio::test]
async fn a_key_that_could_not_be_moved_is_not_written_over_by_the_next() {
    let place = Place::new();
    let store = place.open();
    set(&store).await;
    // In the place where the key before is kept lies something that cannot be written over.
    let replaced = place.secure("keys/master.key.replaced");
    fs::create_dir_all(replaced.join("full")).unwrap();
    store.secret_vault().rotate().await.unwrap();
    assert!(place.secure("keys/master.key.new").exists(), "the move failed");
    assert!(store.secret_vault().rotate().await.is_err(), "so a second rotation must not go ahead");
    fs::remove_dir_all(&replaced).unwrap();
    drop(store);
    let store = place.open();
    assert!(store.key_problem().is_none());
    assert_eq!(values(&store)[0], "refresh-token-number-0");
    store.secret_vault().rotate().await.unwrap();
}
