//! Secrets that a service or a message holds are seen nowhere.

use super::*;

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
