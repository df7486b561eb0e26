//! Threads: what holds for a channel holds in those that a platform treats as channels of their own, and what is said in a
//! thread is answered there; and commands where they reach no thread.

use openpact_test_platforms::{Answer, Platform};
use serde_json::json;

use super::several::{GUESTS, OWNER, SHOWN, Several};
use super::stage::{ANYTHING, assert_recorded};

/// Somebody whom nobody let in.
const STRANGER: u32 = 61;

fn script() -> Vec<serde_json::Value> {
    let words = (0..12).flat_map(|number| [json!({"text": format!("word{number} ")}), json!({"pause": 200})]);
    let slowly: Vec<_> = words.chain([json!({"text": "and the end."})]).collect();
    let call = json!({"id": "c1", "name": "workspace_list", "arguments": "{}"});
    vec![
        json!({"times": 0, "expect": {"last-role": "user", "last-contains": ["look into the drawer"]}, "say": [{"call": call}]}),
        json!({"times": 0, "expect": {"last-role": "tool"}, "say": slowly}),
    ]
}

#[test]
fn what_holds_for_a_channel_holds_in_its_threads() {
    let mut stage = Several::start(script(), "");
    let of_all = |stage: &Several| {
        let rooms = stage.platforms().map(|platform| {
            let thread = |number: u32, name: &str| platform.thread(&platform.room(number), OWNER, name);
            Some([thread(SHOWN, "shown")?, thread(GUESTS, "guests")?, thread(1, "others")?])
        });
        rooms.collect::<Vec<_>>()
    };
    let threads = of_all(&stage);
    assert!(threads.iter().any(Option::is_some), "one platform at least has such threads");
    let each = |stage: &Several, act: fn(&Several, &dyn Platform, &[String; 3])| {
        let all = stage.platforms().zip(&threads);
        all.filter_map(|(platform, threads)| Some((platform, threads.as_ref()?)))
            .for_each(|(platform, threads)| act(stage, platform, threads));
    };
    each(&stage, |stage, platform, [shown, guests, others]| {
        the_work_is_shown_and_while_it_is_written(stage, platform, shown);
        only_whoever_may_speak_in_the_channel_does_in_the_thread(stage, platform, guests, others);
        let room = platform.room(SHOWN);
        assert_eq!(platform.answers(&room), [], "what is said in a thread is answered there");
    });
    // A session that goes on tells no channels: they are asked for.
    stage.stop();
    stage.launch();
    each(&stage, |stage, platform, [shown, guests, others]| {
        the_work_is_shown_and_while_it_is_written(stage, platform, shown);
        only_whoever_may_speak_in_the_channel_does_in_the_thread(stage, platform, guests, others);
        let requests = stage.model.requests();
        let last =
            requests.iter().rfind(|request| request.body.contains("look into the drawer")).expect("asked");
        assert_eq!(last.body.matches("look into the drawer").count(), 2, "it is the same conversation");
    });
    stage.end();
}

fn the_work_is_shown_and_while_it_is_written(stage: &Several, platform: &dyn Platform, thread: &str) {
    let before = platform.answers(thread).len();
    let asked = platform.address(thread, OWNER, "look into the drawer");
    let end = stage.wait(platform, "the end of the answer", || {
        let mut news = platform.answers(thread).into_iter().skip(before);
        news.find(|answer| answer.text.contains("and the end."))
    });
    assert!(end.edits > 0, "it was shown while it was written: {end:?}");
    let news: Vec<_> = platform.answers(thread).into_iter().skip(before).collect();
    assert!(news.iter().any(|answer| answer.reply_to.as_ref() == Some(&asked)), "{news:#?}");
    let shows_work = |answer: &Answer| answer.text.contains("workspace_list");
    assert!(news.iter().any(shows_work), "the calls of tools are shown: {news:#?}");
    assert!(platform.typed(thread) > 0, "and that somebody writes");
}

fn only_whoever_may_speak_in_the_channel_does_in_the_thread(
    stage: &Several,
    platform: &dyn Platform,
    guests: &str,
    others: &str,
) {
    let said = stage.answer(platform, guests, || platform.address(guests, STRANGER, "hello from a guest"));
    assert_eq!(said.text, ANYTHING);
    let who = format!("{}:{}", platform.name(), platform.identity(STRANGER));
    let before = stage.audit("message.refuse", &who).len();
    platform.address(others, STRANGER, "hello from a stranger");
    stage
        .wait(platform, "the refusal", || (stage.audit("message.refuse", &who).len() > before).then_some(()));
    let refused = json!({"verdict": "denied", "detail": {"reason": "unknown sender"}});
    assert_recorded(&stage.audit("message.refuse", &who), &refused);
    assert_eq!(stage.asked("hello from a stranger", platform.name()), 0);
}

#[test]
fn a_command_that_reaches_no_thread_says_how_it_does() {
    let stage = Several::start(Vec::new(), "");
    let platform = stage.platforms().find(|platform| platform.name() == "slack").expect("it is one of them");
    let room = platform.room(1);
    let said = stage.answer(platform, &room, || platform.address(&room, OWNER, "what about carrots?"));
    let thread = said.reply_to.clone().expect("in its thread");
    let use_of = |name: &str| stage.answer(platform, &room, || platform.command(&room, OWNER, name, "")).text;
    assert!(use_of("retry").contains("Mention me in the thread that you mean, and write /retry behind it."));
    assert!(use_of("new").contains("mention me there and write /new behind it."));
    assert_eq!(stage.asked("carrots", "slack"), 1, "nothing ran again");
    // What they say is done.
    let within = |name: &str| {
        let answer =
            stage.answer(platform, &room, || platform.address_in(&room, OWNER, &said, &format!("/{name}")));
        assert_eq!(answer.reply_to.as_ref(), Some(&thread), "{answer:?}");
        answer.text
    };
    assert_eq!(within("retry"), ANYTHING);
    assert_eq!(stage.asked("carrots", "slack"), 2, "it ran again");
    assert!(within("new").contains("new conversation"));
    stage.answer(platform, &room, || platform.reply(&room, OWNER, &said, "And leeks?"));
    let requests = stage.model.requests();
    let last = requests.iter().rfind(|request| request.body.contains("And leeks?")).expect("it was asked");
    assert!(!last.body.contains("carrots"), "it begins anew: {}", last.body);
    stage.end();
}
