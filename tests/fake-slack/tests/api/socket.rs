//! Socket Mode.

use std::time::Duration;

use openpact_fake_slack::{Delivery, World};
use serde_json::{Value, json};

use crate::place::{APP, Place, SOON, parse};

fn attempts(world: &World) -> Vec<(usize, bool)> {
    let of = |delivery: &Delivery| (delivery.attempt, delivery.acknowledged);
    world.deliveries().iter().map(of).collect()
}

#[test]
fn a_connection_is_greeted_and_told_of_events() {
    let place = Place::new();
    let address = place.address();
    let mut socket = place.try_open(&address).unwrap();
    let hello = socket.next();
    assert_eq!((&hello["type"], &hello["num_connections"]), (&json!("hello"), &json!(1)));
    assert!(hello["connection_info"]["app_id"].is_string(), "{hello}");
    assert!(place.try_open(&address).is_none(), "a ticket opens once");
    let said = place.general.say(&place.alice, "hello");
    let envelope = socket.take();
    assert_eq!(envelope["type"], "events_api");
    assert_eq!((&envelope["retry_attempt"], &envelope["retry_reason"]), (&json!(0), &json!("")));
    assert_eq!(envelope["accepts_response_payload"], false);
    assert_eq!(envelope["payload"]["event_id"], said.events[0]);
    place.server.wait("the acknowledgement", SOON, |world| (world.pending() == 0).then_some(()));
    assert_eq!(place.server.look(attempts), [(0, true)]);
    assert_eq!(socket.ping("are you there"), "are you there");
    socket.send(&json!({"envelope_id": "of another time"}));
    place.server.wait("the stray", SOON, |world| (world.stray_acknowledgements() == 1).then_some(()));
    place.server.assert_no_violations();
}

#[test]
fn tickets_expire_and_others_open_nothing() {
    let place = Place::new();
    let address = place.address();
    place.server.advance(Duration::from_secs(31));
    assert!(place.try_open(&address).is_none(), "it was too late");
    assert!(place.try_open(&address.replace("ticket=", "ticket=0")).is_none(), "it is another ticket");
    place.app.socket_mode(false);
    let form = "application/x-www-form-urlencoded";
    let refused = parse(&place.post("/api/apps.connections.open", APP, form, ""));
    assert_eq!(refused["error"], "socket_mode_not_enabled");
    place.app.socket_mode(true);
    place.open();
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    let place = Place::new();
    place.server.acknowledgements(Duration::from_millis(50), &[Duration::ZERO, Duration::from_mins(1)]);
    let mut socket = place.open();
    let said = place.general.say(&place.alice, "hello");
    let first = socket.next();
    let second = socket.next();
    assert_ne!(first["envelope_id"], second["envelope_id"]);
    assert_eq!(second["payload"]["event_id"], said.events[0]);
    assert_eq!((&second["retry_attempt"], &second["retry_reason"]), (&json!(1), &json!("timeout")));
    place.server.wait("the second to fail", SOON, |world| (world.pending() == 1).then_some(()));
    std::thread::sleep(Duration::from_millis(100));
    place.server.advance(Duration::from_mins(1));
    assert_eq!(socket.next()["retry_attempt"], 2);
    place.server.wait("the end", SOON, |world| (world.lost() == 1).then_some(()));
    assert_eq!(place.server.look(attempts), [(0, false), (1, false), (2, false)]);
    place.server.assert_no_violations();
}

#[test]
fn what_is_given_up_does_not_come_again() {
    let place = Place::new();
    let mut socket = place.open();
    place.general.say(&place.alice, "one");
    assert_eq!(socket.next()["payload"]["event"]["text"], "one");
    drop(socket);
    place.server.wait("the end", SOON, |world| (world.connections() == 0).then_some(()));
    place.general.say(&place.alice, "two");
    place.server.give_up();
    assert_eq!((place.app.pending(), place.server.look(World::lost)), (0, 2));
    let mut socket = place.open();
    place.general.say(&place.alice, "three");
    assert_eq!(socket.take()["payload"]["event"]["text"], "three");
    place.server.assert_no_violations();
}

#[test]
fn events_wait_for_a_connection_and_go_to_any() {
    let place = Place::new();
    place.general.say(&place.alice, "early");
    assert_eq!(place.app.pending(), 1);
    let mut one = place.open();
    assert_eq!(one.take()["payload"]["event"]["text"], "early");
    let mut two = place.try_open(&place.address()).unwrap();
    assert_eq!(two.next()["num_connections"], 2);
    place.server.wait("two connections", SOON, |world| (world.connections() == 2).then_some(()));
    for n in 0..4 {
        place.general.say(&place.alice, &format!("m{n}"));
    }
    let texts = |envelopes: [Value; 2]| envelopes.map(|one| one["payload"]["event"]["text"].to_string());
    let mut all = [texts([one.take(), one.take()]), texts([two.take(), two.take()])].concat();
    all.sort();
    assert_eq!(all, [r#""m0""#, r#""m1""#, r#""m2""#, r#""m3""#]);
    place.server.assert_no_violations();
}

#[test]
fn a_refresh_leaves_time_for_another_connection() {
    let place = Place::new();
    let mut old = place.open();
    place.app.disconnect("warning");
    assert_eq!(old.next()["reason"], "warning");
    place.app.disconnect("refresh_requested");
    let told = old.next();
    assert_eq!((&told["type"], &told["reason"]), (&json!("disconnect"), &json!("refresh_requested")));
    place.server.wait("it to leave", SOON, |world| (world.connections() == 0).then_some(()));
    place.general.say(&place.alice, "still heard");
    assert_eq!(old.take()["payload"]["event"]["text"], "still heard");
    let mut new = place.open();
    place.general.say(&place.alice, "heard there");
    assert_eq!(new.take()["payload"]["event"]["text"], "heard there");
    place.app.socket_mode(false);
    assert_eq!(new.next()["reason"], "link_disabled");
    assert_eq!(new.next(), Value::Null, "and it ends");
    place.server.assert_no_violations();
}

#[test]
fn there_are_ten_connections_at_most() {
    let place = Place::new();
    let sockets: Vec<_> = (0..10).map(|_| place.open()).collect();
    let mut eleventh = place.try_open(&place.address()).unwrap();
    assert_eq!(eleventh.next()["reason"], "too_many_websockets");
    assert_eq!(eleventh.next(), Value::Null);
    drop(sockets);
}

#[test]
fn what_is_no_acknowledgement_is_noted() {
    let place = Place::new();
    let mut socket = place.open();
    place.general.say(&place.alice, "hello");
    let envelope = socket.next();
    socket.send(&json!({"envelope_id": envelope["envelope_id"], "payload": {"text": "no"}}));
    socket.send(&json!({"hello": "there"}));
    let noted = place.server.wait("two of them", SOON, |world| {
        Some(world.violations().to_vec()).filter(|noted| noted.len() == 2)
    });
    assert!(noted[0].starts_with("Socket Mode: an event was answered with"), "{noted:?}");
    assert!(noted[1].starts_with("Socket Mode: an acknowledgement names no envelope"), "{noted:?}");
}

#[test]
fn a_thousand_events_are_no_trouble() {
    let place = Place::new();
    let mut socket = place.open();
    for n in 0..1_000 {
        place.direct.say(&place.alice, &format!("m{n}"));
    }
    let texts = (0..1_000).map(|_| socket.take()["payload"]["event"]["text"].clone());
    let expected = (0..1_000).map(|n| json!(format!("m{n}")));
    assert!(texts.eq(expected), "they come in order");
    place.server.wait("the end", SOON, |world| (world.pending() == 0).then_some(()));
    place.server.assert_no_violations();
}
