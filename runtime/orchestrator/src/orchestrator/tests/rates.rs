//! One person has one budget of tool calls, with however many accounts.

use super::*;
use crate::bucket::Rate;
use crate::people::{self, Acceptance, Greeting, Identity, Person};

const TWO: Rate = Rate { burst: 2, per_minute: 1 };

const CALL: &str = r#"tool note {"text":"noted"}"#;

/// Two calls at once for each person. Ada is stated with two accounts.
async fn scene() -> Scene {
    let identity = |provider: &str, user: &str| Identity { provider: provider.into(), user: user.into() };
    let identities = vec![identity("one", "7"), identity("two", "8")];
    let people = people::Config {
        people: vec![Person { name: "ada".into(), role: Role::Owner, identities }],
        ..people::Config::default()
    };
    let rates = router::Rates { user: TWO, ..router::Rates::default() };
    Scene::build(
        World::new(),
        Config::default(),
        people,
        router::Config { rates, ..router::Config::default() },
    )
    .await
}

impl Scene {
    async fn call_from(&self, provider: &str, user: &str) -> String {
        answer(self.submit_from(provider, user, CALL)).await.text()
    }

    #[track_caller]
    fn ran(&self, count: usize) {
        assert_eq!(self.tools.calls().len(), count);
    }
}

#[tokio::test]
async fn an_account_on_another_platform_is_no_second_budget() {
    let scene = scene().await;
    assert_eq!(scene.call_from("one", "7").await, "noted");
    assert_eq!(scene.call_from("two", "8").await, "noted");
    for (provider, user) in [("one", "7"), ("two", "8")] {
        let refused = scene.call_from(provider, user).await;
        assert!(refused.contains("this person calls tools too often"), "{refused}");
    }
    scene.ran(2);
    scene.world.clock.advance(Duration::from_mins(1));
    assert_eq!(scene.call_from("two", "8").await, "noted");
    assert!(
        scene.call_from("one", "7").await.contains("too often"),
        "one place came back, and not one for each"
    );
}

#[tokio::test]
async fn who_is_not_known_has_a_budget_for_each_account_and_takes_none_of_others() {
    let scene = scene().await;
    // The accounts of somebody who is known, on platforms where they are not; and what the person is called.
    for (provider, user) in [("two", "7"), ("one", "8"), ("one", "ada"), ("ada", "ada"), ("three", "7")] {
        for expected in [true, true, false] {
            let answered = scene.call_from(provider, user).await;
            assert_eq!(answered == "noted", expected, "{provider}:{user}: {answered}");
        }
    }
    assert_eq!(scene.call_from("one", "7").await, "noted");
    scene.ran(11);
}

#[tokio::test]
async fn who_is_let_in_later_counts_with_their_other_accounts_from_then_on() {
    let scene = scene().await;
    let people = Arc::clone(&scene.orchestrator.shared.people);
    for provider in ["three", "four"] {
        let channel = Channel { provider: provider.into(), ..channel("a") };
        let who = Who {
            provider,
            user: "9",
            display_name: "",
            channel: &channel,
            visibility: Visibility::Direct,
            asserts_owner: true,
        };
        let Greeting { text, .. } = people.greet(&who).await.unwrap().expect("a stranger is told a code");
        let code = text.rsplit(' ').next().unwrap();
        let acceptance = Acceptance { code, role: Role::Member, name: Some("ben"), by: "test" };
        people.accept(acceptance).await.unwrap();
    }
    assert_eq!(scene.call_from("three", "9").await, "noted");
    assert_eq!(scene.call_from("four", "9").await, "noted");
    assert!(scene.call_from("three", "9").await.contains("too often"));
    assert_eq!(scene.call_from("five", "9").await, "noted");
    assert_eq!(scene.call_from("one", "7").await, "noted");
}
