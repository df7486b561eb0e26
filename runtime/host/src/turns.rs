//! Whose turn it is on the guests' threads.
//!
//! A guest runs until it waits for something or is looked at, and then has to ask again. Whoever asks while all threads
//! are taken stands in its component's line; a thread that becomes free goes to the component that has used the least
//! processor time (start-time fair queueing, Goyal, Vin and Cheng 1996). So what a component gets depends on how many
//! components want to run, not on how many calls each of them makes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use openpact_model::id::ComponentName;

use crate::ledger::lock;
use crate::meter::{Meter, Metered};

/// The scheduler.
pub(crate) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    free: usize,
    /// The use of the component that was served last; one that comes back starts from there, since what it did not use
    /// while it was away cannot be saved up.
    floor: Duration,
    next: u64,
    /// How many turns were given so far.
    given: u64,
    lines: HashMap<ComponentName, Line>,
    /// Turns that were given to somebody who has not begun yet.
    granted: HashSet<u64>,
}

#[derive(Default)]
struct Line {
    used: Duration,
    running: usize,
    served: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl Turns {
    /// For so many threads.
    pub(crate) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: threads.max(1), ..State::default() })))
    }

    fn number(&self) -> u64 {
        let mut state = lock(&self.0);
        state.next += 1;
        state.next
    }

    /// Whether it is the turn of `number`; if not, `waker` is called when it is.
    fn ask(&self, who: &ComponentName, number: u64, waker: &Waker) -> bool {
        let mut state = lock(&self.0);
        if state.granted.remove(&number) {
            return true;
        }
        let floor = state.floor;
        if !state.lines.contains_key(who) {
            state.lines.insert(who.clone(), Line::default());
        }
        let line = state.lines.get_mut(who).expect("it is there now");
        if line.running == 0 && line.waiting.is_empty() {
            line.used = line.used.max(floor);
        }
        if let Some((_, there)) = line.waiting.iter_mut().find(|(waiting, _)| *waiting == number) {
            there.clone_from(waker);
            return false;
        }
        if state.free > 0 {
            // Nobody waits while a thread is free.
            state.give(who);
            return true;
        }
        if let Some(line) = state.lines.get_mut(who) {
            line.waiting.push_back((number, waker.clone()));
        }
        false
    }

    /// The turn is over and took so much processor time.
    fn over(&self, who: &ComponentName, used: Duration) {
        let granted = {
            let mut state = lock(&self.0);
            state.take_back(who, used);
            state.serve()
        };
        for (_, waker) in granted {
            waker.wake();
        }
    }

    /// The turn goes on after it took so much processor time.
    fn charge(&self, who: &ComponentName, used: Duration) {
        if let Some(line) = lock(&self.0).lines.get_mut(who) {
            line.used += used;
        }
    }

    /// Gives a turn back to whoever has the most right to it, and tells whether that is the one that gave it back; if
    /// not, `waker` is called when it is its turn again.
    fn hand_over(&self, who: &ComponentName, number: u64, waker: &Waker) -> bool {
        let (mut granted, kept) = {
            let mut state = lock(&self.0);
            // In line before the turn is given back, so that its component does not count as new.
            if let Some(line) = state.lines.get_mut(who) {
                line.waiting.push_back((number, waker.clone()));
            }
            state.take_back(who, Duration::ZERO);
            let granted = state.serve();
            (granted, state.granted.remove(&number))
        };
        granted.retain(|(other, _)| *other != number);
        for (_, waker) in granted {
            waker.wake();
        }
        kept
    }

    /// Whoever asked is gone.
    fn leave(&self, who: &ComponentName, number: u64) {
        let was_granted = {
            let mut state = lock(&self.0);
            if let Some(line) = state.lines.get_mut(who) {
                line.waiting.retain(|(waiting, _)| *waiting != number);
            }
            let was_granted = state.granted.remove(&number);
            if !was_granted {
                state.forget(who);
            }
            was_granted
        };
        if was_granted {
            self.over(who, Duration::ZERO);
        }
    }
}

impl State {
    /// Gives free threads to those who wait; they are to be woken when nothing is locked any more.
    fn serve(&mut self) -> Vec<(u64, Waker)> {
        let mut granted = Vec::new();
        while self.free > 0 {
            let waiting = self.lines.iter_mut().filter(|(_, line)| !line.waiting.is_empty());
            let Some((who, line)) = waiting.min_by_key(|(_, line)| (line.used, line.served)) else { break };
            let who = who.clone();
            let Some((number, waker)) = line.waiting.pop_front() else { break };
            self.granted.insert(number);
            granted.push((number, waker));
            self.give(&who);
        }
        granted
    }

    fn give(&mut self, who: &ComponentName) {
        self.free -= 1;
        self.given += 1;
        if let Some(line) = self.lines.get_mut(who) {
            line.running += 1;
            line.served = self.given;
            self.floor = self.floor.max(line.used);
        }
    }

    fn take_back(&mut self, who: &ComponentName, used: Duration) {
        self.free += 1;
        if let Some(line) = self.lines.get_mut(who) {
            line.running -= 1;
            line.used += used;
        }
        self.forget(who);
    }

    /// Drops a line that says no more than a new one would.
    fn forget(&mut self, who: &ComponentName) {
        let is_new = |line: &Line| line.running == 0 && line.waiting.is_empty() && line.used <= self.floor;
        if self.lines.get(who).is_some_and(is_new) {
            self.lines.remove(who);
        }
    }
}

/// A guest's future, polled when it is its turn.
pub(crate) struct Fair<F> {
    inner: Metered<F>,
    meter: Arc<Meter>,
    turns: Arc<Turns>,
    who: ComponentName,
    number: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for something else than its turn, or has not begun.
    Away,
    /// It stands in line.
    Waits,
    /// It was looked at and still has its turn: it gives it back when it is polled again. The runtime polls it again only
    /// after its timers and everybody else, among them guests that begin and have not asked yet.
    Holds,
}

impl<F: Future> Fair<F> {
    /// `meter` is the one of `inner`.
    pub(crate) fn new(turns: &Arc<Turns>, who: &ComponentName, meter: &Arc<Meter>, inner: F) -> Self {
        Self {
            inner: Metered::new(Arc::clone(meter), inner),
            meter: Arc::clone(meter),
            number: turns.number(),
            turns: Arc::clone(turns),
            who: who.clone(),
            stage: Stage::Away,
        }
    }
}

impl<F: Future> Future for Fair<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let its_turn = match this.stage {
            Stage::Holds => this.turns.hand_over(&this.who, this.number, context.waker()),
            Stage::Away | Stage::Waits => this.turns.ask(&this.who, this.number, context.waker()),
        };
        if !its_turn {
            this.stage = Stage::Waits;
            return Poll::Pending;
        }
        let mut turn = Turn { before: this.meter.total(), fair: this, goes_on: false };
        let result = Pin::new(&mut turn.fair.inner).poll(context);
        turn.goes_on = turn.fair.meter.take_looked_at() && result.is_pending();
        drop(turn);
        result
    }
}

impl<F> Drop for Fair<F> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Away => {}
            Stage::Waits => self.turns.leave(&self.who, self.number),
            Stage::Holds => self.turns.over(&self.who, Duration::ZERO),
        }
    }
}

/// What a poll used is charged when this is dropped, a panic of ours included.
struct Turn<'a, F> {
    fair: &'a mut Fair<F>,
    before: Duration,
    goes_on: bool,
}

impl<F> Drop for Turn<'_, F> {
    fn drop(&mut self) {
        let Fair { turns, who, meter, .. } = &*self.fair;
        let used = meter.total().saturating_sub(self.before);
        if self.goes_on {
            turns.charge(who, used);
            self.fair.stage = Stage::Holds;
        } else {
            turns.over(who, used);
            self.fair.stage = Stage::Away;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What a guest uses until it is looked at.
    const SLICE: Duration = Duration::from_millis(10);

    fn name(name: &str) -> ComponentName {
        name.parse().unwrap()
    }

    /// Threads on which guests run that always want to run: each step, all that run give their turn back after a slice
    /// and ask again. Gives how many slices each component got, and the order.
    fn spin(
        threads: usize,
        guests: &[(&str, usize)],
        steps: usize,
    ) -> (BTreeMap<String, usize>, Vec<String>) {
        let turns = Turns::new(threads);
        let mut all: Vec<(ComponentName, u64)> = Vec::new();
        for (who, calls) in guests {
            all.extend((0..*calls).map(|_| (name(who), turns.number())));
        }
        let ask = |guest: &(ComponentName, u64)| turns.ask(&guest.0, guest.1, Waker::noop());
        let mut running: Vec<_> = all.iter().filter(|guest| ask(guest)).cloned().collect();
        let (mut slices, mut order) = (BTreeMap::new(), Vec::new());
        for _ in 0..steps {
            assert_eq!(running.len(), threads.min(all.len()), "no thread is idle while somebody waits");
            for guest in std::mem::take(&mut running) {
                *slices.entry(guest.0.to_string()).or_default() += 1;
                order.push(guest.0.to_string());
                turns.charge(&guest.0, SLICE);
                if turns.hand_over(&guest.0, guest.1, Waker::noop()) {
                    running.push(guest);
                }
            }
            let granted: Vec<_> =
                all.iter().filter(|guest| lock(&turns.0).granted.contains(&guest.1)).collect();
            running.extend(granted.into_iter().filter(|guest| ask(guest)).cloned());
        }
        (slices, order)
    }

    #[test]
    fn eight_calls_get_no_more_than_one_of_another() {
        let (slices, order) = spin(1, &[("spinner", 8), ("victim", 1)], 100);
        assert_eq!((slices["spinner"], slices["victim"]), (50, 50));
        assert!(
            order.windows(3).all(|three| three.contains(&"victim".to_owned())),
            "never two slices behind"
        );
        let (slices, _) = spin(2, &[("spinner", 8), ("victim", 1)], 100);
        // One call can use one thread.
        assert!(slices["victim"] >= 99, "{slices:?}");
    }

    #[test]
    fn each_of_many_gets_its_share_whatever_the_others_do() {
        let (slices, _) = spin(2, &[("aa", 8), ("bb", 3), ("cc", 1), ("dd", 30)], 200);
        assert_eq!(slices.values().sum::<usize>(), 400);
        assert!(slices.values().all(|slices| slices.abs_diff(100) <= 2), "{slices:?}");
    }

    #[test]
    fn nothing_is_saved_up_while_one_is_away() {
        let turns = Turns::new(1);
        let (old, new) = (name("old"), name("new"));
        assert!(turns.ask(&new, 1, Waker::noop()));
        turns.over(&new, SLICE);
        for _ in 0..1000 {
            assert!(turns.ask(&old, 2, Waker::noop()));
            turns.over(&old, SLICE);
        }
        // Back again: it gets its half from now on, and not the next thousand turns.
        assert!(turns.ask(&old, 2, Waker::noop()) && !turns.ask(&new, 1, Waker::noop()));
        let mut running = (&old, 2);
        let mut of_old = 0;
        for _ in 0..10 {
            turns.charge(running.0, SLICE);
            if turns.hand_over(running.0, running.1, Waker::noop()) {
                of_old += usize::from(running.1 == 2);
                continue;
            }
            running = if lock(&turns.0).granted.contains(&2) { (&old, 2) } else { (&new, 1) };
            assert!(turns.ask(running.0, running.1, Waker::noop()));
            of_old += usize::from(running.1 == 2);
        }
        assert!((4..=6).contains(&of_old), "{of_old} of 10");
    }

    #[test]
    fn who_leaves_gives_its_turn_to_the_next() {
        let turns = Turns::new(1);
        let (a, b, c) = (name("aa"), name("bb"), name("cc"));
        assert!(turns.ask(&a, 1, Waker::noop()));
        assert!(!turns.ask(&b, 2, Waker::noop()) && !turns.ask(&c, 3, Waker::noop()));
        turns.over(&a, SLICE);
        // One of the two was given the turn; it leaves before it begins.
        let (gone, next) =
            if lock(&turns.0).granted.contains(&2) { ((&b, 2), (&c, 3)) } else { ((&c, 3), (&b, 2)) };
        turns.leave(gone.0, gone.1);
        assert!(turns.ask(next.0, next.1, Waker::noop()));
        turns.over(next.0, SLICE);
        assert_eq!(lock(&turns.0).free, 1);
        assert!(lock(&turns.0).granted.is_empty());
    }
}
