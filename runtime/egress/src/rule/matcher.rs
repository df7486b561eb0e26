//! Many rules at once: which of them allow a request.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Host, Rule, Target};

/// Rules, found by host.
#[derive(Debug, Default)]
pub struct Matcher {
    rules: Vec<Rule>,
    by_name: HashMap<String, Vec<usize>>,
    by_parent: HashMap<String, Vec<usize>>,
    by_address: HashMap<IpAddr, Vec<usize>>,
    any: Vec<usize>,
}

impl Matcher {
    /// Takes the rules in their order, which is the order in which they are tried.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut matcher = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            let list = match &rule.host {
                Host::Name(name) => matcher.by_name.entry(name.clone()).or_default(),
                Host::Under(name) => matcher.by_parent.entry(name.clone()).or_default(),
                Host::Address(address) => matcher.by_address.entry(*address).or_default(),
                Host::Any => &mut matcher.any,
            };
            list.push(index);
        }
        matcher.rules = rules;
        matcher
    }

    /// The rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The places of all rules that allow such a request, the first rule first.
    pub fn matching(&self, target: &Target<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut take = |list: Option<&Vec<usize>>| {
            let list = list.into_iter().flatten().copied();
            found.extend(list.filter(|index| self.rules[*index].matches(target)));
        };
        match target.host {
            url::Host::Domain(name) => {
                take(self.by_name.get(name));
                for parent in parents(name) {
                    take(self.by_parent.get(parent));
                }
            }
            url::Host::Ipv4(address) => take(self.by_address.get(&IpAddr::V4(address))),
            url::Host::Ipv6(address) => take(self.by_address.get(&IpAddr::V6(address))),
        }
        take(Some(&self.any));
        found.sort_unstable();
        found
    }
}

/// Every name above `name`: `b.c` and `c` for `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[dot + 1..])
}
