//! Talking through a pipe: one message a line, the answers to standard output, everything else to standard error.

use std::pin::pin;

use openpact_engine::Event;
use openpact_model::text::{one_line, terminal};
use openpact_orchestrator::Update;
use serde_json::json;

use super::input::{Input, Lines};
use super::{Conversation, ENDING};
use crate::exit::{Code, Failure};
use crate::present::{Output, complain, print};

/// The widest that a tool's answer is shown.
const SHORT: usize = 160;

/// Talks until the input ends. Lines without anything on them are skipped; an answer that ends with an error is told on
/// standard error, and the next line is taken all the same, as after a line that is no text.
///
/// # Errors
/// When the input cannot be read; at the end, when an answer failed or a line was left out.
pub(super) async fn talk(conversation: &Conversation<'_>, output: Output) -> Result<(), Failure> {
    let mut lines = Lines::from_pipe().map_err(Failure::doing("standard input cannot be read"))?;
    let mut failed: usize = 0;
    loop {
        let text = match conversation.next(&mut lines).await {
            Input::Line(text) if text.trim().is_empty() => continue,
            Input::Line(text) => text,
            Input::Interrupt | Input::End => break,
            Input::Unfit(why) => {
                complain(&format!("error: {why}"));
                failed += 1;
                continue;
            }
            Input::Broken(why) => {
                return Err(Failure::new(Code::Failed, format!("standard input cannot be read: {why}")));
            }
        };
        failed += usize::from(!answer(conversation, text, output).await);
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new(Code::Failed, "one message was not answered; the line above says why")),
        some => Err(Failure::new(Code::Failed, format!("{some} messages were not answered; see above"))),
    }
}

/// Shows the answer to one message; `false` where it failed.
async fn answer(conversation: &Conversation<'_>, text: String, output: Output) -> bool {
    let mut is_good = true;
    let mut updates = conversation.say(text);
    let mut part = None;
    let mut open = false;
    let mut expired = pin!(conversation.expired());
    let mut told = false;
    loop {
        let update = tokio::select! {
            update = updates.recv() => update.unwrap_or(Update::Done),
            () = &mut expired => break,
            () = conversation.signals.stopped(), if !told => {
                complain(ENDING);
                told = true;
                continue;
            }
        };
        is_good &= !matches!(update, Update::Event(Event::Error { .. }));
        if output.json {
            print(&format!("{}\n", as_json(&update)));
            if update == Update::Done {
                return is_good;
            }
            continue;
        }
        match update {
            Update::Event(Event::Text { part: of, text }) => {
                if open && part.is_some_and(|part| part != of) {
                    print("\n");
                }
                part = Some(of);
                open = !text.ends_with('\n');
                print(&terminal(&text));
            }
            Update::Event(Event::ToolCall { name, arguments, .. }) if conversation.show_tools => {
                complain(&format!("tool {} {}", one_line(&name, 64), one_line(&arguments, SHORT)));
            }
            Update::Event(Event::ToolResult { is_error, text, .. }) if conversation.show_tools => {
                let how = if is_error { "failed" } else { "answered" };
                complain(&format!("tool {how}: {}", one_line(&text, SHORT)));
            }
            Update::Event(Event::Error { message, .. }) => {
                complain(&format!("error: {}", terminal(&message)));
            }
            Update::Event(Event::Notice { text }) | Update::Notice(text) => {
                print(&format!("{}\n", terminal(&text)));
            }
            Update::Event(_) => {}
            Update::Done => break,
        }
    }
    if open {
        print("\n");
    }
    is_good
}

fn as_json(update: &Update) -> serde_json::Value {
    match update {
        Update::Event(event) => json!(event),
        Update::Notice(text) => json!({ "type": "notice", "text": text }),
        Update::Done => json!({ "type": "done" }),
    }
}
