//! What was said in a session, and what of it a provider is told.

use openpact_model::id::SessionId;
use openpact_store as store;

use super::provider::{Echo, Said};
use crate::conversation::Conversations;
use crate::image::Image;
use crate::session::Body;
use crate::tool::UNKNOWN;

/// What stands before a summary, so that the model takes it for what it is.
const SUMMARY: &str = "[Summary of the earlier conversation, made to save room]";

/// The messages of a session, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) body: Body,
    /// What the provider wants to see again; known in the turn that it came in.
    pub(super) echo: Echo,
    /// Images that the person sent with it, as far as they are still there.
    pub(super) images: Vec<Image>,
}

/// Reads a session's messages.
pub(super) async fn load(
    conversations: &Conversations,
    session: &SessionId,
) -> Result<History, store::Error> {
    let messages = conversations.all(session).await?;
    let mut history = History::default();
    for message in messages {
        history.push(&[message.number], message.body);
    }
    Ok(history)
}

impl History {
    /// Adds what was stored under these numbers, of which there is one.
    pub(super) fn push(&mut self, numbers: &[i64], body: Body) {
        self.push_with(numbers, body, Echo::new());
    }

    /// The same with what the provider wants to see again.
    pub(super) fn push_with(&mut self, numbers: &[i64], body: Body, echo: Echo) {
        let number = numbers.first().copied().unwrap_or(i64::MAX);
        self.entries.push(Entry { number, body, echo, images: Vec::new() });
    }

    /// The conversation as a provider is told it. Whatever cut an earlier turn short, every call is followed by its
    /// result, at once and in order; a result that never came is told to be unknown. Messages of the person that follow
    /// each other become one, since some models take only turns.
    pub(super) fn said(&self) -> Vec<Said> {
        let mut said = Vec::with_capacity(self.entries.len());
        let mut rest = &self.entries[..];
        while let Some((entry, after)) = rest.split_first() {
            rest = after;
            match &entry.body {
                Body::User { text } => push_user(&mut said, text, &entry.images),
                Body::Summary { text } => push_user(&mut said, &format!("{SUMMARY}\n{text}"), &[]),
                // A result whose call is not before it belongs to nothing.
                Body::Tool { .. } => {}
                Body::Assistant { text, calls } if text.is_empty() && calls.is_empty() => {}
                Body::Assistant { text, calls } => {
                    let (text, echo) = (text.clone(), entry.echo.clone());
                    said.push(Said::Assistant { text, calls: calls.clone(), echo });
                    let results =
                        rest.iter().take_while(|entry| matches!(entry.body, Body::Tool { .. })).count();
                    let (results, after) = rest.split_at(results);
                    rest = after;
                    said.extend(calls.iter().map(|call| Said::Tool {
                        id: call.id.clone(),
                        text: result(results, &call.id).unwrap_or(UNKNOWN).to_owned(),
                    }));
                }
            }
        }
        said
    }
}

fn push_user(said: &mut Vec<Said>, text: &str, images: &[Image]) {
    if let Some(Said::User { text: before, images: shown }) = said.last_mut() {
        before.push_str("\n\n");
        before.push_str(text);
        shown.extend_from_slice(images);
    } else {
        said.push(Said::User { text: text.to_owned(), images: images.to_vec() });
    }
}

fn result<'a>(results: &'a [Entry], wanted: &str) -> Option<&'a str> {
    results.iter().find_map(|entry| match &entry.body {
        Body::Tool { id, text, .. } if id == wanted => Some(text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Call;

    fn user(text: &str) -> Body {
        Body::User { text: text.to_owned() }
    }

    fn assistant(text: &str, calls: &[&str]) -> Body {
        let call =
            |id: &&str| Call { id: (*id).to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        Body::Assistant { text: text.to_owned(), calls: calls.iter().map(call).collect() }
    }

    fn tool(id: &str, text: &str) -> Body {
        Body::Tool { id: id.to_owned(), is_error: false, text: text.to_owned() }
    }

    /// The conversation in short: `u:` user, `a:` assistant with its calls, `t:` result.
    fn check(bodies: Vec<Body>, expected: &[&str]) {
        let mut history = History::default();
        for (number, body) in (1..).zip(bodies) {
            history.push(&[number], body);
        }
        let shown: Vec<String> = history
            .said()
            .into_iter()
            .map(|said| match said {
                Said::User { text, images } if images.is_empty() => format!("u:{text}"),
                Said::User { text, images } => format!("u:{text}+{}", images.len()),
                Said::Assistant { text, calls, .. } => {
                    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
                    format!("a:{text}{ids:?}")
                }
                Said::Tool { id, text } => {
                    format!("t:{id}:{}", if text == UNKNOWN { "unknown" } else { &text })
                }
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_whole_turn_stays_as_it_is() {
        check(
            vec![
                user("hi"),
                assistant("", &["a", "b"]),
                tool("a", "1"),
                tool("b", "2"),
                assistant("done", &[]),
            ],
            &["u:hi", "a:[\"a\", \"b\"]", "t:a:1", "t:b:2", "a:done[]"],
        );
    }

    #[test]
    fn calls_without_results_are_told_to_be_unknown() {
        let repaired = ["u:hi", "a:[\"a\", \"b\"]", "t:a:unknown", "t:b:2", "u:again"];
        check(vec![user("hi"), assistant("", &["a", "b"]), tool("b", "2"), user("again")], &repaired);
        check(vec![assistant("x", &["a"])], &["a:x[\"a\"]", "t:a:unknown"]);
    }

    #[test]
    fn results_without_calls_and_empty_answers_are_left_out() {
        check(vec![tool("a", "1"), user("hi"), assistant("", &[]), user("ho")], &["u:hi\n\nho"]);
        check(
            vec![assistant("", &["a"]), tool("a", "1"), tool("a", "2"), tool("z", "3"), user("hi")],
            &["a:[\"a\"]", "t:a:1", "u:hi"],
        );
    }

    #[test]
    fn a_summary_is_said_as_what_it_is() {
        check(
            vec![Body::Summary { text: "s".to_owned() }, user("hi")],
            &["u:[Summary of the earlier conversation, made to save room]\ns\n\nhi"],
        );
    }

    #[test]
    fn images_stand_with_what_was_said_with_them() {
        let mut history = History::default();
        for (number, body) in (1..).zip([user("a"), user("b"), assistant("c", &[]), user("d")]) {
            history.push(&[number], body);
        }
        let image = |byte| Image::new(crate::image::Format::Gif, vec![byte]);
        history.entries[0].images = vec![image(1)];
        history.entries[1].images = vec![image(2), image(3)];
        let said = history.said();
        let shown = |at: usize| match &said[at] {
            Said::User { images, .. } => images.iter().map(|image| image.bytes()[0]).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        assert_eq!((shown(0), shown(2)), (vec![1, 2, 3], vec![]));
    }
}
