//! Lists of both sides, laid beside each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Area, Changes};

/// Both sides of one entry; never none of them.
pub(super) struct Pair<'a, T> {
    pub(super) old: Option<&'a T>,
    pub(super) new: Option<&'a T>,
}

/// Pairs the entries of two short lists: first those that are equal, then those that are about the same thing, in
/// their order. The new ones come in their own order, what is gone behind them.
pub(super) fn pairs<'a, T: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    same_thing: impl Fn(&T, &T) -> bool,
) -> Vec<Pair<'a, T>> {
    let mut left: Vec<_> = old.iter().collect();
    let mut partners: Vec<Option<&T>> = vec![None; new.len()];
    for equal in [true, false] {
        for (entry, partner) in new.iter().zip(&mut partners).filter(|(_, partner)| partner.is_none()) {
            let fits = |old: &&T| if equal { *old == entry } else { same_thing(old, entry) };
            *partner = left.iter().position(fits).map(|at| left.remove(at));
        }
    }
    let kept = new.iter().zip(partners).map(|(new, old)| Pair { old, new: Some(new) });
    kept.chain(left.into_iter().map(|old| Pair { old: Some(old), new: None })).collect()
}

/// Compares the names of interfaces. One that only has another version is one change; `widens` says why a new one
/// widens.
pub(super) fn interfaces(
    changes: &mut Changes,
    area: Area,
    old: &[String],
    new: &[String],
    widens: Option<&str>,
) {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    let mut paths: BTreeMap<&str, (Vec<&String>, Vec<&String>)> = BTreeMap::new();
    for name in old.difference(&new) {
        paths.entry(path(name)).or_default().0.push(name);
    }
    for name in new.difference(&old) {
        paths.entry(path(name)).or_default().1.push(name);
    }
    for (path, (gone, come)) in paths {
        if let ([before], [after]) = (gone.as_slice(), come.as_slice()) {
            changes.add(area, path, Some((*before).clone()), Some((*after).clone()), None);
            continue;
        }
        for name in gone {
            changes.add(area, path, Some(name.clone()), None, None);
        }
        for name in come {
            changes.add(area, path, None, Some(name.clone()), widens);
        }
    }
}

/// The name of an interface without its version.
fn path(name: &str) -> &str {
    name.split_once('@').map_or(name, |(path, _)| path)
}
