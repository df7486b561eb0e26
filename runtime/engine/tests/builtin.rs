//! The native engine against a scripted model: what it sends, what it makes of every answer, and of every fault.

mod fault;
mod secrecy;
mod window;

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
async fn models_are_listed() {
    let mut list = script([]);
    list.models = vec!["scripted".to_owned(), "other".to_owned()];
    let (bench, _server) = builtin(list).await;
    let models = bench.engine.models().await.unwrap();
    let shown: Vec<(&str, bool)> = models.iter().map(|model| (model.id.as_str(), model.default)).collect();
    assert_eq!(shown, [("scripted", true), ("other", false)]);
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
