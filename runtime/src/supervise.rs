//! Keeps a part of the program running: starts it again when it ends, waits longer each time, and says how it stands.
//!
//! One task for each part. What the part is to do comes in as [`Orders`], of which only the newest counts; how it
//! stands goes out as a [`Report`]. A part that panics is a part that ended: the others never notice.

mod wait;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openpact_model::random::Random;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::control::State;

pub(crate) use wait::{Kind, Waits};

/// How far back ends are counted.
pub(crate) const WINDOW: Duration = Duration::from_mins(10);

/// The most ends that are remembered; at the shortest waits there cannot be many more in one window.
const REMEMBERED: usize = 64;

/// How long a part may take to stop before it is cut off.
const GRACE: Duration = Duration::from_secs(5);

/// Something that runs until it ends.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// Runs. Ends when something goes wrong, or soon after `stop` is cancelled. `health` is told when it does its work.
    async fn run(&self, health: Arc<Health>, stop: CancellationToken) -> End;

    /// Is told that it has stopped and is not to go on as it was: it is switched off, or starts anew.
    async fn rest(&self);
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// What helps.
    pub(crate) kind: Kind,
    /// Why, for the admin.
    pub(crate) why: String,
}

/// Why a part is not to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rest {
    /// [`State::Off`] or [`State::Failed`].
    pub(crate) state: State,
    /// Why.
    pub(crate) why: String,
    /// What to do, where something is to be done.
    pub(crate) todo: Option<String>,
}

/// What a part is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Why it is not to run.
    pub(crate) rest: Option<Rest>,
    /// Grows when it has to start anew.
    pub(crate) round: u64,
    /// Grows when something changed that may help a part that waits.
    pub(crate) chance: u64,
    /// It ends with the program, and is not told to rest: what it holds is needed until the end.
    pub(crate) end: bool,
}

/// What a part does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is not to run.
    Resting,
    /// It runs.
    Running,
    /// It ended and is started again at this time.
    Waiting(Instant),
}

/// How a part stands.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// What it does now.
    pub(crate) phase: Phase,
    /// When it ended by itself, the newest last.
    ends: VecDeque<Instant>,
    /// How it ended the last time.
    pub(crate) last: Option<End>,
}

/// Whether a run does its work: told by the part, read by its supervisor.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    since: Option<Instant>,
    longest: Duration,
}

/// A part that is kept running. Dropping it cuts the part off.
pub(crate) struct Supervisor {
    orders: watch::Sender<Orders>,
    report: watch::Receiver<Report>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Supervisor {
    /// Keeps `work` running, as soon as [`Supervisor::order`] does not let it rest any more.
    pub(crate) fn start(work: Arc<dyn Work>, waits: Waits, rest: Rest, random: Arc<dyn Random>) -> Self {
        let (orders, ordered) = watch::channel(Orders { rest: Some(rest), ..Orders::default() });
        let first = Report { phase: Phase::Resting, ends: VecDeque::new(), last: None };
        let (reported, report) = watch::channel(first);
        let keeper = Keeper { work, waits, orders: ordered, report: reported, random, failures: 0 };
        Self { orders, report, task: Mutex::new(Some(tokio::spawn(keeper.keep()))) }
    }

    /// Changes what the part is to do.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_if_modified(|orders| {
            let before = orders.clone();
            change(orders);
            *orders != before
        });
    }

    /// What it was told last.
    pub(crate) fn orders(&self) -> Orders {
        self.orders.borrow().clone()
    }

    /// How it stands.
    pub(crate) fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    /// Ends the run and the supervision; done when the part has stopped, or was cut off.
    pub(crate) async fn end(&self) {
        self.order(|orders| orders.end = true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(error = %panicked(error), "a supervisor broke");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Report {
    /// How often it ended by itself within the last [`WINDOW`].
    pub(crate) fn recent_ends(&self, now: Instant) -> usize {
        self.ends.iter().filter(|end| now.duration_since(**end) <= WINDOW).count()
    }
}

impl Health {
    /// It does its work now, or does not any more.
    pub(crate) fn set(&self, good: bool) {
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (good, stretch.since) {
            (true, None) => stretch.since = Some(Instant::now()),
            (false, Some(since)) => {
                stretch.longest = stretch.longest.max(since.elapsed());
                stretch.since = None;
            }
            _ => {}
        }
    }

    /// The longest time that it did its work without a break.
    fn longest(&self) -> Duration {
        self.set(false);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).longest
    }
}

/// The task of one part.
struct Keeper {
    work: Arc<dyn Work>,
    waits: Waits,
    orders: watch::Receiver<Orders>,
    report: watch::Sender<Report>,
    random: Arc<dyn Random>,
    /// Ends in a row.
    failures: u32,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let orders = self.orders.borrow_and_update().clone();
            if orders.end {
                return;
            }
            if orders.rest.is_some() {
                self.forget();
                self.set(Phase::Resting);
                if self.orders.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.set(Phase::Running);
            match self.run(&orders).await {
                Some(end) => self.wait(&orders, end).await,
                None => self.forget(),
            }
        }
    }

    /// Somebody changed what it is to do: how it ended before that says nothing any more.
    fn forget(&mut self) {
        self.failures = 0;
        self.report.send_modify(|report| report.ends.clear());
    }

    /// One run: how it ended, or `None` where it was told to stop.
    async fn run(&mut self, orders: &Orders) -> Option<End> {
        let (stop, health) = (CancellationToken::new(), Arc::new(Health::default()));
        let (work, told, watched) = (Arc::clone(&self.work), stop.clone(), Arc::clone(&health));
        let mut task = AbortOnDropHandle::new(tokio::spawn(async move { work.run(watched, told).await }));
        let ended = tokio::select! {
            ended = &mut task => Some(ended),
            () = told_otherwise(&mut self.orders, orders) => None,
        };
        let Some(ended) = ended else {
            stop.cancel();
            if tokio::time::timeout(GRACE, &mut task).await.is_err() {
                tracing::warn!("a part did not stop when it was told to, and was cut off");
            }
            if !self.orders.borrow().end {
                self.work.rest().await;
            }
            return None;
        };
        if health.longest() >= self.waits.good {
            self.failures = 0;
        }
        Some(ended.unwrap_or_else(|error| End { kind: Kind::Trouble, why: panicked(error) }))
    }

    /// Waits until it is time for another try, or something changed that may help.
    async fn wait(&mut self, orders: &Orders, end: End) {
        self.failures = self.failures.saturating_add(1);
        let pause = self.waits.after(end.kind, self.failures, &*self.random);
        let until = Instant::now() + pause;
        self.report.send_modify(|report| {
            report.phase = Phase::Waiting(until);
            report.ends.push_back(Instant::now());
            if report.ends.len() > REMEMBERED {
                report.ends.pop_front();
            }
            report.last = Some(end);
        });
        let changed = async {
            // An error means that nobody can change anything any more.
            let changed = self.orders.wait_for(|now| now != orders).await.is_ok();
            if !changed {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            // Perhaps what kept it from its work was mended; if not, that is soon counted again.
            () = changed => self.report.send_modify(|report| report.ends.clear()),
        }
        let now = self.orders.borrow().clone();
        if !now.end && (now.rest.is_some() || now.round != orders.round) {
            self.forget();
            self.work.rest().await;
        }
    }

    fn set(&self, phase: Phase) {
        self.report.send_modify(|report| report.phase = phase);
    }
}

/// Done when a running part has to stop.
async fn told_otherwise(orders: &mut watch::Receiver<Orders>, began: &Orders) {
    let stops = |now: &Orders| now.end || now.rest.is_some() || now.round != began.round;
    if orders.wait_for(stops).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What a task that broke said.
fn panicked(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cut off".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("it broke (a defect of the program): {}", text.unwrap_or_else(|| "without a word".to_owned()))
}

#[cfg(test)]
mod tests;
