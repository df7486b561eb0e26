//! Every step of the pipeline: what it refuses, what it records, and what never runs.

mod reach;
mod secrets;
mod stuck;
mod taint;

use std::collections::BTreeMap;

use openpact_model::audit::{Event, Verdict};
use openpact_model::random::SystemRandom;
use openpact_model::role::{Audience, Role};
use openpact_model::secret::{SecretEntry, SecretValue};
use openpact_model::tool::{Content, Limit, Reads, ToolFailure, ToolOutput, Writes};
use tokio::sync::Semaphore;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{Tools, World, caller, channel, tool};

const SECRET: &str = "correct-horse-battery-staple";

/// A turn and what it calls tools with.
struct Desk {
    router: Arc<Router>,
    turn: OpenTurn,
    cancel: CancellationToken,
}

impl Desk {
    async fn call(&self, tool: &str, arguments: &str) -> ToolAnswer {
        self.router.call(self.turn.id(), tool, arguments).await
    }

    #[track_caller]
    fn names(&self) -> Vec<String> {
        self.router.tools(self.turn.id()).into_iter().map(|tool| tool.name).collect()
    }
}

fn router(world: &World, config: Config, providers: Vec<Arc<dyn ToolProvider>>) -> Arc<Router> {
    let ports = Ports {
        store: world.store.clone(),
        secrets: world.store.secrets(),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
    };
    config.build(ports, providers).unwrap()
}

fn desk(router: &Arc<Router>, role: Role, audience: Audience) -> Desk {
    let cancel = CancellationToken::new();
    let turn = router.open_turn(Opening {
        channel: Some(channel("c")),
        ..Opening::new(caller("ada", role, audience), &cancel)
    });
    Desk { router: Arc::clone(router), turn, cancel }
}

fn owner(world: &World, tools: &Arc<Tools>) -> Desk {
    let router = router(world, Config::default(), vec![Arc::clone(tools) as Arc<dyn ToolProvider>]);
    desk(&router, Role::Owner, Audience::Private)
}

fn plain(name: &str) -> ToolSpec {
    tool(name, Reads::Nothing, Writes::Nothing)
}

#[track_caller]
fn refused(answer: &ToolAnswer, part: &str) {
    let text = answer.output.as_text();
    assert!(answer.is_error && text.contains(part), "{text:?} does not say {part:?}");
}

#[track_caller]
fn answered(answer: &ToolAnswer, text: &str) {
    assert_eq!((answer.is_error, answer.output.as_text().as_str()), (false, text));
}

#[track_caller]
fn audited(event: &Event, verdict: Verdict, outcome: &str) {
    assert_eq!((event.verdict, event.detail["outcome"].as_str()), (verdict, Some(outcome)), "{event:?}");
}

#[tokio::test]
async fn a_call_is_answered_and_recorded_in_full() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    let long = "x".repeat(1000);
    answered(&desk.call("echo", &json!({"text": long, "count": 2}).to_string()).await, &long);
    let calls = tools.calls();
    assert_eq!((calls.len(), calls[0].tool.as_str(), &calls[0].turn), (1, "echo", desk.turn.id()));
    assert_eq!(calls[0].deadline, Some(Config::default().deadline));
    let outcome = world.store.journal().outcome(&calls[0].id).await.unwrap();
    assert_eq!(outcome.as_deref(), Some("ok"));

    let records = world.audit("tool.call").await;
    assert_eq!(records.len(), 2);
    for event in &records {
        assert_eq!((event.actor.as_str(), event.subject.as_str()), ("test:ada", "echo"));
        assert_eq!(event.detail["role"], "owner");
        assert_eq!(event.detail["audience"], "private");
        assert_eq!(event.detail["turn"], desk.turn.id().as_str());
        assert_eq!(event.detail["channel"], "test:c");
        assert_eq!(event.detail["call"], calls[0].id.as_str());
        assert_eq!(event.detail["principal"], "component:echo");
        assert_eq!(event.detail["digest"], openpact_model::id::Digest::of(b"echo").to_string());
        assert_eq!(event.detail["arguments"]["count"], 2);
        assert_eq!(event.detail["arguments"]["text"]["bytes"], 1000);
        assert!(!event.detail["arguments"].to_string().contains("xxxx"));
    }
    assert_eq!(records[0].kind, "tool.call.begin");
    audited(&records[1], Verdict::Allowed, "ok");
    assert!(records[1].detail["duration_ms"].is_u64());
}

#[tokio::test]
async fn an_unknown_tool_is_refused_with_the_nearest_that_the_caller_may_use() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("notes_read"), tool("notes_reap", Reads::Private, Writes::Nothing)]);
    let router = router(&world, Config::default(), vec![Arc::clone(&tools) as Arc<dyn ToolProvider>]);
    let desk = desk(&router, Role::Member, Audience::Group);
    refused(&desk.call("notes_reaf", "{}").await, "did you mean 'notes_read'?");
    audited(&world.last_call().await, Verdict::Denied, "unknown-tool");
    refused(&desk.call("no\nsuch\u{1b}[2Jtool", "{}").await, "there is no tool 'no\\u{a}such");
    assert!(tools.calls().is_empty());
}

#[tokio::test]
async fn a_tool_that_is_switched_off_is_neither_listed_nor_called() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("notes_read"), plain("notes_write")]);
    let config = Config { disabled: vec!["*_write".into()], ..Config::default() };
    let desk = desk(&router(&world, config, vec![tools.clone()]), Role::Owner, Audience::Private);
    assert_eq!(desk.names(), ["notes_read"]);
    refused(&desk.call("notes_write", "{}").await, "switched off");
    audited(&world.last_call().await, Verdict::Denied, "disabled");
    assert!(tools.calls().is_empty());
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_with_their_place() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    for (arguments, part) in [
        ("{\"text\": ", "line 1"),
        ("[1]", "one JSON object"),
        ("{\"text\":\"a\",\"text\":\"b\"}", "given twice"),
        ("{\"count\":0}", "/count:"),
        ("{\"list\":[1,2,\"x\"]}", "/list/2:"),
        ("{\"path\":\"x\"}", "path"),
    ] {
        refused(&desk.call("echo", arguments).await, part);
        audited(&world.last_call().await, Verdict::Denied, "invalid-arguments");
    }
    let deep = format!("{{\"list\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    refused(&desk.call("echo", &deep).await, "nested deeper");
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(Config::default().arguments.bytes));
    refused(&desk.call("echo", &large).await, "bytes of arguments");
    assert!(tools.calls().is_empty());
    answered(&desk.call("echo", "").await, "nothing");
}

#[tokio::test]
async fn role_and_audience_decide_what_is_listed_and_called() {
    let world = World::new();
    let tools = Tools::echo(vec![
        tool("web_fetch", Reads::Untrusted, Writes::Nothing),
        tool("calendar_read", Reads::Private, Writes::Nothing),
        tool("workspace_write", Reads::Nothing, Writes::Local),
        tool("github_comment", Reads::Nothing, Writes::External),
    ]);
    let router = router(&world, Config::default(), vec![Arc::clone(&tools) as Arc<dyn ToolProvider>]);
    let all = ["calendar_read", "github_comment", "web_fetch", "workspace_write"];
    let shared = ["web_fetch", "workspace_write"];
    for (role, audience, expected) in [
        (Role::Owner, Audience::Private, &all[..]),
        (Role::Owner, Audience::Group, &all[1..]),
        (Role::Member, Audience::Group, &shared),
        // A member's own direct messages are read by the member, so they are not the owner's private channel.
        (Role::Member, Audience::Private, &shared),
        (Role::Guest, Audience::Group, &[]),
    ] {
        let before = tools.calls().len();
        let desk = desk(&router, role, audience);
        assert_eq!(desk.names(), expected, "{role} {audience:?}");
        for name in all.into_iter().filter(|name| !expected.contains(name)) {
            refused(&desk.call(name, "{}").await, "denied:");
            let event = world.last_call().await;
            audited(&event, Verdict::Denied, "denied");
            assert_eq!(event.detail["role"], role.to_string());
        }
        assert_eq!(tools.calls().len(), before, "{role} {audience:?} ran something");
    }
}

#[tokio::test]
async fn rates_hold_for_a_person_and_for_a_tool() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("fast"), plain("slow")]);
    let rates = Rates {
        user: Rate { burst: 3, per_minute: 60 },
        tools: BTreeMap::from([("slow".to_owned(), Rate { burst: 1, per_minute: 1 })]),
        ..Rates::default()
    };
    let router = router(&world, Config { rates, ..Config::default() }, vec![tools.clone()]);
    let ada = desk(&router, Role::Owner, Audience::Private);
    answered(&ada.call("slow", "{}").await, "nothing");
    refused(&ada.call("slow", "{}").await, "this tool is called too often");
    audited(&world.last_call().await, Verdict::Denied, "rate-limited");
    // A second turn of the same person has no bucket of its own.
    let again = desk(&router, Role::Owner, Audience::Private);
    answered(&again.call("fast", "{}").await, "nothing");
    answered(&ada.call("fast", "{}").await, "nothing");
    refused(&again.call("fast", "{}").await, "this person calls tools too often");
    let cancel = CancellationToken::new();
    let other = router.open_turn(Opening::new(caller("bob", Role::Owner, Audience::Private), &cancel));
    answered(&router.call(other.id(), "fast", "{}").await, "nothing");
    world.clock.advance(Duration::from_secs(1));
    answered(&ada.call("fast", "{}").await, "nothing");
    assert_eq!(tools.calls().len(), 5);
}

#[tokio::test]
async fn only_a_running_turn_can_call() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    let real = desk.turn.id().clone();
    for forged in [
        "",
        "turn_",
        "owner",
        "turn_00000000000000000000",
        &real.as_str().to_uppercase(),
        &format!("{real} "),
    ] {
        let forged = TurnId::from_stored(forged);
        assert!(desk.router.tools(&forged).is_empty());
        refused(&desk.router.call(&forged, "echo", "{}").await, "not running");
        let event = world.last_call().await;
        audited(&event, Verdict::Denied, "unknown-turn");
        assert_eq!(event.actor, "unknown");
    }
    answered(&desk.call("echo", "{}").await, "nothing");
    let Desk { router, turn, .. } = desk;
    drop(turn);
    assert!(router.tools(&real).is_empty());
    refused(&router.call(&real, "echo", "{}").await, "not running");
    assert_eq!(tools.calls().len(), 1);
}

#[tokio::test]
async fn nothing_runs_that_cannot_be_recorded() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    for table in ["audit", "journal"] {
        world.break_table(table, "1");
        refused(&desk.call("echo", "{}").await, "internal error");
        assert!(tools.calls().is_empty(), "it ran although {table} could not be written");
        world.mend();
    }
    world.break_table("audit", "1");
    refused(&desk.call("no_such", "{}").await, "internal error");
    world.mend();
    answered(&desk.call("echo", "{}").await, "nothing");
    assert_eq!(world.store.audit().verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn an_answer_whose_end_cannot_be_recorded_is_not_given() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    world.break_table("audit", "NEW.kind = 'tool.call'");
    let answer = desk.call("echo", r#"{"text":"the answer"}"#).await;
    refused(&answer, "internal error");
    assert!(!answer.output.as_text().contains("the answer"));
    assert_eq!(tools.calls().len(), 1);
    assert_eq!(world.audit("tool.call.begin").await.len(), 1, "that it began is known");
}

#[tokio::test]
async fn the_intent_is_on_disk_while_the_tool_runs() {
    let world = World::new();
    let store = world.store.clone();
    let tools = Tools::new("looker", vec![plain("look")], move |call| {
        let store = store.clone();
        async move {
            let filter = openpact_store::audit::Filter { limit: 10, ..Default::default() };
            let audit = store.audit().page(filter).await.unwrap();
            let begun = audit.iter().any(|entry| entry.event.detail["call"] == call.id.as_str());
            let outcome = store.journal().outcome(&call.id).await.unwrap();
            // It cannot be written a second time, so it is there.
            let twice = store.journal().finish(&call.id, "x").await.is_ok();
            Ok(ToolOutput::text(format!("{begun} {outcome:?} {twice}")))
        }
    });
    let desk = owner(&world, &tools);
    let answer = desk.call("look", "{}").await;
    // The tool ended its own journal entry, so the router cannot, and says so instead of answering.
    refused(&answer, "internal error");
    let intent = tools.calls().pop().unwrap();
    assert_eq!(world.store.journal().outcome(&intent.id).await.unwrap().as_deref(), Some("x"));
}

#[tokio::test]
async fn providers_change_while_calls_run() {
    let world = World::new();
    let (started, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (signal, gate) = (Arc::clone(&started), Arc::clone(&go));
    let old = Tools::new("old", vec![plain("work")], move |_| {
        signal.add_permits(1);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(ToolOutput::text("old"))
        }
    });
    let desk = owner(&world, &old);
    let (router, id) = (Arc::clone(&desk.router), desk.turn.id().clone());
    let running = tokio::spawn(async move { router.call(&id, "work", "{}").await });
    started.acquire().await.unwrap().forget();
    let new =
        Tools::new("new", vec![plain("work"), plain("also")], |_| async { Ok(ToolOutput::text("new")) });
    desk.router.set_providers(vec![new]).unwrap();
    assert_eq!(desk.names(), ["also", "work"]);
    answered(&desk.call("work", "{}").await, "new");
    go.add_permits(1);
    answered(&running.await.unwrap(), "old");
    desk.router.set_providers(vec![]).unwrap();
    refused(&desk.call("work", "{}").await, "there is no tool");
}

#[tokio::test]
async fn what_cannot_be_offered_is_refused_and_changes_nothing() {
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let desk = owner(&world, &tools);
    let clash = Tools::new("other", vec![plain("echo")], |_| async { Ok(ToolOutput::default()) });
    let wrong =
        |providers: Vec<Arc<dyn ToolProvider>>| desk.router.set_providers(providers).unwrap_err().to_string();
    let text = wrong(vec![tools.clone(), clash]);
    assert!(
        text.contains("'echo'") && text.contains("component:echo") && text.contains("component:other"),
        "{text}"
    );
    let text = wrong(vec![Tools::echo(vec![plain("echo"), plain("echo")])]);
    assert!(text.contains("'echo'"), "{text}");
    for name in ["", "Echo", "a-b", "é", "a\nb", &"a".repeat(65)] {
        let text = wrong(vec![Tools::echo(vec![plain(name)])]);
        assert!(text.contains("a name has 1 to 64"), "{text}");
    }
    let mut remote = plain("echo");
    remote.input_schema = json!({"$ref": "https://example.com/schema.json"});
    let text = wrong(vec![Tools::echo(vec![remote])]);
    assert!(text.contains("'echo'") && text.contains("component:echo"), "{text}");
    assert_eq!(desk.names(), ["echo"]);
    answered(&desk.call("echo", "{}").await, "nothing");
    let longest = "a".repeat(64);
    desk.router.set_providers(vec![Tools::echo(vec![plain(&longest)])]).unwrap();
    assert_eq!(desk.names(), [longest]);
}

/// Names that a model makes up are counted together: each would be a series of its own for ever.
#[tokio::test]
async fn calls_are_counted_by_tool_and_outcome_and_made_up_names_as_unknown() {
    let metrics = openpact_health::recorder::build().unwrap();
    let _recording = metrics::set_default_local_recorder(metrics.recorder());
    let world = World::new();
    let tools = Tools::echo(vec![plain("echo")]);
    let slow = Rates {
        tools: BTreeMap::from([("echo".into(), Rate { burst: 2, per_minute: 1 })]),
        ..Rates::default()
    };
    let config = Config { rates: slow, ..Config::default() };
    let desk = desk(&router(&world, config, vec![tools]), Role::Owner, Audience::Private);
    for number in 0..20 {
        desk.call(&format!("made_up_{number}"), "{}").await;
    }
    for arguments in ["{}", "{}", "{}", "nonsense"] {
        desk.call("echo", arguments).await;
    }
    desk.router.call(&TurnId::from_stored("turn_of_nobody"), "echo", "{}").await;
    let text = metrics.render("0", 0);
    for line in [
        "openpact_tool_calls_total{tool=\"unknown\",outcome=\"unknown-tool\"} 20",
        "openpact_tool_calls_total{tool=\"unknown\",outcome=\"unknown-turn\"} 1",
        "openpact_tool_calls_total{tool=\"echo\",outcome=\"ok\"} 2",
        "openpact_tool_calls_total{tool=\"echo\",outcome=\"rate-limited\"} 1",
        "openpact_tool_calls_total{tool=\"echo\",outcome=\"invalid-arguments\"} 1",
        "openpact_rate_limited_total{kind=\"tool\"} 1",
        "openpact_tool_call_duration_seconds_count{tool=\"echo\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("made_up") && !text.contains("turn_of_nobody"), "{text}");
}
