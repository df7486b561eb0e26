//! What the admin set for this component, described by `settings` in its manifest.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// The value of one setting; `None` where it is neither set nor has a default in the manifest. A setting that the
/// manifest marks secret gives a credential reference, a string.
///
/// # Errors
/// [`Error::Failed`] when the value is not a `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(value) = raw(key)? else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|error| {
        Error::failed(format!(
            "The setting {key:?} of this component cannot be used: {error}. The admin can correct it."
        ))
    })
}

#[cfg(target_family = "wasm")]
fn raw(key: &str) -> Result<Option<Value>> {
    let Some(text) = crate::bindings::openpact::host::settings::get(key) else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text)?))
}

#[cfg(not(target_family = "wasm"))]
#[expect(clippy::unnecessary_wraps, reason = "inside a component it can fail")]
fn raw(key: &str) -> Result<Option<Value>> {
    Ok(stand_in::VALUES.with_borrow(|values| values.get(key).cloned()))
}

/// Sets a setting for the tests of this thread. Not there inside a component: settings belong to the admin.
#[cfg(not(target_family = "wasm"))]
pub fn set_for_test(key: &str, value: Value) {
    stand_in::VALUES.with_borrow_mut(|values| values.insert(key.to_owned(), value));
}

#[cfg(not(target_family = "wasm"))]
mod stand_in {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use serde_json::Value;

    thread_local! {
        /// The settings of this thread's tests.
        pub(super) static VALUES: RefCell<BTreeMap<String, Value>> = const { RefCell::new(BTreeMap::new()) };
    }
}
