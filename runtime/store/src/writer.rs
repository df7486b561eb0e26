//! The one thread that writes. It takes everything that waits in its queue, runs it in one transaction with a
//! savepoint for each job, commits once, and answers only then: many writers share one wait for the disk.
//!
//! A job that fails is undone alone. When the transaction as a whole fails (no room for it), each job gets a
//! transaction of its own, so that one that needs much room does not take its neighbours down.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use openpact_model::clock::Clock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::audit::Tail;
use crate::error::Error;
use crate::metric;

/// The most jobs in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;

/// Something to do after the commit and before the answer, such as publishing a new snapshot.
type Effect = Box<dyn FnOnce() + Send>;

/// What a job works on.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) clock: &'a dyn Clock,
    /// The end of the audit chain, as this transaction will leave it.
    pub(crate) tail: &'a mut Tail,
    effects: &'a mut Vec<Effect>,
}

impl Transaction<'_> {
    /// The time of day, as the store writes it.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    /// The time of day, cut to what the store can write.
    pub(crate) fn timestamp(&self) -> Timestamp {
        crate::column::timestamp(self.now()).expect("a time that was read from a timestamp is in its range")
    }

    /// Does `effect` if and when this transaction is on disk.
    pub(crate) fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.effects.push(Box::new(effect));
    }
}

/// A handle to the thread.
pub(crate) struct Writer {
    queue: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    committed: Committed,
}

/// Number and hash of the last audit entry that this process committed: it knows them whatever the files say.
type Committed = Arc<Mutex<(i64, [u8; 32])>>;

enum Order {
    Job(Box<dyn Job>),
    /// Finish what came before, close the database, say so.
    Close(oneshot::Sender<Result<(), Error>>),
}

/// A job may run twice, if the group that it was in failed: what it did the first time is undone by then.
trait Job: Send {
    /// Runs it; says whether what it wrote may stay.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool;
    /// Gives the caller what `run` left; with a `failure` of the whole transaction, an error at any rate.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Task<F, T> {
    work: F,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Task<F, T>
where
    F: Fn(&mut Transaction<'_>) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool {
        self.result.insert((self.work)(transaction)).is_ok()
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let result = match (self.result, failure) {
            (Some(Ok(_)) | None, Some(failure)) => Err(failure),
            // The job's own error says more than that the transaction failed.
            (Some(result), _) => result,
            (None, None) => Err(Error::Closed),
        };
        // A caller that went away does not want to know; the work is done all the same.
        drop(self.reply.send(result));
    }
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(crate) fn start(connection: Connection, clock: Arc<dyn Clock>, tail: Tail) -> Result<Self, Error> {
        let (queue, orders) = channel();
        let committed = Arc::new(Mutex::new((tail.number, tail.hash)));
        let worker = Worker { connection, clock, tail, committed: Arc::clone(&committed) };
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || worker.work(&orders))
            .map_err(|source| Error::file("the writer thread".as_ref(), source))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), committed })
    }

    /// Number and hash of the last audit entry that was committed.
    pub(crate) fn committed(&self) -> (i64, [u8; 32]) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in a transaction; when this returns `Ok`, what it wrote is on disk. It goes on even if the caller
    /// stops waiting. The queue has no bound of its own: each waiting caller is one entry.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Job(Box::new(Task { work, result: None, reply })))?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs `work` in its turn, and nobody waits for it. What fails is logged by `work` itself or lost.
    pub(crate) fn post(&self, work: impl Fn(&mut Transaction<'_>) -> Result<(), Error> + Send + 'static) {
        let (reply, _) = oneshot::channel();
        // A store that was closed takes nothing any more.
        drop(self.send(Order::Job(Box::new(Task { work, result: None, reply }))));
    }

    /// Finishes everything that was asked for before, moves the log into the database and closes it.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Close(reply))?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    fn send(&self, order: Order) -> Result<(), Error> {
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(order).map_err(|_| Error::Closed)
    }
}

impl Drop for Writer {
    /// Waits until everything that was asked for is on disk.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the database broke");
        }
    }
}

struct Worker {
    connection: Connection,
    clock: Arc<dyn Clock>,
    /// The end of the audit chain, as it is on disk.
    tail: Tail,
    committed: Committed,
}

impl Worker {
    fn work(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut group = Vec::new();
            let mut close = None;
            for order in std::iter::once(first).chain(orders.try_iter().take(GROUP - 1)) {
                match order {
                    Order::Job(job) => group.push(job),
                    Order::Close(reply) => {
                        close = Some(reply);
                        break;
                    }
                }
            }
            self.commit(group);
            if let Some(reply) = close {
                drop(reply.send(self.finish()));
                return;
            }
        }
        if let Err(error) = self.finish() {
            tracing::error!(error = &error as &dyn std::error::Error, "the database was not closed cleanly");
        }
    }

    /// Runs `group` in one transaction, or each of it in its own if that fails, and answers.
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let (start, before) = (self.clock.monotonic(), self.tail.number);
        match self.attempt(&mut group) {
            Ok(effects) => {
                metric::committed(self.clock.since(start), group.len(), self.tail.number - before);
                for effect in effects {
                    effect();
                }
                for job in group {
                    job.answer(None);
                }
            }
            Err(failure) if group.len() <= 1 => {
                metric::failed();
                if let Some(job) = group.pop() {
                    job.answer(Some(failure));
                }
            }
            Err(_) => {
                for job in group {
                    self.commit(vec![job]);
                }
            }
        }
    }

    /// One transaction; rolled back as a whole where this gives an error.
    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<Effect>, Error> {
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut tail = self.tail.clone();
        let mut effects = Vec::new();
        for job in group {
            step(&transaction, "SAVEPOINT job")?;
            let (before, kept) = (tail.clone(), effects.len());
            let stays = job.run(&mut Transaction {
                connection: &transaction,
                clock: &*self.clock,
                tail: &mut tail,
                effects: &mut effects,
            });
            if !stays {
                // Some errors make SQLite give up the whole transaction; then there is no savepoint to go back to.
                if transaction.is_autocommit() {
                    return Err(Error::GaveUp);
                }
                step(&transaction, "ROLLBACK TO job")?;
                tail = before;
                effects.truncate(kept);
            }
            step(&transaction, "RELEASE job")?;
        }
        tail.seal(&transaction, &self.tail, self.clock.now().as_microsecond())?;
        transaction.commit()?;
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = (tail.number, tail.hash);
        self.tail = tail;
        Ok(effects)
    }

    /// Moves the log into the database and closes it.
    fn finish(self) -> Result<(), Error> {
        self.connection.execute_batch("PRAGMA optimize")?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

fn step(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests;
