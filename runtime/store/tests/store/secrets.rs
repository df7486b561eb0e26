//! Secrets: at rest, in memory, under attack, and without their key.

use std::fs;
use std::sync::Arc;

use openpact_model::audit::{Event, Verdict};
use openpact_model::port::{AuditSink as _, KeyValue as _};
use openpact_model::principal::Principal;
use openpact_model::secret::{MAX_VALUE_BYTES, SecretEntry, SecretName, SecretValue};
use openpact_store::secret::Set;
use openpact_store::{Error, Store};

use crate::support::{Place, contains};

const VALUE: &str = "correct horse battery staple";

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn web() -> Principal {
    "component:web".parse().unwrap()
}

async fn set(store: &Store, secret: &str, value: &str) -> Result<Set, Error> {
    store
        .secret_vault()
        .set(name(secret), SecretEntry::new(SecretValue::new(value.into()), vec![web()]))
        .await
}

/// What a snapshot has under that name.
fn get(store: &Store, secret: &str) -> Option<String> {
    store.secrets().snapshot().entries.get(&name(secret)).map(|entry| entry.value.expose().to_owned())
}

#[tokio::test]
async fn a_secret_is_set_changed_listed_and_removed() {
    let place = Place::new();
    let store = place.open();
    let source = store.secrets();
    let before = source.snapshot();
    assert!(Arc::ptr_eq(&before, &source.snapshot()), "nothing changed, so it is the same one");
    assert_eq!(set(&store, "API_KEY", VALUE).await.unwrap(), Set { created: true, warning: None });
    let after = source.snapshot();
    assert!(after.generation > before.generation);
    assert_eq!(after.entries[&name("API_KEY")].principals, [web()]);
    assert_eq!(get(&store, "API_KEY").as_deref(), Some(VALUE));

    place.clock.advance(7);
    let created = set(&store, "API_KEY", "another value of it").await.unwrap().created;
    assert!(!created);
    set(&store, "OTHER", VALUE).await.unwrap();
    source.used(&name("OTHER"));
    let listed = store.secret_vault().list().await.unwrap();
    assert_eq!(listed.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["API_KEY", "OTHER"]);
    assert!(listed[0].updated > listed[0].created && listed[0].readable);
    assert_eq!((listed[0].last_used, listed[1].last_used), (None, Some(listed[1].updated)));

    assert!(store.secret_vault().remove(&name("OTHER")).await.unwrap());
    assert!(!store.secret_vault().remove(&name("OTHER")).await.unwrap());
    assert_eq!(get(&store, "OTHER"), None);
    drop((store, source));
    let store = place.open();
    assert_eq!(get(&store, "API_KEY").as_deref(), Some("another value of it"));
    assert_eq!(get(&store, "OTHER"), None);
}

#[tokio::test]
async fn no_file_has_a_value_in_it() {
    let place = Place::new();
    let store = place.open();
    set(&store, "API_KEY", VALUE).await.unwrap();
    let open = place.secure_bytes();
    store.close().await.unwrap();
    drop(store);
    let closed = place.secure_bytes();
    for bytes in [open, closed] {
        assert!(contains(&bytes, b"API_KEY"), "the search works");
        assert!(!contains(&bytes, VALUE.as_bytes()));
        assert!(!contains(&bytes, hex::encode(VALUE).as_bytes()));
    }
}

#[tokio::test]
async fn values_have_a_size() {
    let place = Place::new();
    let store = place.open();
    assert!(matches!(set(&store, "A", "").await, Err(Error::Invalid(_))));
    let longest = "x".repeat(MAX_VALUE_BYTES);
    assert!(matches!(set(&store, "A", &format!("{longest}x")).await, Err(Error::Invalid(_))));
    assert_eq!(get(&store, "A"), None);
    assert_eq!(set(&store, "A", &longest).await.unwrap().warning, None);
    assert_eq!(set(&store, "A", &"x".repeat(16)).await.unwrap().warning, None);
    let warning = set(&store, "A", &"x".repeat(15)).await.unwrap().warning.unwrap();
    assert!(warning.contains("fewer than 16 bytes"), "{warning}");
    let warning = set(&store, "A", &format!("{VALUE}\n")).await.unwrap().warning.unwrap();
    assert!(warning.contains("white space"), "{warning}");
    assert_eq!(get(&store, "A"), Some(format!("{VALUE}\n")));
}

#[tokio::test]
async fn a_row_that_was_changed_gives_no_secret_and_leaves_the_others_alone() {
    for change in [
        "UPDATE secret SET principals = '[\"component:evil\"]' WHERE name = 'A'",
        "UPDATE secret SET principals = '[]' WHERE name = 'A'",
        "UPDATE secret SET hosts = '[\"evil.example\"]' WHERE name = 'A'",
        "UPDATE secret SET kind = 'minted' WHERE name = 'A'",
        "UPDATE secret SET ciphertext = substr(ciphertext, 2) WHERE name = 'A'",
        "UPDATE secret SET ciphertext = (SELECT ciphertext FROM secret WHERE name = 'B'),
                           nonce = (SELECT nonce FROM secret WHERE name = 'B') WHERE name = 'A'",
        "UPDATE secret SET nonce = zeroblob(24) WHERE name = 'A'",
        "UPDATE secret SET name = 'C' WHERE name = 'A'",
    ] {
        let place = Place::new();
        let store = place.open();
        set(&store, "A", VALUE).await.unwrap();
        set(&store, "B", "the other secret value").await.unwrap();
        drop(store);
        place.tamper(change, 1);
        let store = place.open();
        assert_eq!((get(&store, "A"), get(&store, "C")), (None, None), "{change}");
        assert_eq!(get(&store, "B").as_deref(), Some("the other secret value"), "{change}");
        let listed = store.secret_vault().list().await.unwrap();
        assert_eq!(
            listed.iter().map(|info| info.readable).filter(|readable| !readable).count(),
            1,
            "{change}"
        );
        assert!(matches!(store.secret_vault().rotate().await, Err(Error::Invalid(_))), "{change}");
        assert_eq!(get(&store, "B").as_deref(), Some("the other secret value"));
        drop(store);
        assert_eq!(
            get(&place.open(), "B").as_deref(),
            Some("the other secret value"),
            "the key stayed: {change}"
        );
    }
}

/// Everything but secrets works, and secrets say what to do.
async fn check_lost(place: &Place, why: &str) {
    let store = place.open();
    let problem = store.key_problem().expect("the key is of no use").to_string();
    assert!(problem.contains(why) && problem.contains("entered again"), "{problem}");
    let error = set(&store, "NEW", VALUE).await.unwrap_err();
    assert!(matches!(error, Error::KeyLost { .. }), "{error:?}");
    assert!(matches!(store.secret_vault().rotate().await, Err(Error::KeyLost { .. })));
    assert!(store.secrets().snapshot().entries.is_empty());
    let listed = store.secret_vault().list().await.unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].readable), (1, "API_KEY", false));

    store.record(Event::new("a.b", "c", "d", Verdict::Allowed)).await.unwrap();
    store.put(&web(), "k", Some(b"v".to_vec()), None, 10).await.unwrap();
    let session = store.sessions().create("builtin", "").await.unwrap();
    store.messages().append(&session.id, &[serde_json::json!(1)]).await.unwrap();
}

async fn with_one_secret() -> Place {
    let place = Place::new();
    set(&place.open(), "API_KEY", VALUE).await.unwrap();
    place
}

#[tokio::test]
async fn a_key_that_is_missing_wrong_or_spoilt_locks_the_secrets_and_nothing_else() {
    let place = with_one_secret().await;
    let kept = fs::read(place.key_file()).unwrap();
    fs::remove_file(place.key_file()).unwrap();
    check_lost(&place, "is missing").await;
    assert!(!place.key_file().exists(), "no new key takes the place of one that may come back");

    let other = Place::new();
    drop(other.open());
    fs::copy(other.key_file(), place.key_file()).unwrap();
    check_lost(&place, "is not the key that this database was made with").await;
    for spoilt in [&b""[..], b"\xff\xfe", b"openpact master key 1\n00", &kept[..kept.len() - 3]] {
        fs::write(place.key_file(), spoilt).unwrap();
        check_lost(&place, "is not a key file").await;
    }
    fs::remove_file(place.key_file()).unwrap();
    fs::create_dir(place.key_file()).unwrap();
    check_lost(&place, "cannot be read").await;

    fs::remove_dir(place.key_file()).unwrap();
    fs::write(place.key_file(), kept).unwrap();
    let store = place.open();
    assert!(store.key_problem().is_none());
    assert_eq!(get(&store, "API_KEY").as_deref(), Some(VALUE), "the right key brings everything back");
}

#[tokio::test]
async fn removing_the_check_does_not_make_another_key_fit() {
    let place = with_one_secret().await;
    place.tamper("DELETE FROM setting WHERE key = 'key-check'", 1);
    fs::remove_file(place.key_file()).unwrap();
    check_lost(&place, "is missing").await;
}

#[tokio::test]
async fn starting_over_names_what_must_be_entered_again() {
    let place = with_one_secret().await;
    fs::write(place.key_file(), "spoilt").unwrap();
    let store = place.open();
    let removed = store.secret_vault().start_over().await.unwrap();
    assert_eq!((removed[0].name.as_str(), &removed[0].principals), ("API_KEY", &vec![web()]));
    assert!(store.key_problem().is_none());
    assert_eq!(store.secret_vault().list().await.unwrap(), []);
    set(&store, "API_KEY", "a new value for it").await.unwrap();
    let key = store.key("native-cache");
    assert!(store.audit().verify().await.unwrap().sealed);
    drop(store);

    let store = place.open();
    assert_eq!(get(&store, "API_KEY").as_deref(), Some("a new value for it"));
    assert_eq!(store.key("native-cache"), key);
    assert_eq!(fs::read_to_string(place.secure("keys/master.key.replaced")).unwrap(), "spoilt");
    let chain = store.audit().verify().await.unwrap();
    assert_eq!((chain.broken, chain.sealed), (None, true));
}

#[tokio::test]
async fn rotation_changes_the_key_and_keeps_the_secrets() {
    let place = with_one_secret().await;
    let store = place.open();
    let (old_file, old_key) = (fs::read(place.key_file()).unwrap(), store.key("native-cache"));
    store.secret_vault().rotate().await.unwrap();
    assert_eq!(get(&store, "API_KEY").as_deref(), Some(VALUE));
    assert_ne!(store.key("native-cache"), old_key);
    set(&store, "SECOND", VALUE).await.unwrap();
    drop(store);

    assert_ne!(fs::read(place.key_file()).unwrap(), old_file);
    let store = place.open();
    assert_eq!((get(&store, "API_KEY"), get(&store, "SECOND")), (Some(VALUE.into()), Some(VALUE.into())));
    assert!(store.audit().verify().await.unwrap().sealed);
    drop(store);
    fs::write(place.key_file(), old_file).unwrap();
    assert!(place.open().key_problem().is_some(), "the old key is of no use any more");
}

#[tokio::test]
async fn a_crash_between_commit_and_move_leaves_a_key_that_fits() {
    let place = with_one_secret().await;
    let store = place.open();
    let old = fs::read(place.key_file()).unwrap();
    store.secret_vault().rotate().await.unwrap();
    drop(store);
    // As if the program had died before the new key took its place.
    fs::rename(place.key_file(), place.secure("keys/master.key.new")).unwrap();
    fs::write(place.key_file(), &old).unwrap();
    let store = place.open();
    assert_eq!(get(&store, "API_KEY").as_deref(), Some(VALUE));
    assert_ne!(fs::read(place.key_file()).unwrap(), old);
    drop(store);
    // As if it had died between the two moves.
    fs::rename(place.key_file(), place.secure("keys/master.key.new")).unwrap();
    assert_eq!(get(&place.open(), "API_KEY").as_deref(), Some(VALUE));
    // As if it had died before the commit: the successor belongs to nobody.
    fs::write(place.secure("keys/master.key.new"), &old).unwrap();
    assert_eq!(get(&place.open(), "API_KEY").as_deref(), Some(VALUE));
}

#[tokio::test]
async fn a_first_start_that_died_before_the_key_was_in_place_goes_on() {
    let place = Place::new();
    drop(place.open());
    fs::rename(place.key_file(), place.secure("keys/master.key.new")).unwrap();
    let store = place.open();
    assert!(store.key_problem().is_none());
    assert!(store.audit().verify().await.unwrap().sealed);
}

#[test]
fn derived_keys_differ_by_purpose_and_installation_and_stay() {
    let (one, two) = (Place::new(), Place::new());
    let store = one.open();
    let key = store.key("native-cache");
    assert_eq!(key, store.key("native-cache"));
    assert_ne!(key, store.key("native-cache2"));
    assert_ne!(key, two.open().key("native-cache"));
    drop(store);
    assert_eq!(key, one.open().key("native-cache"));
    fs::remove_file(one.key_file()).unwrap();
    let without = one.open().key("native-cache");
    assert_ne!(without, key);
    assert_ne!(without, one.open().key("native-cache"), "a stand-in is good for one run only");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_all_show() {
    let place = Place::new();
    let store = place.open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            set(&store, &format!("S{number}"), &format!("{VALUE} {number}")).await.unwrap();
            assert_eq!(get(&store, &format!("S{number}")), Some(format!("{VALUE} {number}")), "at once");
        });
    }
    tasks.join_all().await;
    assert_eq!(store.secrets().snapshot().entries.len(), 50);
}
