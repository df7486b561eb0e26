//! Asks the parts how they are: at most once at a time, at most once in a while, and never longer than a probe waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::check::{Check, Checks, State};

/// How long an answer is used again, so that probes cannot load the program.
const FRESH: Duration = Duration::from_secs(1);
/// How long a probe waits. Kubernetes gives a probe one second by default.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long a round of checks may go on behind the probes' backs, before it is given up and begun anew.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is known now.
pub(crate) type Report = Arc<[Check]>;

/// The checks with their last answer.
pub(crate) struct Watch {
    checks: Arc<dyn Checks>,
    round: Mutex<Round>,
}

#[derive(Default)]
struct Round {
    last: Option<(Instant, Report)>,
    running: Option<JoinHandle<Report>>,
}

impl Watch {
    pub(crate) fn new(checks: Arc<dyn Checks>) -> Self {
        Self { checks, round: Mutex::default() }
    }

    /// How everything is: what was answered within the last second, or is answered within [`PATIENCE`]. After that the
    /// answer is a failed check that says so.
    pub(crate) async fn report(&self) -> Report {
        let until = Instant::now() + PATIENCE;
        let Ok(mut round) = timeout_at(until, self.round.lock()).await else { return hung() };
        let Round { last, running } = &mut *round;
        if let Some((asked, report)) = last
            && asked.elapsed() < FRESH
        {
            return Arc::clone(report);
        }
        let task = running.get_or_insert_with(|| {
            let checks = Arc::clone(&self.checks);
            tokio::spawn(async move {
                timeout(DEADLINE, checks.checks()).await.map_or_else(|_| hung(), Into::into)
            })
        });
        let report = match timeout_at(until, &mut *task).await {
            // It goes on: the next probe finds what it gave, and no second one is begun beside it.
            Err(_late) => hung(),
            Ok(ended) => {
                *running = None;
                ended.unwrap_or_else(|_| failed("the checks broke; the log says where"))
            }
        };
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

fn hung() -> Report {
    failed("the parts did not say in time how they are")
}

fn failed(about: &str) -> Report {
    let (name, about) = ("checks".to_owned(), about.to_owned());
    [Check { name, state: State::Failed, about, needed_for_ready: true }].into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers when it is let.
    struct Gate {
        asked: AtomicUsize,
        open: Semaphore,
    }

    #[async_trait]
    impl Checks for Gate {
        async fn checks(&self) -> Vec<Check> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            vec![Check {
                name: "x".into(),
                state: State::Running,
                about: String::new(),
                needed_for_ready: true,
            }]
        }
    }

    fn gate(open: usize) -> (Arc<Gate>, Watch) {
        let gate = Arc::new(Gate { asked: AtomicUsize::new(0), open: Semaphore::new(open) });
        (Arc::clone(&gate), Watch::new(gate))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_used_again_for_a_second() {
        let (gate, watch) = gate(10);
        watch.report().await;
        tokio::time::advance(FRESH.checked_sub(Duration::from_millis(1)).unwrap()).await;
        watch.report().await;
        assert_eq!(gate.asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        watch.report().await;
        assert_eq!(gate.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_round_is_told_in_time_and_none_is_begun_beside_it() {
        let (gate, watch) = gate(0);
        let start = Instant::now();
        let report = watch.report().await;
        assert_eq!(start.elapsed(), PATIENCE);
        assert_eq!((report[0].name.as_str(), report[0].blocks()), ("checks", true));
        for _ in 0..5 {
            tokio::time::advance(FRESH).await;
            watch.report().await;
        }
        assert_eq!(gate.asked.load(Ordering::SeqCst), 1);
        gate.open.add_permits(1);
        tokio::time::advance(FRESH).await;
        assert_eq!(watch.report().await[0].name, "x", "it is found when it answers after all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_never_ends_is_begun_anew() {
        let (gate, watch) = gate(0);
        watch.report().await;
        tokio::time::advance(DEADLINE).await;
        watch.report().await;
        tokio::time::advance(FRESH).await;
        watch.report().await;
        assert_eq!(gate.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn many_probes_at_once_are_one_question() {
        let (gate, watch) = gate(1);
        let watch = Arc::new(watch);
        let probes = (0..100).map(|_| {
            let watch = Arc::clone(&watch);
            tokio::spawn(async move { watch.report().await })
        });
        for probe in probes.collect::<Vec<_>>() {
            assert_eq!(probe.await.unwrap()[0].name, "x");
        }
        assert_eq!(gate.asked.load(Ordering::SeqCst), 1);
    }

    struct Broken;

    #[async_trait]
    impl Checks for Broken {
        async fn checks(&self) -> Vec<Check> {
            panic!("a bug")
        }
    }

    #[tokio::test]
    async fn checks_that_break_are_a_failed_check() {
        let report = Watch::new(Arc::new(Broken)).report().await;
        assert!(report[0].blocks() && report[0].about.contains("broke"), "{report:?}");
    }
}
