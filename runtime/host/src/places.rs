//! The places for instances that all components share. A place that becomes free goes to the component that has the
//! fewest, and among equals to the one that was served, or came, the longest time ago; no component may have more than
//! half.

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
    /// Counts what decides among equals: places given, and lines begun.
    count: u64,
    lines: HashMap<ComponentName, Line>,
}

/// One component's.
struct Line {
    held: usize,
    /// When it was given a place last or, before that, came: whoever comes anew stands behind all that are there.
    since: u64,
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
            state.line(who).waiting.push_back(sender);
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
    fn line(&mut self, who: &ComponentName) -> &mut Line {
        if !self.lines.contains_key(who) {
            self.count += 1;
            let line = Line { held: 0, since: self.count, waiting: VecDeque::new() };
            self.lines.insert(who.clone(), line);
        }
        self.lines.get_mut(who).expect("it is there now")
    }

    /// Those who gave up stand in no line any more.
    fn forget_gone(&mut self) {
        self.lines.retain(|_, line| {
            line.waiting.retain(|sender| !sender.is_closed());
            line.held > 0 || !line.waiting.is_empty()
        });
    }

    /// Gives free places to those who wait.
    fn serve(&mut self, places: &Arc<Places>) {
        self.forget_gone();
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
        waiting.min_by_key(|(_, line)| (line.held, line.since)).map(|(who, _)| who.clone())
    }

    fn give(&mut self, places: &Arc<Places>, who: &ComponentName) -> Place {
        self.free -= 1;
        self.count += 1;
        let now = self.count;
        let line = self.line(who);
        line.held += 1;
        line.since = now;
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
        assert_eq!(order, ["a", "b", "a", "b", "a", "b"], "and who came first begins");
        assert_eq!(lock(&places.state).free, 1);
        assert!(lock(&places.state).lines.is_empty(), "nothing is left of those who were there");
    }

    #[test]
    fn one_with_several_callers_is_not_overtaken_by_those_who_come_and_go() {
        const ROUNDS: usize = 5000;
        let places = Places::new(6);
        let callers = ["many"; 4].into_iter().chain(["a", "b", "c", "d", "e", "f", "g"]);
        let take = |who: &'static str| {
            let (places, who) = (Arc::clone(&places), name(who));
            let waiting: Waiting = Box::pin(async move { places.take(&who).await });
            waiting
        };
        let (mut waiting, mut held) = (VecDeque::new(), VecDeque::new());
        waiting.extend(callers.map(|who| (who, take(who))));
        let mut times: HashMap<&str, usize> = HashMap::new();
        for _ in 0..ROUNDS {
            for _ in 0..waiting.len() {
                let (who, mut one) = waiting.pop_front().expect("it was counted");
                match served(&mut one) {
                    Some(place) => held.push_back((who, place)),
                    None => waiting.push_back((who, one)),
                }
            }
            // The call that has run longest ends, and its caller comes again at once.
            let (who, place) = held.pop_front().expect("somebody is served");
            drop(place);
            *times.entry(who).or_default() += 1;
            waiting.push_back((who, take(who)));
        }
        let (least, most) = (times.values().min().unwrap(), times.values().max().unwrap());
        assert!(times.len() == 8 && *most <= 2 * *least, "{times:?}");
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
        assert!(lock(&places.state).lines.is_empty(), "and nothing is left of them");
    }
}
