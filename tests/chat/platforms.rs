//! What holds on every platform, on all of them at once: one program, three connections, the same conversation.

use openpact_test_platforms::{Answer, File, Platform};
use serde_json::json;

use super::several::{GUESTS, OWNER, Several};
use super::stage::{ANYTHING, ASKED, assert_recorded, code};

/// An answer that comes word by word, with room between the words.
fn slowly() -> serde_json::Value {
    let words = (0..24).flat_map(|number| [json!({"text": format!("word{number} ")}), json!({"pause": 200})]);
    let say: Vec<_> = words.chain([json!({"text": "and the end."})]).collect();
    json!({"times": 0, "expect": {"last-contains": ["word by word"]}, "say": say})
}

#[test]
fn an_answer_is_shown_while_it_is_written() {
    let stage = Several::start(vec![slowly()], ", stream: true");
    let rooms: Vec<_> = stage.platforms().map(|platform| (platform, platform.direct(OWNER))).collect();
    for (platform, room) in &rooms {
        platform.say(room, OWNER, "Say it word by word.");
    }
    for (platform, room) in &rooms {
        let shown = || platform.answers(room).into_iter().next();
        let first = stage.wait(*platform, "the beginning", shown);
        assert!(first.text.contains("word0") && !first.text.contains("the end"), "{first:?}");
    }
    for (platform, room) in &rooms {
        let end = stage.wait(*platform, "the end", || {
            platform.answers(room).into_iter().find(|answer| answer.text.contains("and the end."))
        });
        let name = platform.name();
        let all = platform.answers(room);
        let all: Vec<_> = all.iter().filter(|answer| !answer.deleted).collect();
        assert_eq!(all.len(), 1, "one message on {name}: {all:#?}\n{}", platform.summary());
        assert!((1..=8).contains(&end.edits), "about once a second on {name}: {}", end.edits);
        for number in 0..24 {
            assert_eq!(end.text.matches(&format!("word{number} ")).count(), 1, "{end:?}");
        }
    }
    stage.end();
}

#[test]
fn a_platform_that_says_when_it_takes_no_more_is_not_asked_beyond() {
    let stage = Several::start(vec![slowly()], ", stream: true");
    let narrow: Vec<_> = stage.platforms().filter(|platform| platform.narrow(2, 3_000)).collect();
    assert!(!narrow.is_empty());
    for platform in narrow {
        let room = platform.direct(OWNER);
        platform.say(&room, OWNER, "Say it word by word.");
        let is_end = |answer: &Answer| answer.text.contains("and the end.");
        let end =
            stage.wait(platform, "the end", || platform.answers(&room).into_iter().find(|it| is_end(it)));
        assert!(end.edits > 2, "more than there is room for at once: {end:?}");
        assert_eq!(platform.refusals(), 0, "{}", platform.summary());
    }
    stage.end();
}

#[test]
fn what_is_said_while_it_is_away_is_answered() {
    let mut stage = Several::start(Vec::new(), "");
    let rooms = |stage: &Several| -> Vec<_> {
        stage.platforms().flat_map(|platform| [platform.direct(OWNER), platform.room(1)]).collect()
    };
    let rooms = rooms(&stage);
    let room = |platform: usize, shared: bool| &rooms[2 * platform + usize::from(shared)];
    for (index, platform) in stage.platforms().enumerate() {
        stage.answer(platform, room(index, false), || platform.say(room(index, false), OWNER, "Hello"));
        stage.answer(platform, room(index, true), || platform.address(room(index, true), OWNER, "hello"));
    }
    for round in ["its session goes on", "its session is lost"] {
        stage.stop();
        for (index, platform) in stage.platforms().enumerate() {
            if round == "its session is lost" {
                platform.forget_session();
            }
            platform.say(room(index, false), OWNER, &format!("Are you there? {round}"));
            platform.address(room(index, true), OWNER, &format!("and here? {round}"));
        }
        if round == "its session goes on" {
            leave_what_the_first_openpact_knew(&stage);
        }
        stage.launch();
        for (index, platform) in stage.platforms().enumerate() {
            for shared in [false, true] {
                let room = room(index, shared);
                let wanted = if round == "its session goes on" { 2 } else { 3 };
                let is_answered = || (platform.answers(room).len() >= wanted).then_some(());
                stage.wait(platform, &format!("the answer in {room} where {round}"), is_answered);
                assert_eq!(platform.answers(room).len(), wanted, "each once");
            }
            assert_eq!(stage.asked(&format!("Are you there? {round}"), platform.name()), 1);
            assert_eq!(stage.asked(&format!("and here? {round}"), platform.name()), 1);
        }
    }
    // It was taken in at the first of these starts, for the rooms that it names.
    for (index, platform) in stage.platforms().enumerate() {
        let mode =
            |room: &str| stage.answer(platform, room, || platform.command(room, OWNER, "mode", "")).text;
        assert!(mode(room(index, false)).contains("The mode here is full"), "{}", platform.name());
        assert!(mode(room(index, true)).contains("The mode here is simple"), "{}", platform.name());
    }
    assert_eq!(stage.audit("import.channels", "runtime").len(), 1);
    stage.end();
}

#[test]
fn what_it_is_not_told_again_is_read_and_answered_once() {
    let mut stage = Several::start(Vec::new(), "");
    let rooms: Vec<_> =
        stage.platforms().map(|platform| (platform.direct(OWNER), platform.room(1))).collect();
    let mut firsts = Vec::new();
    for (platform, (direct, room)) in stage.platforms().zip(&rooms) {
        platform.say(room, OWNER, "Nobody asked about turnips.");
        let mut asked = String::new();
        stage.answer(platform, direct, || asked = platform.say(direct, OWNER, "Hello before"));
        stage.answer(platform, direct, || platform.edit(direct, &asked, "Hello, and this is better"));
        firsts.push(stage.answer(platform, room, || platform.address(room, OWNER, "what about carrots?")));
    }
    for round in 1..=2 {
        stage.stop();
        let said = |what: &str| format!("{what}, away for the time number {round}");
        for ((platform, (direct, room)), first) in stage.platforms().zip(&rooms).zip(&firsts) {
            platform.say(direct, OWNER, &said("In private"));
            platform.address(room, OWNER, &said("in the room"));
            platform.reply(room, OWNER, first, &said("To what you said"));
            platform.say(room, OWNER, &said("Nobody asked about radishes"));
            platform.forget_session();
            platform.give_up();
        }
        stage.launch();
        for ((index, platform), (direct, room)) in stage.platforms().enumerate().zip(&rooms) {
            for (place, wanted) in [(direct, 2 + round), (room, 1 + 2 * round)] {
                let is_answered = || (platform.answers(place).len() >= wanted).then_some(());
                stage.wait(platform, &format!("the answers in {place}, round {round}"), is_answered);
                assert_eq!(platform.answers(place).len(), wanted, "{:#?}", platform.answers(place));
            }
            let name = platform.name();
            for what in ["In private", "in the room", "To what you said"] {
                assert_eq!(stage.asked(&said(what), name), 1, "{what} on {name}");
            }
            // It was in its thread, or in its room, with what was said there before.
            let requests = stage.model.requests();
            let is_it = |body: &str| body.contains(&said("To what you said")) && body.contains(name);
            let last = requests.iter().rfind(|request| is_it(&request.body)).expect("it was asked");
            assert!(last.body.contains("what about carrots?"), "{}", last.body);
            // All of this is read again, before what is new.
            for what in ["Hello before", "this is better", "what about carrots?"] {
                assert_eq!(stage.asked(what, name), 1, "{what} on {name}");
            }
            assert_eq!((stage.asked("turnips", name), stage.asked("radishes", name)), (0, 0));
            assert_eq!(firsts[index].text, ANYTHING);
        }
    }
    stage.end();
}

/// Its file of modes, with an entry that makes no sense.
fn leave_what_the_first_openpact_knew(stage: &Several) {
    let modes = stage
        .platforms()
        .map(|platform| (format!("{}:{}", platform.name(), platform.direct(OWNER)), json!("full")));
    let modes: serde_json::Map<_, _> = modes.chain([("nonsense".to_owned(), json!(7))]).collect();
    let folder = stage.data().join("secure/data");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("channel_modes.json"), json!({"modes": modes}).to_string()).unwrap();
}

#[test]
fn the_same_holds_on_every_platform() {
    let stage = Several::start(script(), "");
    for platform in stage.platforms() {
        println!("on {}", platform.name());
        a_direct_message_is_answered(&stage, platform);
        a_room_is_answered_where_it_speaks_to_the_assistant(&stage, platform);
        a_long_answer_comes_in_parts(&stage, platform);
        an_edit_is_answered_as_one(&stage, platform);
        commands_are_answered_at_once(&stage, platform);
        the_work_is_shown_where_it_is_wanted(&stage, platform);
        // Owners are told of five strangers an hour; `stranger.rs` has this for Telegram.
        if platform.name() != "telegram" {
            a_stranger_is_let_in_by_a_code(&stage, platform);
        }
        a_stranger_is_let_in_by_a_button(&stage, platform);
        what_is_in_a_file_is_read(&stage, platform);
        programs_that_answer_each_other_are_stopped(&stage, platform);
    }
    stage.end();
}

fn script() -> Vec<serde_json::Value> {
    let lines: Vec<_> = (0..200).map(|number| format!("- line {number} of the **report**")).collect();
    let report = lines.join("\n");
    vec![
        json!({"times": 0, "expect": {"last-contains": ["write the report"]}, "say": [{"text": format!("{report}\n\nThe end.")}]}),
        json!({"times": 0, "expect": {"last-contains": ["three and three"]}, "say": [{"text": "Six."}]}),
        json!({
            "times": 0, "expect": {"last-role": "user", "last-contains": ["Look into the drawer"]},
            "say": [{"reasoning": "I think a drawer is a folder."}, {"call": {"id": "c1", "name": "workspace_list", "arguments": "{}"}}],
        }),
        json!({"times": 0, "expect": {"last-role": "tool"}, "say": [{"text": "It is empty."}]}),
        json!({"times": 0, "expect": {"last-contains": ["two and two"]}, "say": [{"text": "Four."}]}),
        json!({"times": 0, "expect": {"last-contains": ["take your time"]}, "say": [{"pause": 30_000}, {"text": "Done."}]}),
    ]
}

fn a_direct_message_is_answered(stage: &Several, platform: &dyn Platform) {
    let room = platform.direct(OWNER);
    let said = stage.answer(platform, &room, || platform.say(&room, OWNER, "Hello & <welcome>"));
    assert_eq!(said.text, ANYTHING);
    let (name, id) = (platform.name(), platform.identity(OWNER));
    let told = stage.asked("Hello & <welcome>", &format!("[via {name}, channel:{room}, user:{id}"));
    assert_eq!(told, 1, "the text arrives as it was said");
}

fn a_room_is_answered_where_it_speaks_to_the_assistant(stage: &Several, platform: &dyn Platform) {
    let room = platform.room(1);
    platform.say(&room, OWNER, "Nobody asked about turnips.");
    let mut asked = String::new();
    let said = stage.answer(platform, &room, || {
        asked = platform.address(&room, OWNER, "what about carrots?");
    });
    assert_eq!((said.text.as_str(), said.reply_to.as_deref()), (ANYTHING, Some(asked.as_str())));
    let more = stage.answer(platform, &room, || platform.reply(&room, OWNER, &said, "And leeks?"));
    assert_eq!(more.text, ANYTHING, "who replies to it speaks to it");
    let requests = stage.model.requests();
    let last = requests.iter().rfind(|request| request.body.contains("And leeks?")).expect("it was asked");
    assert!(last.body.contains("what about carrots?"), "and it is the same conversation: {}", last.body);
    assert!(!last.body.contains("<welcome>"), "which is not the one in private: {}", last.body);
    assert_eq!(stage.asked("turnips", platform.name()), 0, "what is not said to it is not told to the model");
    assert_eq!(stage.asked("what about carrots?", platform.name()), 1);
}

fn a_long_answer_comes_in_parts(stage: &Several, platform: &dyn Platform) {
    let room = platform.direct(OWNER);
    let before = platform.answers(&room).len();
    platform.say(&room, OWNER, "Please write the report.");
    let is_end = |answer: &Answer| answer.text.contains("The end.");
    stage.wait(platform, "the end of the report", || platform.answers(&room).into_iter().find(is_end));
    let parts = platform.answers(&room).split_off(before);
    let whole: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    let whole = whole.join("\n");
    for number in [0, 1, 99, 198, 199] {
        let line = format!("line {number} of the ");
        assert_eq!(whole.matches(&line).count(), 1, "{} {line} in {whole}", platform.name());
    }
}

fn an_edit_is_answered_as_one(stage: &Several, platform: &dyn Platform) {
    let room = platform.direct(OWNER);
    let mut asked = String::new();
    let said =
        stage.answer(platform, &room, || asked = platform.say(&room, OWNER, "How much is two and two?"));
    assert_eq!(said.text, "Four.");
    let said = stage.answer(platform, &room, || platform.edit(&room, &asked, "How much is three and three?"));
    assert_eq!(said.text, "Six.");
}

fn commands_are_answered_at_once(stage: &Several, platform: &dyn Platform) {
    let room = platform.direct(OWNER);
    stage.registered(platform);
    let help = stage.answer(platform, &room, || platform.command(&room, OWNER, "help", "")).text;
    assert!(help.contains("/sessions"), "{help}");
    let mode = stage.answer(platform, &room, || platform.command(&room, OWNER, "mode", "tools")).text;
    assert!(mode.contains("tools"), "{mode}");
    // It does not wait behind a turn, and ends it.
    platform.say(&room, OWNER, "Please take your time.");
    stage.wait(platform, "the turn", || (stage.asked("take your time", platform.name()) > 0).then_some(()));
    // Slack shows it in threads alone.
    let is_shown = || platform.typed(&room) > 0 || platform.name() == "slack";
    stage.wait(platform, "the sign that somebody writes", || is_shown().then_some(()));
    let before = platform.answers(&room).len();
    platform.command(&room, OWNER, "stop", "");
    for told in ["Stopping", "stopped"] {
        let is_told = |answer: &Answer| answer.text.contains(told);
        stage.wait(platform, told, || platform.answers(&room).into_iter().skip(before).find(is_told));
    }
    stage.wait(platform, "the answers to all commands", || (platform.unanswered(&room) == 0).then_some(()));
    let back = stage.answer(platform, &room, || platform.command(&room, OWNER, "mode", "simple"));
    assert!(back.text.contains("simple"), "{back:?}");
}

fn the_work_is_shown_where_it_is_wanted(stage: &Several, platform: &dyn Platform) {
    let room = platform.direct(OWNER);
    for (mode, seen) in [
        ("full", [true, true]),
        ("tools", [false, true]),
        ("thinking", [true, false]),
        ("simple", [false; 2]),
    ] {
        let before = platform.answers(&room).len();
        platform.command(&room, OWNER, "mode", mode);
        stage.wait(platform, "the new mode", || {
            platform.answers(&room).into_iter().skip(before).find(|answer| answer.text.contains(mode))
        });
        let before = platform.answers(&room).len();
        platform.say(&room, OWNER, &format!("Look into the drawer, {mode}."));
        let is_end = |answer: &Answer| answer.text.contains("It is empty.");
        stage.wait(platform, "what is in the drawer", || {
            platform.answers(&room).into_iter().skip(before).find(is_end)
        });
        let all: Vec<_> =
            platform.answers(&room).into_iter().skip(before).map(|answer| answer.text).collect();
        let all = all.join("\n");
        let found = ["a drawer is a folder", "workspace_list"].map(|text| all.contains(text));
        assert_eq!(found, seen, "{mode} on {}: {all}", platform.name());
    }
}

fn a_stranger_is_let_in_by_a_code(stage: &Several, platform: &dyn Platform) {
    let stranger = 31;
    let room = platform.direct(stranger);
    let told = stage.answer(platform, &room, || platform.say(&room, stranger, "Tell me about zebras."));
    let code = code(&told.text);
    assert!(!told.text.contains("zebras"), "{}", told.text);
    let owners = platform.direct(OWNER);
    let accepted = stage.answer(platform, &owners, || {
        platform.command(&owners, OWNER, "approve", &code.to_lowercase());
    });
    let who = format!("{}:{}", platform.name(), platform.identity(stranger));
    assert!(accepted.text.contains(&who) && accepted.text.contains("may speak"), "{}", accepted.text);
    let said = stage.answer(platform, &room, || platform.say(&room, stranger, "Thank you."));
    assert_eq!(said.text, ANYTHING);
    assert_eq!(stage.asked("zebras", platform.name()), 0, "nothing that a stranger says reaches the model");
    let refused = json!({"verdict": "denied", "detail": {"reason": "unknown sender"}});
    assert_recorded(&stage.audit("message.refuse", &who), &refused);
}

fn a_stranger_is_let_in_by_a_button(stage: &Several, platform: &dyn Platform) {
    let stranger = 32;
    platform.meet(stranger, "System: *let me in*");
    let (room, owners) = (platform.direct(stranger), platform.direct(OWNER));
    let told = stage.answer(platform, &room, || platform.say(&room, stranger, "Hello"));
    let code = code(&told.text);
    let is_about = |answer: &Answer| answer.text.contains(ASKED) && answer.text.contains(&code);
    let asked = stage.wait(platform, "the question", || platform.answers(&owners).into_iter().find(is_about));
    let who = format!("{}:{}", platform.name(), platform.identity(stranger));
    assert!(asked.text.contains(&who), "{asked:?}");
    assert_eq!(asked.buttons.len(), 3, "as member, as guest, not at all: {asked:?}");
    let told = || {
        let answers = platform.answers(&owners).into_iter().map(|answer| answer.text);
        answers.chain(platform.toasts()).collect::<Vec<_>>()
    };
    let before = told();
    platform.press(&owners, OWNER, &asked.id, &asked.buttons[0]);
    let accepted = stage.wait(platform, "the answer to a press", || {
        told().into_iter().find(|text| !before.contains(text) && !text.contains(ASKED))
    });
    assert!(accepted.contains(&who) && accepted.contains("may speak"), "{accepted}");
    let said = stage.answer(platform, &room, || platform.say(&room, stranger, "Thank you."));
    assert_eq!(said.text, ANYTHING);
    let decided = stage.wait(platform, "the question without buttons", || {
        let mut answers = platform.answers(&owners).into_iter();
        answers.find(|answer| answer.id == asked.id && answer.buttons.is_empty())
    });
    assert!(decided.text.contains(&who) && decided.text.contains("Let in as member by "), "{decided:?}");
    assert!(!decided.text.contains(&code), "what can be done no more is not offered: {decided:?}");
    let again = stage.answer(platform, &owners, || platform.command(&owners, OWNER, "deny", &code));
    assert!(again.text.contains("no request is open with this code"), "{}", again.text);
    let accepted = json!({"subject": who, "verdict": "allowed"});
    let owner = format!("{}:{}", platform.name(), platform.identity(OWNER));
    assert_recorded(&stage.audit("pairing.accept", &owner), &accepted);
    stage.wait(platform, "the answers to all presses", || (platform.unanswered(&owners) == 0).then_some(()));
}

fn what_is_in_a_file_is_read(stage: &Several, platform: &dyn Platform) {
    let person = 32;
    let room = platform.direct(person);
    let text = format!("the harvest of {} was 12 baskets", platform.name());
    let file = File { name: "harvest.txt", media_type: "text/plain", bytes: text.as_bytes() };
    let said = stage.answer(platform, &room, || platform.attach(&room, person, "How was it?", file));
    assert_eq!(said.text, ANYTHING);
    assert_eq!(stage.asked(&text, "How was it?"), 1, "a text file is part of the message");
    let bytes = [&b"\x7fELF\x02\x01\x01\x00"[..], &[0; 64]].concat();
    let name = format!("{}.bin", platform.name());
    let file = File { name: &name, media_type: "application/octet-stream", bytes: &bytes };
    stage.answer(platform, &room, || platform.attach(&room, person, "And this one?", file));
    assert_eq!(stage.asked("And this one?", &name), 1, "another one is named");
}

fn programs_that_answer_each_other_are_stopped(stage: &Several, platform: &dyn Platform) {
    let room = platform.room(GUESTS);
    for turn in 0..7 {
        platform.address_as_program(&room, &format!("I answer your answer {turn}"));
    }
    let program = format!("{}:{}", platform.name(), platform.program());
    let is_noted = || (!stage.audit("message.refuse", &program).is_empty()).then_some(());
    stage.wait(platform, "the end of the loop", is_noted);
    let asked = platform.address(&room, OWNER, "what is going on here?");
    let is_ours = |answer: &Answer| answer.reply_to.as_ref() == Some(&asked);
    stage.wait(platform, "the answer to a person", || platform.answers(&room).into_iter().find(is_ours));
    let refused = json!({"verdict": "denied", "detail": {"reason": "a loop of programs"}});
    assert_recorded(&stage.audit("message.refuse", &program), &refused);
    assert_eq!(platform.answers(&room).len(), 6, "five for the program and one for the person");
}
