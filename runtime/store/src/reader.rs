//! The threads that read, each with a connection of its own. A read sees everything that was committed before it
//! started and never waits for the writer.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::database::open_reader;
use crate::error::Error;

/// Two, so that a long read does not hold up a short one.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A handle to the threads.
pub(crate) struct Readers {
    queue: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts the threads on the database at `path`.
    pub(crate) fn start(path: &Path) -> Result<Self, Error> {
        let (queue, jobs) = channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for number in 1..=THREADS {
            let connection = open_reader(path)?;
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name(format!("store-reader-{number}"));
            let thread = thread.spawn(move || work(&connection, &jobs));
            threads.push(thread.map_err(|source| Error::file("the reader thread".as_ref(), source))?);
        }
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Runs `work` on one snapshot of the database.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
            if !reply.is_closed() {
                drop(reply.send(in_snapshot(connection, work)));
            }
        });
        lock(&self.queue).as_ref().ok_or(Error::Closed)?.send(job).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Ends the threads after the reads that wait, and closes their connections.
    pub(crate) fn close(&self) {
        drop(lock(&self.queue).take());
        for thread in lock(&self.threads).drain(..) {
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader of the database broke");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(connection: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The guard is gone at the end of this line: while this thread reads, the other one waits for the next job.
        let job = lock(jobs).recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}

fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let snapshot = connection.unchecked_transaction()?;
    let result = work(&snapshot);
    snapshot.finish()?;
    result
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
