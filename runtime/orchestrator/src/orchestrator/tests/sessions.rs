//! Sessions: who sees which, how long they last, what they are called, which model they have.

use super::*;

#[tokio::test]
async fn a_group_sees_nothing_of_the_private_sessions() {
    let scene = Scene::new().await;
    fs::write(scene.world.ai_data().join("MEMORY.md"), "the safe's code").unwrap();
    scene.say("private", "my diary").await.ended("you said my diary");
    assert!(scene.engine.last().1.system.contains("the safe's code"));
    let private = scene.active("private").await;
    scene.say_as("group", Role::Member, Audience::Group, "hi all").await.ended("you said hi all");
    let group = scene.active("group").await;
    for (role, claimed) in [
        (Role::Owner, Audience::Group),
        (Role::Member, Audience::Group),
        // Nobody but an owner has a private channel, whatever the adapter says.
        (Role::Member, Audience::Private),
    ] {
        scene.say_as("group", role, claimed, "hello").await.ended("you said hello");
        assert!(!scene.engine.last().1.system.contains("the safe's code"), "{role} {claimed:?}");
        let listed = scene.say_as("group", role, claimed, "/sessions").await;
        listed.told(group.as_str());
        assert!(!listed.notices[0].contains(private.as_str()), "{role} {claimed:?} {listed:?}");
        let text = format!("/switch {private}");
        scene.say_as("group", role, claimed, &text).await.told("No conversation begins with");
        assert_eq!(scene.active("group").await, group);
    }
    // The owner, alone, sees that there are others, but takes none of them along.
    scene.say("private", "/sessions").await.told(group.as_str());
    scene.say("private", &format!("/switch {group}")).await.told("read by others");
    assert_eq!(scene.active("private").await, private);
}

#[tokio::test]
async fn a_member_sees_only_the_sessions_of_the_channel() {
    let scene = Scene::new().await;
    scene.say_as("one", Role::Member, Audience::Group, "a").await.ended("you said a");
    scene.say_as("two", Role::Member, Audience::Group, "b").await.ended("you said b");
    let one = scene.active("one").await;
    scene
        .say_as("two", Role::Member, Audience::Group, &format!("/switch {one}"))
        .await
        .told("No conversation");
    scene.say_as("one", Role::Member, Audience::Group, "/new next").await.told("next");
    scene.say_as("one", Role::Member, Audience::Group, &format!("/switch {one}")).await.told("Going on with");
}

#[tokio::test]
async fn a_channel_that_others_join_begins_anew() {
    let scene = Scene::new().await;
    scene.say("a", "a secret").await.ended("you said a secret");
    let private = scene.active("a").await;
    let opened = scene.say_as("a", Role::Owner, Audience::Group, "hello all").await;
    opened.ended("you said hello all");
    assert!(opened.notices[0].contains("new conversation"), "{opened:?}");
    let group = scene.active("a").await;
    assert_ne!(group, private);
    let listed = scene.say_as("a", Role::Owner, Audience::Group, "/sessions").await;
    assert!(!listed.notices[0].contains(private.as_str()), "{listed:?}");
    for command in ["/context", "/rename mine"] {
        scene.say("a", command).await.told("no conversation here yet");
    }
    scene.say("a", "alone again").await.ended("you said alone again");
    assert_ne!(scene.active("a").await, group);
}

#[tokio::test]
async fn a_session_that_was_deleted_is_replaced_with_a_note() {
    let scene = Scene::new().await;
    scene.say("a", "hello").await.ended("you said hello");
    let old = scene.active("a").await;
    scene.world.sql(&format!("PRAGMA foreign_keys = OFF; DELETE FROM session WHERE id = '{old}'"));
    let replaced = scene.say("a", "still there?").await;
    replaced.ended("you said still there?");
    assert!(replaced.notices[0].contains("no longer exists"), "{replaced:?}");
    assert_ne!(scene.active("a").await, old);
    assert!(scene.say("a", "good").await.notices.is_empty(), "it is said once");
}

#[tokio::test]
async fn sessions_outlive_the_program() {
    let scene = Scene::new().await;
    scene.say("a", "hello").await.ended("you said hello");
    let session = scene.active("a").await;
    let scene = scene.restart().await;
    scene.say("a", "back").await.ended("you said back");
    assert_eq!(scene.engine.last().0, session);
}

#[tokio::test]
async fn the_title_is_made_of_the_first_exchange_that_worked() {
    let scene = Scene::new().await;
    let title = async || {
        let id = scene.active("a").await;
        scene.world.store.sessions().get(&id).await.unwrap().unwrap().title
    };
    scene.say("a", "fail").await.failed(ErrorKind::Provider, "");
    assert_eq!(title().await, "");
    scene.say("a", "\n Plan the trip\nto Rome").await.ended("you said Plan the trip\nto Rome");
    assert_eq!(title().await, "Plan the trip");
    scene.say("a", "and the hotel").await.ended("you said and the hotel");
    assert_eq!(title().await, "Plan the trip");
    scene.say("a", "/new  Mine\u{202e} ").await.told("Mine\\u{202e}");
    scene.say("a", "hello").await.ended("you said hello");
    assert_eq!(title().await, "Mine\\u{202e}");
}

#[tokio::test]
async fn sessions_are_listed_in_pages_and_chosen_without_doubt() {
    let scene = Scene::new().await;
    scene.say("a", "/sessions").await.told("no conversation yet");
    scene.say("a", "/context").await.told("no conversation here yet");
    for number in 0..11 {
        scene.say("a", &format!("/new number {number}")).await.told("number");
        scene.world.clock.advance(Duration::from_mins(1));
    }
    let first = scene.say("a", "/sessions").await;
    first.told("Page 1 of 2");
    assert_eq!(first.notices[0].lines().count(), 11);
    let second = scene.say("a", "/sessions 2").await;
    second.told("number 0");
    second.told("Page 2 of 2");
    scene.say("a", "/sessions 3").await.told("only 2 pages");
    scene.say("a", "/switch ses_").await.told("11 conversations begin so");
    scene.say("a", "/switch zzz").await.told("No conversation begins with 'zzz'");
}

#[tokio::test]
async fn a_model_is_chosen_for_one_session() {
    let scene = Scene::new().await;
    scene.say("a", "/model large").await.told("large-1\nlarge-2");
    scene.say("a", "/model large-2").await.told("now uses large-2");
    let session = scene.active("a").await;
    let row = scene.world.store.sessions().get(&session).await.unwrap().unwrap();
    assert_eq!(row.model.as_deref(), Some("large-2"));
    scene.say("a", "/model").await.told("* large-2");
    scene.say("b", "/model").await.told("* small-1");
}

#[tokio::test]
async fn a_model_is_taken_by_its_name_where_there_is_no_list() {
    let scene = Scene::new().await;
    scene.engine.is_listless.store(true, Ordering::Relaxed);
    let answer = scene.say("a", "/model odd/model:7b").await;
    answer.told("now uses odd/model:7b");
    answer.told("was not checked: the service has no list");
    let session = scene.active("a").await;
    let model = async || scene.world.store.sessions().get(&session).await.unwrap().unwrap().model;
    assert_eq!(model().await.as_deref(), Some("odd/model:7b"));
    let edge = "m".repeat(200);
    scene.say("a", &format!("/model {edge}")).await.told("now uses");
    scene.say("a", &format!("/model {edge}m")).await.told("at most 200 bytes");
    assert_eq!(model().await, Some(edge));
    scene.say("a", "/model").await.told("the service has no list");
}
