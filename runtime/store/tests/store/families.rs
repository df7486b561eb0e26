//! Sessions, messages, usage, publishers, grants, settings.

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock as _;
use openpact_model::id::SessionId;
use openpact_model::role::Channel;
use openpact_model::secret::{SecretEntry, SecretValue};
use openpact_store::audit::{Filter, MAX_DETAIL_BYTES};
use openpact_store::{Error, publisher, usage};
use serde_json::json;

use crate::support::Place;

fn channel(thread: Option<&str>) -> Channel {
    Channel { provider: "terminal".into(), channel: "main".into(), thread: thread.map(str::to_owned) }
}

fn nobody() -> SessionId {
    SessionId::from_stored("ses_none")
}

#[tokio::test]
async fn a_session_is_made_changed_and_deleted() {
    let place = Place::new();
    let store = place.open();
    let sessions = store.sessions();
    let first = sessions.create("builtin", "").await.unwrap();
    place.clock.advance(1);
    let second = sessions.create("builtin", "two").await.unwrap();
    sessions.create("direct", "other engine").await.unwrap();
    assert_eq!(sessions.list("builtin").await.unwrap(), [second.clone(), first.clone()]);

    place.clock.advance(1);
    assert!(sessions.rename(&first.id, "one").await.unwrap());
    assert!(sessions.set_model(&first.id, Some("large")).await.unwrap());
    let found = sessions.get(&first.id).await.unwrap().unwrap();
    assert_eq!((found.title.as_str(), found.model.as_deref()), ("one", Some("large")));
    assert_eq!((found.created, found.updated > second.updated), (first.created, true));
    assert_eq!(sessions.list("builtin").await.unwrap()[0].id, first.id, "the last changed comes first");
    assert!(sessions.set_model(&first.id, None).await.unwrap());
    assert_eq!(sessions.get(&first.id).await.unwrap().unwrap().model, None);

    assert!(sessions.delete(&first.id).await.unwrap());
    assert_eq!(sessions.get(&first.id).await.unwrap(), None);
    assert!(!sessions.delete(&first.id).await.unwrap());
    assert!(!sessions.rename(&first.id, "x").await.unwrap());
    assert!(!sessions.set_model(&first.id, None).await.unwrap());
}

#[tokio::test]
async fn a_channel_talks_in_one_session_and_remembers_the_others() {
    let place = Place::new();
    let store = place.open();
    let sessions = store.sessions();
    let main = channel(None);
    assert_eq!(sessions.active(&main).await.unwrap(), None);
    let mut ids = Vec::new();
    for title in ["a", "b", "c"] {
        let id = sessions.create("builtin", title).await.unwrap().id;
        sessions.set_active(&main, &id).await.unwrap();
        place.clock.advance(1);
        ids.push(id);
    }
    sessions.set_active(&main, &ids[1]).await.unwrap();
    assert_eq!(sessions.active(&main).await.unwrap().as_ref(), Some(&ids[1]));
    let titles = sessions.of_channel(&main).await.unwrap().into_iter().map(|row| row.title);
    assert_eq!(titles.collect::<Vec<_>>(), ["b", "c", "a"]);

    for thread in ["", "7", "/7"] {
        let there = channel(Some(thread));
        assert_eq!(
            sessions.active(&there).await.unwrap(),
            None,
            "the thread '{thread}' is a place of its own"
        );
        sessions.set_active(&there, &ids[0]).await.unwrap();
    }
    assert_eq!(sessions.active(&main).await.unwrap().as_ref(), Some(&ids[1]));

    sessions.delete(&ids[1]).await.unwrap();
    assert_eq!(sessions.active(&main).await.unwrap(), None);
    assert_eq!(sessions.of_channel(&main).await.unwrap().len(), 2);
    let error = sessions.set_active(&main, &nobody()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "session", .. }), "{error:?}");
}

#[tokio::test]
async fn messages_keep_their_order_and_their_numbers() {
    let place = Place::new();
    let store = place.open();
    let (sessions, messages) = (store.sessions(), store.messages());
    let id = sessions.create("builtin", "").await.unwrap().id;
    place.clock.advance(5);
    let bodies: Vec<_> = (1..=5).map(|number| json!({ "z": number, "a": "ä\u{0}" })).collect();
    assert_eq!(messages.append(&id, &bodies[..2]).await.unwrap(), [1, 2]);
    assert_eq!(messages.append(&id, &bodies[2..]).await.unwrap(), [3, 4, 5]);
    assert_eq!(messages.append(&id, &[]).await.unwrap(), Vec::<i64>::new());
    let all = messages.page(&id, None, 10).await.unwrap();
    assert_eq!(all.iter().map(|row| &row.body).collect::<Vec<_>>(), bodies.iter().collect::<Vec<_>>());
    assert_eq!(sessions.get(&id).await.unwrap().unwrap().updated, all[0].created);
    let numbers =
        |rows: Vec<openpact_store::message::Row>| rows.iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(messages.page(&id, None, 2).await.unwrap()), [4, 5]);
    assert_eq!(numbers(messages.page(&id, Some(4), 2).await.unwrap()), [2, 3]);
    assert_eq!(numbers(messages.page(&id, Some(1), 2).await.unwrap()), Vec::<i64>::new());

    assert_eq!(messages.replace_before(&id, 1, json!("none")).await.unwrap(), 0);
    assert_eq!(messages.replace_before(&id, 4, json!("short")).await.unwrap(), 3);
    let rest = messages.page(&id, None, 10).await.unwrap();
    assert_eq!((rest[0].number, &rest[0].body), (3, &json!("short")));
    assert_eq!(numbers(rest), [3, 4, 5]);
    assert_eq!(messages.replace_before(&id, 100, json!("all")).await.unwrap(), 3);
    assert_eq!(messages.append(&id, &bodies[..1]).await.unwrap(), [6], "no number is used twice");

    let other = sessions.create("builtin", "").await.unwrap().id;
    assert_eq!(messages.append(&other, &bodies[..1]).await.unwrap(), [1]);
    sessions.delete(&id).await.unwrap();
    assert_eq!(messages.page(&id, None, 10).await.unwrap(), []);
    assert_eq!(messages.page(&other, None, 10).await.unwrap().len(), 1);
    for error in [
        messages.append(&id, &bodies).await.unwrap_err(),
        messages.replace_before(&id, 9, json!(1)).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotFound { what: "session", .. }), "{error:?}");
    }
}

#[tokio::test]
async fn usage_adds_up_whatever_a_provider_reports() {
    let place = Place::new();
    let store = place.open();
    let usage = store.usage();
    let id = store.sessions().create("builtin", "").await.unwrap().id;
    assert_eq!(usage.total(&id).await.unwrap(), usage::Total::default());
    assert_eq!(usage.last(&id).await.unwrap(), None);
    usage.add(&id, 10, 5, 2, None).await.unwrap();
    assert_eq!(usage.total(&id).await.unwrap().cost, None);
    usage.add(&id, 100, 50, 20, Some(0.5)).await.unwrap();
    let total = usage::Total { requests: 2, input: 110, output: 55, cached: 22, cost: Some(0.5) };
    assert_eq!(usage.total(&id).await.unwrap(), total);
    let last = usage::Total { requests: 1, input: 100, output: 50, cached: 20, cost: Some(0.5) };
    assert_eq!(usage.last(&id).await.unwrap(), Some(last));

    for cost in [f64::NAN, f64::INFINITY, -1.0] {
        usage.add(&id, u64::MAX, u64::MAX, u64::MAX, Some(cost)).await.unwrap();
    }
    let total = usage.total(&id).await.unwrap();
    assert_eq!((total.requests, total.cost), (5, Some(0.5)));
    assert_eq!(total.input, 3_000_000_000_110);
    let error = usage.add(&nobody(), 1, 1, 1, None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    store.sessions().delete(&id).await.unwrap();
    assert_eq!(usage.total(&id).await.unwrap().requests, 0);
}

#[tokio::test]
async fn publishers_are_pinned_and_removed() {
    let place = Place::new();
    let store = place.open();
    let publishers = store.publishers();
    let added = place.clock.now();
    let row = |name: &str, key: &str| publisher::Row {
        name: name.into(),
        key: key.into(),
        prefixes: vec!["acme-".into(), "tool".into()],
        added_by: "admin".into(),
        added,
        retired: None,
    };
    for row in [row("b", "1"), row("a", "1"), row("a", "2")] {
        publishers.add(row).await.unwrap();
    }
    let error = publishers.add(row("a", "2")).await.unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error:?}");
    assert_eq!(publishers.list().await.unwrap(), [row("a", "1"), row("a", "2"), row("b", "1")]);
    assert!(publishers.remove("a", Some("1")).await.unwrap());
    assert!(!publishers.remove("a", Some("1")).await.unwrap());
    assert_eq!(publishers.list().await.unwrap(), [row("a", "2"), row("b", "1")]);
    assert!(publishers.remove("a", None).await.unwrap());
    assert!(!publishers.remove("a", None).await.unwrap());
    drop((publishers, store));
    assert_eq!(place.open().publishers().list().await.unwrap(), [row("b", "1")]);
}

#[tokio::test]
async fn a_grant_is_given_once_and_its_number_never_again() {
    let place = Place::new();
    let store = place.open();
    let grants = store.grants();
    let (web, script) = ("component:web".parse().unwrap(), "script:a".parse().unwrap());
    let first = grants.add(&web, "GET https://a/**".into(), None, "admin").await.unwrap();
    let second = grants.add(&script, "GET https://a/**".into(), None, "terminal:owner").await.unwrap();
    assert_eq!(grants.add(&web, "GET https://a/**".into(), None, "other").await.unwrap(), first);
    let rows = grants.list(None).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.id, &row.principal)).collect::<Vec<_>>(),
        [(first, &web), (second, &script)]
    );
    assert_eq!((rows[0].added_by.as_str(), &rows[0].secret), ("admin", &None));
    let secret = || Some("KEY".parse().unwrap());
    assert_eq!(grants.add(&web, "GET https://a/**".into(), secret(), "other").await.unwrap(), first);
    let rows = grants.list(None).await.unwrap();
    assert_eq!((rows[0].added_by.as_str(), &rows[0].secret), ("admin", &secret()));
    grants.add(&web, "GET https://a/**".into(), None, "other").await.unwrap();
    assert_eq!(grants.list(None).await.unwrap()[0].secret, None);
    assert_eq!(grants.list(Some(&script)).await.unwrap(), rows[1..]);
    assert!(grants.remove(second).await.unwrap());
    assert!(!grants.remove(second).await.unwrap());
    assert!(grants.add(&script, "GET https://b/**".into(), None, "admin").await.unwrap() > second);
}

#[tokio::test]
async fn settings_are_kept_by_scope() {
    let place = Place::new();
    let store = place.open();
    let settings = store.settings();
    assert_eq!(settings.get("ui", "theme").await.unwrap(), None);
    settings.set("ui", "theme", json!({ "dark": true })).await.unwrap();
    settings.set("ui", "theme", json!({ "dark": false })).await.unwrap();
    settings.set("ui", "a", json!(null)).await.unwrap();
    settings.set("other", "theme", json!(1)).await.unwrap();
    assert_eq!(settings.get("ui", "theme").await.unwrap(), Some(json!({ "dark": false })));
    assert_eq!(settings.get("ui", "a").await.unwrap(), Some(json!(null)));
    let all = settings.all("ui").await.unwrap();
    assert_eq!(
        all.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), json!(null)), ("theme".to_owned(), json!({ "dark": false }))]
    );
    assert!(settings.remove("ui", "a").await.unwrap());
    assert!(!settings.remove("ui", "a").await.unwrap());
    for error in [
        settings.set("store", "audit-seal", json!(1)).await.unwrap_err(),
        settings.remove("store", "audit-seal").await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_change_and_its_record_are_one() {
    let place = Place::new();
    let store = place.open();
    let event = |subject: &str| Event::new("change", "admin", subject, Verdict::Allowed);
    let web = "component:web".parse().unwrap();
    let (grants, settings, vault) = (store.grants(), store.settings(), store.secret_vault());
    let rule = || "GET https://a/**".to_owned();
    let id = grants.clone().recording(event("granted")).add(&web, rule(), None, "admin").await.unwrap();
    grants.clone().recording(event("never: granted before")).add(&web, rule(), None, "admin").await.unwrap();
    grants.clone().recording(event("taken back")).remove(id).await.unwrap();
    grants.clone().recording(event("never: taken back before")).remove(id).await.unwrap();
    settings.clone().recording(event("set")).set("a", "b", json!(1)).await.unwrap();
    settings.clone().recording(event("unset")).remove("a", "b").await.unwrap();
    settings.recording(event("never: unset before")).remove("a", "b").await.unwrap();
    let (name, value) = ("API_KEY".parse().unwrap(), SecretValue::new("a value of some length".into()));
    vault.clone().recording(event("secret")).set(name, SecretEntry::new(value, vec![])).await.unwrap();
    let name = "API_KEY".parse().unwrap();
    vault.clone().recording(event("no secret")).remove(&name).await.unwrap();
    vault.recording(event("never: no secret before")).remove(&name).await.unwrap();
    let row = publisher::Row {
        name: "acme".into(),
        key: "key".into(),
        prefixes: vec![],
        added_by: "admin".into(),
        added: place.clock.now(),
        retired: None,
    };
    let publishers = store.publishers();
    publishers.clone().recording(event("pinned")).add(row.clone()).await.unwrap();
    assert!(publishers.clone().recording(event("never: pinned before")).add(row).await.is_err());
    publishers.recording(event("unpinned")).remove("acme", None).await.unwrap();

    let log = store.audit().page(Filter { limit: 100, ..Filter::default() }).await.unwrap();
    let subjects: Vec<_> = log.into_iter().map(|entry| entry.event.subject).collect();
    let expected = ["granted", "taken back", "set", "unset", "secret", "no secret", "pinned", "unpinned"]
        .map(str::to_owned);
    assert_eq!(subjects, expected);
    assert!(store.audit().verify().await.unwrap().sealed);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_changed() {
    let place = Place::new();
    let store = place.open();
    let event =
        Event::new("change", "admin", "x", Verdict::Allowed).with("long", "x".repeat(MAX_DETAIL_BYTES));
    let web = "component:web".parse().unwrap();
    let error = store
        .grants()
        .recording(event)
        .add(&web, "GET https://a/**".into(), None, "admin")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    // And where it is the log itself that does not take it: the number of the next entry is taken.
    place.raw().execute("INSERT INTO audit VALUES (1, 1, '', '', '', '', '', x'')", []).unwrap();
    let event = Event::new("change", "admin", "x", Verdict::Allowed);
    let error = store
        .grants()
        .recording(event)
        .add(&web, "GET https://a/**".into(), None, "admin")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    assert_eq!(store.grants().list(None).await.unwrap(), []);
}
