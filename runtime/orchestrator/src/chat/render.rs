//! Puts what is said into the platform's form. An answer that is there is not lost because an adapter is slow, away or
//! cannot render it: it is tried for as long as a message is tried to be sent, and in plainer forms.

use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::{Outbound, Part, Piece, SendError};
use openpact_model::role::Channel;
use openpact_model::text::one_line;

use super::Chat;
use super::outcome::{NOTHING, notice};

/// Parts of one answer; what comes after is left out, and that is said in the last one.
pub(super) const MOST_PARTS: usize = 100;

/// What is said in place of an answer that the adapter cannot put into its platform's form.
const UNRENDERED: &str =
    "There is an answer, but it could not be put into the form of this platform; the log says why.";

/// What is said in place of the end of an answer.
const CUT: &str = "This answer is too long for this place; its end is left out. The conversation has all of it: ask for \
                   the rest, or for a shorter answer.";

/// How much must speak against a form until a plainer one is tried.
const MOST_DOUBT: u32 = 10;

/// What a failure says against the form if the adapter blames what it was given.
const BLAME: u32 = 5;

/// What came of it.
pub(super) enum Rendered {
    /// The parts, in order; at most [`MOST_PARTS`], and at least one.
    Parts(Vec<Part>),
    /// Delivery ends; it is done after the next start.
    Ended,
    /// It was tried for as long as anything is; why it failed last.
    GivenUp(String),
}

/// The form in which it is tried, from rich to poor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Plain,
    Excuse,
}

impl Chat {
    /// A message in the platform's form.
    pub(super) async fn render(&self, channel: &Channel, outbound: Outbound) -> Rendered {
        let mut parts = match self.render_whole(channel, outbound).await {
            Rendered::Parts(parts) => parts,
            other => return other,
        };
        if parts.len() > MOST_PARTS {
            tracing::warn!(%channel, parts = parts.len(), "an answer is cut: it has too many parts");
            let cut = match self.render_whole(channel, notice(CUT)).await {
                Rendered::Parts(cut) => cut,
                other => return other,
            };
            parts.truncate(MOST_PARTS - 1);
            parts.extend(cut.into_iter().take(1));
        }
        Rendered::Parts(parts)
    }

    async fn render_whole(&self, channel: &Channel, outbound: Outbound) -> Rendered {
        let begun = self.clock.monotonic();
        let (mut form, mut message, mut doubt) = (Form::Full, outbound, 0);
        for attempt in 1.. {
            let Some(attached) = self.adapter(&channel.provider).await else { return Rendered::Ended };
            let error = match attached.render(&message).await {
                Ok(parts) if !parts.is_empty() => return Rendered::Parts(parts),
                // There was something to say, even if nothing of it can be seen.
                Ok(_) if form != Form::Excuse => {
                    (form, message) = (Form::Excuse, notice(NOTHING));
                    continue;
                }
                Ok(_) => SendError::Refused("it makes nothing of anything".to_owned()),
                Err(error) => error,
            };
            tracing::warn!(%channel, %error, attempt, "a message could not be rendered");
            if self.clock.since(begun) >= self.config.give_up {
                return Rendered::GivenUp(error.to_string());
            }
            // What is said last takes the place of the answer, so that being slow is not enough for it.
            doubt += if blames_message(&error) { BLAME } else { u32::from(form == Form::Full) };
            if doubt >= MOST_DOUBT && form != Form::Excuse {
                (form, message) = plainer(form, &message);
                doubt = 0;
            }
            if self.is_closing() {
                return Rendered::Ended;
            }
            self.rest(attempt).await;
        }
        Rendered::Ended
    }
}

/// Whether an adapter says that it cannot render this message, and not that it can render none now.
fn blames_message(error: &SendError) -> bool {
    !matches!(error, SendError::Unavailable(_) | SendError::Unknown(_) | SendError::RateLimited { .. })
}

fn plainer(form: Form, message: &Outbound) -> (Form, Outbound) {
    if form != Form::Full {
        return (Form::Excuse, notice(UNRENDERED));
    }
    let text = |piece: &Piece| match piece {
        Piece::Markdown(text) | Piece::Reasoning(text) | Piece::Notice(text) => text.clone(),
        Piece::ToolUse(used) => used.name.clone(),
        Piece::File(file) => file.name.clone(),
    };
    let text = message.pieces.iter().map(text).collect::<Vec<_>>().join("\n\n");
    (Form::Plain, notice(text))
}

/// The record of an answer that no form was found for.
pub(super) fn unrendered_record(channel: &Channel, number: i64, why: &str) -> audit::Event {
    audit::Event::new("message.answer", "runtime", one_line(&channel.to_string(), 200), Verdict::Failed)
        .with("message", number)
        .with("why", one_line(why, 200))
}
