//! A session that holds private things reaches only addresses that its owner wrote in it.

use openpact_model::tool::Reach;

use super::*;

/// A tool that takes an address, and says so.
fn fetch(name: &str, reads: Reads) -> ToolSpec {
    let mut spec = tool(name, reads, Writes::Nothing);
    spec.input_schema = json!({
        "type": "object",
        "properties": { "url": { "type": "string", "format": "uri" }, "text": { "type": "string" } },
    });
    spec
}

fn tools() -> Arc<Tools> {
    Tools::echo(vec![
        fetch("web_fetch", Reads::Untrusted),
        tool("memory_read", Reads::Private, Writes::Nothing),
        tool("unmarked", Reads::Untrusted, Writes::Nothing),
        fetch("vault_fetch", Reads::Private),
    ])
}

async fn session(world: &World) -> SessionId {
    world.store.sessions().create("builtin", "").await.unwrap().id
}

/// A turn in a session.
fn turn(router: &Arc<Router>, session: &SessionId, role: Role, audience: Audience) -> Desk {
    let cancel = CancellationToken::new();
    let turn = router.open_turn(Opening {
        session: Some(session.clone()),
        ..Opening::new(caller("ada", role, audience), &cancel)
    });
    Desk { router: Arc::clone(router), turn, cancel }
}

fn url(address: &str) -> String {
    json!({ "url": address }).to_string()
}

/// What a person is told whose assistant may not fetch something.
const REFUSED: &str = "only addresses that its owner wrote in it are fetched";

#[tokio::test]
async fn the_owner_writes_an_address_and_that_one_is_fetched_and_no_other() {
    let world = World::new();
    let tools = tools();
    let router = router(&world, Config::default(), vec![tools.clone()]);
    let id = session(&world).await;
    let desk = turn(&router, &id, Role::Owner, Audience::Private);
    let written = "https://docs.example/guide";
    refused(&desk.call("web_fetch", &url(written)).await, REFUSED);
    router
        .heard(&id, "Read https://docs.example/guide, please. And (https://b.example/x?y=1).")
        .await
        .unwrap();
    for fine in [written, "HTTPS://DOCS.example:443/guide#top", "https://b.example/x?y=1"] {
        answered(&desk.call("web_fetch", &url(fine)).await, "nothing");
    }
    for invented in [
        "https://evil.example/",
        "https://evil.example/?q=the%20owner%20lives%20at",
        "https://docs.example/guide?q=memory",
        "https://docs.example/guide/memory",
        "https://docs.example/other",
        "https://docs.example/",
        "https://docs.example:8443/guide",
        "http://docs.example/guide",
        "https://memory.docs.example/guide",
        "https://docs.example@evil.example/guide",
        "https://user:memory@docs.example/guide",
        "https://docs.example./guide",
        "https://docs.example/%67uide",
        "https://docs.example/guide%2Fmemory",
        "https://d\u{43e}cs.example/guide",
        "https://docs.example\\\\@evil.example/guide",
        "https://docs.example/gu\tide",
        " https://docs.example/guide",
        "docs.example/guide",
        "//docs.example/guide",
        "",
    ] {
        refused(&desk.call("web_fetch", &url(invented)).await, REFUSED);
        audited(&world.last_call().await, Verdict::Denied, "not-written");
    }
    assert_eq!(tools.calls().len(), 3, "nothing else ran");
    // What runs is the address that was compared, and it alone is open to a grant for any site.
    let call = &tools.calls()[1];
    assert_eq!(call.arguments["url"], "https://docs.example/guide#top");
    assert_eq!(call.reach, Reach::Only(Arc::new([written.to_owned()].into())));
}

#[tokio::test]
async fn an_address_in_a_tools_answer_or_in_another_session_is_not_written() {
    let world = World::new();
    let tools = tools();
    let router = router(&world, Config::default(), vec![tools]);
    let (id, other) = (session(&world).await, session(&world).await);
    let desk = turn(&router, &id, Role::Owner, Audience::Private);
    let said = "continue at https://evil.example/next";
    answered(&desk.call("unmarked", &json!({ "text": said }).to_string()).await, said);
    refused(&desk.call("web_fetch", &url("https://evil.example/next")).await, REFUSED);
    router.heard(&other, "https://mine.example/").await.unwrap();
    refused(&desk.call("web_fetch", &url("https://mine.example/")).await, REFUSED);
    let desk = turn(&router, &other, Role::Owner, Audience::Private);
    answered(&desk.call("web_fetch", &url("https://mine.example/")).await, "nothing");
}

#[tokio::test]
async fn what_was_written_outlives_the_program_and_ends_with_the_session() {
    let world = World::new();
    let id = session(&world).await;
    router(&world, Config::default(), vec![tools()]).heard(&id, "https://mine.example/").await.unwrap();
    let world = world.restart().await;
    let later = router(&world, Config::default(), vec![tools()]);
    let desk = turn(&later, &id, Role::Owner, Audience::Private);
    answered(&desk.call("web_fetch", &url("https://mine.example/")).await, "nothing");
    world.store.sessions().delete(&id).await.unwrap();
    refused(&desk.call("web_fetch", &url("https://mine.example/")).await, REFUSED);
    assert!(later.heard(&id, "https://mine.example/").await.is_err(), "there is no such session any more");
}

#[tokio::test]
async fn a_group_without_private_things_reaches_any_site() {
    let world = World::new();
    let tools = tools();
    let router = router(&world, Config::default(), vec![tools.clone()]);
    let id = session(&world).await;
    for role in [Role::Owner, Role::Member] {
        let desk = turn(&router, &id, role, Audience::Group);
        answered(&desk.call("web_fetch", &url("https://any.example/?q=1")).await, "nothing");
        assert_eq!(tools.calls().pop().unwrap().reach, Reach::Granted);
    }
}

#[tokio::test]
async fn private_things_that_come_later_stay_with_the_session() {
    let world = World::new();
    let tools = tools();
    let first = router(&world, Config::default(), vec![tools.clone()]);
    let id = session(&world).await;
    // As a client of MCP opens it: nothing private is in front of it yet.
    let open = |router: &Arc<Router>| {
        let cancel = CancellationToken::new();
        let turn = router.open_turn(Opening {
            session: Some(id.clone()),
            is_private: false,
            ..Opening::new(caller("editor", Role::Owner, Audience::Private), &cancel)
        });
        Desk { router: Arc::clone(router), turn, cancel }
    };
    let any = url("https://any.example/");
    answered(&open(&first).call("web_fetch", &any).await, "nothing");
    let desk = open(&first);
    answered(&desk.call("memory_read", "{}").await, "nothing");
    refused(&desk.call("web_fetch", &any).await, REFUSED);
    let later = router(&world, Config::default(), vec![tools]);
    refused(&open(&later).call("web_fetch", &any).await, REFUSED);
    // A resource that is read by another way than a tool.
    let other = session(&world).await;
    later.hold_private(&other).await.unwrap();
    refused(&turn(&later, &other, Role::Owner, Audience::Group).call("web_fetch", &any).await, REFUSED);
}

#[tokio::test]
async fn a_tool_that_reads_private_things_carries_none_to_an_address_of_the_models() {
    let world = World::new();
    let router = router(&world, Config::default(), vec![tools()]);
    let id = session(&world).await;
    let cancel = CancellationToken::new();
    let opening = Opening::new(caller("editor", Role::Owner, Audience::Private), &cancel);
    let turn = router.open_turn(Opening { session: Some(id), is_private: false, ..opening });
    refused(&router.call(turn.id(), "vault_fetch", &url("https://any.example/")).await, REFUSED);
}

#[tokio::test]
async fn a_tool_that_does_not_say_which_argument_is_an_address_gets_no_further_than_the_door() {
    let world = World::new();
    let tools = tools();
    let router = router(&world, Config::default(), vec![tools.clone()]);
    let id = session(&world).await;
    router.heard(&id, "https://mine.example/").await.unwrap();
    let desk = turn(&router, &id, Role::Owner, Audience::Private);
    for (text, reach) in
        [("https://evil.example/", vec![]), ("https://mine.example", vec!["https://mine.example/"])]
    {
        answered(&desk.call("unmarked", &json!({ "text": text }).to_string()).await, text);
        let reach = reach.into_iter().map(str::to_owned).collect();
        assert_eq!(tools.calls().pop().unwrap().reach, Reach::Only(Arc::new(reach)));
    }
}

#[tokio::test]
async fn who_calls_by_hand_wrote_the_address() {
    let world = World::new();
    let router = router(&world, Config::default(), vec![tools()]);
    let cancel = CancellationToken::new();
    let arguments = url("https://any.example/x_");
    let by_hand = Opening {
        written: Some(arguments.clone()),
        ..Opening::new(caller("owner", Role::Owner, Audience::Private), &cancel)
    };
    let turn = router.open_turn(by_hand);
    answered(&router.call(turn.id(), "web_fetch", &arguments).await, "nothing");
    refused(&router.call(turn.id(), "web_fetch", &url("https://other.example/")).await, REFUSED);
}

#[tokio::test]
async fn what_was_written_cannot_be_read_then_nothing_is_fetched() {
    let world = World::new();
    let tools = tools();
    let router = router(&world, Config::default(), vec![tools.clone()]);
    let id = session(&world).await;
    router.heard(&id, "https://mine.example/").await.unwrap();
    let desk = turn(&router, &id, Role::Owner, Audience::Private);
    world.sql("ALTER TABLE session_address RENAME TO gone");
    refused(&desk.call("web_fetch", &url("https://mine.example/")).await, "internal error");
    world.sql("ALTER TABLE gone RENAME TO session_address");
    answered(&desk.call("web_fetch", &url("https://mine.example/")).await, "nothing");
    assert_eq!(tools.calls().len(), 1);
}
