//! Messages: credentials in outgoing frames, secrets that must not leave, and secrets that come back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openpact_egress::credential::References;
use openpact_egress::socket::{CloseReason, Message, Socket};
use openpact_egress::{Door, Error};
use openpact_model::audit::Verdict;
use serde_json::{Value, json};

use crate::peer::{BINARY, CLOSE, Line, Peer, TEXT, connect_with, text, until};
use crate::world::{PROBE, World, grant, placed};

/// With characters that every form of writing treats in its own way.
const VALUE: &str = "t0ken/\"with\" +odd\\chars&\u{e9}<>";
const FRAME: &str = "frame /d/token when /op in [2,6]";

struct Scene {
    world: World,
    peer: Peer,
    door: Arc<Door>,
    reference: String,
    references: Arc<References>,
}

impl Scene {
    async fn new(placement: &str) -> Self {
        Self::with(placement, Peer::echo().await)
    }

    fn with(placement: &str, peer: Peer) -> Self {
        let world = World::new();
        world.vault.set("TOKEN", VALUE, &[PROBE]);
        let door = world.door_with(vec![placed(&peer.rule("credential=token"), placement, "TOKEN")]);
        let references = Arc::new(door.credentials());
        let reference = references.reference("token").unwrap();
        Self { world, peer, door, reference, references }
    }

    async fn connect(&self) -> Socket {
        connect_with(&self.door, &self.peer.url("/"), &[], &self.references).await.unwrap()
    }

    /// What the peer has got as JSON.
    fn got(&self) -> Vec<Value> {
        let frames = self.peer.received().into_iter().filter(|(opcode, _)| *opcode == TEXT);
        frames.map(|(_, payload)| serde_json::from_slice(&payload).unwrap()).collect()
    }

    fn nothing_leaked(&self) {
        let events = serde_json::to_string(&self.world.log.events()).unwrap();
        assert!(!events.contains("t0ken") && !events.contains(&self.reference), "{events}");
    }
}

#[tokio::test]
async fn a_reference_is_filled_in_at_its_place_under_its_condition() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    // As a gateway's adapter says who it is, and that it was here before.
    for op in [2, 6] {
        let message = json!({"op": op, "d": {"token": scene.reference, "intents": 513, "seq": 18_446_744_073_709_551_615_u64}});
        socket.send(text(message.to_string())).await.unwrap();
        let Message::Text(echoed) = socket.receive().await.unwrap() else { panic!("a text") };
        let echoed: Value = serde_json::from_str(&echoed).unwrap();
        assert_eq!(echoed["d"]["token"], "[REDACTED:TOKEN]", "and it does not come back");
    }
    let expected = |op: u8| json!({"op": op, "d": {"token": VALUE, "intents": 513, "seq": 18_446_744_073_709_551_615_u64}});
    assert_eq!(scene.got(), [expected(2), expected(6)]);
    socket.close(None).await.unwrap();
    until("the end is recorded", || scene.world.log.ended().len() == 1).await;
    assert_eq!(scene.world.log.ended()[0].detail["credentials"], json!(["token"]));
    scene.nothing_leaked();
}

#[tokio::test]
async fn without_a_condition_every_frame_may_carry_it_at_its_place() {
    let scene = Scene::new("frame /auth/0").await;
    let mut socket = scene.connect().await;
    // A reference that is asked for only now is known too; escapes are the same text.
    let escaped = format!("\\u{:04x}{}", u32::from(scene.reference.as_bytes()[0]), &scene.reference[1..]);
    socket.send(text(format!("{{\"auth\": [\"{}\"]}}", scene.reference))).await.unwrap();
    socket.send(text(format!("{{\"auth\": [\"{escaped}\"]}}"))).await.unwrap();
    socket.receive().await.unwrap();
    socket.receive().await.unwrap();
    assert_eq!(scene.got(), [json!({"auth": [VALUE]}), json!({"auth": [VALUE]})]);
}

#[tokio::test]
async fn a_reference_anywhere_else_is_refused_and_the_connection_goes_on() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    let reference = &scene.reference;
    let escaped = format!("\\u{:04x}{}", u32::from(reference.as_bytes()[0]), &reference[1..]);
    let refused = [
        // Another condition, and the one that is read last where there are two.
        json!({"op": 1, "d": {"token": reference}}).to_string(),
        json!({"op": "2", "d": {"token": reference}}).to_string(),
        json!({"op": 2.0, "d": {"token": reference}}).to_string(),
        json!({"d": {"token": reference}}).to_string(),
        format!("{{\"op\":2,\"d\":{{\"token\":\"{reference}\"}},\"op\":9}}"),
        // Another place, beside the right one and without it; more than the reference; escaped; a member's name.
        json!({"op": 2, "d": {"token": reference, "copy": reference}}).to_string(),
        json!({"op": 2, "d": {"token": reference}, "x": [{"y": format!("a{reference}b")}]}).to_string(),
        json!({"op": 2, "d": {"other": reference}}).to_string(),
        json!({"op": 2, "token": reference}).to_string(),
        json!({"op": 2, "d": {"token": format!("Bot {reference}")}}).to_string(),
        json!({"op": 2, "d": {"token": [reference]}}).to_string(),
        json!({"op": 2, "d": {"token": reference.to_uppercase()}}).to_string(),
        format!("{{\"op\":2,\"d\":{{\"copy\":\"{escaped}\"}}}}"),
        json!({"op": 2, "d": {"token": "", reference.as_str(): 1}}).to_string(),
        // No JSON at all, or more than one.
        reference.clone(),
        format!("{{\"op\":2,\"d\":{{\"token\":\"{reference}\"}}"),
        format!("{{\"op\":2,\"d\":{{\"token\":\"{reference}\"}}}} {{}}"),
    ];
    // So many in one connection close it, so each half has one of its own.
    for half in refused.chunks(refused.len() / 2) {
        for message in half {
            let error = socket.send(text(message.clone())).await.unwrap_err();
            assert!(matches!(error, Error::Denied(_)), "{message}: {error:?}");
            let event = scene.world.log.last();
            assert_eq!((event.kind.as_str(), event.verdict), ("egress.message", Verdict::Denied));
            assert_eq!(event.subject, scene.peer.url("/"));
            assert_eq!(event.detail["error"], "denied");
        }
        socket = scene.connect().await;
    }
    for bytes in [reference.clone(), json!({"op": 2, "d": {"token": reference}}).to_string()] {
        let error = socket.send(Message::Binary(bytes.into_bytes())).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
    }
    let goodbye = CloseReason { code: 4000, reason: reference.clone() };
    assert!(matches!(socket.close(Some(goodbye)).await, Err(Error::Denied(_))));
    socket.send(text("fine")).await.unwrap();
    assert_eq!(socket.receive().await.unwrap(), text("fine"));
    let messages: Vec<_> = scene.peer.received().into_iter().filter(|(opcode, _)| *opcode != CLOSE).collect();
    assert_eq!(messages, [(TEXT, b"fine".to_vec())]);
    scene.nothing_leaked();
}

#[tokio::test]
async fn a_frame_that_carries_a_credential_is_written_anew() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    // A reader that takes the first of two members would see another condition than the one that was judged.
    let twice = format!("{{\"op\":9,\"d\":{{\"token\":\"{}\"}},\"op\":2}}", scene.reference);
    socket.send(text(twice)).await.unwrap();
    socket.receive().await.unwrap();
    let (_, payload) = scene.peer.received().remove(0);
    assert_eq!(String::from_utf8(payload).unwrap().matches("\"op\"").count(), 1);
}

#[tokio::test]
async fn halves_of_a_reference_are_nothing() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    let (start, end) = scene.reference.split_at(20);
    let first = format!("{{\"op\":2,\"d\":{{\"token\":\"{start}");
    let second = format!("{end}\"}}}}");
    for message in [&first, &second] {
        socket.send(text(message.clone())).await.unwrap();
        socket.receive().await.unwrap();
    }
    let got = scene.peer.received();
    assert_eq!(got, [(TEXT, first.into_bytes()), (TEXT, second.into_bytes())], "nothing was filled in");
}

#[tokio::test]
async fn another_instances_reference_is_no_reference() {
    let scene = Scene::new(FRAME).await;
    let other = Arc::new(scene.door.credentials());
    let mut socket = connect_with(&scene.door, &scene.peer.url("/"), &[], &other).await.unwrap();
    let message = json!({"op": 2, "d": {"token": scene.reference}});
    // It was never issued here, so it is a text like any other, and fills nothing in.
    socket.send(text(message.to_string())).await.unwrap();
    socket.receive().await.unwrap();
    assert_eq!(scene.got(), [message]);
}

#[tokio::test]
async fn a_credential_that_is_not_there_is_not_sent() {
    let scene = Scene::new(FRAME).await;
    let second = placed(&scene.peer.rule("credential=second"), "frame /second", "SECOND");
    let mut grants = scene.door.grants();
    grants.push(second);
    scene.world.vault.set("SECOND", "the value of the second one", &[PROBE]);
    scene.door.set_grants(grants);
    let second = scene.references.reference("second").unwrap();
    let mut socket = scene.connect().await;
    scene.world.vault.set("SECOND", "the value of the second one", &["component:other"]);
    let error = socket.send(text(json!({"second": second}).to_string())).await.unwrap_err();
    assert!(error.to_string().contains("'second' is not available"), "{error}");
    assert!(!error.to_string().contains("SECOND"), "{error}");
    // Both at once, each at its place.
    scene.world.vault.set("SECOND", "the value of the second one", &[PROBE]);
    let both = json!({"op": 2, "d": {"token": scene.reference}, "second": second});
    socket.send(text(both.to_string())).await.unwrap();
    socket.receive().await.unwrap();
    assert_eq!(
        scene.got(),
        [json!({"op": 2, "d": {"token": VALUE}, "second": "the value of the second one"})]
    );
}

#[tokio::test]
async fn a_known_secret_leaves_in_no_message() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    let escaped = every_character_escaped();
    let mixed = format!("{}\\u{:04x}", &VALUE[..5], u32::from(VALUE.as_bytes()[5])) // "t0ken" and an escaped slash
        + serde_json::to_string(&VALUE[6..]).unwrap().trim_matches('"');
    for message in [
        VALUE.to_owned(),
        json!({"a": VALUE}).to_string(),
        format!("{{\"a\":\"{escaped}\"}}"),
        format!("{{\"a\":\"{mixed}\"}}"),
        hex::encode_upper(VALUE),
        STANDARD.encode(format!("xy{VALUE}z")),
    ] {
        let error = socket.send(text(message.clone())).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{message}");
        assert!(!error.to_string().contains("TOKEN"), "the guest is not told which: {error}");
        let detail = scene.world.log.last().detail["detail"].clone();
        assert_eq!(detail, "the value of TOKEN was in a message");
        if !message.starts_with('{') {
            let error = socket.send(Message::Binary(message.into_bytes())).await.unwrap_err();
            assert!(matches!(error, Error::Denied(_)));
        }
    }
    assert!(scene.peer.received().is_empty());
    scene.nothing_leaked();
}

#[tokio::test]
async fn a_guest_that_does_not_stop_trying_is_cut_off() {
    let scene = Scene::new(FRAME).await;
    let mut socket = scene.connect().await;
    let mut refused = 0;
    while let Err(Error::Denied(_)) = socket.send(text(scene.reference.clone())).await {
        refused += 1;
        assert!(refused < 100, "it goes on for ever");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(refused >= 16, "{refused}");
    until("the connection is gone", || scene.world.log.ended().len() == 1).await;
    assert!(matches!(socket.receive().await, Err(Error::Closed)));
}

fn every_character_escaped() -> String {
    VALUE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
}

/// Everything in which a value may stand when it comes back.
fn forms() -> Vec<Vec<u8>> {
    let json = serde_json::to_string(VALUE).unwrap();
    let every = every_character_escaped().to_uppercase().replace("\\U", "\\u");
    let percent = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let mut forms = vec![
        VALUE.to_owned(),
        json.trim_matches('"').to_owned(),
        every,
        percent,
        hex::encode(VALUE),
        hex::encode_upper(VALUE),
        VALUE.to_uppercase().to_lowercase(),
    ];
    for pad in ["", "x", "xy"] {
        forms.push(STANDARD.encode(format!("{pad}{VALUE}")));
        forms.push(URL_SAFE_NO_PAD.encode(format!("{pad}{VALUE}!")));
    }
    forms.into_iter().map(String::into_bytes).collect()
}

#[tokio::test]
async fn a_server_that_says_a_credential_back_is_not_heard() {
    let forms_sent = forms();
    let peer = Peer::start(move |mut line: Line| {
        let forms = forms_sent.clone();
        async move {
            line.open(&[]).await;
            line.read().await.unwrap();
            for form in &forms {
                for opcode in [TEXT, BINARY] {
                    let message = [b"<".as_slice(), form, b">"].concat();
                    line.frame(opcode, true, &message).await;
                    // In pieces of every small size, with a ping between them.
                    for size in [1, 2, 3, 7] {
                        let pieces: Vec<_> = message.chunks(size).collect();
                        for (place, piece) in pieces.iter().enumerate() {
                            let opcode = if place == 0 { opcode } else { 0 };
                            line.frame(opcode, place + 1 == pieces.len(), piece).await;
                            if place == 1 {
                                line.frame(9, true, b"alive?").await;
                            }
                        }
                    }
                }
            }
            let reason = [&4004_u16.to_be_bytes(), VALUE.as_bytes()].concat();
            line.frame(CLOSE, true, &reason).await;
            line.drain().await;
        }
    })
    .await;
    let scene = Scene::with(FRAME, peer);
    let mut socket = scene.connect().await;
    socket.send(text(json!({"op": 2, "d": {"token": scene.reference}}).to_string())).await.unwrap();
    let mut heard = 0;
    let reason = loop {
        match socket.receive().await.unwrap() {
            Message::Text(text) => assert!(text.contains("[REDACTED:TOKEN]"), "{text}"),
            Message::Binary(bytes) => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                assert!(shown.contains("[REDACTED:TOKEN]"), "{shown}");
            }
            Message::Closed(reason) => break reason.unwrap(),
        }
        heard += 1;
    };
    assert_eq!(heard, forms().len() * 2 * 5);
    assert_eq!(reason, CloseReason { code: 4004, reason: "[REDACTED:TOKEN]".into() });
    until("the end is recorded", || scene.world.log.ended().len() == 1).await;
    assert_eq!(scene.world.log.ended()[0].detail["close"], 4004);
    scene.nothing_leaked();
}

#[tokio::test]
async fn a_value_that_was_changed_meanwhile_and_one_that_is_short_are_not_heard_either() {
    let scene = Scene::new(FRAME).await;
    scene.world.vault.set("TOKEN", "short", &[PROBE]);
    let mut socket = scene.connect().await;
    // Not yet sent, so it is only a word.
    socket.send(text("a short word")).await.unwrap();
    assert_eq!(socket.receive().await.unwrap(), text("a short word"));
    let identify = json!({"op": 2, "d": {"token": scene.reference}}).to_string();
    socket.send(text(identify.clone())).await.unwrap();
    let Message::Text(echoed) = socket.receive().await.unwrap() else { panic!("a text") };
    assert!(echoed.contains("[REDACTED:TOKEN]") && !echoed.contains("short"), "{echoed}");
    // An echo that waits while the secret changes, and one that comes after.
    scene.world.vault.set("TOKEN", "the first long value", &[PROBE]);
    socket.send(text(identify)).await.unwrap();
    until("it arrived", || scene.peer.received().len() == 3).await;
    scene.world.vault.set("TOKEN", "the second long value", &[PROBE]);
    let Message::Text(echoed) = socket.receive().await.unwrap() else { panic!("a text") };
    assert!(!echoed.contains("first"), "{echoed}");
}

#[tokio::test]
async fn frames_of_a_grant_without_a_credential_carry_none() {
    let scene = Scene::new(FRAME).await;
    let other = Peer::echo().await;
    let mut grants = scene.door.grants();
    grants.push(grant(&other.rule("")));
    scene.door.set_grants(grants);
    let mut socket = connect_with(&scene.door, &other.url("/"), &[], &scene.references).await.unwrap();
    let identify = json!({"op": 2, "d": {"token": scene.reference}}).to_string();
    assert!(matches!(socket.send(text(identify)).await, Err(Error::Denied(_))));
    assert!(other.received().is_empty());
}
