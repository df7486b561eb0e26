//! The key-value store: name spaces, quota from both sides, compare-and-swap.

use openpact_model::port::{KeyValue as _, KeyValueWrite};
use openpact_model::principal::Principal;
use openpact_store::Store;

use crate::support::Place;

fn principal(name: &str) -> Principal {
    format!("component:{name}").parse().unwrap()
}

async fn put(store: &Store, owner: &Principal, key: &str, value: &[u8], quota: u64) -> KeyValueWrite {
    store.put(owner, key, Some(value.to_vec()), None, quota).await.unwrap()
}

#[tokio::test]
async fn every_owner_has_a_name_space() {
    let place = Place::new();
    let store = place.open();
    let (one, two) = (principal("one"), principal("two"));
    put(&store, &one, "k", b"1", 100).await;
    put(&store, &two, "k", b"2", 100).await;
    assert_eq!(store.get(&one, "k").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.put(&one, "k", None, None, 100).await.unwrap(), KeyValueWrite::Stored);
    assert_eq!(store.put(&one, "k", None, None, 100).await.unwrap(), KeyValueWrite::Stored);
    assert_eq!(store.get(&one, "k").await.unwrap(), None);
    assert_eq!(store.get(&two, "k").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(store.key_value_size(&one).await.unwrap(), 0);
    drop(store);
    assert_eq!(place.open().get(&two, "k").await.unwrap().as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn the_quota_counts_bytes_of_keys_and_values() {
    let place = Place::new();
    let store = place.open();
    let owner = principal("one");
    // "ä" has two bytes.
    assert_eq!(put(&store, &owner, "ä", b"12345678", 9).await, KeyValueWrite::OverQuota);
    assert_eq!(store.get(&owner, "ä").await.unwrap(), None);
    assert_eq!(put(&store, &owner, "ä", b"12345678", 10).await, KeyValueWrite::Stored);
    assert_eq!(store.key_value_size(&owner).await.unwrap(), 10);
    assert_eq!(put(&store, &owner, "b", b"", 10).await, KeyValueWrite::OverQuota, "a key counts too");
    assert_eq!(put(&store, &owner, "ä", b"87654321", 10).await, KeyValueWrite::Stored, "as long as before");
    assert_eq!(put(&store, &owner, "ä", b"123456789", 10).await, KeyValueWrite::OverQuota);
    assert_eq!(
        put(&store, &owner, "ä", b"1234567", 3).await,
        KeyValueWrite::Stored,
        "smaller under a lower quota"
    );
    assert_eq!(put(&store, &owner, "ä", b"12345678", 3).await, KeyValueWrite::OverQuota);
    assert_eq!(
        put(&store, &principal("two"), "k", b"12", 3).await,
        KeyValueWrite::Stored,
        "a quota of its own"
    );
    assert_eq!(store.put(&owner, "ä", None, None, 0).await.unwrap(), KeyValueWrite::Stored);
    assert_eq!(store.key_value_size(&owner).await.unwrap(), 0);
    assert_eq!(put(&store, &owner, "n\0ul", b"\0\0", 6).await, KeyValueWrite::Stored);
    assert_eq!(store.key_value_size(&owner).await.unwrap(), 6);
    assert_eq!(put(&store, &owner, "k", &[7; 100], u64::MAX).await, KeyValueWrite::Stored);
}

#[tokio::test]
async fn a_swap_happens_only_where_the_value_is_as_expected() {
    let place = Place::new();
    let store = place.open();
    let owner = principal("one");
    let swap = async |expected: Option<&[u8]>, value: Option<&[u8]>| {
        let (value, expected) = (value.map(<[u8]>::to_vec), Some(expected.map(<[u8]>::to_vec)));
        store.put(&owner, "k", value, expected, 100).await.unwrap()
    };
    assert_eq!(swap(Some(b"1"), Some(b"2")).await, KeyValueWrite::Conflict(None));
    assert_eq!(swap(None, Some(b"1")).await, KeyValueWrite::Stored);
    assert_eq!(swap(None, Some(b"2")).await, KeyValueWrite::Conflict(Some(b"1".to_vec())));
    assert_eq!(swap(Some(b"0"), None).await, KeyValueWrite::Conflict(Some(b"1".to_vec())));
    assert_eq!(swap(Some(b"1"), None).await, KeyValueWrite::Stored);
    assert_eq!(swap(None, None).await, KeyValueWrite::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_swaps_at_once_one_wins_and_of_many_writes_only_what_fits_is_kept() {
    let place = Place::new();
    let store = place.open();
    let owner = principal("one");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32_u8 {
        let (store, owner) = (store.clone(), owner.clone());
        tasks.spawn(async move {
            let swapped = store.put(&owner, "swap", Some(vec![number]), Some(None), 1000).await.unwrap();
            let written = put(&store, &owner, &format!("{number:04}"), b"123456", 105).await;
            (swapped == KeyValueWrite::Stored, written == KeyValueWrite::Stored)
        });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|(swapped, _)| *swapped).count(), 1);
    assert_eq!(results.iter().filter(|(_, written)| *written).count(), 10);
    assert_eq!(store.key_value_size(&owner).await.unwrap(), 105);
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let place = Place::new();
    let store = place.open();
    let owner = principal("one");
    for key in ["a", "a/1", "a/2", "a/\u{10ffff}", "b", "ä"] {
        put(&store, &owner, key, b"v", 1000).await;
    }
    let keys = async |prefix: &str, after: Option<&str>, limit| {
        store.keys(&owner, prefix, after, limit).await.unwrap().join(" ")
    };
    assert_eq!(keys("", None, 10).await, "a a/1 a/2 a/\u{10ffff} b ä");
    assert_eq!(keys("a/", None, 10).await, "a/1 a/2 a/\u{10ffff}");
    assert_eq!(keys("a/", None, 2).await, "a/1 a/2");
    assert_eq!(keys("a/", Some("a/2"), 2).await, "a/\u{10ffff}");
    assert_eq!(keys("a/", Some("b"), 2).await, "");
    assert_eq!(keys("a/", Some("a"), 1).await, "a/1", "a start before the prefix");
    assert_eq!(keys("%", None, 10).await, "");
    assert_eq!(keys("", None, 0).await, "");
}
