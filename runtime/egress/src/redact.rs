//! Takes known secret values out of what comes back, and finds them in what is about to leave.
//!
//! A value is known in the forms in which it commonly travels: plain, URL-encoded, base64 at three offsets,
//! hexadecimal, JSON-escaped, HTML-escaped, and with every character escaped for a URL, for JSON or for HTML. Letter
//! case does not matter. Values shorter than [`openpact_model::secret::MIN_SCANNED_BYTES`] are not looked for.

mod form;
mod pattern;
mod prefilter;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use openpact_model::principal::Principal;
use openpact_model::secret::{MIN_SCANNED_BYTES, SecretName, SecretSnapshot, SecretValue};
use serde_json::{Map, Value};

pub(crate) use pattern::{Flow, Patterns};

/// A value shorter than this is not looked for even where it was just placed: it would be found everywhere.
pub(crate) const MIN_PLACED_BYTES: usize = 4;

/// Which secrets a [`Redactor`] knows.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// Those bound to this principal, and those of the runtime itself.
    Principal(&'a Principal),
}

impl Scope<'_> {
    fn includes(self, principals: &[Principal]) -> bool {
        match self {
            Self::All => true,
            Self::Principal(own) => {
                principals.iter().any(|principal| principal == own || *principal == Principal::Runtime)
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// The secrets of `snapshot` that belong to it.
    pub(crate) fn values(
        self,
        snapshot: &'a SecretSnapshot,
    ) -> impl Iterator<Item = (&'a SecretName, &'a SecretValue)> {
        let own = snapshot.entries.iter().filter(move |(_, entry)| self.includes(&entry.principals));
        own.flat_map(|(name, entry)| entry.values().map(move |value| (name, value)))
    }
}

/// Replaces the values of secrets by `[REDACTED:NAME]`.
#[derive(Debug, Clone)]
pub struct Redactor {
    generation: u64,
    /// How many of the names, from the first on, are those of the snapshot.
    current: usize,
    patterns: Arc<Patterns>,
    names: Arc<[SecretName]>,
    replacements: Arc<[Bytes]>,
}

impl Redactor {
    /// Builds the matcher for the secrets in `scope`. Takes time in proportion to their number: keep it until
    /// [`Self::generation`] is not the snapshot's any more.
    pub fn new(snapshot: &SecretSnapshot, scope: Scope<'_>) -> Self {
        Self::with_others(snapshot, scope, &[], &[])
    }

    /// For these values alone, which have no name here.
    pub(crate) fn of<'v>(values: impl Iterator<Item = &'v SecretValue>) -> Self {
        let name: SecretName = "SECRET".parse().expect("this is a name");
        let others: Vec<_> = values.map(|value| (name.clone(), value.clone())).collect();
        Self::with_others(&SecretSnapshot::default(), Scope::All, &[name], &others)
    }

    /// The same, and `others`: values that such secrets had at another time. The secrets named `placed` are looked for
    /// however short they are (from [`MIN_PLACED_BYTES`] on): where a value was just sent, looking for it in the answer
    /// is no guessing.
    pub(crate) fn with_others(
        snapshot: &SecretSnapshot,
        scope: Scope<'_>,
        placed: &[SecretName],
        others: &[(SecretName, SecretValue)],
    ) -> Self {
        let mut names = Vec::new();
        let mut forms = Vec::new();
        let mut current = 0;
        let now = scope.values(snapshot).map(|secret| (true, secret));
        let others = others.iter().map(|(name, value)| (false, (name, value)));
        for (is_current, (name, value)) in now.chain(others) {
            let value = value.expose();
            let shortest = if placed.contains(name) { MIN_PLACED_BYTES } else { MIN_SCANNED_BYTES };
            if value.len() < shortest {
                continue;
            }
            forms.extend(form::all(value).into_iter().map(|form| (form, names.len())));
            names.push(name.clone());
            current += usize::from(is_current);
        }
        let replacements = names.iter().map(|name| Bytes::from(format!("[REDACTED:{name}]"))).collect();
        Self {
            generation: snapshot.generation,
            current,
            patterns: Arc::new(Patterns::new(forms)),
            names: names.into(),
            replacements,
        }
    }

    /// The generation of the snapshot that this was built from.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether it knows no secret, so that nothing will ever be replaced.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The first secret in `bytes`, if there is one.
    pub fn find(&self, bytes: &[u8]) -> Option<&SecretName> {
        self.patterns.find(bytes, 0).map(|found| &self.names[found.label])
    }

    /// `text` without the values of secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Patterns are whole UTF-8 texts, so cutting them out leaves UTF-8; the lossy form only spares a panic.
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }

    /// `bytes` without the values of secrets.
    pub fn redact_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if self.patterns.find(bytes, 0).is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut stream = self.stream();
        let mut clean = stream.push(Bytes::copy_from_slice(bytes)).to_vec();
        clean.extend_from_slice(&stream.finish());
        Cow::Owned(clean)
    }

    /// Takes the values of secrets out of every text of `value`, the names of members included. A number whose digits
    /// are a secret becomes a text.
    pub fn redact_json(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                let digits = number.to_string();
                if let Cow::Owned(clean) = self.redact(&digits) {
                    *value = Value::String(clean);
                }
            }
            Value::String(text) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact_json(value)),
            Value::Object(members) => self.redact_members(members),
        }
    }

    fn redact_members(&self, members: &mut Map<String, Value>) {
        members.values_mut().for_each(|value| self.redact_json(value));
        if members.keys().any(|name| self.find(name.as_bytes()).is_some()) {
            let renamed = std::mem::take(members).into_iter();
            *members = renamed.map(|(name, value)| (self.redact(&name).into_owned(), value)).collect();
        }
    }

    /// A redactor for bytes that come in pieces.
    pub fn stream(&self) -> Stream {
        Stream { flow: Flow::new(self.patterns.clone()), replacements: self.replacements.clone() }
    }

    /// What looks for these secrets in bytes that leave in pieces; the label of a match is the place in the names.
    pub(crate) fn patterns(&self) -> Arc<Patterns> {
        self.patterns.clone()
    }

    /// Whether it looks for the value that this secret has in the snapshot.
    pub(crate) fn knows(&self, name: &SecretName) -> bool {
        self.names[..self.current].contains(name)
    }

    pub(crate) fn name(&self, label: usize) -> &SecretName {
        &self.names[label]
    }
}

/// Redacts bytes that come in pieces. Holds back only what may be the start of a secret, so that a stream of events
/// is not delayed by it.
#[derive(Debug)]
pub struct Stream {
    flow: Flow,
    replacements: Arc<[Bytes]>,
}

impl Stream {
    /// Takes one piece; gives what is safe to pass on, which may be empty.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        self.flow.replace(piece, &self.replacements)
    }

    /// The end: gives what was held back.
    pub fn finish(&mut self) -> Bytes {
        self.flow.replace_rest(&self.replacements)
    }
}
