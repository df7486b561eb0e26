//! Commands and presses that a platform keeps open until they are answered.

use openpact_model::chat::{Abilities, Happening, SendError};

use super::platform::{by, in_public, press, used};
use super::*;
use crate::chat::interaction::NOT_TAKEN;

async fn scene(world: &World, platform: &Arc<Platform>) -> Scene {
    Scene::start(world, platform, Kind::Puppet, config()).await
}

impl Platform {
    /// What one interaction was answered.
    fn answers(&self, interaction: &str) -> Vec<String> {
        self.texts(&format!("interaction {interaction}"))
    }

    async fn answer(&self, interaction: &str) -> String {
        self.until(&format!("interaction {interaction}"), 1).await.remove(0)
    }
}

#[tokio::test]
async fn a_command_is_answered_once_and_to_its_user_alone() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    for _ in 0..3 {
        scene.deliver(in_public(used("g", "i1", "mode full"))).await;
        scene.settled().await;
    }
    scene.deliver(in_public(used("g", "i2", "nonsense"))).await;
    scene.deliver(in_public(by("member", used("g", "i3", "approve K7QF-3M9T")))).await;
    scene.settled().await;
    assert_eq!(platform.answers("i1").len(), 1, "the same event again is no other");
    assert!(platform.answer("i2").await.contains("/help lists all"));
    assert!(platform.answer("i3").await.contains("may not use this command"));
    assert!(platform.texts("g").is_empty());
}

#[tokio::test]
async fn a_command_about_a_conversation_that_names_none_is_told_how_to() {
    let (world, platform) =
        (World::new(), Platform::with(Abilities { threads_only: true, ..Abilities::default() }));
    let scene = scene(&world, &platform).await;
    let told = |text: &'static str, event: Event| {
        let (scene, platform) = (&scene, &platform);
        async move {
            let Happening::Command(command) = &event.happening else { panic!("a command") };
            let interaction = command.interaction.clone().expect("one that is kept open");
            scene.deliver(event).await;
            let answer = platform.answer(&interaction).await;
            assert!(answer.contains(text), "{answer}");
        }
    };
    for (number, name) in ["retry", "rename x", "switch x", "context"].into_iter().enumerate() {
        let id = format!("c{number}");
        told("Mention me in the thread", in_public(used("g", &id, name))).await;
    }
    told("write /new behind it", in_public(used("g", "n", "new Plans"))).await;
    let whole = Channel { provider: "fake".into(), channel: "g".into(), thread: None };
    assert_eq!(
        world.store.sessions().active(&whole).await.unwrap(),
        None,
        "nothing begins where nothing is said"
    );
    // What is about the channel works, and so does all where it is known what is meant.
    told("is now full", in_public(used("g", "m", "mode full"))).await;
    told("nothing here that could run again", used("a", "d", "retry")).await;
    let mut within = in_public(used("g", "t", "retry"));
    within.place.thread = Some("1".into());
    told("nothing here that could run again", within).await;
}

#[tokio::test]
async fn a_command_in_a_channel_that_talks_itself_is_about_it() {
    let (world, platform) =
        (World::new(), Platform::with(Abilities { threads: true, ..Abilities::default() }));
    let scene = scene(&world, &platform).await;
    scene.deliver(in_public(used("g", "i", "retry"))).await;
    assert!(platform.answer("i").await.contains("nothing here that could run again"));
}

#[tokio::test]
async fn a_retry_is_answered_where_it_was_asked_for() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.deliver(used("a", "i0", "retry")).await;
    assert!(platform.answer("i0").await.contains("nothing here that could run again"));
    scene.say("a", "1", "x").await;
    platform.until("a", 1).await;
    scene.settled().await;
    scene.deliver(used("a", "i1", "retry")).await;
    assert!(platform.answer("i1").await.contains("Trying again."));
    assert_eq!(platform.until("a", 2).await, ["you said x", "you said x"]);
    scene.settled().await;
    scene.say("a", "2", "/retry").await;
    assert_eq!(platform.until("a", 3).await.len(), 3, "as a message it needs no answer of its own");
    scene.settled().await;
    assert_eq!(platform.texts("a").len(), 3);
}

#[tokio::test]
async fn a_stranger_is_told_aside_and_only_so_often() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    for id in 0..6 {
        scene.deliver(in_public(by("x", used("g", &format!("i{id}"), "sessions")))).await;
    }
    for id in 6..9 {
        scene.deliver(in_public(by("y", press("g", &format!("i{id}"), "deny:K7QF3M9T")))).await;
    }
    scene.settled().await;
    let answered = |id: u32| platform.answers(&format!("i{id}")).len();
    assert_eq!((0..6).map(answered).collect::<Vec<_>>(), [1, 1, 1, 0, 0, 0]);
    assert_eq!((6..9).map(answered).collect::<Vec<_>>(), [1, 1, 1]);
    assert!(platform.answer("i0").await.contains("whom my owner has let in"));
    assert!(!platform.answer("i0").await.contains('-'), "no code where others write");
    assert_eq!(world.audit("message.refuse").await.len(), 2, "one for each stranger");
    assert!(world.audit("pairing").await.is_empty());
    assert!(platform.texts("g").is_empty());
    world.clock.advance(Duration::from_secs(10));
    scene.deliver(in_public(by("x", used("g", "i10", "sessions")))).await;
    platform.answer("i10").await;
}

#[tokio::test]
async fn all_strangers_together_are_answered_only_so_often() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    for id in 0..30 {
        let id = format!("i{id}");
        scene.deliver(in_public(by(&id, used("g", &id, "help")))).await;
    }
    scene.settled().await;
    assert_eq!(platform.said().len(), 20);
    // Those who are known are not kept waiting by it.
    scene.deliver(in_public(used("g", "owner", "help"))).await;
    platform.answer("owner").await;
}

#[tokio::test]
async fn nobody_else_ever_reads_what_a_stranger_is_told() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.deliver(in_public(by("x", used("g", "expired", "help")))).await;
    lock(&platform.interaction_faults).extend([SendError::Unknown("cut".into())]);
    scene.deliver(in_public(by("y", used("g", "i1", "help")))).await;
    scene.settled().await;
    assert!(platform.said().is_empty(), "{:?}", platform.said());
    // Nor what is told of a command that fails again and again.
    world.break_table("audit", "NEW.kind = 'message.refuse'");
    lock(&platform.interaction_faults).extend([SendError::Unknown("cut".into())]);
    scene.deliver(in_public(by("z", used("g", "i2", "help")))).await;
    scene.settled().await;
    assert_eq!(scene.state(&world, 3).await, "failed");
    assert!(platform.said().is_empty(), "{:?}", platform.said());
    world.mend();
}

#[tokio::test]
async fn alone_a_stranger_gets_the_code_by_whatever_way_there_is() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.deliver(by("x", used("x", "i1", "help"))).await;
    assert!(platform.answer("i1").await.contains("with this code"));
    scene.deliver(by("x", used("x", "i2", "help"))).await;
    assert!(!platform.answer("i2").await.contains("code"), "once an hour");
    scene.settled().await;
    assert!(platform.texts("x").is_empty());
    scene.deliver(by("y", used("y", "expired", "help"))).await;
    assert!(platform.until("y", 1).await[0].contains("with this code"));
}

#[tokio::test]
async fn an_answer_that_fails_is_tried_again_or_becomes_a_message() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    let wait = |retry_after| SendError::RateLimited { retry_after, global: false };
    lock(&platform.interaction_faults).extend([SendError::Unavailable("busy".into()), wait(1)]);
    scene.deliver(used("a", "i1", "mode")).await;
    platform.answer("i1").await;
    scene.settled().await;
    assert!(platform.texts("a").is_empty());
    lock(&platform.interaction_faults).extend((0..3).map(|_| SendError::Unavailable("busy".into())));
    scene.deliver(used("a", "i2", "mode")).await;
    assert!(platform.until("a", 1).await[0].contains("The mode here"));
    lock(&platform.interaction_faults).push_back(wait(60_000));
    scene.deliver(used("a", "i3", "mode")).await;
    platform.until("a", 2).await;
    scene.deliver(used("a", "expired", "mode")).await;
    platform.until("a", 3).await;
    assert!(platform.answers("i2").is_empty() && platform.answers("i3").is_empty());
    // Where others read, it does not become one.
    lock(&platform.interaction_faults).push_back(wait(60_000));
    scene.deliver(in_public(used("g", "i4", "mode"))).await;
    let said = platform.until("g", 1).await;
    assert!(said[0].contains("could not be shown") && !said[0].contains("The mode here"), "{said:?}");
}

#[tokio::test]
async fn whoever_is_too_fast_is_told_aside() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.chat.people.reconfigure(stated(Rate { burst: 1, per_minute: 1 })).await.unwrap();
    for id in 0..6 {
        scene.deliver(in_public(used("g", &format!("i{id}"), "help"))).await;
    }
    platform.answer("i1").await;
    platform.answer("i4").await;
    scene.settled().await;
    assert!(platform.answer("i1").await.contains("faster than I can answer"));
    assert!(platform.answer("i2").await.contains(NOT_TAKEN));
    let counts: Vec<usize> = (0..6).map(|id| platform.answers(&format!("i{id}")).len()).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1, 0]);
    assert!(platform.texts("g").is_empty());
}

#[test]
fn what_was_open_when_the_program_died_is_answered_with_a_note_once() {
    let platform = Platform::new();
    platform.stick("interaction new");
    platform.stick("interaction retry");
    platform.stick("interaction stranger");
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "x").await;
        scene.settled().await;
        scene.deliver(used("b", "new", "new title")).await;
        scene.deliver(used("a", "retry", "retry")).await;
        scene.deliver(in_public(by("x", used("g", "stranger", "help")))).await;
        for interaction in ["new", "retry", "stranger"] {
            scene.platform.answer(interaction).await;
        }
        scene.platform.until("a", 2).await;
    });
    for interaction in ["new", "retry", "stranger"] {
        platform.unstick(&format!("interaction {interaction}"));
    }
    let world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
        // The platform does not know what was taken.
        scene.deliver(used("b", "new", "new title")).await;
        scene.settled().await;
    });
    live(world, &platform, Kind::Puppet, config(), |scene| async move { scene.settled().await });
    for interaction in ["new", "retry"] {
        let answers = platform.answers(interaction);
        assert_eq!(answers.len(), 2, "{answers:?}");
        assert!(answers[1].contains("was not repeated"), "{answers:?}");
    }
    assert_eq!(platform.answers("stranger").len(), 2);
    assert_eq!(platform.texts("a").len(), 2, "nothing runs again");
    assert!(platform.texts("b").is_empty() && platform.texts("g").is_empty());
}
