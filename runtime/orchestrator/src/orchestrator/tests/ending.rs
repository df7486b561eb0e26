//! The program ends, by itself or in a crash.

use super::*;

#[tokio::test]
async fn calls_that_a_crash_cut_off_are_reported_once_and_never_repeated() {
    let scene = Scene::new().await;
    scene.say("a", "hello").await.ended("you said hello");
    let session = scene.active("a").await;
    let intent = |session: Option<&SessionId>, tool: &str| Intent {
        call: CallId::generate(&SystemRandom),
        turn: TurnId::generate(&SystemRandom),
        session: session.cloned(),
        tool: tool.to_owned(),
        principal: Principal::Runtime,
        digest: None,
        arguments_hash: openpact_model::id::Digest::of(b"{}"),
    };
    let cut_off = intent(Some(&session), "note");
    for intent in [cut_off.clone(), intent(None, "post")] {
        scene.world.store.journal().intend(intent).await.unwrap();
    }
    let scene = scene.restart().await;
    // A second crash before anybody wrote: the report is still there.
    let scene = scene.restart().await;
    scene.say("b", "hello").await.ended("you said hello");
    assert!(!scene.engine.last().1.system.contains("outcome is unknown"), "another session is told nothing");
    let told = scene.say("a", "are you back?").await;
    told.ended("you said are you back?");
    assert!(told.notices[0].contains("note") && told.notices[0].contains("not repeated"), "{told:?}");
    assert!(scene.engine.last().1.system.contains("ran: note."), "{}", scene.engine.last().1.system);
    let again = scene.say("a", "good").await;
    assert!(again.notices.is_empty() && !scene.engine.last().1.system.contains("ran: note"));
    assert!(scene.tools.calls().is_empty());
    let outcome = scene.world.store.journal().outcome(&cut_off.call).await.unwrap();
    assert_eq!(outcome.as_deref(), Some("unknown"));
    let records = scene.world.audit("tool.call.unknown").await;
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|event| event.detail["call"] == cut_off.call.as_str()), "{records:?}");
}

#[tokio::test]
async fn a_shutdown_finishes_what_runs_and_takes_nothing_new() {
    let scene = Scene::new().await;
    let running = scene.submit("a", "gate");
    scene.engine.until(1).await;
    let waiting = scene.submit("a", "waiting");
    let closing = scene.orchestrator.shutdown(Duration::from_mins(1));
    let rest = async {
        answer(waiting).await.failed(ErrorKind::Aborted, "shutting down");
        scene.say("b", "late").await.told("shutting down");
        scene.say("b", "/sessions").await.told("shutting down");
        scene.engine.gate.add_permits(1);
    };
    tokio::join!(closing, rest);
    answer(running).await.ended("through");
}

#[tokio::test]
async fn a_shutdown_stops_what_does_not_end() {
    let config = Config { grace: Duration::from_millis(20), ..Config::default() };
    let scene = Scene::with(World::new(), config).await;
    let running = [scene.submit("a", "hang"), scene.submit("b", "deaf")];
    scene.engine.until(2).await;
    scene.orchestrator.shutdown(Duration::from_millis(20)).await;
    for updates in running {
        answer(updates).await.failed(ErrorKind::Aborted, "Stopped");
    }
}
