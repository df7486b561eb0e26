//! Chat to chat: what an owner says, and what comes back.

use std::fmt::Write as _;

use openpact_fake_telegram::{Call, Fault, Rule};
use serde_json::{Value, json};

use super::stage::{ANYTHING, Stage};

/// A long answer with every kind of formatting; longer than one message of the platform.
fn long_answer() -> String {
    let mut text =
        "# Report\n\nThis is **bold**, _italic_ and `code`, with [a link](https://example.com/a_b).\n\n"
            .to_owned();
    text.push_str("```rust\nfn main() { println!(\"<b> & *x*\"); }\n```\n\n");
    for number in 0..160 {
        writeln!(text, "- line {number} of the report, with 1 < 2 & 3 > 2 and snake_case_words *here*")
            .unwrap();
    }
    text.push_str("\nThe end of the report.");
    text
}

fn script() -> Vec<Value> {
    let call = |id: &str, name: &str, arguments: Value| json!({"id": id, "name": name, "arguments": arguments.to_string()});
    vec![
        json!({
            "expect": {"last-role": "user", "last-contains": ["note about the boiler", "[via telegram, channel:4242, user:4242"], "tools": ["workspace_write"]},
            "say": [{"pause": 1500}, {"call": call("c1", "workspace_write", json!({"path": "notes/boiler.md", "content": "Serviced.\n"}))}],
        }),
        json!({"expect": {"last-role": "tool", "last-contains": ["notes/boiler.md"]}, "say": [{"text": long_answer()}]}),
        json!({"expect": {"last-contains": ["say it in bold"]}, "say": [{"text": "This is **bold** & <b>."}]}),
        json!({"expect": {"last-contains": ["[edited]", "three and three"]}, "say": [{"text": "Six."}]}),
        json!({"expect": {"last-contains": ["two and two"]}, "say": [{"text": "Four."}]}),
    ]
}

#[test]
fn an_owner_and_the_assistant_talk() {
    let stage = Stage::start(script(), "", "");
    a_tool_runs_and_the_answer_is_split_and_formatted(&stage);
    markup_that_is_refused_is_said_plainly(&stage);
    limits_in_the_words_of_a_proxy_are_kept(&stage);
    an_edit_is_answered_as_one(&stage);
    in_a_group_it_answers_who_speaks_to_it(&stage);
    in_a_topic_it_answers_in_the_topic(&stage);
    commands_are_answered_without_a_model(&stage);
    what_is_no_message_of_a_person_is_passed_over(&stage);
    stage.end();
}

fn a_tool_runs_and_the_answer_is_split_and_formatted(stage: &Stage) {
    let chat = stage.owner_chat();
    let asked = chat.say(&stage.owner, "Write a note about the boiler and report.");
    stage.wait("the end of the report", |world| {
        let sent = world.sent(chat.id());
        sent.last().filter(|last| last.text.contains("The end of the report.")).cloned()
    });
    let sent = chat.sent();
    assert!(sent.len() > 1, "it does not fit into one message");
    assert_eq!(sent[0].reply_to, Some(asked.message_id));
    let kinds =
        |index: usize| sent[index].entities.iter().map(|entity| entity.kind.clone()).collect::<Vec<_>>();
    for kind in ["bold", "italic", "code", "text_link", "pre"] {
        assert!(kinds(0).iter().any(|found| found == kind), "no {kind} in {:?}", kinds(0));
    }
    let whole = sent.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n");
    assert!(whole.contains("fn main() { println!(\"<b> & *x*\"); }"), "{whole}");
    for number in 0..160 {
        let line = format!("line {number} of the report, with 1 < 2 & 3 > 2 and snake_case_words here");
        assert_eq!(whole.matches(&line).count(), 1, "{line} in {whole}");
    }
    assert_eq!(stage.platform.look(|world| world.duplicates(chat.id())), []);
    let typing = stage.platform.look(|world| world.actions(chat.id()));
    assert!(typing.iter().any(|(_, action)| action == "typing"), "{typing:?}");
    let note = std::fs::read_to_string(stage.data().join("ai-data/workspace/notes/boiler.md")).unwrap();
    assert_eq!(note, "Serviced.\n");
    let record = json!({"subject": "workspace_write", "verdict": "allowed"});
    super::stage::assert_recorded(&stage.audit("tool.call", "telegram:4242"), &record);
}

fn markup_that_is_refused_is_said_plainly(stage: &Stage) {
    let chat = stage.owner_chat();
    let before = chat.sent().len();
    let why = "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"";
    let refuse = Rule::new(Fault::BadRequest(why.to_owned())).method("sendMessage").chat(chat.id()).times(1);
    stage.platform.fault(refuse);
    let said = stage.ask(&chat, &stage.owner, "Please say it in bold.");
    assert!(said.entities.is_empty() && said.parse_mode.is_none(), "{said:?}");
    assert!(said.text.contains("bold") && said.text.contains("& <b>."), "{said:?}");
    let after = stage.ask(&chat, &stage.owner, "Go on.");
    assert_eq!((after.text.as_str(), chat.sent().len()), (ANYTHING, before + 2), "it was said once");
}

fn limits_in_the_words_of_a_proxy_are_kept(stage: &Stage) {
    let chat = stage.owner_chat();
    let (before, starts) = (chat.sent().len(), stage.platform.count("getMe"));
    for method in ["getUpdates", "sendMessage"] {
        stage.platform.fault(Rule::new(Fault::TooManyRequestsPage(1)).method(method).times(1));
    }
    for text in ["How are you?", "And now?"] {
        assert_eq!(stage.ask(&chat, &stage.owner, text).text, ANYTHING);
    }
    let limited = |method: &str| {
        let is_it = |call: &&Call| call.status == 429 && call.method.eq_ignore_ascii_case(method);
        stage.platform.look(|world| world.calls().iter().filter(is_it).count())
    };
    assert_eq!((limited("getUpdates"), limited("sendMessage")), (1, 1));
    assert_eq!(chat.sent().len(), before + 2, "each was said once");
    assert_eq!(stage.platform.count("getMe"), starts, "the adapter goes on");
}

fn an_edit_is_answered_as_one(stage: &Stage) {
    let chat = stage.owner_chat();
    let before = chat.sent().len();
    let said = chat.say(&stage.owner, "How much is two and two?");
    assert_eq!(stage.nth(&chat, before).text, "Four.");
    chat.edit(said.message_id, "How much is three and three?");
    assert_eq!(stage.nth(&chat, before + 1).text, "Six.");
}

fn in_a_group_it_answers_who_speaks_to_it(stage: &Stage) {
    let group = stage.bot.supergroup(-100_500, "Friends");
    let me = stage.bot.username();
    group.say(&stage.owner, "Nobody asked the bot about turnips.");
    let asked = group.say(&stage.owner, &format!("@{me} what about carrots?"));
    let answer = stage.nth(&group, 0);
    assert_eq!((answer.text.as_str(), answer.reply_to), (ANYTHING, Some(asked.message_id)));
    assert_eq!(answer.thread, None, "a chain of replies is no topic");
    let reply = group.draft(&stage.owner, "And leeks?").reply_to(answer.message_id).send();
    assert_eq!(stage.nth(&group, 1).reply_to, Some(reply.message_id));
    assert_eq!(group.sent().len(), 2);
    assert!(stage.asked("turnips").is_empty(), "what is not said to it is not told to the model");
    // What others read too never has the owner's profile in its prompt.
    let request = &stage.asked("carrots")[0];
    assert!(!request.messages()[0].to_string().contains("USER.md"), "{request:?}");
}

#[test]
fn in_privacy_mode_a_mention_is_not_heard_and_the_log_says_so() {
    let mut stage = Stage::start(Vec::new(), "", "");
    let warning = "privacy mode is on for this bot";
    assert!(!stage.log().contains(warning), "{}", stage.last_log());
    stage.stop();
    stage.bot.privacy(true);
    stage.launch();
    assert!(stage.log().contains(warning) && stage.log().contains("/setprivacy"), "{}", stage.last_log());
    let group = stage.bot.supergroup(-100_500, "Friends");
    let me = stage.bot.username();
    group.say(&stage.owner, &format!("@{me} what about carrots?"));
    let help = stage.answer(&group, || group.say(&stage.owner, &format!("/help@{me}")));
    assert!(help.text.contains("/sessions"), "{help:?}");
    let reply = group.draft(&stage.owner, "And leeks?").reply_to(help.message_id).send();
    let said = stage.nth(&group, 1);
    assert_eq!((said.text.as_str(), said.reply_to), (ANYTHING, Some(reply.message_id)));
    assert!(stage.asked("carrots").is_empty());
    stage.end();
}

fn in_a_topic_it_answers_in_the_topic(stage: &Stage) {
    let forum = stage.bot.forum(-100_600, "Forum");
    let topic = forum.topic("Garden");
    let text = format!("@{} hello from the garden", stage.bot.username());
    let asked = forum.draft(&stage.owner, &text).thread(topic).send();
    let answer = stage.nth(&forum, 0);
    assert_eq!((answer.thread, answer.reply_to), (Some(topic), Some(asked.message_id)));
    assert!(!stage.asked(&format!("channel:-100600/{topic}")).is_empty(), "the topic is a place of its own");
}

fn commands_are_answered_without_a_model(stage: &Stage) {
    let chat = stage.owner_chat();
    let requests = stage.model.requests().len();
    let help = stage.ask(&chat, &stage.owner, "/help").text;
    assert!(help.contains("/sessions"), "{help}");
    let near = stage.ask(&chat, &stage.owner, "/sesions").text;
    assert!(near.contains("Did you mean /sessions?"), "{near}");
    assert_eq!(stage.model.requests().len(), requests);
    let registered = stage.wait("the list of commands", |world| world.commands().first().cloned());
    let names: Vec<_> =
        registered.2.as_array().unwrap().iter().map(|command| command["command"].clone()).collect();
    assert!(names.contains(&json!("help")) && names.contains(&json!("new")), "{names:?}");
}

fn what_is_no_message_of_a_person_is_passed_over(stage: &Stage) {
    let chat = stage.owner_chat();
    let group = stage.bot.group(-77, "Odd things");
    group.service(&stage.owner, &json!({"new_chat_title": "Odder things"}));
    group.draft(&stage.owner, &format!("@{} anonymously", stage.bot.username())).anonymous().send();
    stage.bot.push(json!({"kind_of_tomorrow": {"a": [1, {"b": null}]}}));
    stage.bot.push(json!({"message": {"message_id": "not a number", "chat": 7}}));
    stage.bot.push(json!({}));
    let said = stage.ask(&chat, &stage.owner, "Still there?");
    assert_eq!(said.text, ANYTHING);
    assert_eq!(group.sent(), [], "a service message is no question, and who is anonymous is nobody");
    stage.answer(&chat, || chat.album(&stage.owner, "a photo of a boat", &[b"boat"]).send());
    assert!(!stage.asked("a photo of a boat").is_empty(), "a caption is a text");
}
