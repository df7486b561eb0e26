//! Many rules at once: which of them allow a request.

use std::collections::HashMap;
use std::net::IpAddr;

use super::path::{Piece, Segments};
use super::{Host, Rule, Scheme, Target};

/// How many segments of a path the index looks at. What is deeper is compared rule by rule.
const DEPTH: usize = 16;

/// Rules, found by host, scheme, port and path. The index only narrows down: whether a rule that it finds allows the
/// request is for the rule itself to say.
#[derive(Debug, Default)]
pub struct Matcher {
    rules: Vec<Rule>,
    by_name: HashMap<String, Site>,
    by_parent: HashMap<String, Site>,
    by_address: HashMap<IpAddr, Site>,
    any: Site,
}

/// The rules of one host.
#[derive(Debug, Default)]
struct Site(HashMap<(Scheme, u16), Node>);

/// The rules whose paths begin alike.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Vec<u8>, Node>,
    one: Option<Box<Node>>,
    /// Their path ends here.
    ended: Vec<usize>,
    /// Anything may follow, or what follows is not indexed.
    open: Vec<usize>,
}

impl Matcher {
    /// Takes the rules in their order, which is the order in which they are tried.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut matcher = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            let site = match &rule.host {
                Host::Name(name) => matcher.by_name.entry(name.clone()).or_default(),
                Host::Under(name) => matcher.by_parent.entry(name.clone()).or_default(),
                Host::Address(address) => matcher.by_address.entry(*address).or_default(),
                Host::Any => &mut matcher.any,
            };
            site.insert(rule, index);
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
        let mut take =
            |site: Option<&Site>| site.into_iter().for_each(|site| site.collect(target, &mut found));
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
        found.retain(|index| self.rules[*index].matches(target));
        found.sort_unstable();
        found
    }
}

impl Site {
    fn insert(&mut self, rule: &Rule, index: usize) {
        let mut node = self.0.entry((rule.scheme, rule.port)).or_default();
        let (pieces, rest) = rule.path.pieces();
        for piece in pieces.iter().take(DEPTH) {
            node = match piece {
                Piece::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Piece::One => node.one.get_or_insert_default(),
            };
        }
        let list = if rest || pieces.len() > DEPTH { &mut node.open } else { &mut node.ended };
        list.push(index);
    }

    fn collect(&self, target: &Target<'_>, found: &mut Vec<usize>) {
        if let Some(node) = self.0.get(&(target.scheme, target.port)) {
            node.collect(&target.path, 0, found);
        }
    }
}

impl Node {
    /// Each node is come to by one way only, so this looks at no rule twice.
    fn collect(&self, path: &Segments<'_>, depth: usize, found: &mut Vec<usize>) {
        found.extend(&self.open);
        let Some(segment) = path.decoded(depth) else {
            found.extend(&self.ended);
            return;
        };
        if let Some(node) = self.literals.get(segment) {
            node.collect(path, depth + 1, found);
        }
        if let Some(node) = &self.one {
            node.collect(path, depth + 1, found);
        }
    }
}

/// Every name above `name`: `b.c` and `c` for `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[dot + 1..])
}
