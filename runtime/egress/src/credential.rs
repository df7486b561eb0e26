//! Credentials: references that a guest may hold, and the places where the host fills the values in.

mod placement;
mod supply;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openpact_model::random::Random;

use crate::door::Door;
use crate::redact::Patterns;

pub use placement::{Placement, PlacementError, Template, When};
pub(crate) use placement::{Slot, Taken};
pub(crate) use supply::Unsupplied;

/// Random bytes in a reference.
const REFERENCE_BYTES: usize = 32;

/// Whether `text` can name a credential: 1 to 64 of letters, digits, `_`, `-` and `.`.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// There is no reference to a credential. `Display` is for the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No grant of this principal names it.
    #[error("no grant names the credential '{0}'")]
    NotGranted(String),
    /// A grant names it, but there is no secret behind it, or the secret is bound to others.
    #[error("the credential '{0}' is granted but not supplied")]
    NotSupplied(String),
}

/// The references of one instance of a guest. They die with this value.
pub struct References {
    door: Option<Arc<Door>>,
    random: Option<Arc<dyn Random>>,
    issued: Mutex<Arc<Issued>>,
}

/// What has been issued so far.
#[derive(Default)]
pub(crate) struct Issued {
    by_name: BTreeMap<String, String>,
    /// Finds a complete reference in anything; the label is its place in `names`.
    pub(crate) search: Arc<Patterns>,
    names: Vec<String>,
}

impl Issued {
    /// The reference to the credential `name`.
    pub(crate) fn reference(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    /// The credential whose reference stands in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&str> {
        self.search.find(bytes, 0).map(|found| self.name(found.label))
    }

    pub(crate) fn name(&self, label: usize) -> &str {
        &self.names[label]
    }

    /// `text` with every reference, in whatever letter case, replaced by the name of its credential in braces, to be
    /// shown.
    pub(crate) fn show(&self, text: &str) -> String {
        let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
        while let Some(found) = self.search.find(text.as_bytes(), from) {
            // A reference is ASCII, so both its ends are ends of characters.
            shown.extend([&text[from..found.start], "{", self.name(found.label), "}"]);
            from = found.end;
        }
        shown.push_str(&text[from..]);
        shown
    }

    fn with(&self, name: &str, reference: &str) -> Self {
        let mut by_name = self.by_name.clone();
        by_name.insert(name.to_owned(), reference.to_owned());
        let patterns = by_name.values().enumerate();
        let search =
            Patterns::new(patterns.map(|(label, text)| (text.clone().into_bytes(), label)).collect());
        let names = by_name.keys().cloned().collect();
        Self { by_name, search: Arc::new(search), names }
    }
}

impl References {
    pub(crate) fn new(door: Arc<Door>, random: Arc<dyn Random>) -> Self {
        Self { door: Some(door), random: Some(random), issued: Mutex::default() }
    }

    /// References for a caller that never uses a credential.
    pub fn none() -> Self {
        Self { door: None, random: None, issued: Mutex::default() }
    }

    /// A reference to the credential `name`: 43 of `[A-Za-z0-9_-]`, the same each time it is asked for.
    ///
    /// # Errors
    /// [`Unavailable`] where this principal is not granted the credential, or nobody supplied it.
    pub fn reference(&self, name: &str) -> Result<String, Unavailable> {
        let (Some(door), Some(random)) = (&self.door, &self.random) else {
            return Err(Unavailable::NotGranted(name.to_owned()));
        };
        door.check_credential(name)?;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reference) = issued.reference(name) {
            return Ok(reference.to_owned());
        }
        let mut bytes = [0; REFERENCE_BYTES];
        random.fill(&mut bytes);
        let reference = URL_SAFE_NO_PAD.encode(bytes);
        *issued = Arc::new(issued.with(name, &reference));
        Ok(reference)
    }

    pub(crate) fn issued(&self) -> Arc<Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("References").finish_non_exhaustive()
    }
}
