//! The audit log, and everything that somebody with the database but without the key can do to it.

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock as _;
use openpact_model::port::AuditSink as _;
use openpact_store::audit::{Chain, Filter, MAX_DETAIL_BYTES};
use openpact_store::{Error, Store};
use rusqlite::params;
use sha2::{Digest as _, Sha256};

use crate::support::Place;

fn event(number: i64) -> Event {
    Event::new("tool.call.end", "component:web", format!("tool {number}"), Verdict::Allowed)
        .with("bytes", number)
}

async fn write(store: &Store, count: i64) {
    for number in 1..=count {
        store.record(event(number)).await.unwrap();
    }
}

async fn verify(store: &Store) -> Chain {
    store.audit().verify().await.unwrap()
}

/// A log of five entries that somebody changes while it is open and, in a copy, while it is not.
async fn check_tampering(sql: &str, rows: usize, number: i64, why: &str) {
    let place = Place::new();
    let store = place.open();
    write(&store, 5).await;
    assert_eq!(verify(&store).await, Chain { entries: 5, broken: None, breaks: 0, sealed: true });
    place.tamper(sql, rows);
    let chain = verify(&store).await;
    let broken = chain.broken.unwrap_or_else(|| panic!("not found: {sql}"));
    assert_eq!(broken.number, number, "{sql}: {}", broken.why);
    assert!(broken.why.contains(why), "{sql}: {}", broken.why);

    drop(store);
    let store = place.open();
    write(&store, 1).await;
    assert!(verify(&store).await.broken.is_some(), "forgotten after a restart: {sql}");
}

#[tokio::test]
async fn a_changed_field_is_found() {
    for change in [
        "time = time + 1",
        "kind = 'tool.call.End'",
        "actor = 'component:wea'",
        "subject = 'tool 4'",
        "verdict = 'denied'",
        "verdict = 'ALLOWED'",
        "detail = '{}'",
        "detail = detail || ' '",
        "hash = zeroblob(32)",
        // A text that moves from one field into the next leaves the bytes in the same order.
        "kind = kind || 'c', actor = substr(actor, 2)",
    ] {
        check_tampering(&format!("UPDATE audit SET {change} WHERE number = 3"), 1, 3, "changed").await;
    }
}

#[tokio::test]
async fn a_field_of_another_kind_is_found() {
    for change in ["hash = x'00'", "kind = CAST(x'ff' AS TEXT)"] {
        check_tampering(&format!("UPDATE audit SET {change} WHERE number = 3"), 1, 3, "changed").await;
    }
}

#[tokio::test]
async fn a_changed_last_entry_is_found() {
    check_tampering("UPDATE audit SET subject = '' WHERE number = 5", 1, 5, "changed").await;
}

#[tokio::test]
async fn removed_entries_are_found() {
    check_tampering("DELETE FROM audit WHERE number = 1", 1, 2, "entries 1 to 1 are missing").await;
    check_tampering("DELETE FROM audit WHERE number IN (3, 4)", 2, 5, "entries 3 to 4 are missing").await;
}

#[tokio::test]
async fn closing_the_gap_does_not_hide_a_removed_entry() {
    let sql = "DELETE FROM audit WHERE number = 3; UPDATE audit SET number = number - 1 WHERE number > 3";
    let place = Place::new();
    let store = place.open();
    write(&store, 5).await;
    place.raw().execute_batch(sql).unwrap();
    assert_eq!(verify(&store).await.broken.unwrap().number, 3);
}

#[tokio::test]
async fn reordered_entries_are_found() {
    // Only the numbers move, so every hash still is one that we made.
    let sql =
        "UPDATE audit SET number = CASE number WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE number IN (2, 3);
               UPDATE audit SET number = -number WHERE number < 0";
    let place = Place::new();
    let store = place.open();
    write(&store, 5).await;
    place.raw().execute_batch(sql).unwrap();
    let chain = verify(&store).await;
    assert_eq!((chain.entries, chain.broken.unwrap().number), (5, 2));
}

#[tokio::test]
async fn entries_that_were_put_in_are_found() {
    let copy = "kind, actor, subject, verdict, detail, hash FROM audit WHERE number = 1";
    let insert = |number: i64| format!("INSERT INTO audit SELECT {number}, time, {copy}");
    check_tampering(&insert(6), 1, 6, "changed").await;
    check_tampering(&insert(0), 1, 0, "put in").await;
    check_tampering(&insert(-7), 1, -7, "put in").await;
    check_tampering(&insert(9), 1, 9, "entries 6 to 8 are missing").await;
}

#[tokio::test]
async fn a_cut_end_is_found_at_once_and_for_ever() {
    check_tampering("DELETE FROM audit WHERE number = 5", 1, 4, "entries 5 to 5 are missing").await;
    check_tampering("DELETE FROM audit WHERE number > 1", 4, 1, "entries 2 to 5 are missing").await;
    check_tampering("DELETE FROM audit", 5, 0, "entries 1 to 5 are missing").await;

    let place = Place::new();
    let store = place.open();
    write(&store, 5).await;
    drop(store);
    place.tamper("DELETE FROM audit WHERE number > 3", 2);
    let store = place.open();
    write(&store, 1).await;
    let log = store.audit().page(Filter { limit: 10, ..Filter::default() }).await.unwrap();
    let numbers: Vec<i64> = log.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [1, 2, 3, 6, 7], "no number is given away twice");
    assert_eq!(log[3].event.kind, "audit.chain.damaged");
    let chain = verify(&store).await;
    assert_eq!((chain.breaks, chain.sealed), (2, true), "the gap, and the store's own word on it");
}

#[tokio::test]
async fn a_seal_that_is_gone_or_changed_is_found() {
    for sql in [
        "DELETE FROM setting WHERE key = 'audit-seal'",
        "UPDATE setting SET value = json_set(value, '$.number', 4) WHERE key = 'audit-seal'",
        "UPDATE setting SET value = json_set(value, '$.code', 'x') WHERE key = 'audit-seal'",
        "UPDATE setting SET value = 'x' WHERE key = 'audit-seal'",
    ] {
        check_tampering(sql, 1, 5, "the seal of the log").await;
    }
}

/// The log cut back to three entries, with the seal of that time.
async fn cut_back(place: &Place, store: &Store) {
    write(store, 3).await;
    let sql = "SELECT value FROM setting WHERE key = 'audit-seal'";
    let seal: String = place.raw().query_row(sql, [], |row| row.get(0)).unwrap();
    write(store, 2).await;
    place.tamper("DELETE FROM audit WHERE number > 3", 2);
    place.raw().execute("UPDATE setting SET value = ?1 WHERE key = 'audit-seal'", [seal]).unwrap();
}

#[tokio::test]
async fn an_older_state_of_the_log_is_found_while_the_store_is_open() {
    let place = Place::new();
    let store = place.open();
    cut_back(&place, &store).await;
    let broken = verify(&store).await.broken.unwrap();
    assert!(broken.why.contains("entries 4 to 5 are missing"), "{}", broken.why);
    write(&store, 1).await;
    assert_eq!(
        verify(&store).await.broken.unwrap().why,
        "entries 4 to 5 are missing",
        "and after the next entry"
    );
}

#[tokio::test]
async fn an_older_state_of_the_log_is_not_found_by_the_files_alone() {
    let place = Place::new();
    let store = place.open();
    cut_back(&place, &store).await;
    drop(store);
    assert!(verify(&place.open()).await.sealed, "the limit that the module's documentation names");
}

/// What the code does, written down a second time from its documentation.
fn hash(previous: [u8; 32], number: i64, time: i64, texts: [&str; 5]) -> [u8; 32] {
    let mut bytes = previous.to_vec();
    let mut field = |field: &[u8]| {
        bytes.extend((field.len() as u64).to_le_bytes());
        bytes.extend(field);
    };
    field(&number.to_le_bytes());
    field(&time.to_le_bytes());
    for text in texts {
        field(text.as_bytes());
    }
    Sha256::digest(&bytes).into()
}

#[tokio::test]
async fn a_log_that_was_written_anew_with_hashes_that_fit_is_found() {
    let place = Place::new();
    let store = place.open();
    write(&store, 3).await;
    let mut previous: [u8; 32] = Sha256::digest(b"openpact audit chain 1").into();
    let raw = place.raw();
    for number in 1..=3 {
        let texts = ["tool.call.end", "component:other", &format!("tool {number}"), "allowed", "{}"];
        let time = 1_700_000_000_000_000;
        previous = hash(previous, number, time, texts);
        let sql = "UPDATE audit SET actor = ?2, detail = ?3, hash = ?4 WHERE number = ?1";
        assert_eq!(raw.execute(sql, params![number, texts[1], texts[4], previous]).unwrap(), 1);
    }
    let chain = verify(&store).await;
    assert_eq!((chain.breaks, chain.sealed), (2, false), "every hash fits: our memory tells, and the seal");
    assert!(chain.broken.unwrap().why.contains("written anew while OpenPact ran"));

    drop(store);
    let store = place.open();
    write(&store, 1).await;
    let broken = verify(&store).await.broken.unwrap();
    assert_eq!(broken.number, 4);
    assert!(broken.why.contains("written anew"), "{}", broken.why);
}

#[tokio::test]
async fn a_log_that_was_emptied_with_its_seal_is_found_while_the_key_is_there() {
    let place = Place::new();
    let store = place.open();
    write(&store, 3).await;
    drop(store);
    place.raw().execute_batch("DELETE FROM audit; DELETE FROM setting").unwrap();
    let store = place.open();
    let chain = verify(&store).await;
    assert_eq!((chain.entries, chain.broken.unwrap().number), (1, 1));
}

#[tokio::test]
async fn without_the_key_the_log_goes_on_and_says_that_it_is_not_sealed() {
    let place = Place::new();
    let store = place.open();
    write(&store, 2).await;
    drop(store);
    let kept = std::fs::read(place.key_file()).unwrap();
    std::fs::remove_file(place.key_file()).unwrap();
    let store = place.open();
    write(&store, 2).await;
    assert_eq!(verify(&store).await, Chain { entries: 4, broken: None, breaks: 0, sealed: false });
    drop(store);

    std::fs::write(place.key_file(), kept).unwrap();
    let broken = verify(&place.open()).await.broken.unwrap();
    assert!(broken.why.contains("entries 3 to 4 were written without the master key"), "{}", broken.why);
}

#[tokio::test]
async fn a_clock_that_goes_backwards_is_recorded() {
    let place = Place::new();
    let store = place.open();
    write(&store, 1).await;
    place.clock.advance(-1);
    write(&store, 2).await;
    place.clock.advance(10);
    write(&store, 1).await;
    let kinds = async |store: &Store| {
        let log = store.audit().page(Filter { limit: 20, ..Filter::default() }).await.unwrap();
        log.into_iter().map(|entry| entry.event.kind).collect::<Vec<_>>().join(" ")
    };
    let expected = "tool.call.end audit.clock.backwards tool.call.end tool.call.end tool.call.end";
    assert_eq!(kinds(&store).await, expected);
    drop(store);
    place.clock.advance(-5);
    let store = place.open();
    write(&store, 1).await;
    assert_eq!(
        kinds(&store).await,
        format!("{expected} audit.clock.backwards tool.call.end"),
        "after a restart too"
    );
    assert_eq!(verify(&store).await.breaks, 0);
}

#[tokio::test]
async fn pages_are_filtered_and_in_order() {
    let place = Place::new();
    let store = place.open();
    for (kind, actor, subject) in [
        ("egress.request", "a", "x"),
        ("egress%", "b", "x"),
        ("tool.call", "a", "y"),
        ("egress.request", "b", "y"),
    ] {
        store.record(Event::new(kind, actor, subject, Verdict::Denied).with("n", 1)).await.unwrap();
    }
    let all = Filter { limit: 100, ..Filter::default() };
    let numbers = async |filter: Filter| {
        let entries = store.audit().page(filter).await.unwrap();
        entries.iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(all.clone()).await, [1, 2, 3, 4]);
    assert_eq!(numbers(Filter { limit: 2, ..all.clone() }).await, [3, 4], "the newest, oldest first");
    assert_eq!(numbers(Filter { limit: 2, before: Some(4), ..all.clone() }).await, [2, 3]);
    assert_eq!(numbers(Filter { limit: 2, after: Some(1), ..all.clone() }).await, [2, 3]);
    assert_eq!(numbers(Filter { kind_prefix: Some("egress.".into()), ..all.clone() }).await, [1, 4]);
    assert_eq!(numbers(Filter { kind_prefix: Some("egress%".into()), ..all.clone() }).await, [2]);
    assert_eq!(numbers(Filter { actor: Some("a".into()), ..all.clone() }).await, [1, 3]);
    assert_eq!(
        numbers(Filter { subject: Some("y".into()), actor: Some("b".into()), ..all.clone() }).await,
        [4]
    );
    let entry = store.audit().page(Filter { limit: 1, ..all }).await.unwrap().remove(0);
    let expected = Event::new("egress.request", "b", "y", Verdict::Denied).with("n", 1);
    assert_eq!(entry.event, expected);
}

#[tokio::test]
async fn a_spoilt_entry_does_not_hide_the_page() {
    let place = Place::new();
    let store = place.open();
    write(&store, 2).await;
    place.tamper("UPDATE audit SET detail = 'not json', hash = x'00', verdict = '?' WHERE number = 1", 1);
    let log = store.audit().page(Filter { limit: 5, ..Filter::default() }).await.unwrap();
    assert_eq!(log[0].event.detail["unreadable"], "not json");
    assert_eq!(log[1].event, event(2));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let place = Place::new();
    let store = place.open();
    let error = store.record(Event::new("audit.chain.damaged", "a", "b", Verdict::Failed)).await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("only the store"), "{error:?}");
    let overhead = serde_json::json!({ "a": "" }).to_string().len();
    let with_detail =
        |bytes: usize| Event::new("k", "a", "s", Verdict::Allowed).with("a", "x".repeat(bytes - overhead));
    store.record(with_detail(MAX_DETAIL_BYTES)).await.unwrap();
    let error = store.record(with_detail(MAX_DETAIL_BYTES + 1)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert!(matches!(cause.downcast_ref::<Error>(), Some(Error::Invalid(_))), "{error:?}");
    assert_eq!(verify(&store).await.entries, 1);
}

#[tokio::test]
async fn a_log_longer_than_one_piece_is_checked_to_its_end() {
    let place = Place::new();
    let store = place.open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4096 + 5 {
        let store = store.clone();
        tasks.spawn(async move { store.record(event(number)).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(verify(&store).await, Chain { entries: 4101, broken: None, breaks: 0, sealed: true });
    place.tamper("UPDATE audit SET actor = '' WHERE number IN (4096, 4097, 4101)", 3);
    let chain = verify(&store).await;
    assert_eq!((chain.breaks, chain.broken.unwrap().number), (3, 4096));
}

#[tokio::test]
async fn a_page_shows_what_ended_how_since_when_and_in_count_mode_alone() {
    let place = Place::new();
    let store = place.open();
    let request = |kind: &str, verdict| Event::new(kind, "component:web", "https://a.example/", verdict);
    let put = async |event: Event| store.record(event).await.unwrap();
    put(request("egress.request.begin", Verdict::Allowed).with("would_deny", true)).await;
    put(request("egress.request", Verdict::Allowed).with("would_deny", true)).await;
    put(request("egress.request", Verdict::Denied).with("reason", "\"would_deny\":true")).await;
    place.clock.advance(1_000_000);
    put(request("egress.request", Verdict::Failed)).await;
    let numbers = async |filter: Filter| {
        let filter = Filter { ended: true, limit: 9, ..filter };
        let page = store.audit().page(filter).await.unwrap();
        page.iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Filter::default()).await, [2, 3, 4]);
    assert_eq!(numbers(Filter { would_deny: true, ..Filter::default() }).await, [2]);
    assert_eq!(numbers(Filter { verdict: Some(Verdict::Denied), ..Filter::default() }).await, [3]);
    let since = Some(place.clock.now());
    assert_eq!(numbers(Filter { since, ..Filter::default() }).await, [4]);
}
