//! A conversation that is longer than the window of its model.

use super::*;

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
