//! The native engine against a scripted model: what it sends, what it makes of every answer, and of every fault.

use std::time::Duration;

use futures::StreamExt as _;
use openpact_engine::builtin::{Price, Retry};
use openpact_engine::event::ErrorKind;
use openpact_engine::{Engine as _, Event, Health};
use openpact_model::secret::{SecretEntry, SecretValue};
use openpact_scripted_model::{Answer, Call, Exchange, Expect, Form, Reply, Say, Script, Usage};
use serde_json::{Value, json};

use crate::support::{KEY, SECRET, builtin, builtin_with, error, say, send, stored, text, turn};

fn script(exchanges: impl IntoIterator<Item = Exchange>) -> Script {
    Script::new(KEY, exchanges)
}

fn word(text: &str) -> Say {
    Say::Text(text.to_owned())
}

fn last_role(role: &str) -> Expect {
    Expect { last_role: Some(role.to_owned()), ..Expect::default() }
}

#[tokio::test]
async fn a_turn_with_a_tool_goes_out_and_comes_back_as_the_reference_says() {
    let exchanges = [
        Exchange::say([
            Say::Reasoning("First ".to_owned()),
            Say::Reasoning("the tool.".to_owned()),
            word("One moment. "),
            Say::Call(Call::new("call_1", "echo", "{\"n\":7}")),
            Say::Usage(Usage { input: 100, output: 20, cached: 50 }),
        ])
        .expecting(Expect {
            model: Some("scripted".to_owned()),
            stream: Some(true),
            tools: vec!["echo".to_owned(), "stuck".to_owned()],
            last_contains: vec!["[via terminal, channel:test, user:owner]\nplease".to_owned()],
            ..last_role("user")
        }),
        Exchange::say([
            word("It is "),
            word("seven."),
            Say::Usage(Usage { input: 150, output: 5, cached: 100 }),
        ])
        .expecting(Expect { last_contains: vec!["{\"n\":7}".to_owned()], ..last_role("tool") }),
    ];
    let (bench, server) = builtin_with(script(exchanges), |config| {
        let price = Price { input: 1.0, output: 10.0, cached: 0.1 };
        config.prices.insert("scripted".to_owned(), price);
    })
    .await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "please").await;
    let part = |part, text: &str| Event::Text { part, text: text.to_owned() };
    let expected = [
        Event::Reasoning { part: 0, text: "First ".to_owned() },
        Event::Reasoning { part: 0, text: "the tool.".to_owned() },
        part(1, "One moment. "),
        Event::Usage { input: 100, output: 20, cached: 50 },
        Event::ToolCall {
            part: 2,
            id: "call_1".to_owned(),
            name: "echo".to_owned(),
            arguments: "{\"n\":7}".to_owned(),
        },
        Event::ToolResult { part: 3, id: "call_1".to_owned(), is_error: false, text: "{\"n\":7}".to_owned() },
        part(4, "It is "),
        part(4, "seven."),
        Event::Usage { input: 150, output: 5, cached: 100 },
        Event::End,
    ];
    assert_eq!(events, expected);
    server.assert_finished();
    let requests = server.requests();
    assert_eq!(requests[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let messages = requests[1].messages();
    assert_eq!(messages[0], json!({"role": "system", "content": "You are a test."}));
    assert_eq!(
        messages[2]["reasoning_content"], "First the tool.",
        "given back within the turn, as some insist"
    );
    assert_eq!(messages[3], json!({"role": "tool", "tool_call_id": "call_1", "content": "{\"n\":7}"}));
    let context = bench.engine.context(&session.id).await.unwrap();
    assert_eq!((context.tokens, context.cached, context.window), (155, 100, Some(128_000)));
    let cost = context.cost.unwrap();
    let expected = (50.0 + 5.0 + 200.0 + 50.0 + 10.0 + 50.0) / 1e6;
    assert!((cost - expected).abs() < 1e-9, "{cost} instead of {expected}");
}

#[tokio::test]
async fn parallel_calls_run_at_once_and_are_answered_in_order() {
    let calls = ["1", "2", "3"].map(|n| Call::new(&format!("call_{n}"), "wait", &format!("{{\"n\":{n}}}")));
    let exchanges = [Exchange::say([Say::Calls(calls.into())]), Exchange::text("Done.")];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let stream = bench.engine.send(&session.id, turn("go")).await.unwrap();
    tokio::time::timeout(Duration::from_mins(1), bench.tools.running(3)).await.expect("all run at once");
    bench.tools.gate.add_permits(3);
    let events: Vec<Event> = stream.collect().await;
    let ids = |wanted: fn(&Event) -> Option<&String>| -> Vec<String> {
        events.iter().filter_map(wanted).cloned().collect()
    };
    let order = ["call_1", "call_2", "call_3"];
    assert_eq!(ids(|event| if let Event::ToolCall { id, .. } = event { Some(id) } else { None }), order);
    assert_eq!(ids(|event| if let Event::ToolResult { id, .. } = event { Some(id) } else { None }), order);
    let sent = server.requests()[1].messages();
    let answered: Vec<&Value> = sent.iter().filter(|message| message["role"] == "tool").collect();
    assert_eq!(answered[2]["content"], "waited for {\"n\":3}");
    server.assert_finished();
}

#[tokio::test]
async fn streams_of_every_make_are_read() {
    let base = Form::default;
    for (name, form) in [
        ("CR LF", Form { crlf: true, ..base() }),
        ("no space", Form { space: false, ..base() }),
        ("comments", Form { comments: true, ..base() }),
        ("no end mark", Form { done: false, ..base() }),
        ("no last empty line", Form { last_blank: false, ..base() }),
        ("no index", Form { index: false, ..base() }),
        ("bare chunks", Form { envelope: false, ..base() }),
        ("another content type", Form { content_type: "text/plain".to_owned(), ..base() }),
        ("one byte at a time", Form { split: Some(1), crlf: true, ..base() }),
        ("a slow drip", Form { split: Some(40), drip: 1, ..base() }),
        ("no stream at all", Form { whole: true, ..base() }),
    ] {
        let exchanges = [
            Exchange::say([word("Grüße "), Say::Call(Call::new("c", "echo", "{\"n\":1}"))])
                .formed(form.clone()),
            Exchange::text("日本 done").formed(form),
        ];
        let (bench, server) = builtin(script(exchanges)).await;
        let session = bench.engine.create_session(None).await.unwrap();
        let events = say(&*bench.engine, &session, "hi").await;
        assert_eq!(events.last(), Some(&Event::End), "{name}: {events:?}");
        assert_eq!(text(&events), "Grüße 日本 done", "{name}");
        assert_eq!(bench.tools.calls(), [("echo".to_owned(), "{\"n\":1}".to_owned())], "{name}");
        server.assert_finished();
    }
}

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
async fn calls_of_an_answer_that_was_cut_are_not_made() {
    let exchanges = [Exchange::say([
        word("I "),
        Say::Call(Call::new("c", "echo", "{\"n\":1}")),
        Say::Pause(30),
        Say::Cut,
    ])];
    let (bench, _server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "hi").await;
    assert_eq!(error(&events).0, ErrorKind::Provider);
    assert_eq!(bench.tools.calls(), []);
    assert_eq!(stored(&*bench.engine, &session).await, ["u:hi", "a:I "]);
}

#[tokio::test]
async fn malformed_arguments_reach_the_router_and_its_error_the_model() {
    let exchanges = [
        Exchange::call("c", "echo", "{\"n\": "),
        Exchange::call("c", "echo", "{}")
            .expecting(Expect { last_contains: vec!["invalid arguments".to_owned()], ..last_role("tool") }),
        Exchange::text("Now it worked."),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "hi").await;
    assert_eq!(events.last(), Some(&Event::End));
    assert_eq!(bench.tools.calls()[0], ("echo".to_owned(), "{\"n\": ".to_owned()), "as the model wrote it");
    server.assert_finished();
    let ids: Vec<&String> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolCall { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_ne!(ids[0], ids[1], "ids are unique in a turn although the model said the same one twice");
    // What stands in the history is JSON, since many servers parse it.
    let messages = server.requests()[1].messages();
    let sent = messages[2]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(sent).unwrap(), json!({"malformed": "{\"n\": "}));
}

#[tokio::test]
async fn an_endless_tool_loop_stops_at_the_step_limit_and_not_before() {
    let endless = || Exchange::call("c", "echo", "{}");
    let (bench, server) = builtin_with(script([endless().times(0)]), |config| config.max_steps = 5).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::TooManySteps);
    assert!(message.contains("5 times"), "{message}");
    assert_eq!((server.requests().len(), bench.tools.calls().len()), (5, 5));
    assert_eq!(stored(&*bench.engine, &session).await.len(), 11, "all of it is kept");

    let exchanges = [endless().times(4), Exchange::text("Enough.")];
    let (bench, server) = builtin_with(script(exchanges), |config| config.max_steps = 5).await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Enough.");
    server.assert_finished();
}

#[tokio::test]
async fn too_many_calls_at_once_are_answered_without_being_made() {
    let call = |n: usize| Call { pieces: 1, ..Call::new(&format!("call_{n}"), "echo", "{}") };
    let exchanges = [Exchange::say([Say::Calls((0..33).map(call).collect())]), Exchange::text("Done.")];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "hi").await;
    assert_eq!(events.last(), Some(&Event::End));
    assert_eq!(bench.tools.calls().len(), 32);
    assert!(stored(&*bench.engine, &session).await[34].starts_with("t!:not done"));
    server.assert_finished();
}

#[tokio::test]
async fn silence_ends_a_turn_and_a_sign_of_life_does_not() {
    let hang = || [Exchange::say([word("Wait "), Say::Hang])];
    let (bench, _server) =
        builtin_with(script(hang()), |config| config.idle = Duration::from_millis(200)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Deadline);
    assert!(message.contains("nothing came from the model for 200 milliseconds"), "{message}");
    assert_eq!(stored(&*bench.engine, &session).await, ["u:hi", "a:Wait "]);

    let (bench, _server) =
        builtin_with(script(hang()), |config| config.deadline = Duration::from_secs(1)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Deadline);
    assert!(message.contains("longer than 1 second"), "{message}");

    // Silent for longer than the limit in all, but never at once: comments count.
    let comments = (0..8).flat_map(|_| [Say::Pause(100), Say::Bytes(": still here\n".to_owned())]);
    let exchange = Exchange::say(comments.chain([word("Here.")]));
    let (bench, _server) =
        builtin_with(script([exchange]), |config| config.idle = Duration::from_millis(600)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Here.");
}

#[tokio::test]
async fn a_deadline_stops_tools_that_ignore_it_and_their_result_is_told_to_be_unknown() {
    let exchanges = [
        Exchange::call("c", "stuck", "{}"),
        Exchange::text("I see.")
            .expecting(Expect { contains: vec!["it is unknown whether".to_owned()], ..last_role("user") }),
    ];
    let (bench, server) =
        builtin_with(script(exchanges), |config| config.deadline = Duration::from_secs(1)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, _) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Deadline);
    assert!(stored(&*bench.engine, &session).await[2].starts_with("t!:interrupted"));
    assert_eq!(text(&say(&*bench.engine, &session, "and now?").await), "I see.");
    server.assert_finished();
}

#[tokio::test]
async fn abort_while_the_model_speaks_keeps_what_it_said() {
    let (bench, _server) = builtin(script([Exchange::say([word("So far "), Say::Hang])])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let mut stream = bench.engine.send(&session.id, turn("hi")).await.unwrap();
    assert_eq!(stream.next().await, Some(Event::Text { part: 0, text: "So far ".to_owned() }));
    assert!(bench.engine.abort(&session.id).await.unwrap());
    let rest: Vec<Event> = stream.collect().await;
    assert_eq!(error(&rest).0, ErrorKind::Aborted);
    assert_eq!(stored(&*bench.engine, &session).await, ["u:hi", "a:So far "]);
}

#[tokio::test]
async fn a_history_that_was_cut_within_a_call_is_repaired() {
    let exchange = Exchange::text("All right.").expecting(Expect {
        contains: vec!["it is unknown whether this was done".to_owned()],
        ..last_role("user")
    });
    let (bench, server) = builtin(script([exchange])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    // What a crash leaves behind: a call is stored before it is made, and its result after.
    let left = [
        json!({"role": "user", "text": "do it"}),
        json!({"role": "assistant", "text": "", "calls": [
            {"id": "a", "name": "echo", "arguments": "{}"}, {"id": "b", "name": "echo", "arguments": "{}"}]}),
        json!({"role": "tool", "id": "b", "is_error": false, "text": "done"}),
    ];
    bench.store.messages().append(&session.id, &left).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "and?").await), "All right.");
    // The scripted model refuses calls without results as the real one does.
    server.assert_finished();
    let messages = server.requests()[0].messages();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(messages[4]["content"], "done");
}

#[tokio::test]
async fn the_turns_model_comes_before_the_sessions_and_that_before_the_default() {
    let asked = |model: &str| {
        Exchange::text("Yes.").expecting(Expect { model: Some(model.to_owned()), ..Expect::default() })
    };
    let (bench, server) =
        builtin(script([asked("scripted"), asked("own"), asked("turns"), asked("scripted")])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    say(&*bench.engine, &session, "hi").await;
    bench.engine.set_model(&session.id, Some("own")).await.unwrap();
    assert_eq!(bench.engine.context(&session.id).await.unwrap().model, "own");
    say(&*bench.engine, &session, "hi").await;
    let mut other = turn("hi");
    other.model = Some("turns".to_owned());
    send(&*bench.engine, &session, other).await;
    bench.engine.set_model(&session.id, None).await.unwrap();
    say(&*bench.engine, &session, "hi").await;
    server.assert_finished();
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
async fn older_turns_become_a_summary_that_stays() {
    let long = format!("remember {} {}", crate::support::nonce(), "blah ".repeat(520));
    let summarise =
        Expect { contains: vec!["Write a summary".to_owned(), "remember".to_owned()], ..last_role("user") };
    let exchanges = [
        Exchange::text("Noted."),
        Exchange::text("Noted too."),
        Exchange::text("They said to remember things.").expecting(summarise),
        Exchange::text("Yes.").expecting(Expect {
            contains: vec![
                "Summary of the earlier conversation".to_owned(),
                "They said to remember".to_owned(),
            ],
            lacks: vec!["blah blah".to_owned()],
            last_contains: vec!["still there?".to_owned()],
            ..last_role("user")
        }),
        Exchange::text("Yes!").expecting(Expect {
            contains: vec!["They said to remember".to_owned()],
            lacks: vec!["Write a summary".to_owned()],
            ..Expect::default()
        }),
    ];
    let (bench, server) = builtin_with(script(exchanges), |config| config.context_window = 4000).await;
    let session = bench.engine.create_session(None).await.unwrap();
    say(&*bench.engine, &session, &long).await;
    say(&*bench.engine, &session, &long).await;
    let events = say(&*bench.engine, &session, &format!("{}\nstill there?", "well ".repeat(240))).await;
    assert_eq!(text(&events), "Yes.", "the summary is not shown: {events:?}");
    let shown = stored(&*bench.engine, &session).await;
    assert_eq!(shown, ["s:They said to remember things.", "u:still there?", "a:Yes."]);
    assert_eq!(text(&say(&*bench.engine, &session, "sure?").await), "Yes!");
    server.assert_finished();
    assert!(!server.requests()[2].json()["tools"].is_array(), "a summary is made without tools");
}

#[tokio::test]
async fn a_summary_that_fails_costs_the_old_turns_of_this_request_and_nothing_else() {
    let long = format!("remember {}", "blah ".repeat(520));
    let exchanges = [
        Exchange::text("Noted."),
        Exchange::text("Noted too."),
        Exchange::reply(400, "{}")
            .expecting(Expect { contains: vec!["Write a summary".to_owned()], ..Expect::default() }),
        Exchange::text("Yes.").expecting(Expect {
            contains: vec!["is left out here".to_owned()],
            lacks: vec!["blah blah".to_owned()],
            ..Expect::default()
        }),
    ];
    let (bench, server) = builtin_with(script(exchanges), |config| config.context_window = 4000).await;
    let session = bench.engine.create_session(None).await.unwrap();
    say(&*bench.engine, &session, &long).await;
    say(&*bench.engine, &session, &long).await;
    assert_eq!(
        text(&say(&*bench.engine, &session, &format!("{}\nstill there?", "well ".repeat(240))).await),
        "Yes."
    );
    server.assert_finished();
    assert_eq!(stored(&*bench.engine, &session).await.len(), 6, "nothing was taken out of the store");
}

#[tokio::test]
async fn a_long_result_is_cut_in_the_request_and_not_in_the_store() {
    let exchanges = [
        Exchange::call("c", "long", "{}"),
        Exchange::text("That was long.").expecting(Expect {
            last_contains: vec!["are left out here to fit".to_owned()],
            ..last_role("tool")
        }),
    ];
    let (bench, server) = builtin_with(script(exchanges), |config| config.context_window = 16_000).await;
    let session = bench.engine.create_session(None).await.unwrap();
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "That was long.");
    assert!(stored(&*bench.engine, &session).await[2].len() > 200_000);
    assert!(server.requests()[1].body.len() < 16_000);
    server.assert_finished();
}

#[tokio::test]
async fn a_provider_that_finds_the_conversation_too_long_gets_a_shorter_one() {
    let too_long = "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"too long\"}}";
    let exchanges = [
        Exchange::text("One.").times(3),
        Exchange::reply(400, too_long),
        Exchange::text("In short.")
            .expecting(Expect { contains: vec!["Write a summary".to_owned()], ..Expect::default() }),
        Exchange::text("Better.")
            .expecting(Expect { contains: vec!["In short.".to_owned()], ..Expect::default() }),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    for _ in 0..3 {
        say(&*bench.engine, &session, &"words ".repeat(300)).await;
    }
    assert_eq!(text(&say(&*bench.engine, &session, "hi").await), "Better.");
    server.assert_finished();

    let (bench, _server) = builtin(script([Exchange::reply(400, too_long).times(0)])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Provider);
    assert!(message.contains("longer than the model can take"), "{message}");
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
async fn models_are_listed() {
    let mut list = script([]);
    list.models = vec!["scripted".to_owned(), "other".to_owned()];
    let (bench, _server) = builtin(list).await;
    let models = bench.engine.models().await.unwrap();
    let shown: Vec<(&str, bool)> = models.iter().map(|model| (model.id.as_str(), model.default)).collect();
    assert_eq!(shown, [("scripted", true), ("other", false)]);
}

#[tokio::test]
async fn a_key_that_the_server_sends_back_in_every_way_is_seen_nowhere() {
    let reply = |status| Exchange::reply(status, "{\"error\":{\"message\":\"your key {key} is bad\"}}");
    let header = reply(500).with_header("x-echo", KEY);
    let exchanges = [
        reply(400),
        header.times(4),
        Exchange::say([word("Your key is "), Say::EchoKey, word(". "), Say::Reasoning(format!("key {KEY}"))]),
        Exchange::say([Say::Call(Call {
            pieces: 1,
            ..Call::new("c", "echo", &format!("{{\"k\":\"{KEY}\"}}"))
        })]),
        Exchange::say([word("Done.")]),
        Exchange::say([Say::EchoKey]).formed(Form { split: Some(3), ..Form::default() }),
        Exchange::say([Say::EchoKey]).formed(Form { whole: true, ..Form::default() }),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(format!("{:?}", say(&*bench.engine, &session, "hi").await));
    }
    let seen = seen.join("\n");
    server.assert_finished();
    assert!(!seen.contains(KEY), "{seen}");
    assert!(seen.matches("[REDACTED:SCRIPTED_MODEL_KEY]").count() >= 7, "{seen}");
    assert!(bench.tools.calls().iter().all(|(_, arguments)| !arguments.contains(KEY)));
    // Nowhere on disk in plain: not in messages, not in the audit log.
    let found = crate::support::files(bench.directory.path());
    assert!(found.iter().any(|(path, _)| path.ends_with("openpact.db")), "the search looks at the database");
    for (path, bytes) in &found {
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", path.display());
    }
    // And no request carried it but where it belongs.
    assert!(server.requests().iter().all(|request| !request.mentions(KEY)));
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("authorization") == Some(&format!("Bearer {KEY}")))
    );
}

#[tokio::test]
async fn a_key_that_comes_one_character_at_a_time_is_seen_nowhere() {
    let drip = |say: fn(String) -> Say| KEY.chars().map(move |letter| say(letter.to_string()));
    let arguments = format!("{{\"k\":\"{KEY}\"}}");
    let escaped = format!("{{\"k\":\"\\u0073{}\"}}", &KEY[1..]);
    let says = drip(Say::Reasoning).chain(drip(Say::Text)).chain([
        Say::Call(Call { pieces: arguments.len(), ..Call::new("c1", "echo", &arguments) }),
        Say::Call(Call { pieces: escaped.len(), ..Call::new("c2", "echo", &escaped) }),
    ]);
    // Text and reasoning in turns: what is shown of each is still whole.
    let mixed = drip(Say::Text).zip(drip(Say::Reasoning)).flat_map(|(one, other)| [one, other]);
    let refusal = format!("{{\"error\":{{\"code\":400,\"message\":\"bad \\u0073{}\"}}}}", &KEY[1..]);
    let exchanges = [
        Exchange::say(says),
        Exchange::say(mixed),
        Exchange::say(drip(Say::Text).chain([Say::Cut])),
        Exchange::say([Say::Raw(refusal)]),
    ];
    let (bench, server) = builtin(script(exchanges)).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(say(&*bench.engine, &session, "hi").await);
    }
    server.assert_finished();
    let thoughts = events.iter().filter_map(|event| match event {
        Event::Reasoning { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let (said, thoughts) = (text(&events), thoughts.collect::<String>());
    let seen = format!("{said}\n{thoughts}\n{events:?}\n{:?}", stored(&*bench.engine, &session).await);
    assert!(!seen.contains(KEY) && !seen.contains(&KEY[1..]), "{seen}");
    let mark = format!("[REDACTED:{SECRET}]");
    assert_eq!((said, thoughts), (mark.repeat(3), mark.repeat(2)));
    assert!(error(&events).1.contains(&mark), "{:?}", events.last());
    let clean = format!("{{\"k\":\"{mark}\"}}");
    let calls = bench.tools.calls();
    assert_eq!(calls, [("echo".to_owned(), clean.clone()), ("echo".to_owned(), clean)]);
    for (path, bytes) in crate::support::files(bench.directory.path()) {
        assert!(
            !bytes.windows(KEY.len() - 1).any(|window| window == &KEY.as_bytes()[1..]),
            "{}",
            path.display()
        );
    }
    assert!(server.requests().iter().all(|request| !request.mentions(&KEY[1..])));
}

#[tokio::test]
async fn a_secret_in_a_message_is_taken_out_and_the_session_goes_on() {
    let (bench, server) = builtin(script([Exchange::text("Hello.").times(2)])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let mut first = turn(&format!("my key is {KEY}, ok?"));
    first.system = format!("The key is {KEY}.");
    let events = send(&*bench.engine, &session, first).await;
    assert_eq!((text(&events).as_str(), events.last()), ("Hello.", Some(&Event::End)));
    let events = say(&*bench.engine, &session, "and now?").await;
    assert_eq!((text(&events).as_str(), events.last()), ("Hello.", Some(&Event::End)));
    let said = format!("u:my key is [REDACTED:{SECRET}], ok?");
    assert_eq!(stored(&*bench.engine, &session).await[0], said);
    let title = bench.engine.get_session(&session.id).await.unwrap().unwrap().title;
    assert!(title.starts_with("my key is [REDACTED"), "{title}");
    assert!(server.requests().iter().all(|request| !request.mentions(KEY)));
    server.assert_finished();
}

#[tokio::test]
async fn a_secret_that_was_stored_before_it_was_known_stops_nothing() {
    let (bench, server) = builtin(script([Exchange::text("Hello.").times(2)])).await;
    let session = bench.engine.create_session(None).await.unwrap();
    say(&*bench.engine, &session, "the word is open-sesame-77-and-more").await;
    let vault = bench.store.secret_vault();
    let value = SecretValue::new("open-sesame-77-and-more".to_owned());
    vault
        .set("WORD".parse().unwrap(), SecretEntry::new(value, vec![openpact_engine::builtin::principal()]))
        .await
        .unwrap();
    let events = say(&*bench.engine, &session, "and now?").await;
    assert_eq!(events.last(), Some(&Event::End), "{events:?}");
    assert!(server.requests()[1].mentions("[REDACTED:WORD]"));
    server.assert_finished();
}

#[tokio::test]
async fn a_request_that_holds_a_secret_is_told_as_that() {
    let (bench, server) = builtin(script([])).await;
    let vault = bench.store.secret_vault();
    // What the request is made of is not looked at before the door.
    let value = SecretValue::new("\"stream\":true,\"stream_options\"".to_owned());
    vault
        .set("ODD".parse().unwrap(), SecretEntry::new(value, vec![openpact_engine::builtin::principal()]))
        .await
        .unwrap();
    let session = bench.engine.create_session(None).await.unwrap();
    let (kind, message) = error(&say(&*bench.engine, &session, "hi").await);
    assert_eq!(kind, ErrorKind::Provider);
    assert!(message.contains("holds the value of a secret and was not sent"), "{message}");
    assert!(!message.contains("base_url") && !message.contains("ODD"), "{message}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_the_limit_and_kept() {
    const PIECE: usize = 256 * 1024;
    let full =
        || (0..8).map(|at| if at < 4 { word(&"x".repeat(PIECE)) } else { Say::Reasoning("y".repeat(PIECE)) });
    let exchanges = [Exchange::say(full()), Exchange::say(full().chain([word("z")]))];
    let (bench, server) = builtin_with(script(exchanges), |config| config.context_window = 10_000_000).await;
    let session = bench.engine.create_session(None).await.unwrap();
    let events = say(&*bench.engine, &session, "at the limit").await;
    assert_eq!(events.last(), Some(&Event::End));
    let events = say(&*bench.engine, &session, "beyond it").await;
    let (kind, message) = error(&events);
    assert!(kind == ErrorKind::Provider && message.contains("longer than 2 MiB"), "{message}");
    assert_eq!(text(&events).len(), 4 * PIECE);
    assert_eq!(stored(&*bench.engine, &session).await[3].len(), "a:".len() + 4 * PIECE);
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
