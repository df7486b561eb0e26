//! The places for instances that all components share. A place that becomes free goes to the component that has the
//! fewest, and among equals to the one that was served the longest time ago; no component may have more than half.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use openpact_model::id::ComponentName;
use tokio::sync::oneshot;

use crate::ledger::lock;

/// The places, shared fairly.
pub(crate) struct Places {
    /// The most that one component may have.
    each: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: usize,
    /// How many places were given so far.
    given: u64,
    lines: HashMap<ComponentName, Line>,
}

/// One component's.
#[derive(Default)]
struct Line {
    held: usize,
    /// When it was given a place last, counted in places given.
    served: u64,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

impl Places {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        let state = State { free: all, ..State::default() };
        Arc::new(Self { each: all.div_ceil(2).max(1), state: Mutex::new(state) })
    }

    /// A place, if one can be had without waiting.
    pub(crate) fn try_take(self: &Arc<Self>, who: &ComponentName) -> Option<Place> {
        let mut state = lock(&self.state);
        // Whoever waits while places are free has its share already, so nobody is overtaken.
        let has = state.lines.get(who).map_or(0, |line| line.held);
        (state.free > 0 && has < self.each).then(|| state.give(self, who))
    }

    /// Waits for a place.
    pub(crate) async fn take(self: &Arc<Self>, who: &ComponentName) -> Place {
        let place = {
            let mut state = lock(&self.state);
            let (sender, place) = oneshot::channel();
            state.lines.entry(who.clone()).or_default().waiting.push_back(sender);
            state.serve(self);
            place
        };
        place.await.expect("whoever waits in line is given a place in the end")
    }

    fn give_back(self: &Arc<Self>, who: &ComponentName) {
        let mut state = lock(&self.state);
        state.take_back(who);
        state.serve(self);
    }
}

impl State {
    /// Gives free places to those who wait.
    fn serve(&mut self, places: &Arc<Places>) {
        while self.free > 0
            && let Some(who) = self.next(places.each)
        {
            let line = self.lines.get_mut(&who).expect("it was found just now");
            let Some(sender) = line.waiting.pop_front() else { return };
            let place = self.give(places, &who);
            if let Err(mut place) = sender.send(place) {
                // It gave up meanwhile; the lock is held, so the place is not given back by its drop.
                place.places = None;
                self.take_back(&who);
            }
        }
    }

    /// Whose turn it is.
    fn next(&self, each: usize) -> Option<ComponentName> {
        let waiting = self.lines.iter().filter(|(_, line)| !line.waiting.is_empty() && line.held < each);
        waiting.min_by_key(|(_, line)| (line.held, line.served)).map(|(who, _)| who.clone())
    }

    fn give(&mut self, places: &Arc<Places>, who: &ComponentName) -> Place {
        self.free -= 1;
        self.given += 1;
        let line = self.lines.entry(who.clone()).or_default();
        line.held += 1;
        line.served = self.given;
        Place { places: Some(Arc::clone(places)), who: who.clone() }
    }

    fn take_back(&mut self, who: &ComponentName) {
        self.free += 1;
        if let Some(line) = self.lines.get_mut(who) {
            line.held -= 1;
            if line.held == 0 && line.waiting.is_empty() {
                self.lines.remove(who);
            }
        }
    }
}

/// A place, until it is dropped.
pub(crate) struct Place {
    places: Option<Arc<Places>>,
    who: ComponentName,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.give_back(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Place> + Send>>;

    fn name(name: &str) -> ComponentName {
        format!("{name}-component").parse().unwrap()
    }

    /// Stands in line.
    fn wait(places: &Arc<Places>, who: &str) -> Waiting {
        let (places, who) = (Arc::clone(places), name(who));
        let mut waiting: Waiting = Box::pin(async move { places.take(&who).await });
        assert!(served(&mut waiting).is_none(), "it has to wait");
        waiting
    }

    fn served(waiting: &mut Waiting) -> Option<Place> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn nobody_gets_more_than_half() {
        let places = Places::new(5);
        let greedy: Vec<_> = (0..4).filter_map(|_| places.try_take(&name("greedy"))).collect();
        assert_eq!(greedy.len(), 3);
        let mut more = wait(&places, "greedy");
        let other = places.try_take(&name("other")).unwrap();
        assert!(served(&mut more).is_none(), "although one is free");
        drop(other);
        assert!(served(&mut more).is_none());
        drop(greedy);
        assert!(served(&mut more).is_some());
    }

    #[test]
    fn who_has_the_fewest_is_served_first_however_late_it_came() {
        let places = Places::new(4);
        let mut held: Vec<_> = ["a", "a", "b", "b"].map(|who| places.try_take(&name(who)).unwrap()).into();
        let mut greedy: Vec<_> = (0..6).map(|_| wait(&places, "a")).collect();
        let mut late = wait(&places, "victim");
        drop(held.remove(0));
        let victim = served(&mut late).expect("the one that has none goes before six of one that has one");
        assert!(greedy.iter_mut().all(|one| served(one).is_none()));
        let mut again = wait(&places, "victim");
        drop(held.remove(1));
        // Now "a", "b" and the victim have one each; the one that was served longest ago goes first.
        let next = served(&mut greedy[0]);
        assert!(next.is_some() && served(&mut again).is_none());
        drop(victim);
    }

    #[test]
    fn equals_take_turns() {
        let places = Places::new(1);
        let mut held = places.try_take(&name("first")).unwrap();
        let names = ["a", "a", "a", "b", "b", "b"];
        let mut waiting: Vec<_> = names.map(|who| (who, wait(&places, who))).into();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(held);
            let mut places = waiting.iter_mut().map(|(_, one)| served(one)).enumerate();
            let (at, place) = places.find_map(|(at, place)| Some((at, place?))).expect("one is served");
            held = place;
            order.push(waiting.remove(at).0);
        }
        drop(held);
        // Either may begin.
        assert!(
            order == ["a", "b", "a", "b", "a", "b"] || order == ["b", "a", "b", "a", "b", "a"],
            "{order:?}"
        );
        assert_eq!(lock(&places.state).free, 1);
        assert!(lock(&places.state).lines.is_empty(), "nothing is left of those who were there");
    }

    #[test]
    fn who_gives_up_takes_no_place() {
        let places = Places::new(1);
        let held = places.try_take(&name("a")).unwrap();
        let (given_up, mut patient) = (wait(&places, "b"), wait(&places, "c"));
        drop(given_up);
        drop(held);
        assert!(served(&mut patient).is_some());
        // And one that was given a place and never took it.
        let held = places.try_take(&name("a")).unwrap();
        let unlucky = wait(&places, "b");
        drop(held);
        drop(unlucky);
        assert!(places.try_take(&name("c")).is_some());
    }
}
