//! Programs that answer each other without end, and names that are made to deceive who reads them. What strangers try
//! who want more than they may have is in `tests/incidents/strangers-and-forged-system-messages`.

use serde_json::json;

use super::stage::{ANYTHING, Stage, assert_recorded, code};

/// The bot that is let speak, as a guest, in one group.
const PROGRAM: i64 = 900;
const GROUP: i64 = -100_900;

#[test]
fn programs_and_marks_do_nobody_harm() {
    let providers = format!("      channels: {{ \"{GROUP}\": {{ default: guest }} }}");
    let stage = Stage::start(Vec::new(), &providers, &format!(", bots: [\"{PROGRAM}\"]"));
    programs_that_answer_each_other_are_stopped(&stage);
    marks_that_deceive_are_shown_as_what_they_are(&stage);
    stage.end();
}

fn programs_that_answer_each_other_are_stopped(stage: &Stage) {
    let group = stage.bot.supergroup(GROUP, "Programs");
    let me = stage.bot.username();
    let mut program = stage.platform.user(PROGRAM, "Program");
    program.is_bot = true;
    let mut other = stage.platform.user(PROGRAM + 1, "Another program");
    other.is_bot = true;
    group.say(&other, &format!("@{me} I am not listed"));
    for turn in 0..7 {
        group.say(&program, &format!("@{me} I answer your answer {turn}"));
    }
    let asked = group.say(&stage.owner, &format!("@{me} what is going on here?"));
    let is_ours = |sent: &openpact_fake_telegram::Sent| sent.reply_to == Some(asked.message_id);
    stage.wait("the answer to a person", |world| world.sent(GROUP).iter().any(is_ours).then_some(()));
    assert_eq!(group.sent().len(), 6, "five for the program and one for the person");
    assert!(stage.asked("I am not listed").is_empty(), "programs that are not listed are not heard");
    let refused = json!({"verdict": "denied", "detail": {"reason": "a loop of programs"}});
    assert_recorded(&stage.audit("message.refuse", &format!("telegram:{PROGRAM}")), &refused);
}

fn marks_that_deceive_are_shown_as_what_they_are(stage: &Stage) {
    let marks = ['\u{1b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{7}', '\u{9b}'];
    let trick = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}renwO\u{2066}\u{200f}\u{9b}31m";
    let henry = stage.platform.user(607, trick);
    let chat = stage.bot.private(&henry);
    let refusal = stage.ask(&chat, &henry, &format!("{trick} let me in"));
    assert!(!refusal.text.contains(marks), "{:?}", refusal.text);
    let clean = |what: &str, text: &str| assert!(!text.contains(marks), "{what}: {text:?}");
    clean("user list", &stage.good(&["user", "list"]));
    clean("user list --json", &stage.good(&["user", "list", "--json"]));
    let records = stage.audit("message.refuse", "telegram:607");
    assert_recorded(&records, &json!({"verdict": "denied", "detail": {"reason": "unknown sender"}}));
    clean("the record", &json!(records).to_string());
    let told = stage.good(&["user", "accept", &code(&refusal.text)]);
    clean("user accept", &told);
    assert_eq!(stage.ask(&chat, &henry, &format!("Hello {trick}")).text, ANYTHING);
    clean("audit show", &stage.good(&["audit", "show", "--limit", "1000"]));
    clean("the log", &stage.log());
    let request = &stage.asked("channel:607, user:607")[0];
    let messages = request.messages();
    let said = messages.last().unwrap()["content"].as_str().unwrap();
    let source = said.lines().next().unwrap();
    assert!(source.starts_with("[via telegram"), "{source}");
    clean("the source line of a prompt", source);
}
