//! What an earlier program left, taken in once.

use std::sync::Arc;

use openpact_model::audit::Event;
use openpact_model::chat::Detail;
use openpact_model::id::SessionId;
use openpact_model::role::Channel;
use rusqlite::{Connection, params};

use crate::Inner;
use crate::audit::prepare;
use crate::chat_channel;
use crate::error::Error;
use crate::session::place;
use crate::setting;
use crate::writer::Transaction;

/// Where it is remembered what was taken in.
const SCOPE: &str = "import";

/// What is to be taken in of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// The session that each channel talks in.
    pub sessions: Vec<(Channel, SessionId)>,
    /// How much of its work the assistant shows in each channel.
    pub modes: Vec<(Channel, Detail)>,
}

/// The sources.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// Whether a source of that name was taken in already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_done(&self, source: &str) -> Result<bool, Error> {
        let source = source.to_owned();
        let work = move |connection: &Connection| Ok(setting::read(connection, SCOPE, &source)?.is_some());
        self.0.readers.run(work).await
    }

    /// Takes a source in, with a record that says how much, and remembers that: all of it or nothing. A channel that
    /// talks in a session already, or in which a mode was chosen, stays as it is, and so does one whose session is not
    /// there. Gives how many of each were taken; `None` where the source was taken in before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take(
        &self,
        source: &str,
        import: Import,
        event: Event,
    ) -> Result<Option<(u64, u64)>, Error> {
        let source = source.to_owned();
        let work = move |open: &mut Transaction<'_>| {
            if setting::read(open.connection, SCOPE, &source)?.is_some() {
                return Ok(None);
            }
            let (mut sessions, mut modes) = (0, 0);
            for (channel, id) in &import.sessions {
                sessions += u64::from(take_session(open, channel, id)?);
            }
            for (channel, mode) in &import.modes {
                modes += u64::from(take_mode(open, channel, *mode)?);
            }
            setting::write(open.connection, SCOPE, &source, "true", open.now())?;
            let event = event.clone().with("sessions", sessions).with("modes", modes);
            open.append(&prepare(&event)?)?;
            Ok(Some((sessions, modes)))
        };
        self.0.writer.run(work).await
    }
}

fn take_session(open: &Transaction<'_>, channel: &Channel, id: &SessionId) -> Result<bool, Error> {
    let [provider, channel, thread] = place(channel);
    let sql = "INSERT INTO session_channel (provider, channel, thread, session, active, since)
               SELECT ?1, ?2, ?3, id, 1, ?5 FROM session WHERE id = ?4 AND NOT EXISTS (
                   SELECT 1 FROM session_channel WHERE provider = ?1 AND channel = ?2 AND thread = ?3 AND active = 1)
               ON CONFLICT DO UPDATE SET active = 1, since = excluded.since";
    let values = params![provider, channel, thread, id.as_str(), open.now()];
    Ok(open.connection.prepare_cached(sql)?.execute(values)? > 0)
}

fn take_mode(open: &Transaction<'_>, channel: &Channel, mode: Detail) -> Result<bool, Error> {
    let [instance, channel, thread] = place(channel);
    let sql = "INSERT INTO chat_channel (instance, channel, thread, mode) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET mode = excluded.mode WHERE mode IS NULL";
    let values = params![instance, channel, thread, chat_channel::name(mode)];
    Ok(open.connection.prepare_cached(sql)?.execute(values)? > 0)
}
