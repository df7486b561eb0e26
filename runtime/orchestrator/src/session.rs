//! Which session a channel talks in, and who may see which.

use openpact_engine::{Engine, Session};
use openpact_model::id::SessionId;
use openpact_model::role::{Audience, Channel, Role};
use openpact_model::text::one_line;
use openpact_store::Store;
use serde_json::{Value, json};

use crate::Error;

/// Where it is kept in the settings who reads a session.
const AUDIENCE_SCOPE: &str = "session-audience";

/// Who reads a session of which nothing is noted, as of those of an earlier program: then no group gets to see it.
const UNNOTED: Audience = Audience::Private;

/// What people are told where a session does not go on.
const OTHERS: &str = "Other people read this channel now than before, so this is a new conversation.";

/// What they are told where it is one of which nothing is noted.
const OLD: &str = "The conversation that was open here is older than the rule that private things stay out of what others \
                   read, so this is a new one. The owner, alone with me, finds the old one with /sessions.";

/// The longest title that is made of a message, in characters.
const TITLE: usize = 60;

/// A session for a turn, and what the person should know about it.
pub(crate) struct Found {
    pub(crate) session: Session,
    pub(crate) notice: Option<&'static str>,
}

/// The session that `channel` talks in; a new one where there is none that fits.
pub(crate) async fn active(
    store: &Store,
    engine: &dyn Engine,
    channel: &Channel,
    audience: Audience,
) -> Result<Found, Error> {
    let Some(id) = store.sessions().active(channel).await? else {
        let session = create(store, engine, channel, audience, None).await?;
        return Ok(Found { session, notice: None });
    };
    let Some(session) = engine.get_session(&id).await? else {
        let session = create(store, engine, channel, audience, None).await?;
        let notice = Some("The conversation that was open here no longer exists; this is a new one.");
        return Ok(Found { session, notice });
    };
    // What was said where only the owner reads must not be told where others do, and the other way round it would
    // get there with the next message.
    let noted = noted_audience(store, &id).await?;
    if noted.unwrap_or(UNNOTED) == audience {
        return Ok(Found { session, notice: None });
    }
    let session = create(store, engine, channel, audience, None).await?;
    Ok(Found { session, notice: Some(if noted.is_some() { OTHERS } else { OLD }) })
}

/// Makes a session and has `channel` talk in it.
pub(crate) async fn create(
    store: &Store,
    engine: &dyn Engine,
    channel: &Channel,
    audience: Audience,
    title: Option<&str>,
) -> Result<Session, Error> {
    let session = engine.create_session(title).await?;
    store.settings().set(AUDIENCE_SCOPE, session.id.as_str(), json!(audience)).await?;
    store.sessions().set_active(channel, &session.id).await?;
    Ok(session)
}

/// Who reads a session.
pub(crate) async fn audience_of(store: &Store, id: &SessionId) -> Result<Audience, Error> {
    Ok(noted_audience(store, id).await?.unwrap_or(UNNOTED))
}

/// The same as far as it was noted.
async fn noted_audience(store: &Store, id: &SessionId) -> Result<Option<Audience>, Error> {
    let stored = store.settings().get(AUDIENCE_SCOPE, id.as_str()).await?;
    Ok(stored.and_then(|value: Value| serde_json::from_value(value).ok()))
}

/// The sessions that a person may see from a channel: those of the channel, and an owner who is alone all.
pub(crate) async fn visible(
    store: &Store,
    engine: &dyn Engine,
    channel: &Channel,
    role: Role,
    audience: Audience,
) -> Result<Vec<Session>, Error> {
    let all = engine.list_sessions().await?;
    if role == Role::Owner && audience == Audience::Private {
        return Ok(all);
    }
    let here = store.sessions().of_channel(channel).await?;
    let mut seen = Vec::new();
    for session in all {
        let is_here = here.iter().any(|row| row.id == session.id);
        if is_here && audience_of(store, &session.id).await? == audience {
            seen.push(session);
        }
    }
    Ok(seen)
}

/// A title from the first message: its first line that says something, shortened at a word.
pub(crate) fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= TITLE {
        return one_line(&words, TITLE);
    }
    let cut: String = words.chars().take(TITLE).collect();
    let end = cut.rfind(' ').filter(|at| *at >= TITLE / 2).unwrap_or(cut.len());
    format!("{}…", one_line(&cut[..end], TITLE))
}

/// What a person types as a title.
pub(crate) fn given_title(text: &str) -> String {
    one_line(text.trim(), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(title(text), expected);
    }

    #[test]
    fn a_title_is_the_first_line_shortened_at_a_word() {
        check("  \n\n Plan   the trip \nto Rome", "Plan the trip");
        check("", "");
        check(&"x".repeat(60), &"x".repeat(60));
        check(&"x".repeat(61), &format!("{}…", "x".repeat(60)));
        let words = "seven77 ".repeat(20);
        check(&words, &format!("{}…", "seven77 ".repeat(7).trim()));
        check("a\u{1b}[31mb\u{202e}", "a\\u{1b}[31mb\\u{202e}");
        check(&"ä".repeat(70), &format!("{}…", "ä".repeat(60)));
    }
}
