//! Rules that are well formed and do nothing, or more than they seem to.

use super::{Host, Methods, Rule};
use crate::address;

/// Something about a rule that an admin should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The place of the rule in the list.
    pub rule: usize,
    /// What about it.
    pub message: String,
}

/// What is odd about `rules`, which are tried in this order.
pub fn warnings(rules: &[Rule]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut warn = |message: String| warnings.push(Warning { rule: index, message });
        if let Some(kind) = unreachable_kind(rule) {
            let Host::Address(address) = &rule.host else { continue };
            warn(format!("never matches: {address} is a {kind} address, and no private= names it"));
        }
        match &rule.host {
            Host::Under(name) if !name.contains('.') => {
                warn(format!("covers every site whose name ends in .{name}"));
            }
            Host::Any => warn("covers any site".to_owned()),
            Host::Under(_) | Host::Name(_) | Host::Address(_) => {}
        }
        if let Some(earlier) = rules[..index].iter().position(|earlier| shadows(earlier, rule)) {
            warn(format!(
                "never used: rule {} comes first and allows the same: {}",
                earlier + 1,
                rules[earlier]
            ));
        }
    }
    warnings
}

fn unreachable_kind(rule: &Rule) -> Option<address::Kind> {
    let Host::Address(address) = rule.host else { return None };
    address::judge(address, &rule.private).err().map(|refused| refused.kind)
}

/// Whether `earlier` decides every request that `later` allows. A rule with a credential of its own is used where a
/// request names that credential, and one that names further addresses adds them, so an earlier one hides neither.
fn shadows(earlier: &Rule, later: &Rule) -> bool {
    earlier.scheme == later.scheme
        && earlier.port == later.port
        && covers_methods(&earlier.methods, &later.methods)
        && covers_hosts(&earlier.host, &later.host)
        && earlier.path.covers(&later.path)
        && (later.credential.is_none() || later.credential == earlier.credential)
        && later.private.iter().all(|range| earlier.private.iter().any(|wider| wider.contains(range)))
}

fn covers_methods(earlier: &Methods, later: &Methods) -> bool {
    match (earlier, later) {
        (Methods::Any, _) => true,
        (Methods::Of(_), Methods::Any) => false,
        (Methods::Of(_), Methods::Of(later)) => later.iter().all(|method| earlier.contains(method)),
    }
}

fn covers_hosts(earlier: &Host, later: &Host) -> bool {
    match (earlier, later) {
        (Host::Any, _) => true,
        (Host::Under(_) | Host::Name(_), Host::Name(name)) => earlier.matches(&url::Host::Domain(name)),
        (Host::Under(above), Host::Under(below)) => above == below || super::is_under(below, above),
        (Host::Address(earlier), Host::Address(later)) => earlier == later,
        _ => false,
    }
}
