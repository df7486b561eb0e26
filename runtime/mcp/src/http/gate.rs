//! The places for connections. Who has not shown a good token holds one on sufferance: for seconds, only so many at once
//! from one network, and the oldest of them goes when somebody else needs the place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::network;
use crate::config::Limits;

/// The places.
pub(super) struct Gate {
    most: usize,
    most_of_strangers: usize,
    patience: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    next: u64,
    /// By age.
    open: BTreeMap<u64, Entry>,
}

struct Entry {
    network: IpAddr,
    /// Whether a good token was shown.
    is_known: bool,
    /// Cancelled when the place is given to somebody else.
    cut: CancellationToken,
}

/// One connection's place, until it is dropped.
pub(super) struct Place {
    gate: Arc<Gate>,
    number: u64,
    cut: CancellationToken,
    /// Requests that arrived whole and are not answered to the end.
    busy: Arc<AtomicUsize>,
}

/// A request that arrived whole, until it is answered to the end.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Gate {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_of_strangers: limits.strangers,
            patience: limits.greeting,
            known: Mutex::default(),
        })
    }

    /// A place for a connection from `peer`. `None` where all are held by those who may hold them.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let (network, cut) = (network::of(peer), CancellationToken::new());
        let mut known = self.lock();
        if known.strangers().filter(|(_, other)| *other == network).count() >= self.most_of_strangers {
            let oldest = known.strangers().find(|(_, other)| *other == network).map(|(number, _)| number);
            known.cut(oldest);
        }
        if known.open.len() >= self.most {
            let oldest = known.strangers().next().map(|(number, _)| number);
            known.cut(oldest);
        }
        if known.open.len() >= self.most {
            return None;
        }
        let number = known.next;
        known.next += 1;
        known.open.insert(number, Entry { network, is_known: false, cut: cut.clone() });
        drop(known);
        Some(Place { gate: Arc::clone(self), number, cut, busy: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Those who have not shown a good token, the oldest first.
    fn strangers(&self) -> impl Iterator<Item = (u64, IpAddr)> {
        let strangers = self.open.iter().filter(|(_, entry)| !entry.is_known);
        strangers.map(|(number, entry)| (*number, entry.network))
    }

    fn cut(&mut self, number: Option<u64>) {
        if let Some(entry) = number.and_then(|number| self.open.remove(&number)) {
            metrics::counter!("openpact_mcp_refused_total", "why" => "connections").increment(1);
            entry.cut.cancel();
        }
    }
}

impl Place {
    /// A good token was shown: from now on nobody else gets this place.
    pub(super) fn keep(&self) {
        if let Some(entry) = self.gate.lock().open.get_mut(&self.number) {
            entry.is_known = true;
        }
    }

    /// Ends when somebody else got the place, or no good token came in time.
    pub(super) async fn lost(&self) {
        let in_vain = async {
            tokio::time::sleep(self.gate.patience).await;
            if self.gate.lock().open.get(&self.number).is_some_and(|entry| entry.is_known) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.cut.cancelled() => {}
            () = in_vain => {}
        }
    }

    /// A request arrived whole.
    pub(super) fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(&self.busy))
    }

    /// Whether a request that arrived whole is not answered to the end.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.lock().open.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn gate(connections: usize, strangers: usize) -> Arc<Gate> {
        Gate::new(&Limits { connections, strangers, ..Limits::default() })
    }

    #[test]
    fn one_network_has_few_places_for_strangers_and_loses_its_own_oldest() {
        let gate = gate(10, 2);
        let other = gate.enter(OTHER).unwrap();
        let own: Vec<_> = (0..3).map(|_| gate.enter(ONE).unwrap()).collect();
        assert_eq!(
            own.iter().map(|place| place.cut.is_cancelled()).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(!other.cut.is_cancelled());
        own.iter().for_each(Place::keep);
        let more: Vec<_> = (0..2).map(|_| gate.enter(ONE).unwrap()).collect();
        assert!(own[1..].iter().chain(&more).all(|place| !place.cut.is_cancelled()), "they are known");
    }

    #[test]
    fn the_oldest_stranger_makes_room_and_nobody_who_is_known() {
        let gate = gate(2, 32);
        let (known, stranger) = (gate.enter(ONE).unwrap(), gate.enter(OTHER).unwrap());
        known.keep();
        let third = gate.enter(ONE).unwrap();
        assert!(!known.cut.is_cancelled() && stranger.cut.is_cancelled());
        third.keep();
        assert!(gate.enter(ONE).is_none(), "all are known");
        drop(stranger);
        assert!(gate.enter(ONE).is_none(), "whose place was taken gives none back");
        drop(third);
        assert!(gate.enter(ONE).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_shows_no_token_in_time_is_not_waited_for() {
        let gate = gate(2, 2);
        let (known, stranger) = (gate.enter(ONE).unwrap(), gate.enter(ONE).unwrap());
        known.keep();
        stranger.lost().await;
        assert!(tokio::time::timeout(Duration::from_hours(1), known.lost()).await.is_err());
    }
}
