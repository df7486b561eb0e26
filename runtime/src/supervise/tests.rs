//! A part that ends, breaks, hangs or is switched off, on a clock that stands still until everybody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;

/// The shortest wait each time.
struct Least;

impl Random for Least {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// What the next run does.
#[derive(Debug, Clone, Copy)]
enum Run {
    End(Kind),
    Panic,
    /// Does its work for so long and then ends.
    Good(Duration),
    /// Ends when it is told to.
    Patient,
    /// Does not even end then.
    Deaf,
}

struct Script {
    runs: Mutex<VecDeque<Run>>,
    started: mpsc::UnboundedSender<Instant>,
    rests: AtomicUsize,
}

struct Scene {
    script: Arc<Script>,
    supervisor: Supervisor,
    started: mpsc::UnboundedReceiver<Instant>,
    begun: Instant,
}

#[async_trait]
impl Work for Script {
    async fn run(&self, health: Arc<Health>, stop: CancellationToken) -> End {
        let run = self.runs.lock().unwrap().pop_front().unwrap_or(Run::Patient);
        self.started.send(Instant::now()).unwrap();
        let end = |kind| End { kind, why: "the script says so".to_owned() };
        match run {
            Run::End(kind) => end(kind),
            Run::Panic => panic!("the script breaks"),
            Run::Good(time) => {
                health.set(true);
                tokio::time::sleep(time).await;
                end(Kind::Trouble)
            }
            Run::Patient => {
                stop.cancelled().await;
                end(Kind::Trouble)
            }
            Run::Deaf => std::future::pending().await,
        }
    }

    async fn rest(&self) {
        self.rests.fetch_add(1, Ordering::Relaxed);
    }
}

impl Scene {
    fn of(runs: impl IntoIterator<Item = Run>) -> Self {
        let (sender, started) = mpsc::unbounded_channel();
        let runs = Mutex::new(runs.into_iter().collect());
        let script = Arc::new(Script { runs, started: sender, rests: AtomicUsize::new(0) });
        let work = Arc::clone(&script) as Arc<dyn Work>;
        let supervisor = Supervisor::start(work, Waits::default(), rest(), Arc::new(Least));
        Self { script, supervisor, started, begun: Instant::now() }
    }

    fn go(self) -> Self {
        self.supervisor.order(|orders| orders.rest = None);
        self
    }

    /// Seconds from the beginning to the next start.
    async fn start(&mut self) -> u64 {
        let started = self.started.recv().await.unwrap();
        started.duration_since(self.begun).as_secs()
    }

    async fn starts(&mut self, count: usize) -> Vec<u64> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.start().await);
        }
        all
    }

    /// Done when the report says so.
    async fn report(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        self.supervisor.report.clone().wait_for(wanted).await.unwrap().clone()
    }

    fn rests(&self) -> usize {
        self.script.rests.load(Ordering::Relaxed)
    }
}

fn rest() -> Rest {
    Rest { state: State::Off, why: "switched off".to_owned(), todo: None }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_may_not_run_does_not_until_it_may() {
    let mut scene = Scene::of([Run::Patient]);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(scene.started.try_recv().is_err());
    assert_eq!(scene.supervisor.report().phase, Phase::Resting);
    scene = scene.go();
    assert_eq!(scene.start().await, 3600);
    scene.report(|report| report.phase == Phase::Running).await;
}

#[tokio::test(start_paused = true)]
async fn trouble_is_waited_out_and_a_panic_is_trouble() {
    let trouble = Run::End(Kind::Trouble);
    let mut scene = Scene::of([trouble, Run::Panic, trouble]).go();
    // The source of randomness gives the shortest wait, which does not grow: its limit does.
    assert_eq!(scene.starts(4).await, [0, 1, 2, 3]);
    let report = scene.report(|report| report.phase == Phase::Running).await;
    assert_eq!(report.recent_ends(Instant::now()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_with_its_own_words() {
    let mut scene = Scene::of([Run::Panic]).go();
    scene.start().await;
    let report = scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    let last = report.last.unwrap();
    assert!(last.why.contains("the script breaks") && last.kind == Kind::Trouble, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn what_only_an_admin_can_help_is_not_hammered_but_tried_at_once_when_something_changed() {
    let admin = Run::End(Kind::Admin);
    let mut scene = Scene::of([admin, admin, admin]).go();
    assert_eq!(scene.starts(2).await, [0, 300]);
    scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    scene.supervisor.order(|orders| orders.chance += 1);
    assert_eq!(scene.start().await, 310);
    // The same orders once more are no change.
    scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    scene.supervisor.order(|_| {});
    assert_eq!(scene.start().await, 610);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_left_half_a_minute() {
    let mut scene = Scene::of([Run::End(Kind::Conflict)]).go();
    assert_eq!(scene.starts(2).await, [0, 30]);
}

#[tokio::test(start_paused = true)]
async fn five_good_minutes_forget_what_was_before_and_less_do_not() {
    for (good, failures) in [(299, 3), (300, 1)] {
        let trouble = Run::End(Kind::Trouble);
        let (sender, mut started) = mpsc::unbounded_channel();
        let runs = [trouble, trouble, Run::Good(Duration::from_secs(good))];
        let runs = Mutex::new(runs.into_iter().collect());
        let script = Arc::new(Script { runs, started: sender, rests: AtomicUsize::new(0) });
        // The limit itself is waited, which tells how many failures are counted.
        let supervisor = Supervisor::start(script, Waits::default(), rest(), Arc::new(Most));
        supervisor.order(|orders| orders.rest = None);
        let mut starts = Vec::new();
        for _ in 0..4 {
            starts.push(started.recv().await.unwrap());
        }
        let pause = starts[3].duration_since(starts[2]).as_secs();
        assert_eq!(pause, good + (1 << failures), "after {good} good seconds");
    }
}

/// The longest wait each time.
struct Most;

impl Random for Most {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(255);
    }
}

#[tokio::test(start_paused = true)]
async fn switching_off_stops_it_and_switching_on_starts_it_with_a_clean_slate() {
    let mut scene = Scene::of([Run::Patient]).go();
    scene.start().await;
    scene.supervisor.order(|orders| orders.rest = Some(rest()));
    scene.report(|report| report.phase == Phase::Resting).await;
    assert_eq!(scene.rests(), 1);
    scene.supervisor.order(|orders| orders.rest = None);
    scene.start().await;
    assert_eq!(scene.supervisor.report().recent_ends(Instant::now()), 0);
}

#[tokio::test(start_paused = true)]
async fn starting_anew_lets_it_rest_between() {
    let mut scene = Scene::of([Run::Patient, Run::End(Kind::Admin)]).go();
    scene.start().await;
    scene.supervisor.order(|orders| orders.round += 1);
    assert_eq!(scene.start().await, 0);
    assert_eq!(scene.rests(), 1);
    // Also where it waits.
    scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    scene.supervisor.order(|orders| orders.round += 1);
    assert_eq!(scene.start().await, 0);
    assert_eq!(scene.rests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_help_leaves_a_running_part_alone() {
    let mut scene = Scene::of([Run::Patient]).go();
    scene.start().await;
    scene.supervisor.order(|orders| orders.chance += 1);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(scene.started.try_recv().is_err());
    assert_eq!(scene.supervisor.report().phase, Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn the_end_stops_the_receiver_alone_and_cuts_off_one_that_is_deaf() {
    let mut scene = Scene::of([Run::Patient]).go();
    scene.start().await;
    scene.supervisor.end().await;
    assert_eq!((scene.rests(), scene.begun.elapsed().as_secs()), (0, 0));
    // Twice is once.
    scene.supervisor.end().await;

    let mut scene = Scene::of([Run::Deaf]).go();
    scene.start().await;
    scene.supervisor.end().await;
    assert_eq!(scene.begun.elapsed(), GRACE);
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_in_the_middle_of_a_wait() {
    let mut scene = Scene::of([Run::End(Kind::Admin)]).go();
    scene.start().await;
    scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    scene.supervisor.end().await;
    assert_eq!(scene.begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn ends_are_counted_for_ten_minutes_and_not_longer() {
    let mut scene = Scene::of([Run::End(Kind::Admin), Run::End(Kind::Admin), Run::Patient]).go();
    scene.starts(3).await;
    let report = scene.report(|report| report.phase == Phase::Running).await;
    let now = Instant::now();
    assert_eq!(report.recent_ends(now), 2);
    // The first was 600 seconds ago, and the window ends with them.
    assert_eq!(report.recent_ends(now + Duration::from_millis(1)), 1);
    assert_eq!(report.recent_ends(now + WINDOW), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_before_somebody_mended_it_is_not_told_any_more() {
    let mut scene = Scene::of([Run::End(Kind::Admin), Run::End(Kind::Admin), Run::Patient]).go();
    scene.starts(1).await;
    let report = scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    assert_eq!(report.recent_ends(Instant::now()), 1);
    scene.supervisor.order(|orders| orders.chance += 1);
    scene.starts(1).await;
    let report = scene.report(|report| matches!(report.phase, Phase::Waiting(_))).await;
    assert_eq!(report.recent_ends(Instant::now()), 1, "that it did not help is told");
    scene.supervisor.order(|orders| orders.round += 1);
    scene.starts(1).await;
    let report = scene.report(|report| report.phase == Phase::Running).await;
    assert_eq!(report.recent_ends(Instant::now()), 0);
    assert!(report.last.is_some(), "how it ended is there for those who ask");
}
