//! What differs between the installed package and a new one, complete and in order, for the admin who decides.
//!
//! Every new digest waits for an admin, also where nothing in its requests differs, so a [`Difference`] is never empty
//! of meaning: it says what both are, each [`Change`] with the text before and after, whole, and in one sentence
//! whether the new one asks for more. The texts are those of the packages, raw: whoever shows them escapes them for the
//! place where they go (`openpact_model::text` for a terminal).
//!
//! "Widens" means: gives the component something that it did not have, or takes away something that holds it or its
//! publisher back. Where that cannot be told, it counts as widening.

mod list;
mod request;
mod setting;
mod tool;

use std::fmt;

use openpact_model::id::{ComponentName, Digest};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::inspect::Inspection;
use crate::key::PublicKey;
use crate::manifest::Manifest;
use crate::verify::Verified;

/// A package as one side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The key that signed it; `None` where that was not verified.
    pub key: Option<PublicKey>,
    /// The names of everything that it imports.
    pub imports: &'a [String],
    /// The names of everything that it exports.
    pub exports: &'a [String],
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

/// Everything that differs between two packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The component's name, as the new package states it.
    pub name: ComponentName,
    /// What is installed.
    pub from: Release,
    /// What is to take its place.
    pub to: Release,
    /// Each difference: identity first, then requests, settings, tools, imports, exports, and the file.
    pub changes: Vec<Change>,
    /// Whether any of them widens.
    pub widens: bool,
    /// Whether it asks for something else: its requests, its imports or the secrets among its settings differ.
    pub requests_differ: bool,
    /// All of it in one sentence, which names the new digest.
    pub statement: String,
}

/// One of the two packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which part of the package it is in.
    pub area: Area,
    /// What differs: the key of the manifest, such as `requests.http` or `tools.fetch.description`, or the name of an
    /// interface.
    pub what: String,
    /// How it differs.
    pub kind: Kind,
    /// What the installed package says, whole; `None` where it says nothing.
    pub before: Option<String>,
    /// What the new package says, whole; `None` where it says nothing.
    pub after: Option<String>,
    /// Whether it widens what the component has.
    pub widens: bool,
    /// Why it widens, one clause.
    pub note: Option<String>,
}

/// Which part of a package a difference is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Who it is and who signed it.
    Identity,
    /// What its manifest requests.
    Requests,
    /// What an admin may set.
    Settings,
    /// The tools and all that the model is told about them.
    Tools,
    /// The interfaces that it imports.
    Imports,
    /// The interfaces that it exports.
    Exports,
    /// The file itself.
    File,
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only the new package has it.
    Added,
    /// Only the installed package has it.
    Removed,
    /// Both have it, with different texts.
    Changed,
}

impl<'a> Side<'a> {
    /// A package that was verified.
    pub fn verified(package: &'a Verified) -> Self {
        Self {
            manifest: package.manifest(),
            key: Some(package.key()),
            imports: package.imports(),
            exports: package.exports(),
            size: package.bytes().len() as u64,
            digest: package.digest(),
        }
    }

    /// A package as it describes itself, for example one whose key is not pinned any more; `None` where it has no
    /// manifest that can be read.
    pub fn claimed(package: &'a Inspection) -> Option<Self> {
        Some(Self {
            manifest: package.manifest.as_ref()?,
            key: None,
            imports: &package.imports,
            exports: &package.exports,
            size: package.size,
            digest: package.digest,
        })
    }

    fn release(&self) -> Release {
        Release { version: self.manifest.version.clone(), digest: self.digest, size: self.size }
    }
}

/// What differs between the package that is installed and the one that is to take its place.
pub fn between(installed: &Side<'_>, new: &Side<'_>) -> Difference {
    let mut changes = Changes::default();
    identity(&mut changes, installed, new);
    request::compare(&mut changes, &installed.manifest.requests, &new.manifest.requests);
    setting::compare(&mut changes, installed.manifest.settings.as_ref(), new.manifest.settings.as_ref());
    tool::compare(&mut changes, &installed.manifest.tools, &new.manifest.tools);
    let import = Some("a new interface of the host that it can use");
    list::interfaces(&mut changes, Area::Imports, installed.imports, new.imports, import);
    list::interfaces(&mut changes, Area::Exports, installed.exports, new.exports, None);
    let size = |side: &Side<'_>| Some(format!("{} bytes", side.size));
    changes.add(Area::File, "size", size(installed), size(new), None);
    let digest = |side: &Side<'_>| Some(side.digest.to_string());
    changes.add(Area::File, "digest", digest(installed), digest(new), None);
    let changes = changes.0;
    Difference {
        name: new.manifest.name.clone(),
        from: installed.release(),
        to: new.release(),
        widens: changes.iter().any(|change| change.widens),
        requests_differ: changes.iter().any(Change::is_request),
        statement: statement(&changes, new.digest),
        changes,
    }
}

fn identity(changes: &mut Changes, installed: &Side<'_>, new: &Side<'_>) {
    let (old, now) = (installed.manifest, new.manifest);
    let mut add = |what: &str, before: Option<String>, after: Option<String>, widens| {
        changes.add(Area::Identity, what, before, after, widens);
    };
    let text = |value: &dyn fmt::Display| Some(value.to_string());
    add("name", text(&old.name), text(&now.name), Some("it is another component"));
    let lower =
        (now.version < old.version).then_some("an older version: what was mended since is open again");
    add("version", text(&old.version), text(&now.version), lower);
    add("publisher", text(&old.publisher), text(&now.publisher), Some("somebody else publishes it"));
    let key = |side: &Side<'_>| side.key.map(|key| key.to_string());
    add("key", key(installed), key(new), Some("another key signed it"));
    add("kind", text(&old.kind), text(&now.kind), Some("it becomes another kind of component"));
    add("description", text(&old.description), text(&now.description), None);
    add("license", text(&old.license), text(&now.license), None);
    add("homepage", old.homepage.clone(), now.homepage.clone(), None);
}

fn statement(changes: &[Change], digest: Digest) -> String {
    if changes.is_empty() {
        return format!("no difference: this is the package that is installed, with the digest {digest}");
    }
    let requests = changes.iter().filter(|change| change.is_request()).count();
    let asked = match requests {
        0 => "no difference in requests".to_owned(),
        1 => "one difference in requests".to_owned(),
        many => format!("{many} differences in requests"),
    };
    let widening = match (changes.iter().filter(|change| change.widens).count(), requests) {
        (0, _) => String::new(),
        (1, 0) => ", but one elsewhere that widens what it has".to_owned(),
        (many, 0) => format!(", but {many} elsewhere that widen what it has"),
        (1, _) => "; one difference in all widens what it has".to_owned(),
        (many, _) => format!("; {many} differences in all widen what it has"),
    };
    format!("{asked}{widening}; the new package has the digest {digest}")
}

impl Change {
    /// Whether the component asks for something else with it.
    fn is_request(&self) -> bool {
        match self.area {
            Area::Requests | Area::Imports => true,
            // A secret among the settings is a credential.
            Area::Settings => self.widens,
            Area::Identity | Area::Tools | Area::Exports | Area::File => false,
        }
    }
}

/// The differences that were found so far.
#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    /// Notes a difference, if there is one. `widens` says why it would widen.
    fn add(
        &mut self,
        area: Area,
        what: impl Into<String>,
        before: Option<String>,
        after: Option<String>,
        widens: Option<&str>,
    ) {
        let kind = match (&before, &after) {
            (before, after) if before == after => return,
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        };
        let (widens, note) = (widens.is_some(), widens.map(str::to_owned));
        self.0.push(Change { area, what: what.into(), kind, before, after, widens, note });
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

#[cfg(test)]
mod tests;
