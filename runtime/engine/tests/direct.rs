//! The engine without a model: what is said to it and what it answers.

use openpact_engine::{Engine as _, Event, Health};

use crate::support::{direct, say, stored, text};

#[tokio::test]
async fn help_and_list_and_run() {
    let bench = direct();
    assert_eq!(bench.engine.health().await, Health::Ready);
    let session = bench.engine.create_session(None).await.unwrap();

    let help = text(&say(&*bench.engine, &session, "what can you do?").await);
    assert!(help.contains("No model is configured") && help.contains("openpact secret set"), "{help}");

    let list = text(&say(&*bench.engine, &session, "!tools").await);
    assert!(list.contains("!echo: Does echo.\n") && list.contains("\"type\": \"integer\""), "{list}");

    let events = say(&*bench.engine, &session, "!echo {\"n\": 5}").await;
    assert_eq!(text(&events), "{\"n\":5}");
    assert_eq!(bench.tools.calls(), [("echo".to_owned(), "{\"n\": 5}".to_owned())], "as it was typed");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_the_router() {
    let bench = direct();
    let session = bench.engine.create_session(None).await.unwrap();
    for (said, needed) in [
        ("!echo {\"n\": ", "The tool failed: invalid arguments: not JSON"),
        ("!echo five", "The tool failed: invalid arguments: not JSON"),
        ("!nothing {}", "The tool failed: there is no tool 'nothing'"),
    ] {
        let events = say(&*bench.engine, &session, said).await;
        assert!(text(&events).starts_with(needed), "{said}: {events:?}");
        assert_eq!(events.last(), Some(&Event::End), "a refused call is an answer");
    }
    assert_eq!(stored(&*bench.engine, &session).await.len(), 12);
}

#[tokio::test]
async fn only_what_the_person_typed_is_read() {
    let bench = direct();
    let session = bench.engine.create_session(None).await.unwrap();
    // The source line stands before the text that a model sees; it is no command, and hides none.
    let mut turn = crate::support::turn("!echo {}");
    turn.text = "[via terminal, channel:!fail {}, user:x]\n!echo {}".to_owned();
    crate::support::send(&*bench.engine, &session, turn).await;
    assert_eq!(bench.tools.calls(), [("echo".to_owned(), "{}".to_owned())]);
}

#[tokio::test]
async fn a_store_that_is_gone_is_told_and_no_tool_runs() {
    let bench = direct();
    let session = bench.engine.create_session(None).await.unwrap();
    bench.store.close().await.unwrap();
    let error = bench.engine.send(&session.id, crate::support::turn("!echo {}")).await.err().unwrap();
    assert!(error.to_string().contains("the store is closed"), "{error}");
    assert_eq!(bench.tools.calls(), []);
}
