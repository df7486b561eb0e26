//! The places for turns: so many over all channels, of which some are kept for people who are more than guests, and so
//! many for one person, however many channels they write in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use openpact_model::role::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lock;
use crate::people::Whose;

/// Above this many people, those who have no turn are forgotten: they say nothing.
const MANY: usize = 1024;

/// The places for turns.
pub(super) struct Places {
    all: Arc<Semaphore>,
    guests: Arc<Semaphore>,
    people: Mutex<HashMap<Whose, Arc<Semaphore>>>,
    each: usize,
}

/// A place for one turn, until it is dropped.
pub(super) struct Place {
    _held: [Option<OwnedSemaphorePermit>; 3],
}

impl Places {
    /// `all` places, of which an eighth is kept from guests; `each` for one person who is no owner.
    pub(super) fn new(all: usize, each: usize) -> Self {
        let (all, each) = (all.max(1), each.max(1));
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let guests = semaphore((all - all / 8).max(1));
        Self { all: semaphore(all), guests, people: Mutex::default(), each }
    }

    /// Waits for a place. The scarcest is waited for first, so that nobody who waits holds what others could use.
    pub(super) async fn take(&self, whose: Whose, role: Role) -> Place {
        let own = if role < Role::Owner { Some(acquire(self.person(whose)).await) } else { None };
        let guest = if role == Role::Guest { Some(acquire(Arc::clone(&self.guests)).await) } else { None };
        let all = Some(acquire(Arc::clone(&self.all)).await);
        Place { _held: [own, guest, all] }
    }

    fn person(&self, whose: Whose) -> Arc<Semaphore> {
        let mut people = lock(&self.people);
        if people.len() >= MANY {
            // Who has a place, or waits for one, holds it too.
            people.retain(|_, places| Arc::strong_count(places) > 1);
        }
        Arc::clone(people.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

async fn acquire(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.acquire_owned().await.expect("the semaphores are never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn take(places: &Places, user: &str, role: Role) -> Option<Place> {
        places.take(Whose::Person(user.to_owned()), role).now_or_never()
    }

    #[test]
    fn one_person_has_only_so_many_and_takes_none_from_others() {
        let places = Places::new(16, 2);
        let mut held = [take(&places, "a", Role::Member), take(&places, "a", Role::Member)];
        assert!(held.iter().all(Option::is_some));
        assert!(take(&places, "a", Role::Member).is_none());
        assert!(take(&places, "b", Role::Member).is_some());
        held[0] = None;
        assert!(take(&places, "a", Role::Member).is_some(), "it is given back");
    }

    #[test]
    fn guests_leave_some_for_the_others() {
        let places = Places::new(8, 100);
        let held: Vec<_> =
            (0..7).map(|user| take(&places, &user.to_string(), Role::Guest).unwrap()).collect();
        assert!(take(&places, "x", Role::Guest).is_none());
        let owner = take(&places, "owner", Role::Owner);
        assert!(owner.is_some());
        assert!(take(&places, "member", Role::Member).is_none(), "all are taken");
        drop((held, owner));
        assert!(take(&places, "x", Role::Guest).is_some());
        assert!(Places::new(1, 1).guests.available_permits() == 1, "the only one is everybody's");
    }

    #[test]
    fn who_has_no_turn_is_forgotten() {
        let places = Places::new(8, 1);
        let held = take(&places, "held", Role::Member);
        for user in 0..3 * MANY {
            drop(take(&places, &user.to_string(), Role::Member));
        }
        assert!(lock(&places.people).len() <= MANY);
        assert!(take(&places, "held", Role::Member).is_none(), "who has one is not");
        drop(held);
    }
}
