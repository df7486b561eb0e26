//! The connections that are there: so many at once and of one peer fewer. Whoever comes when no place is left is let
//! in, and in return the oldest goes that has not asked yet: holding connections open keeps nobody out.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Connections at once.
const ALL: usize = 32;
/// Connections of one peer at once.
const OF_ONE_PEER: usize = 16;

/// Every connection, the oldest first.
#[derive(Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    next: u64,
    visitors: Vec<Visitor>,
}

struct Visitor {
    number: u64,
    peer: IpAddr,
    has_asked: bool,
    cut: CancellationToken,
}

/// The place of one connection; dropping it frees it.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    cut: CancellationToken,
}

impl Places {
    /// A place for a new connection. Where none is left another one loses its own.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Place {
        let peer = peer.to_canonical();
        let cut = CancellationToken::new();
        let mut taken = self.lock();
        if taken.visitors.iter().filter(|visitor| visitor.peer == peer).count() >= OF_ONE_PEER {
            taken.cut(|visitor| visitor.peer == peer);
        } else if taken.visitors.len() >= ALL {
            taken.cut(|_| true);
        }
        let number = taken.next;
        taken.next += 1;
        taken.visitors.push(Visitor { number, peer, has_asked: false, cut: cut.clone() });
        Place { places: Arc::clone(self), number, cut }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Cuts one connection off: the oldest that has not asked, else the oldest.
    fn cut(&mut self, of: impl Fn(&Visitor) -> bool) {
        let silent = self.visitors.iter().position(|visitor| of(visitor) && !visitor.has_asked);
        if let Some(at) = silent.or_else(|| self.visitors.iter().position(of)) {
            self.visitors.remove(at).cut.cancel();
        }
    }
}

impl Place {
    /// The head of the request is there.
    pub(crate) fn has_asked(&self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.visitors.iter_mut().find(|visitor| visitor.number == self.number) {
            own.has_asked = true;
        }
    }

    /// Cancelled when another one needs the place.
    pub(crate) fn is_lost(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().visitors.retain(|visitor| visitor.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn lost(places: &[Place]) -> Vec<usize> {
        (0..places.len()).filter(|at| places[*at].is_lost().is_cancelled()).collect()
    }

    #[test]
    fn the_oldest_that_has_not_asked_goes_first() {
        let places = Arc::<Places>::default();
        let mut all: Vec<_> = (0..ALL).map(|at| places.take(peer(u8::try_from(at % 4).unwrap()))).collect();
        assert!(lost(&all).is_empty(), "as many as there are places");
        all[0].has_asked();
        all.push(places.take(peer(9)));
        assert_eq!(lost(&all), [1]);
        all.push(places.take(peer(9)));
        assert_eq!(lost(&all), [1, 2]);
    }

    #[test]
    fn one_peer_takes_only_its_own_places() {
        let places = Arc::<Places>::default();
        let other = places.take(peer(1));
        let mut own: Vec<_> = (0..OF_ONE_PEER).map(|_| places.take(peer(2))).collect();
        assert!(lost(&own).is_empty(), "as many as one may have");
        own.push(places.take("::ffff:192.0.2.2".parse().unwrap()));
        assert_eq!(lost(&own), [0]);
        assert!(!other.is_lost().is_cancelled(), "it is older, but somebody else's");
    }

    #[test]
    fn those_who_asked_and_do_not_read_keep_nobody_out() {
        let places = Arc::<Places>::default();
        let all: Vec<_> = (0..OF_ONE_PEER).map(|_| places.take(peer(1))).collect();
        all.iter().for_each(Place::has_asked);
        let _new = places.take(peer(1));
        assert_eq!(lost(&all), [0]);
    }

    #[test]
    fn a_place_is_free_when_its_connection_ended() {
        let places = Arc::<Places>::default();
        for _ in 0..ALL {
            drop(places.take(peer(1)));
        }
        assert!(places.lock().visitors.is_empty());
    }
}
