//! Images of a person on their way to the model, and past it where it takes none.

use openpact_engine::builtin::Images;
use openpact_engine::{Engine, Event, Format, Image, Session, Turn};
use openpact_scripted_model::{Exchange, Expect, Script};
use serde_json::json;

use crate::support::{KEY, builtin, builtin_with, error, files, say, send, stored, text, turn};

/// Bytes that are found again, as they are and in Base64.
const BYTES: &[u8] = b"pixels of a cat!";
const BASE64: &str = "cGl4ZWxzIG9mIGEgY2F0IQ==";
const REFUSED: &str =
    r#"{"error":{"message":"Invalid content type. image_url is only supported by certain models."}}"#;

fn script(exchanges: impl IntoIterator<Item = Exchange>) -> Script {
    Script::new(KEY, exchanges)
}

fn with_images(text: &str, count: usize) -> Turn {
    Turn { images: vec![Image::new(Format::Png, BYTES.to_vec()); count], ..turn(text) }
}

async fn show(engine: &dyn Engine, session: &Session, text: &str, count: usize) -> Vec<Event> {
    send(engine, session, with_images(text, count)).await
}

fn seen(images: usize) -> Expect {
    Expect { images: Some(images), last_role: Some("user".to_owned()), ..Expect::default() }
}

fn told(images: usize, words: &str) -> Expect {
    Expect { last_contains: vec![words.to_owned()], ..seen(images) }
}

fn notices(events: &[Event]) -> Vec<&str> {
    let notices = events.iter().filter_map(|event| match event {
        Event::Notice { text } => Some(text.as_str()),
        _ => None,
    });
    notices.collect()
}

#[tokio::test]
async fn an_image_goes_out_as_the_reference_says_and_is_stored_nowhere() {
    let exchanges = [
        Exchange::call("c", "echo", "{}").expecting(told(2, "look")),
        Exchange::text("A cat.").expecting(Expect { images: Some(2), ..Expect::default() }),
        Exchange::text("Black.").expecting(told(2, "what colour?")),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = show(&*bench.engine, &session, "look", 2).await;
    assert_eq!((text(&events), notices(&events)), ("A cat.".to_owned(), vec![]));
    assert_eq!(text(&say(&*bench.engine, &session, "what colour?").await), "Black.", "it is still there");
    server.assert_finished();
    let sent = &server.requests().into_iter().find(|request| request.method == "POST").unwrap().messages()[1];
    assert_eq!(sent["content"][0]["type"], "text");
    let image = json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{BASE64}")}});
    assert_eq!(sent["content"][2], image);
    assert_eq!(stored(&*bench.engine, &session).await[0], "u:look");
    for (path, bytes) in files(bench.directory.path()) {
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        assert!(!holds(BYTES) && !holds(BASE64.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn a_model_that_takes_none_is_told_that_there_are_some() {
    for (images, list, shown) in [
        (Images::Never, None, 0),
        (Images::Never, Some(true), 0),
        (Images::Auto, Some(false), 0),
        (Images::Auto, Some(true), 1),
        (Images::Auto, None, 1),
        (Images::Always, Some(false), 1),
    ] {
        let expected = if shown == 0 { told(0, "this model takes none") } else { seen(1) };
        let mut script = script([Exchange::text("Well.").expecting(expected)]);
        script.images = list;
        let (bench, server) = builtin_with(script, |config| config.images = images).await;
        let session = bench.engine.create_session(None).await.unwrap();
        let events = show(&*bench.engine, &session, "look", 1).await;
        assert_eq!(text(&events), "Well.", "{images:?} {list:?}: {events:?}");
        assert!(notices(&events).is_empty());
        assert_eq!(bench.engine.takes_images(), images != Images::Never);
        server.assert_finished();
    }
}

#[tokio::test]
async fn the_list_of_models_is_asked_for_images_alone_and_once() {
    for (list, model) in [(Some(true), "scripted"), (None, "scripted"), (None, "not-in-the-list")] {
        let mut script = script([Exchange::text("Well.").times(3)]);
        script.images = list;
        let (bench, server) = builtin_with(script, |config| config.model = model.to_owned()).await;
        let session = bench.engine.create_session(None).await.unwrap();
        let lists = || server.requests().iter().filter(|request| request.method == "GET").count();
        say(&*bench.engine, &session, "hi").await;
        assert_eq!(lists(), 0);
        show(&*bench.engine, &session, "look", 1).await;
        show(&*bench.engine, &session, "look", 1).await;
        assert_eq!(lists(), 1, "{list:?} {model}");
    }
}

#[tokio::test]
async fn a_provider_that_refuses_images_is_asked_without_and_everybody_is_told() {
    let exchanges = [
        Exchange::reply(400, REFUSED).expecting(seen(1)),
        Exchange::text("I see none.").expecting(told(0, "the provider refused them")),
        Exchange::text("Still none.").expecting(told(0, "again")),
        Exchange::text("A dog.").expecting(told(1, "another")),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = show(&*bench.engine, &session, "look", 1).await;
    assert_eq!(text(&events), "I see none.", "{events:?}");
    let notices = notices(&events);
    assert!(notices.len() == 1 && notices[0].contains("only supported by certain models"), "{notices:?}");
    say(&*bench.engine, &session, "again").await;
    // Another model may answer by then.
    show(&*bench.engine, &session, "another", 1).await;
    server.assert_finished();
}

#[tokio::test]
async fn images_of_earlier_turns_are_what_is_left_out_first() {
    let exchanges = [
        Exchange::text("One."),
        Exchange::reply(422, "{}").expecting(seen(2)),
        Exchange::text("Two.").expecting(told(1, "second")),
        Exchange::text("Three.").expecting(told(1, "third")),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    show(&*bench.engine, &session, "first", 1).await;
    let events = show(&*bench.engine, &session, "second", 1).await;
    assert_eq!((text(&events), notices(&events)), ("Two.".to_owned(), vec![]), "{events:?}");
    say(&*bench.engine, &session, "third").await;
    server.assert_finished();
}

#[tokio::test]
async fn a_refusal_that_is_not_about_images_ends_the_turn_after_one_request_more() {
    let refusals =
        [Exchange::reply(400, "{}").expecting(seen(1)), Exchange::reply(400, "{}").expecting(seen(0))];
    let (bench, server) = builtin(script(refusals)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = show(&*bench.engine, &session, "look", 1).await;
    assert!(error(&events).1.contains("(400)"), "{events:?}");
    server.assert_finished();
    let (bench, server) = builtin(script([Exchange::reply(401, "{}").expecting(seen(1))])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = show(&*bench.engine, &session, "look", 1).await;
    assert!(error(&events).1.contains("refused the key") && notices(&events).is_empty(), "{events:?}");
    server.assert_finished();
}

#[tokio::test]
async fn what_is_taken_back_takes_its_images_along() {
    let exchanges =
        [Exchange::text("One.").expecting(seen(1)), Exchange::text("Two.").times(2).expecting(seen(0))];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    show(&*bench.engine, &session, "look", 1).await;
    bench.engine.rewind(&session.id, 0).await.unwrap();
    // The first one gets the number of what was taken back, and the second is told of it.
    say(&*bench.engine, &session, "other").await;
    say(&*bench.engine, &session, "more").await;
    server.assert_finished();
}
