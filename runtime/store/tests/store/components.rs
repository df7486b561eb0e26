//! Installed components, the data that goes along with their versions, and what counts no more.

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock as _;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::port::KeyValue as _;
use openpact_model::principal::Principal;
use openpact_store::component::{Approval, Granted, Incoming, Restart, State};
use openpact_store::revocation::{self, Kind, Signed, Statement};
use openpact_store::{Error, Store, publisher};
use serde_json::json;

use crate::support::Place;

fn mail() -> ComponentName {
    "mail".parse().unwrap()
}

fn incoming(version: &str, content: &str) -> Incoming {
    Incoming {
        name: mail(),
        publisher: "acme".into(),
        version: version.into(),
        digest: Digest::of(content.as_bytes()),
        key: "key".into(),
        source: format!("/{version}.wasm"),
    }
}

fn approval(version: &str) -> Approval {
    Approval { name: mail(), version: version.into(), by: "admin".into(), grants: vec![], given: None }
}

/// State by version, and the version that runs.
async fn standing(store: &Store) -> (Vec<(String, State)>, Option<String>) {
    let row = store.components().list().await.unwrap().remove(0);
    let versions = row.versions.into_iter().map(|one| (one.version, one.state));
    (versions.collect(), row.current)
}

async fn put(store: &Store, value: &str) {
    let (owner, value) = (Principal::Component(mail()), Some(value.as_bytes().to_vec()));
    store.put(&owner, "seen", value, None, 1000).await.unwrap();
}

async fn stored(store: &Store) -> Option<String> {
    let value = store.get(&Principal::Component(mail()), "seen").await.unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

#[tokio::test]
async fn a_version_waits_runs_and_can_be_gone_back_to() {
    let place = Place::new();
    let store = place.open();
    let components = store.components();
    components.stage(incoming("1.0.0", "one")).await.unwrap();
    assert_eq!(standing(&store).await, (vec![("1.0.0".into(), State::Waiting)], None));
    let granted = Granted { rule: "GET https://a/**".into(), secret: Some("KEY".parse().unwrap()) };
    let first = Approval { grants: vec![granted], given: Some(json!({ "kv": "1MiB" })), ..approval("1.0.0") };
    components.approve(first).await.unwrap();
    let grants = store.grants().list(None).await.unwrap();
    assert_eq!((grants.len(), grants[0].secret.clone()), (1, Some("KEY".parse().unwrap())));
    assert_eq!(components.given().await.unwrap()["mail"], json!({ "kv": "1MiB" }));

    put(&store, "by one").await;
    place.clock.advance(1);
    components.stage(incoming("1.1.0", "two")).await.unwrap();
    assert_eq!(
        standing(&store).await.1.as_deref(),
        Some("1.0.0"),
        "the old one runs while the new one waits"
    );
    components.approve(approval("1.1.0")).await.unwrap();
    assert_eq!(stored(&store).await.as_deref(), Some("by one"), "the new one goes on with what is there");
    put(&store, "by two").await;
    let back = |version: &str| Restart { name: mail(), version: version.into() };
    components.restart(back("1.0.0")).await.unwrap();
    assert_eq!(stored(&store).await.as_deref(), Some("by one"));
    assert_eq!(standing(&store).await.1.as_deref(), Some("1.0.0"));
    components.restart(back("1.1.0")).await.unwrap();
    assert_eq!(stored(&store).await.as_deref(), Some("by two"));
    let error = components.restart(back("0.9.0")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");

    let later = place.clock.now().as_microsecond() + 1;
    assert_eq!(components.drop_kept_before(later).await.unwrap(), 1);
    components.restart(back("1.0.0")).await.unwrap();
    assert_eq!(stored(&store).await.as_deref(), Some("by two"), "what was kept is gone, what is there stays");
}

#[tokio::test]
async fn a_version_never_comes_again_as_something_else() {
    let place = Place::new();
    let store = place.open();
    let components = store.components();
    components.stage(incoming("1.0.0", "one")).await.unwrap();
    let twice = components.stage(incoming("1.0.0", "one")).await.unwrap_err();
    assert!(matches!(twice, Error::Exists { .. }), "{twice:?}");
    components.stage(incoming("1.1.0", "two")).await.unwrap();
    let states = [("1.0.0".to_owned(), State::Gone), ("1.1.0".to_owned(), State::Waiting)];
    assert_eq!(standing(&store).await.0, states, "one waits at a time");
    let other = components.stage(incoming("1.0.0", "another one")).await.unwrap_err();
    assert!(matches!(other, Error::Exists { .. }), "{other:?}");
    components.stage(incoming("1.0.0", "one")).await.unwrap();
    components.take_out(&mail(), "1.0.0").await.unwrap();
    assert!(components.approve(approval("1.0.0")).await.is_err(), "it does not wait any more");
    let foreign = Incoming { publisher: "evil".into(), ..incoming("2.0.0", "two") };
    assert!(matches!(components.stage(foreign.clone()).await.unwrap_err(), Error::Invalid(_)));
    components.remove(&mail(), true).await.unwrap();
    components.stage(foreign).await.unwrap();
}

#[tokio::test]
async fn a_component_leaves_with_everything_and_its_versions_stay_known() {
    let place = Place::new();
    let store = place.open();
    let components = store.components();
    components.stage(incoming("1.0.0", "one")).await.unwrap();
    components.approve(approval("1.0.0")).await.unwrap();
    assert!(components.take_out(&mail(), "1.0.0").await.is_err(), "it runs");
    put(&store, "x").await;
    components.stage(incoming("1.1.0", "two")).await.unwrap();
    components.approve(approval("1.1.0")).await.unwrap();
    components.give(&mail(), &json!({})).await.unwrap();
    let principal = Principal::Component(mail());
    store.grants().add(&principal, "GET https://a/**".into(), None, "admin").await.unwrap();
    let event = Event::new("component.remove", "admin", "component:mail", Verdict::Allowed);
    let recorded = components.clone().recording(event);
    assert!(recorded.remove(&mail(), false).await.unwrap());
    assert!(!recorded.remove(&mail(), false).await.unwrap());
    assert_eq!(standing(&store).await.1, None);
    assert!(standing(&store).await.0.iter().all(|(_, state)| *state == State::Gone));
    assert_eq!(store.grants().list(None).await.unwrap(), []);
    assert_eq!((stored(&store).await, components.given().await.unwrap().len()), (None, 0));
    assert_eq!(place.raw().query_row("SELECT count(*) FROM key_value", [], |row| row.get(0)), Ok(0));
    // Taken in once more and turned down: that it was approved stays known, and so how high versions had come.
    components.stage(incoming("1.1.0", "two")).await.unwrap();
    components.take_out(&mail(), "1.1.0").await.unwrap();
    let row = components.list().await.unwrap().remove(0);
    assert!(row.versions.iter().all(|version| version.approved.is_some()), "{row:?}");
    assert!(recorded.remove(&mail(), true).await.unwrap());
    assert_eq!(components.list().await.unwrap(), []);
    let all = openpact_store::audit::Filter { limit: 10, ..Default::default() };
    assert_eq!(store.audit().page(all).await.unwrap().len(), 2);
}

#[tokio::test]
async fn statements_of_a_publisher_are_followed_once_and_in_order() {
    let place = Place::new();
    let store = place.open();
    let key = |key: &str| publisher::Row {
        name: "acme".into(),
        key: key.into(),
        prefixes: vec!["acme".into()],
        added_by: "admin".into(),
        added: place.clock.now(),
        retired: None,
    };
    let publishers = store.publishers();
    publishers.add(key("old")).await.unwrap();
    publishers.add(key("spare")).await.unwrap();
    publishers.rotate("old", key("new"), 5).await.unwrap();
    let rows = publishers.list().await.unwrap();
    let keys: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.retired.is_some())).collect();
    assert_eq!(
        keys,
        [("old", true), ("new", false), ("spare", false)],
        "directly behind the one that it replaces"
    );
    assert!(matches!(publishers.rotate("old", key("third"), 6).await, Err(Error::NotFound { .. })));
    assert!(matches!(publishers.rotate("new", key("old"), 1).await, Err(Error::Exists { .. })));
    publishers.rotate("new", key("third"), 1).await.unwrap();
    assert!(matches!(publishers.rotate("old", key("fourth"), 5).await, Err(Error::Invalid(_))));

    let revoked = |kind, value: &str, by: &str| revocation::Row {
        kind,
        value: value.into(),
        said_by: by.into(),
        reason: "stolen".into(),
        added: place.clock.now(),
    };
    let revocations = store.revocations();
    let list =
        vec![revoked(Kind::Key, "old", "publisher:acme"), revoked(Kind::Digest, "ff", "publisher:acme")];
    let signed = |number, is_last_word| Some(Signed { key: "new".into(), number, is_last_word });
    assert_eq!(revocations.add(list.clone(), signed(3, false)).await.unwrap(), 2);
    assert!(matches!(revocations.add(list.clone(), signed(3, false)).await, Err(Error::Invalid(_))));
    assert_eq!(
        revocations.add(list.clone(), signed(1, true)).await.unwrap(),
        0,
        "the last word has no number"
    );
    assert_eq!(revocations.add(list, signed(4, false)).await.unwrap(), 0);
    let latest = [("new".to_owned(), 4)].into();
    assert_eq!(revocations.latest(Statement::Revocation).await.unwrap(), latest);
    let latest = [("old".to_owned(), 5), ("new".to_owned(), 1)].into();
    assert_eq!(revocations.latest(Statement::Rotation).await.unwrap(), latest);
    assert!(
        !revocations.remove("ff").await.unwrap(),
        "what a publisher said is not the admin's to take back"
    );
    revocations.add(vec![revoked(Kind::Digest, "ff", "admin")], None).await.unwrap();
    assert!(revocations.remove("ff").await.unwrap());
    assert_eq!(revocations.list().await.unwrap().len(), 2);
}
