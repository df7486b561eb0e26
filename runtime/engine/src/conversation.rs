//! Sessions and messages in the store, as both engines keep them.

use openpact_model::id::SessionId;
use openpact_model::text;
use openpact_store::usage::Total;
use openpact_store::{self as store, Store};

use crate::Error;
use crate::builtin::Usage;
use crate::session::{Body, Message, Session};

/// The longest title in characters.
const TITLE: usize = 60;

/// The sessions of one engine.
#[derive(Clone)]
pub(crate) struct Conversations {
    store: Store,
    engine: &'static str,
}

impl Conversations {
    pub(crate) fn new(store: Store, engine: &'static str) -> Self {
        Self { store, engine }
    }

    pub(crate) async fn create(&self, title: Option<&str>) -> Result<Session, Error> {
        let title = text::one_line(title.unwrap_or_default(), TITLE);
        let row = self.store.sessions().create(self.engine, &title).await.map_err(Error::store)?;
        Ok(session(row))
    }

    pub(crate) async fn list(&self) -> Result<Vec<Session>, Error> {
        let rows = self.store.sessions().list(self.engine).await.map_err(Error::store)?;
        Ok(rows.into_iter().map(session).collect())
    }

    pub(crate) async fn get(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        Ok(self.row(id).await?.map(session))
    }

    /// The session, or [`Error::UnknownSession`].
    pub(crate) async fn require(&self, id: &SessionId) -> Result<Session, Error> {
        self.get(id).await?.ok_or_else(|| Error::UnknownSession(id.clone()))
    }

    /// The model that the session is set to; `None` for the default.
    pub(crate) async fn model(&self, id: &SessionId) -> Result<Option<String>, Error> {
        let row = self.row(id).await?;
        row.map(|row| row.model).ok_or_else(|| Error::UnknownSession(id.clone()))
    }

    /// Sets the session to a model, or back to the default.
    pub(crate) async fn set_model(&self, id: &SessionId, model: Option<&str>) -> Result<(), Error> {
        self.require(id).await?;
        known(id, self.store.sessions().set_model(id, model).await.map_err(Error::store)?)
    }

    /// What all requests of the session took, and what the last one did.
    pub(crate) async fn usage(&self, id: &SessionId) -> Result<(Total, Total), Error> {
        let usage = self.store.usage();
        let total = usage.total(id).await.map_err(Error::store)?;
        let last = usage.last(id).await.map_err(Error::store)?;
        Ok((total, last.unwrap_or_default()))
    }

    /// Adds what a request took.
    pub(crate) async fn used(
        &self,
        id: &SessionId,
        used: &Usage,
        cost: Option<f64>,
    ) -> Result<(), store::Error> {
        self.store.usage().add(id, used.input, used.output, used.cached, cost).await
    }

    pub(crate) async fn rename(&self, id: &SessionId, title: &str) -> Result<(), Error> {
        self.require(id).await?;
        let renamed = self.store.sessions().rename(id, &text::one_line(title, TITLE)).await;
        known(id, renamed.map_err(Error::store)?)
    }

    pub(crate) async fn delete(&self, id: &SessionId) -> Result<(), Error> {
        self.require(id).await?;
        known(id, self.store.sessions().delete(id).await.map_err(Error::store)?)
    }

    /// Gives a session without a title the first words that were said in it.
    pub(crate) async fn entitle(&self, session: &Session, words: &str) -> Result<(), store::Error> {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if !session.title.is_empty() || words.is_empty() {
            return Ok(());
        }
        self.store.sessions().rename(&session.id, &text::one_line(&words, TITLE)).await?;
        Ok(())
    }

    /// Stores messages and gives their numbers.
    pub(crate) async fn append(&self, id: &SessionId, bodies: &[Body]) -> Result<Vec<i64>, store::Error> {
        let values: Vec<_> = bodies.iter().map(encode).collect();
        self.store.messages().append(id, &values).await
    }

    pub(crate) async fn page(
        &self,
        id: &SessionId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Message>, Error> {
        self.require(id).await?;
        let rows = self.store.messages().page(id, before, limit).await.map_err(Error::store)?;
        Ok(rows.into_iter().filter_map(message).collect())
    }

    /// Takes back the messages after number `after`, but no summary: it stands for older ones too.
    pub(crate) async fn rewind(&self, id: &SessionId, after: i64) -> Result<(), Error> {
        self.require(id).await?;
        let messages = self.all(id).await.map_err(Error::store)?;
        let is_summary = |message: &&Message| matches!(message.body, Body::Summary { .. });
        let summary = messages.iter().rfind(is_summary).map_or(0, |message| message.number);
        self.store.messages().remove_after(id, after.max(summary)).await.map_err(Error::store)?;
        Ok(())
    }

    /// Every message of the session, oldest first.
    pub(crate) async fn all(&self, id: &SessionId) -> Result<Vec<Message>, store::Error> {
        const PAGE: u32 = 500;
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = self.store.messages().page(id, before, PAGE).await?;
            let full = page.len() == PAGE as usize;
            before = page.first().map(|row| row.number);
            pages.push(page);
            if !full {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().filter_map(message).collect())
    }

    /// Puts a summary in the place of all messages before `number`.
    pub(crate) async fn summarise(
        &self,
        id: &SessionId,
        number: i64,
        text: &str,
    ) -> Result<(), store::Error> {
        let summary = encode(&Body::Summary { text: text.to_owned() });
        self.store.messages().replace_before(id, number, summary).await?;
        Ok(())
    }

    async fn row(&self, id: &SessionId) -> Result<Option<store::session::Row>, Error> {
        let row = self.store.sessions().get(id).await.map_err(Error::store)?;
        Ok(row.filter(|row| row.engine == self.engine))
    }
}

fn known(id: &SessionId, found: bool) -> Result<(), Error> {
    if found { Ok(()) } else { Err(Error::UnknownSession(id.clone())) }
}

fn session(row: store::session::Row) -> Session {
    Session { id: row.id, title: row.title, created: row.created, updated: row.updated }
}

fn encode(body: &Body) -> serde_json::Value {
    serde_json::to_value(body).expect("a message is made of texts and flags")
}

/// A stored message; one of a shape that a later version wrote is left out rather than making a session unreadable.
fn message(row: store::message::Row) -> Option<Message> {
    match serde_json::from_value(row.body) {
        Ok(body) => Some(Message { number: row.number, created: row.created, body }),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                number = row.number,
                error,
                "a stored message is of an unknown shape and is left out"
            );
            None
        }
    }
}
