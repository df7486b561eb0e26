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

/// How far a component may lie behind the one that used the most. One that always runs, and on fewer threads than it
/// could have, would else save up all that it left to others.
const LAG: Duration = Duration::from_millis(100);

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
        let line = state.line(who);
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

    /// So much processor time was taken, in a turn that goes on or in none.
    fn charge(&self, who: &ComponentName, used: Duration) {
        if !used.is_zero() {
            lock(&self.0).line(who).used += used;
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
    /// The line of a component. One that was away has no more right to a turn than one that is new.
    fn line(&mut self, who: &ComponentName) -> &mut Line {
        if !self.lines.contains_key(who) {
            self.lines.insert(who.clone(), Line::default());
        }
        let line = self.lines.get_mut(who).expect("it is there now");
        if line.running == 0 && line.waiting.is_empty() {
            line.used = line.used.max(self.floor);
        }
        line
    }

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
            line.used = line.used.max(self.floor.saturating_sub(LAG));
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
        let before = self.meter.total();
        // First: an instance that is stopped is taken apart here, and that is its component's time as well.
        self.inner.end();
        let used = self.meter.total().saturating_sub(before);
        match self.stage {
            Stage::Holds => return self.turns.over(&self.who, used),
            Stage::Waits => self.turns.leave(&self.who, self.number),
            Stage::Away => {}
        }
        self.turns.charge(&self.who, used);
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

    /// A guest that always wants to run, from a step on.
    #[derive(Clone)]
    struct Spinner {
        who: ComponentName,
        number: u64,
        from: usize,
    }

    /// Threads on which such guests run: each step, all that run give their turn back after a slice and ask again. For
    /// each component, how many guests it has and from when on. Gives who had each slice, with its step.
    fn spin_from(threads: usize, guests: &[(&str, usize, usize)], steps: usize) -> Vec<(usize, String)> {
        let turns = Turns::new(threads);
        let mut all: Vec<Spinner> = Vec::new();
        for (who, calls, from) in guests {
            all.extend((0..*calls).map(|_| Spinner { who: name(who), number: turns.number(), from: *from }));
        }
        let ask = |guest: &Spinner| turns.ask(&guest.who, guest.number, Waker::noop());
        let (mut running, mut slices) = (Vec::new(), Vec::new());
        for step in 0..steps {
            running.extend(all.iter().filter(|guest| guest.from == step && ask(guest)).cloned());
            let begun = all.iter().filter(|guest| guest.from <= step).count();
            assert_eq!(running.len(), threads.min(begun), "no thread is idle while somebody waits");
            for guest in std::mem::take(&mut running) {
                slices.push((step, guest.who.to_string()));
                turns.charge(&guest.who, SLICE);
                if turns.hand_over(&guest.who, guest.number, Waker::noop()) {
                    running.push(guest);
                }
            }
            let granted: Vec<_> =
                all.iter().filter(|guest| lock(&turns.0).granted.contains(&guest.number)).collect();
            running.extend(granted.into_iter().filter(|guest| ask(guest)).cloned());
        }
        slices
    }

    /// As [`spin_from`] from the beginning on: how many slices each component got, and the order.
    fn spin(
        threads: usize,
        guests: &[(&str, usize)],
        steps: usize,
    ) -> (BTreeMap<String, usize>, Vec<String>) {
        let guests: Vec<_> = guests.iter().map(|(who, calls)| (*who, *calls, 0)).collect();
        let (mut slices, mut order) = (BTreeMap::new(), Vec::new());
        for (_, who) in spin_from(threads, &guests, steps) {
            *slices.entry(who.clone()).or_default() += 1;
            order.push(who);
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
    fn nothing_is_saved_up_by_one_that_always_runs_on_fewer_threads() {
        // Half a minute in which "aa" uses three threads and "bb" one; then "bb" wants all, and "cc" comes.
        const LATER: usize = 3000;
        let guests = [("aa", 3, 0), ("bb", 1, 0), ("bb", 7, LATER), ("cc", 1, LATER)];
        let slices = spin_from(4, &guests, LATER + 100);
        let of =
            |who: &str, from: usize| slices.iter().filter(|(step, of)| *step >= from && of == who).count();
        assert_eq!((of("aa", 0) - of("aa", LATER), of("bb", 0) - of("bb", LATER)), (9000, 3000));
        let last = ["aa", "bb", "cc"].map(|who| of(who, LATER));
        assert_eq!(last.iter().sum::<usize>(), 400);
        // A second of four threads: "cc" can use one, the others share the rest but for the lag that may remain.
        let lag = 10;
        assert!(last[2] >= 100 - lag && last[0] >= 150 - 2 * lag, "{last:?}");
    }

    #[test]
    fn an_instance_that_is_stopped_is_taken_apart_at_its_components_cost() {
        const WORK: Duration = Duration::from_millis(5);

        /// Takes time to be taken apart, and tells which threads were free meanwhile.
        struct Instance(Arc<Turns>, Arc<Meter>, Arc<Mutex<Option<usize>>>, bool);

        impl Future for Instance {
            type Output = ();

            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                if self.3 {
                    self.1.looked_at();
                }
                Poll::Pending
            }
        }

        impl Drop for Instance {
            fn drop(&mut self) {
                let until = self.1.running() + WORK;
                while self.1.running() < until {
                    std::hint::spin_loop();
                }
                *lock(&self.2) = Some(lock(&self.0.0).free);
            }
        }

        for holds in [true, false] {
            let (turns, meter, free) = (Turns::new(1), Arc::new(Meter::default()), Arc::default());
            let who = name("aa");
            let instance = Instance(Arc::clone(&turns), Arc::clone(&meter), Arc::clone(&free), holds);
            let mut fair = Fair::new(&turns, &who, &meter, instance);
            assert!(Pin::new(&mut fair).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let before = meter.total();
            drop(fair);
            assert!(meter.total() >= before + WORK, "measured");
            let state = lock(&turns.0);
            assert!(state.lines[&who].used >= WORK, "charged");
            assert_eq!(
                (*lock(&free), state.free),
                (Some(usize::from(!holds)), 1),
                "in its turn if it had one"
            );
        }
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
