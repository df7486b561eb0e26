//! Commands: beside turns, by role, and what they stop.

use super::*;

#[tokio::test]
async fn commands_do_not_wait_behind_a_turn() {
    let scene = Scene::new().await;
    let hanging = scene.submit("a", "hang");
    scene.engine.until(1).await;
    let session = scene.active("a").await;
    scene.say("a", "/context").await.told("1,500 tokens of 3,000 (50 %)");
    scene.say("a", "/help").await.told("/switch ID");
    scene.say("a", "/sessions").await.told(&format!("* {session}"));
    scene.say("a", "/rename  Trip to Rome").await.told("Trip to Rome");
    scene.say("a", "/model").await.told("* small-1\n  large-1");
    scene.say("a", "/new Other things").await.told("Other things");
    assert_ne!(scene.active("a").await, session);
    scene.say("a", &format!("/switch {}", &session.as_str()[4..12])).await.told("Trip to Rome");
    assert_eq!(scene.active("a").await, session);
    scene.say("a", "/stop").await.told("Stopping.");
    answer(hanging).await.failed(ErrorKind::Aborted, "Stopped");
    scene.say("a", "/stop").await.told("Nothing is running");
    scene.say("a", "next").await.ended("you said next");
}

#[tokio::test]
async fn a_message_after_a_command_sees_what_the_command_did() {
    let scene = Scene::new().await;
    for _ in 0..20 {
        let before = scene.say("a", "first").await;
        before.ended("you said first");
        let old = scene.engine.last().0;
        // Not waited for, as when lines are piped in.
        let command = scene.submit("a", "/new");
        let message = scene.submit("a", "second");
        answer(message).await.ended("you said second");
        answer(command).await.told("new conversation");
        assert_ne!(scene.engine.last().0, old);
    }
}

#[tokio::test]
async fn stop_ends_even_an_engine_that_does_not_listen() {
    let config = Config { grace: Duration::from_millis(20), ..Config::default() };
    let scene = Scene::with(World::new(), config).await;
    let deaf = scene.submit("a", "deaf");
    scene.engine.until(1).await;
    let waiting = scene.submit("a", "after");
    scene.say("a", "/stop").await.told("One message still waits");
    let stopped = answer(deaf).await;
    stopped.failed(ErrorKind::Aborted, "Stopped");
    assert_eq!(stopped.text(), "on it", "what was said before is kept");
    answer(waiting).await.ended("you said after");
}

#[tokio::test]
async fn a_stop_reaches_only_its_own_channel() {
    let scene = Scene::new().await;
    let (one, other) = (scene.submit("a", "hang"), scene.submit("b", "gate"));
    scene.engine.until(2).await;
    scene.say("a", "/stop").await.told("Stopping");
    answer(one).await.failed(ErrorKind::Aborted, "Stopped");
    scene.engine.gate.add_permits(1);
    answer(other).await.ended("through");
}

#[tokio::test]
async fn guests_talk_and_command_nothing() {
    let scene = Scene::new().await;
    let guest = |text: &str| scene.submit_as("g", Role::Guest, Audience::Group, text);
    answer(guest("hello")).await.ended("you said hello");
    assert!(scene.engine.last().1.system.contains("You have no tools"));
    let before = scene.active("g").await;
    for name in crate::COMMANDS {
        answer(guest(&format!("/{name} 1"))).await.told("The role 'guest' may not use this command");
    }
    assert_eq!(scene.active("g").await, before);
    let denied = scene.world.audit("command.call").await;
    assert_eq!(denied.len(), crate::COMMANDS.len());
    assert_eq!((denied[0].actor.as_str(), denied[0].subject.as_str()), ("test:guest", "/new"));
    scene
        .say_as("g", Role::Member, Audience::Group, "/model large-1")
        .await
        .told("The role 'member' may not");
    scene.say_as("g", Role::Member, Audience::Group, "/model").await.told("* small-1");
}

#[tokio::test]
async fn an_unknown_command_is_answered_with_the_nearest_and_reaches_no_model() {
    let scene = Scene::new().await;
    scene.say("a", "/stpo").await.told("Did you mean /stop?");
    scene.say("a", "/frobnicate").await.told("There is no command /frobnicate");
    assert!(scene.engine.turns().is_empty());
    scene.say("a", "/etc/hosts is a file").await.ended("you said /etc/hosts is a file");
    assert_eq!(nearest::nearest("stpo", crate::COMMANDS.into_iter()), Some("stop"));
}

/// The code that a stranger is told.
async fn told_code(scene: &Scene, user: &str) -> String {
    let place = channel(user);
    let who = Who {
        provider: "telegram",
        user,
        display_name: "x",
        channel: &place,
        visibility: Visibility::Direct,
        asserts_owner: true,
    };
    let told =
        scene.orchestrator.shared.people.greet(&who).await.unwrap().expect("a stranger is told a code").text;
    told.rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn only_an_owner_approves_and_never_an_owner_in_a_chat() {
    let scene = Scene::new().await;
    let code = told_code(&scene, "7").await;
    for role in [Role::Guest, Role::Member] {
        for command in [format!("/approve {code}"), format!("/deny {code}")] {
            let answer = scene.say_as("elsewhere", role, Audience::Group, &command).await;
            assert_eq!(answer.notices, [format!("The role '{role}' may not use this command.")]);
        }
    }
    let refused = scene.world.audit("command.call").await;
    assert_eq!(refused.len(), 4, "{refused:?}");
    let answer = scene.say("home", &format!("/approve {code} owner")).await;
    assert!(answer.notices[0].contains("openpact user accept CODE --role owner"), "{answer:?}");
    let answer = scene.say("home", "/approve 0000-0000").await;
    assert!(answer.notices[0].starts_with("Not done: no request is open"), "{answer:?}");
    assert_eq!(scene.orchestrator.shared.people.list().await.unwrap().people, []);
    let answer = scene.say_as("group", Role::Owner, Audience::Group, &format!("/approve {code} guest")).await;
    assert_eq!(answer.notices, ["telegram:7 (shown there as 'x') may speak from now on, as guest."]);
    let people = scene.orchestrator.shared.people.list().await.unwrap().people;
    assert_eq!((people.len(), people[0].role), (1, Role::Guest));
    let accepted = scene.world.audit("pairing.accept").await;
    assert!(accepted.last().unwrap().actor.ends_with(":owner"), "{accepted:?}");
    let code = told_code(&scene, "8").await;
    let answer = scene.say("home", &format!("/deny {code}")).await;
    assert!(answer.notices[0].starts_with("telegram:8 was turned down"), "{answer:?}");
}
