//! Sessions that read what somebody else wrote.

use super::*;

/// A session, for taint.
async fn session(world: &World) -> SessionId {
    world.store.sessions().create("test", "").await.unwrap().id
}

#[tokio::test]
async fn a_session_that_read_untrusted_text_writes_nothing_outside_any_more() {
    let world = World::new();
    let tools = Tools::echo(vec![
        tool("web_fetch", Reads::Untrusted, Writes::Nothing),
        tool("post", Reads::Nothing, Writes::External),
        tool("note", Reads::Nothing, Writes::Local),
    ]);
    let (tainted, clean) = (session(&world).await, session(&world).await);
    let open = |router: &Arc<Router>, session: &SessionId| {
        let cancel = CancellationToken::new();
        let who = caller("ada", Role::Owner, Audience::Private);
        let turn = router.open_turn(Opening { session: Some(session.clone()), ..Opening::new(who, &cancel) });
        Desk { router: Arc::clone(router), turn, cancel }
    };
    let first = router(&world, Config::default(), vec![tools.clone()]);
    let desk = open(&first, &tainted);
    answered(&desk.call("post", "{}").await, "nothing");
    answered(&desk.call("web_fetch", "{}").await, "nothing");
    refused(&desk.call("post", "{}").await, "needs an owner's approval");
    audited(&world.last_call().await, Verdict::Denied, "tainted");
    answered(&desk.call("note", "{}").await, "nothing");
    // It sticks to the session: in its next turn, and in another router over the same store.
    let later = router(&world, Config::default(), vec![tools.clone()]);
    for router in [&first, &later] {
        refused(&open(router, &tainted).call("post", "{}").await, "needs an owner's approval");
        answered(&open(router, &clean).call("post", "{}").await, "nothing");
    }
    first.taint(&clean).await.unwrap();
    refused(&open(&later, &clean).call("post", "{}").await, "needs an owner's approval");
    assert_eq!(tools.calls().iter().filter(|call| call.tool == "post").count(), 3);
}

#[tokio::test]
async fn whoever_is_no_owner_taints_by_speaking() {
    let world = World::new();
    let tools = Tools::echo(vec![tool("post", Reads::Nothing, Writes::External)]);
    let mut config = Config::default();
    config.policy.member.allow = Some(vec!["post".into()]);
    let router = router(&world, config, vec![tools.clone()]);
    let desk = desk(&router, Role::Member, Audience::Group);
    assert_eq!(desk.names(), ["post"]);
    refused(&desk.call("post", "{}").await, "needs an owner's approval");
    assert!(tools.calls().is_empty());
}

#[tokio::test]
async fn a_taint_that_cannot_be_kept_or_read_stops_the_call() {
    let world = World::new();
    let tools = Tools::echo(vec![
        tool("web_fetch", Reads::Untrusted, Writes::Nothing),
        tool("post", Reads::Nothing, Writes::External),
    ]);
    let id = session(&world).await;
    let router = router(&world, Config::default(), vec![tools.clone()]);
    let cancel = CancellationToken::new();
    let turn = router.open_turn(Opening {
        session: Some(id),
        ..Opening::new(caller("ada", Role::Owner, Audience::Private), &cancel)
    });
    world.break_table("setting", "1");
    refused(&router.call(turn.id(), "web_fetch", "{}").await, "internal error");
    world.mend();
    world.sql("ALTER TABLE setting RENAME TO gone");
    refused(&router.call(turn.id(), "post", "{}").await, "");
    world.sql("ALTER TABLE gone RENAME TO setting");
    assert!(tools.calls().is_empty());
}
