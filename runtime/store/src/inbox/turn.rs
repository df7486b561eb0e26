//! How an event goes from one state to the next, each step in one transaction.

use openpact_model::chat::Message;

use super::*;

/// A turn that begins.
#[derive(Debug, Clone)]
pub struct Begin {
    /// The event.
    pub number: i64,
    /// How often it had been changed when it was read: what was changed since is read anew.
    pub edits: u32,
    /// The turn that is begun for it.
    pub turn: TurnId,
    /// The session that it runs in.
    pub session: SessionId,
}

/// The end of an event.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The event.
    pub number: i64,
    /// How it stands from now on.
    pub state: State,
    /// What is sent because of it, in order.
    pub parts: Vec<outbox::New>,
    /// What is recorded of it.
    pub event: Option<audit::Event>,
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// The message waits still, and is now as the edit says.
    Replaced,
    /// The message was the newest of its channel: the edit is a turn of its own now, and the message is done. `running`
    /// says that a turn ran for it, which is to be stopped.
    Turn {
        /// The number of the message whose turn runs, if one does.
        running: Option<i64>,
    },
    /// The message is unknown, somebody else's, or too old.
    Ignored,
}

impl Table {
    /// Writes down that a turn begins; says whether the event waited for it. On disk when this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin(&self, begin: &Begin) -> Result<bool, Error> {
        let Begin { number, edits, turn, session } = begin.clone();
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET state = 'running', attempts = attempts + 1, turn = ?2, session = ?3,
                           after = NULL, before = (SELECT coalesce(max(number), 0) FROM message WHERE session = ?3)
                       WHERE number = ?1 AND state = 'received' AND edits = ?4";
            let values = params![number, turn.as_str(), session.as_str(), edits];
            Ok(open.connection.prepare_cached(sql)?.execute(values)? > 0)
        };
        self.0.writer.run(work).await
    }

    /// Writes down that something is done for an event which must not be done twice; says whether that was not written
    /// down before. On disk when this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_once(&self, number: i64) -> Result<bool, Error> {
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET state = 'running', attempts = attempts + 1
                       WHERE number = ?1 AND state = 'received'";
            Ok(open.connection.prepare_cached(sql)?.execute([number])? > 0)
        };
        self.0.writer.run(work).await
    }

    /// Lets an event wait again whose turn was begun and left nothing behind; says whether there was such a turn. One
    /// that was stopped on purpose counts as no attempt.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release(&self, number: i64) -> Result<bool, Error> {
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET state = 'received', turn = NULL, session = NULL, before = NULL, after = NULL,
                           attempts = attempts - (after IS NOT NULL)
                       WHERE number = ?1 AND state = 'running'";
            Ok(open.connection.prepare_cached(sql)?.execute([number])? > 0)
        };
        self.0.writer.run(work).await
    }

    /// Marks every turn that runs as one that was stopped on purpose, so that what it leaves in its session is not
    /// taken for all of its answer: `after` is set from then on.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn park(&self) -> Result<(), Error> {
        let work = |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET after = before WHERE state IN ('received', 'running') AND state = 'running'";
            open.connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        self.0.writer.run(work).await
    }

    /// Ends an open event and stores what is sent because of it, all or nothing. The parts take the places of the
    /// messages that showed the answer while it was written; of those, what is too many is taken back. Where nothing
    /// else waits in the channel, what is first is given back as being sent; `None` in the outer place where the event
    /// was not open any more, and then nothing was stored.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish(&self, finish: Finish) -> Result<Option<Option<outbox::Row>>, Error> {
        let Finish { number, state, parts, event } = finish;
        let parts = parts.into_iter().map(outbox::Prepared::new).collect::<Result<Vec<_>, _>>()?;
        let event = event.as_ref().map(crate::audit::prepare).transpose()?;
        let work = move |open: &mut Transaction<'_>| {
            let now = open.now();
            let sql = "UPDATE inbox SET state = ?2, ended = ?3,
                           after = (SELECT max(number) FROM message WHERE session = inbox.session)
                       WHERE number = ?1 AND state IN ('received', 'running')";
            if open.connection.prepare_cached(sql)?.execute(params![number, state.as_str(), now])? == 0 {
                return Ok(None);
            }
            if let Some(event) = &event {
                open.append(event)?;
            }
            let places = partial::of(open.connection, number)?;
            if places.is_empty() {
                return outbox::insert(open, Some(number), &parts).map(Some);
            }
            outbox::replace(open, number, &parts, &places).map(Some)
        };
        self.0.writer.run(work).await
    }

    /// Does what the edit `number` asks for.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn edit(&self, number: i64) -> Result<Edit, Error> {
        self.0.writer.run(move |open| edit(open, number)).await
    }

    /// Has the event `number`, which has ended, wait for a turn again, and puts the event `by` that asked for it into
    /// `state`: `Answered`, or `Running` where it is answered still. Says whether it had ended, and `by` had not.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn again(&self, number: i64, by: i64, state: State) -> Result<bool, Error> {
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET state = 'received', ended = NULL, attempts = 0, turn = NULL, session = NULL,
                           before = NULL, after = NULL
                       WHERE number = ?1 AND state IN ('answered', 'failed') AND body IS NOT NULL
                         AND EXISTS (SELECT 1 FROM inbox WHERE number = ?2 AND state IN ('received', 'running'))";
            if open.connection.prepare_cached(sql)?.execute([number, by])? == 0 {
                return Ok(false);
            }
            if state == State::Running {
                let sql = "UPDATE inbox SET state = 'running', attempts = attempts + 1 WHERE number = ?1";
                open.connection.prepare_cached(sql)?.execute([by])?;
            } else {
                end(open, by, state)?;
            }
            Ok(true)
        };
        self.0.writer.run(work).await
    }
}

fn end(open: &mut Transaction<'_>, number: i64, state: State) -> Result<(), Error> {
    let now = open.now();
    let sql =
        "UPDATE inbox SET state = ?2, ended = ?3 WHERE number = ?1 AND state IN ('received', 'running')";
    open.connection.prepare_cached(sql)?.execute(params![number, state.as_str(), now])?;
    Ok(())
}

fn edit(open: &mut Transaction<'_>, number: i64) -> Result<Edit, Error> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE number = ?1 AND body IS NOT NULL");
    let Some(edit) = open.connection.prepare_cached(&sql)?.query_row([number], row).optional()? else {
        return Ok(Edit::Ignored);
    };
    let target = newest(open.connection, &place(&edit.channel()))?;
    let waiting = waiting(open.connection, &edit)?;
    // Only its author changes a message, whatever an adapter reports.
    let is_its = |row: &Row| {
        event::message(&row.event) == event::message(&edit.event)
            && row.event.author.id == edit.event.author.id
    };
    if let Some(waiting) = waiting.filter(is_its) {
        if says_the_same(&waiting.event, &edit.event) {
            end(open, number, State::Answered)?;
            return Ok(Edit::Ignored);
        }
        let body = to_json(&Event { happening: as_message(edit.event.happening), ..waiting.event })?;
        let sql = "UPDATE inbox SET body = ?2, edits = edits + 1 WHERE number = ?1";
        open.connection.prepare_cached(sql)?.execute(params![waiting.number, body])?;
        end(open, number, State::Answered)?;
        return Ok(Edit::Replaced);
    }
    // Platforms report more than what people change: a preview of a link, a reaction, the place of somebody who walks.
    let target = target.filter(is_its).filter(|target| !says_the_same(&target.event, &edit.event));
    let Some(target) = target else {
        end(open, number, State::Answered)?;
        return Ok(Edit::Ignored);
    };
    let running = (target.state == State::Running).then_some(target.number);
    end(open, target.number, State::Answered)?;
    partial::pass_on(open, target.number, number)?;
    let sql = "UPDATE inbox SET lane = 'turn' WHERE number = ?1";
    open.connection.prepare_cached(sql)?.execute([number])?;
    Ok(Edit::Turn { running })
}

/// What waits still of the message that `edit` changes.
fn waiting(connection: &Connection, edit: &Row) -> Result<Option<Row>, Error> {
    let [instance, channel, thread] = place(&edit.channel());
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND lane = 'turn'
           AND state = 'received' AND message = ?4 ORDER BY number DESC LIMIT 1"
    );
    let values = params![instance, channel, thread, event::message(&edit.event)];
    Ok(connection.prepare_cached(&sql)?.query_row(values, row).optional()?)
}

/// Whether an edit leaves what the assistant is told as it was.
fn says_the_same(before: &Event, edit: &Event) -> bool {
    let (Some(before), Some(edit)) = (said(before), said(edit)) else { return false };
    (&before.text, before.others, &before.attachments, &before.reply_to)
        == (&edit.text, edit.others, &edit.attachments, &edit.reply_to)
}

fn said(event: &Event) -> Option<&Message> {
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => Some(message),
        _ => None,
    }
}

/// An edit of what nobody has read yet is the message.
fn as_message(happening: Happening) -> Happening {
    match happening {
        Happening::Edit(message) => Happening::Message(message),
        other => other,
    }
}
