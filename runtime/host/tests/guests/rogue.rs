//! Adapters that attack: each ends with a word of its own or is slowed down, and a neighbour notices nothing.

use std::sync::Arc;
use std::time::Duration;

use openpact_host::{Adapter, Compiler, Config, Limits, Share};
use openpact_model::chat::{
    Account, Adapter as _, AdapterError, Connection, Happening, Part, SendError, Sent,
};
use openpact_model::clock::{Clock as _, SystemClock};
use openpact_test_guests::{ECHO, ROGUE};
use serde_json::json;

use crate::adapter::{
    Loop, Recorder, Told, connected, load, load_on, markdown, part, platform, target, with_settings,
};
use crate::fixture::{generous, host, text, with_limits};
use crate::gateway::Gateway;

const NAME: &str = "rogue";

/// A rogue whose loop does `mode`.
fn rogue(mode: &str, limits: Limits) -> Arc<Adapter> {
    load(NAME, ROGUE, with_settings(with_limits(limits), &[("mode", mode)]))
}

/// A rogue of which only the functions are used.
fn functions(limits: Limits) -> Arc<Adapter> {
    let settings = [("mode", "return"), ("authority", "127.0.0.1:9")];
    load(NAME, ROGUE, with_settings(with_limits(limits), &settings))
}

/// Runs the loop to its own end: how it ended, and what it told behind its first word.
async fn end(mode: &str, limits: Limits) -> (AdapterError, Vec<Told>) {
    let (end, mut told) = Loop::start(&rogue(mode, limits)).end_told().await;
    assert_eq!(told.remove(0), lost("started"));
    (end, told)
}

fn lost(text: &str) -> Told {
    Told::Connection(NAME.into(), Connection::Lost(text.into()))
}

async fn neighbour_answers() {
    let neighbour = crate::fixture::load("echo", ECHO, with_limits(generous()));
    let echoed = text(&neighbour, "echo", json!({"text": "still here"})).await;
    assert_eq!(echoed.as_deref(), Ok("still here"), "the neighbour must not notice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_loop_is_slowed_down_and_starves_nobody() {
    let mut config = Config::new(
        Compiler::InProcess,
        Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/native").into()),
        [0; 32],
    );
    let (tenth, burst) = (Duration::from_millis(100), Duration::from_millis(50));
    (config.guest_threads, config.loop_share) = (1, Share { per_second: tenth, burst });
    let host = host(config);
    for mode in ["spin", "ask"] {
        let deployment = with_settings(with_limits(generous()), &[("mode", mode)]);
        let adapter = load_on(&host, NAME, ROGUE, deployment);
        let clock = SystemClock;
        let start = clock.monotonic();
        let mut running = Loop::start(&adapter);
        running.next().await;
        // On the one thread that the loop runs on too.
        let neighbour =
            host.load(&crate::fixture::package("echo", ECHO, ""), with_limits(generous())).unwrap();
        while adapter.loop_cpu() < burst + tenth {
            let echoed = text(&neighbour, "echo", json!({"text": "still here"})).await;
            assert_eq!(echoed.as_deref(), Ok("still here"));
        }
        let (used, wall) = (adapter.loop_cpu(), clock.since(start));
        // What it used beyond its share at one moment is what runs between two looks at it.
        let look = Duration::from_millis(250);
        assert!(used <= burst + wall / 10 + look, "{mode}: {used:?} of {wall:?}");
        assert!(wall >= Duration::from_millis(500), "{mode}: it was not slowed down: {wall:?}");
        running.stop.cancel();
        assert_eq!(running.end().await, AdapterError::Stopped, "{mode}");
        let health = adapter.health();
        let counted = Duration::from_millis(health.cpu_ms + 1);
        assert!(counted >= used && health.failed == 0, "{mode}: {health:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn being_started_again_gives_no_fresh_burst() {
    let mut config = Config::new(
        Compiler::InProcess,
        Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/native").into()),
        [0; 32],
    );
    config.loop_share = Share { per_second: Duration::from_millis(100), burst: Duration::from_millis(1) };
    let deployment = with_settings(with_limits(generous()), &[("mode", "return")]);
    let adapter = load_on(&host(config), NAME, ROGUE, deployment);
    let mut ends = 0;
    let start = SystemClock.monotonic();
    // A run takes a fraction of a millisecond, and then waits for a tenth of a second.
    while adapter.loop_cpu() < Duration::from_millis(10) {
        assert!(matches!(Loop::start(&adapter).end().await, AdapterError::Broken(_)));
        ends += 1;
    }
    let wall = SystemClock.since(start);
    assert!(ends > 1 && wall >= Duration::from_millis(50), "{ends} runs in {wall:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_soon_after_it_is_told_to_whatever_it_does() {
    for mode in ["spin", "ask", "sleep"] {
        let adapter = rogue(mode, generous());
        for _ in 0..2 {
            let mut running = Loop::start(&adapter);
            running.next().await;
            running.stop.cancel();
            assert_eq!(running.end().await, AdapterError::Stopped, "{mode}");
        }
    }
    let adapter = rogue("deliver", generous());
    let mut stuck = Loop::into(&adapter, Recorder::stuck());
    while !matches!(stuck.next().await, Told::Event(..)) {}
    stuck.stop.cancel();
    assert_eq!(stuck.end().await, AdapterError::Stopped, "in a delivery that never comes back");
    let stopped = Loop::start(&adapter);
    let end = stopped.end().await;
    assert_eq!(end, AdapterError::Protocol("Ok(())".into()), "and it can be started again");
    neighbour_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_is_told_to_end_puts_away_what_it_has_in_hand() {
    let gateway = Gateway::start().await;
    for is_for_good in [false, true] {
        let (adapter, _door) = connected_to(&gateway, "farewell");
        let mut running = Loop::start(&adapter);
        while running.next().await != lost("waiting") {}
        if is_for_good {
            adapter.stop();
        } else {
            running.stop.cancel();
        }
        let (end, told) = running.end_told().await;
        assert_eq!(end, AdapterError::Stopped);
        let ended = |wait: &str| {
            let text = |told: &Told| match told {
                Told::Connection(_, Connection::Lost(text)) => text.strip_prefix(wait).map(str::to_owned),
                _ => None,
            };
            told.iter().find_map(text).unwrap_or_else(|| panic!("{wait} is told: {told:?}"))
        };
        assert!(ended("received ").contains("Closed"), "{told:?}");
        assert!(ended("asked ").contains("ConnectionTerminated"), "{told:?}");
        assert!(ended("connected ").contains("being stopped"), "{told:?}");
        assert!(ended("delivered ").contains("being stopped"), "{told:?}");
        assert_eq!(ended("kept "), "Ok(())", "{told:?}");
        assert!(!told.iter().any(|told| matches!(told, Told::Event(..))), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_loop_at_a_time() {
    let adapter = rogue("sleep", generous());
    let mut first = Loop::start(&adapter);
    first.next().await;
    let mut second = Loop::start(&adapter);
    neighbour_answers().await;
    assert!(second.told.try_recv().is_err(), "it waits for the first to end");
    first.stop.cancel();
    assert_eq!(first.end().await, AdapterError::Stopped);
    second.next().await;
    let third = Loop::start(&adapter);
    third.stop.cancel();
    assert_eq!(third.end().await, AdapterError::Stopped, "also while it waits");
    second.stop.cancel();
    assert_eq!(second.end().await, AdapterError::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_handles_end_a_loop() {
    let limits = || Limits { memory: 16 << 20, handles: 100, ..generous() };
    let (ended, _) = end("grow", limits()).await;
    let grown = "stopped at its limit of 16777216 (memory in bytes)";
    assert_eq!(ended, AdapterError::Broken(grown.into()));
    let (ended, _) = end("hoard", limits()).await;
    assert_eq!(ended, AdapterError::Broken("stopped at its limit of 100 (open handles)".into()));
    neighbour_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_told_in_a_few_words_and_what_was_delivered_stays() {
    let adapter = rogue("trap", generous());
    for _ in 0..2 {
        let (ended, told) = Loop::start(&adapter).end_told().await;
        let AdapterError::Broken(why) = ended else { panic!("must be broken: {ended:?}") };
        assert!(why.starts_with("no parachute (panicked at ") && why.len() < 300, "{why}");
        let events = told.iter().filter(|told| matches!(told, Told::Event(..))).count();
        assert_eq!(events, 3, "and it can be started again");
    }
    let exited = AdapterError::Broken("it exited with status 1".into());
    assert_eq!(end("exit", generous()).await.0, exited);
    let ended = AdapterError::Broken("its receive loop ended without a reason".into());
    assert_eq!(end("return", generous()).await.0, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_oversized_events_reach_nobody() {
    let (ended, told) = end("forge", generous()).await;
    assert_eq!(ended, AdapterError::Unavailable("done".into()));
    let account = Account { id: "rogue-bot".into(), name: "the bot".into() };
    let wrong = || lost("DeliverError::WrongAccount");
    let invalid = |why: &str| lost(&format!("DeliverError::Invalid(\"{why}\")"));
    let expected = [
        wrong(),
        Told::Connection(NAME.into(), Connection::Connected(account)),
        wrong(),
        wrong(),
        invalid("message.text: 262145 bytes, and 262144 are allowed"),
        invalid("id: empty"),
        wrong(),
        wrong(),
    ];
    assert_eq!(told[..8], expected);
    let Told::Event(instance, event) = &told[8] else { panic!("the one good event: {:?}", told[8]) };
    assert_eq!((instance.as_str(), event.account.as_str(), event.id.as_str()), (NAME, "rogue-bot", "6"));
    let Happening::Message(message) = &event.happening else { panic!("a message") };
    assert_eq!(message.text.len(), 256 * 1024);
    assert_eq!(told[9..], [lost("taken")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_few_accounts() {
    let (ended, told) = end("accounts", generous()).await;
    let many = "8: DeliverError::Invalid(\"more than 8 accounts\")";
    assert_eq!(ended, AdapterError::Protocol(many.into()));
    assert_eq!(told.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_the_admin_are_bounded_and_cannot_write_to_a_terminal() {
    let (AdapterError::Credential(why), _) = end("words", generous()).await else { panic!("must be that") };
    assert!(!why.contains(['\u{1b}', '\n']) && why.len() < 5000, "{why}");
    assert_eq!(end("chatter", generous()).await.0, AdapterError::Unavailable("done".into()));
}

/// Enough of everything that something which grows with each use would meet a limit: 1,000 timers with 40 handles,
/// 6 MiB delivered with 64 KiB for one crossing, and as much into the log.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_with_the_age_of_a_loop() {
    let limits = Limits { handles: 40, memory: 4 << 20, hostcall_fuel: 64 << 10, ..generous() };
    let (mut deployment, ..) = connected(NAME, "127.0.0.1:9");
    deployment.limits = limits;
    let deployment = with_settings(deployment, &[("mode", "weeks")]);
    let (ended, told) = Loop::start(&load(NAME, ROGUE, deployment)).end_told().await;
    assert_eq!(ended, AdapterError::Unavailable("done".into()));
    let events = told.iter().filter(|told| matches!(told, Told::Event(..))).count();
    assert_eq!(events, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_may_make_more_requests_than_a_call() {
    let address = platform(|_, _| (200, String::new()));
    let (deployment, ..) = connected(NAME, &address);
    let settings = [("mode", "requests"), ("authority", &address)];
    let adapter = load(NAME, ROGUE, with_settings(deployment, &settings));
    assert_eq!(Loop::start(&adapter).end().await, AdapterError::Unavailable("done".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rendering_can_use_nothing() {
    let (deployment, ..) = connected(NAME, "127.0.0.1:9");
    let adapter = load(NAME, ROGUE, deployment);
    for (what, interface) in [
        ("settings", "openpact:host/settings"),
        ("kv", "openpact:host/kv"),
        ("kv-set", "openpact:host/kv"),
        ("kv-keys", "openpact:host/kv"),
        ("credentials", "openpact:host/credentials"),
        ("websocket", "openpact:host/websocket"),
        ("inbox", "openpact:chat/inbox"),
        ("deliver", "openpact:chat/inbox"),
    ] {
        let used = format!("it used {interface} in a function that may not use it");
        assert_eq!(adapter.render(&markdown(what)).await, Err(SendError::Broken(used)), "{what}");
    }
    let parts = adapter.render(&markdown("http")).await.unwrap();
    assert_eq!(parts[0].body, "Err(Denied)");
    let first = adapter.render(&markdown("dice")).await.unwrap();
    assert_eq!(adapter.render(&markdown("dice")).await.unwrap(), first, "the same message, the same parts");
}

#[tokio::test(flavor = "multi_thread")]
async fn rendering_ends_at_its_limits() {
    let adapter = functions(generous());
    let broken = async |what: &str| match adapter.render(&markdown(what)).await {
        Err(SendError::Broken(why)) => why,
        other => panic!("{what}: {other:?}"),
    };
    assert_eq!(broken("spin").await, "stopped at its limit of 2000 (CPU time in milliseconds)");
    assert_eq!(broken("many").await, "it made more than 1000 parts of one message");
    assert!(broken("huge").await.contains("result size in bytes"));
    neighbour_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_while_it_sends_is_told() {
    let adapter = functions(generous());
    let send = async |channel: &str| adapter.send_part(&target(channel), &part("x"), "k").await;
    assert_eq!(send("r1").await, Ok(Sent { id: "r1".into(), pause: Some(3_600_000), moved_to: None }));
    let Err(SendError::Broken(why)) = send("trap").await else { panic!("must be broken") };
    assert!(why.starts_with("no parachute"), "{why}");
    let forbidden = "it used openpact:chat/inbox in a function that may not use it";
    assert_eq!(send("inbox").await, Err(SendError::Broken(forbidden.into())));
    assert!(matches!(send("no-id").await, Err(SendError::Broken(_))));
    assert_eq!(send("http").await, Err(SendError::Denied));
    let edited = adapter.edit_part(&target("r"), "1", &part("x")).await;
    assert_eq!(edited, Err(SendError::Refused("\\u{1b}[2J".into())));
    assert_eq!(adapter.delete_part(&target("r"), "1").await, Err(SendError::Denied));
    let answered = adapter.answer_interaction("1", &markdown("x")).await;
    assert_eq!(answered, Err(SendError::Broken("it exited with status 1".into())));
    assert!(matches!(adapter.register_commands(&[]).await, Err(AdapterError::Broken(_))));
    neighbour_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended() {
    let adapter = functions(Limits { cpu: Duration::from_millis(100), ..generous() });
    let spun = adapter.send_part(&target("spin"), &part("x"), "k").await;
    let cpu = SendError::Broken("stopped at its limit of 100 (CPU time in milliseconds)".into());
    assert_eq!(spun, Err(cpu.clone()));
    assert_eq!(adapter.typing(&target("r")).await, Err(cpu));
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_end_at_the_callers_limit() {
    let adapter = functions(generous());
    let fetch = async |bytes: u64, limit: u64| adapter.fetch_attachment(&bytes.to_string(), limit).await;
    assert_eq!(fetch(1000, 1000).await.map(|bytes| bytes.len()), Ok(1000));
    assert_eq!(fetch(1001, 1000).await, Err(SendError::TooLarge(1001)));
    let large = 10 << 20;
    assert_eq!(
        fetch(large, large).await.map(|bytes| bytes.len() as u64),
        Ok(large),
        "more than fits otherwise"
    );
    assert_eq!(fetch(large, 1000).await, Err(SendError::TooLarge(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_functions_leave_room_for_rendering_and_stop_with_the_adapter() {
    let adapter = functions(generous());
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let adapter = Arc::clone(&adapter);
            tokio::spawn(async move { adapter.send_part(&target("sleep"), &part("x"), "k").await })
        })
        .collect();
    let rendered: Vec<Part> = adapter.render(&markdown("still here")).await.unwrap();
    assert_eq!(rendered, [part("still here")]);
    adapter.stop();
    for one in stuck {
        assert!(matches!(one.await.unwrap(), Err(SendError::Unavailable(_))), "nothing had left");
    }
    neighbour_answers().await;
}

/// A rogue that may connect to a gateway and say there who it is.
fn connected_to(gateway: &Gateway, mode: &str) -> (Arc<Adapter>, Arc<openpact_egress::Door>) {
    let (deployment, door, _) = connected(NAME, &gateway.authority);
    let rule = gateway.url("/** private=127.0.0.1/32 credential=token");
    door.set_grants(vec![openpact_egress::Grant {
        rule: format!("GET {rule}").parse().unwrap(),
        placement: Some("frame /d/token when /op in [2,6]".parse().unwrap()),
        secret: Some("TOKEN".parse().unwrap()),
    }]);
    let settings = [("mode", mode), ("authority", gateway.authority.as_str())];
    (load(NAME, ROGUE, with_settings(deployment, &settings)), door)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_talks_to_a_gateway_and_hears_no_secret() {
    let gateway = Gateway::start().await;
    let (adapter, door) = connected_to(&gateway, "gateway");
    // The first time it is sent away, with everything that was said before.
    let (ended, told) = Loop::start(&adapter).end_told().await;
    assert_eq!(ended, AdapterError::Unavailable("Error::Closed".into()));
    let identify = "{\"op\":2,\"d\":{\"token\":\"[REDACTED:TOKEN]\"}}";
    let goodbye = "Some(CloseReason { code: 4004, reason: \"come again\" })";
    assert_eq!(told[..2], [lost("started"), lost(identify)]);
    assert_eq!(told[2], lost(&format!("{:?}", identify.as_bytes())));
    assert_eq!(told[3..], [lost(goodbye)]);
    assert!(gateway.heard()[0].contains("the first value of the token"), "{:?}", gateway.heard());
    // The second time it stays, and waiting costs it nothing.
    let mut running = Loop::start(&adapter);
    for _ in 0..3 {
        running.next().await;
    }
    let before = adapter.loop_cpu();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(adapter.loop_cpu() < before + Duration::from_millis(200));
    running.stop.cancel();
    assert_eq!(running.end().await, AdapterError::Stopped);
    gateway.until_alone().await;
    // The third time its grant is taken back.
    let mut running = Loop::start(&adapter);
    for _ in 0..3 {
        running.next().await;
    }
    door.set_grants(vec![]);
    assert!(matches!(running.end().await, AdapterError::Configuration(_)), "an admin has to do something");
    gateway.until_alone().await;
    neighbour_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_connects_without_end_has_a_rate() {
    let gateway = Gateway::start().await;
    let (adapter, door) = connected_to(&gateway, "connections");
    door.set_grants(vec![]);
    let start = SystemClock.monotonic();
    assert!(matches!(Loop::start(&adapter).end().await, AdapterError::Configuration(_)));
    // 500 at once, and ten in a second after that.
    assert!(SystemClock.since(start) >= Duration::from_secs(1), "it was not slowed down");
    assert_eq!(gateway.connections().1, 0);
}
