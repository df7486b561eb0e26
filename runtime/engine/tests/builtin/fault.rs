//! What goes wrong at the service, on the way to it and in the store, and what the person is told.

use super::*;

/// A fault: what the endpoint does, and what the person is told.
type Fault = (&'static str, Vec<Exchange>, ErrorKind, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn faults() -> Vec<Fault> {
    let reply = |status, body: &str| vec![Exchange::reply(status, body)];
    let page =
        |status| Exchange { answer: Answer::Reply(Reply { status, ..web_page() }), ..Exchange::web_page() };
    vec![
        (
            "web page",
            vec![Exchange::web_page()],
            ErrorKind::Provider,
            "the endpoint answered a web page: check the address",
        ),
        ("web page, 404", vec![page(404)], ErrorKind::Provider, "does it end in /v1?"),
        ("empty", reply(200, ""), ErrorKind::Provider, "neither an event stream nor JSON"),
        ("plain words", vec![words("It works!")], ErrorKind::Provider, "neither an event stream nor JSON"),
        ("other JSON", reply(200, "{\"ok\":true}"), ErrorKind::Provider, "JSON that is no completion"),
        (
            "401",
            reply(401, "{\"error\":{\"message\":\"no\"}}"),
            ErrorKind::Unauthorised,
            "openpact secret set SCRIPTED_MODEL_KEY",
        ),
        ("403", reply(403, "{}"), ErrorKind::Unauthorised, "SCRIPTED_MODEL_KEY"),
        ("404", reply(404, "{}"), ErrorKind::Provider, "check engine.base_url"),
        (
            "unknown model",
            reply(404, "{\"error\":{\"code\":\"model_not_found\"}}"),
            ErrorKind::Provider,
            "'scripted'",
        ),
        ("400", reply(400, "{\"error\":{\"message\":\"odd thing\"}}"), ErrorKind::Provider, "odd thing"),
        (
            "no credit",
            reply(429, "{\"error\":{\"code\":\"insufficient_quota\"}}"),
            ErrorKind::Provider,
            "credit",
        ),
        ("429 for ever", vec![Exchange::reply(429, "{}").times(4)], ErrorKind::RateLimited, "wait a little"),
        (
            "429 for an hour",
            vec![Exchange::reply(429, "{}").with_header("retry-after", "3600")],
            ErrorKind::RateLimited,
            "60 minutes",
        ),
        (
            "500 for ever",
            vec![Exchange::reply(500, "oops").times(4)],
            ErrorKind::Provider,
            "(500): try again later. It says: oops",
        ),
        (
            "error in the stream",
            vec![
                Exchange::say([Say::Raw("{\"error\":{\"message\":\"overloaded\"}}".to_owned()), Say::Stop])
                    .times(4),
            ],
            ErrorKind::Provider,
            "overloaded",
        ),
        (
            "broken JSON",
            vec![Exchange::say([Say::Raw("{\"choices\":[{".to_owned())])],
            ErrorKind::Provider,
            "not JSON",
        ),
        (
            "cut at once, for ever",
            vec![Exchange::say([Say::Cut]).times(4)],
            ErrorKind::Provider,
            "broke before the answer was complete",
        ),
        (
            "no end",
            vec![Exchange::say([Say::Stop]).times(4)],
            ErrorKind::Provider,
            "broke before the answer was complete",
        ),
        ("nothing said", vec![Exchange::say([])], ErrorKind::Provider, "answered nothing"),
        (
            "cut off",
            vec![Exchange::say([word("so "), Say::Finish("length".to_owned())])],
            ErrorKind::Provider,
            "max_output_tokens",
        ),
        (
            "filter",
            vec![Exchange::say([Say::Finish("content_filter".to_owned())])],
            ErrorKind::Provider,
            "content filter",
        ),
    ]
}

#[tokio::test]
async fn every_fault_has_its_own_error_and_the_person_is_told_what_to_do() {
    for (name, exchanges, kind, needed) in faults() {
        let (bench, server) = builtin(script(exchanges)).await;
        let session = bench.engine.create_session(None).await.unwrap();
        let events = say(&*bench.engine, &session, "hi").await;
        let (found, message) = error(&events);
        assert_eq!(found, kind, "{name}: {message}");
        assert!(message.contains(needed), "{name}: {message}");
        server.assert_finished();
        assert_eq!(stored(&*bench.engine, &session).await[0], "u:hi", "{name}: what the person said is kept");
    }
}

fn web_page() -> Reply {
    match Exchange::web_page().answer {
        Answer::Reply(reply) => reply,
        Answer::Say(_) => unreachable!("a web page is a reply"),
    }
}

fn words(body: &str) -> Exchange {
    let reply = Reply { content_type: "text/plain".to_owned(), body: body.to_owned(), ..Reply::default() };
    Exchange { answer: Answer::Reply(reply), ..Exchange::text("") }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_told_so() {
    let (bench, server) = builtin_with(script([]), |config| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", free.local_addr().unwrap());
        config.base_url = address.parse().unwrap();
    })
    .await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Provider);
    assert!(message.contains("check that the service runs, engine.base_url"), "{message}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_missing_key_is_told_before_anything_is_sent() {
    let (bench, server) = builtin(script([])).await;
    assert_eq!(bench.engine.health().await, Health::Ready);
    bench.store.secret_vault().remove(&SECRET.parse().unwrap()).await.unwrap();
    let Health::NotReady { why } = bench.engine.health().await else { panic!("ready without a key") };
    assert!(why.contains("openpact secret set SCRIPTED_MODEL_KEY"), "{why}");
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!((kind, message), (ErrorKind::Unauthorised, why));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_passes_is_asked_again_and_what_was_seen_is_not() {
    // Before a byte was seen: asked again, and the answer is whole.
    let exchanges = [
        Exchange::reply(429, "{}").with_header("retry-after", "0"),
        Exchange::reply(503, "<html>busy</html>"),
        Exchange::say([Say::Cut]),
        Exchange::say([word("Here "), word("it is.")]),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "hi").await;
    assert_eq!((text(&events).as_str(), events.last()), ("Here it is.", Some(&Event::End)));
    server.assert_finished();

    // Text or reasoning was seen: not asked again, told, and what was seen is kept.
    for (seen, kept) in [(word("Half an "), "a:Half an "), (Say::Reasoning("Hm".to_owned()), "u:hi")] {
        let exchanges = [Exchange::say([seen, Say::Pause(30), Say::Cut]), Exchange::text("never asked")];
        let (bench, server) = builtin(script(exchanges)).await;
        let session = bench.engine.create_session(None).await.unwrap();
        let events = say(&*bench.engine, &session, "hi").await;
        let (kind, message) = error(&events);
        assert_eq!(kind, ErrorKind::Provider);
        assert!(message.contains("broke before the answer was complete"), "{message}");
        assert_eq!(stored(&*bench.engine, &session).await.last().unwrap(), kept);
        assert_eq!(server.left(), 1);
        // The next turn goes on from there.
        let events = say(&*bench.engine, &session, "go on").await;
        assert_eq!(text(&events), "never asked");
    }
}

#[tokio::test]
async fn the_fallback_answers_when_the_model_does_not() {
    let model = |model: &str| Expect { model: Some(model.to_owned()), ..Expect::default() };
    let exchanges = [
        Exchange::reply(503, "{}").expecting(model("scripted")).times(2),
        Exchange::call("c", "echo", "{}").expecting(model("other")),
        Exchange::text("From the other.").expecting(model("other")),
        // The next turn tries the first one again; it does not know itself any more, which is no reason to wait.
        Exchange::reply(404, "{\"error\":{\"code\":\"model_not_found\"}}").expecting(model("scripted")),
        Exchange::text("Again.").expecting(model("other")),
    ];
    let (bench, server) = builtin_with(script(exchanges), |config| {
        config.fallback = Some("other".to_owned());
        config.retry.attempts = 2;
    })
    .await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "From the other.");
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Again.");
    server.assert_finished();
    // A refused key is nothing that another model mends.
    let exchanges = [Exchange::reply(401, "{}")];
    let (bench, server) =
        builtin_with(script(exchanges), |config| config.fallback = Some("other".to_owned())).await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(error(&say(&*bench.engine, &session, "hi").await).0, ErrorKind::Unauthorised);
    server.assert_finished();
}

#[tokio::test]
async fn an_endpoint_that_knows_not_every_field_is_asked_without_it() {
    let exchanges = [
        Exchange::reply(400, "{\"error\":{\"message\":\"unknown field stream_options\"}}")
            .expecting(Expect { contains: vec!["stream_options".to_owned()], ..Expect::default() }),
        Exchange::text("Hello.")
            .times(2)
            .expecting(Expect { lacks: vec!["stream_options".to_owned()], ..Expect::default() }),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Hello.");
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Hello.", "it is remembered");
    server.assert_finished();
}

#[tokio::test]
async fn a_service_without_a_list_of_models_is_told_as_that() {
    let (bench, _server) = builtin_with(script([]), |config| {
        config.base_url = config.base_url.join("/elsewhere/").unwrap();
    })
    .await;
    let message = bench.engine.models().await.unwrap_err().to_string();
    assert_eq!(message, "the service has no list of its models (404)");
}

#[tokio::test]
async fn a_waiting_retry_can_be_stopped() {
    let exchanges = [Exchange::reply(429, "{}").with_header("retry-after", "50")];
    let (bench, server) = builtin_with(script(exchanges), |config| config.retry = Retry::default()).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let stream = bench.engine.send(&session.id, turn("hi")).await.unwrap();
    while server.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.engine.abort(&session.id).await.unwrap();
    let events: Vec<Event> = tokio::time::timeout(Duration::from_secs(30), stream.collect()).await.unwrap();
    assert_eq!(error(&events).0, ErrorKind::Aborted);
}

#[tokio::test]
async fn a_store_that_is_gone_is_told_and_nothing_is_sent() {
    let (bench, server) = builtin(script([Exchange::text("Hello.")])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    bench.store.close().await.unwrap();
    let error = bench.engine.send(&session.id, turn("hi")).await.err().unwrap();
    assert!(error.to_string().contains("the store is closed"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_within_a_turn_ends_it_before_a_tool_runs() {
    let call = Say::Call(Call::new("c", "echo", "{}"));
    let (bench, _server) = builtin(script([Exchange::say([word("I will. "), Say::Pause(300), call])])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let mut stream = bench.engine.send(&session.id, turn("hi")).await.unwrap();
    assert!(matches!(stream.next().await, Some(Event::Text { .. })));
    bench.store.close().await.unwrap();
    let rest: Vec<Event> = stream.collect().await;
    let (kind, message) = error(&rest);
    assert_eq!(kind, ErrorKind::Engine);
    assert!(message.contains("the store is closed"), "{message}");
    assert_eq!(bench.tools.calls(), [], "what cannot be written down is not done");
}
