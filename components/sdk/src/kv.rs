//! Values that outlive a call; one name space for each component. Needs `requests.kv` in the manifest.
//!
//! Two calls of one component may run at once: change a value that both may change with [`compare_and_swap`].

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The key is empty or longer than 512 bytes, or the value is longer than 1 MiB.
    TooLarge,
    /// The component's quota, in bytes of keys and values, is used up.
    OverQuota,
    /// The store does not work now.
    Unavailable(String),
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The new value is stored.
    Stored,
    /// The value was another than expected; this is what is there.
    Conflict(Option<Vec<u8>>),
}

/// The value of `key`.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(key)
}

/// Sets `key`.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    host::set(key, value)
}

/// Removes `key`; nothing happens where it is not there.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    host::delete(key)
}

/// Sets (`Some`) or removes (`None`) `key` if its value is still `expected`; `None` means that it is not there.
///
/// # Errors
/// See [`Error`].
pub fn compare_and_swap(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<Swap, Error> {
    host::compare_and_swap(key, expected, value)
}

/// The keys that start with `prefix`, in order, at most `limit` (at most 1,000) of those after `after`.
///
/// # Errors
/// See [`Error`].
pub fn list_keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    host::list_keys(prefix, after, limit)
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge => Self::failed("A value is too large for the component's store."),
            Error::OverQuota => {
                Self::failed("The component's store is full. An admin can give it more room.")
            }
            Error::Unavailable(text) => Self::unavailable(text),
        }
    }
}

#[cfg(target_family = "wasm")]
mod host {
    use super::{Error, Swap};
    use crate::bindings::openpact::host::kv;

    pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        kv::get(key).map_err(error)
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        kv::set(key, value).map_err(error)
    }

    pub(super) fn delete(key: &str) -> Result<(), Error> {
        kv::delete(key).map_err(error)
    }

    pub(super) fn compare_and_swap(
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Error> {
        match kv::compare_and_swap(key, expected, value).map_err(error)? {
            kv::Swap::Stored => Ok(Swap::Stored),
            kv::Swap::Conflict(found) => Ok(Swap::Conflict(found)),
        }
    }

    pub(super) fn list_keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        kv::list_keys(prefix, after, limit).map_err(error)
    }

    fn error(error: kv::Error) -> Error {
        match error {
            kv::Error::TooLarge => Error::TooLarge,
            kv::Error::OverQuota => Error::OverQuota,
            kv::Error::Unavailable(text) => Error::Unavailable(text),
        }
    }
}

/// The stand-in of tests: the values of one thread, with the limits of keys and values and without a quota.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::{Error, Swap};

    const KEY: usize = 512;
    const VALUE: usize = 1024 * 1024;
    const LISTED: u32 = 1000;

    thread_local! {
        static VALUES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        check(key, &[])?;
        Ok(VALUES.with_borrow(|values| values.get(key).cloned()))
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        check(key, value)?;
        VALUES.with_borrow_mut(|values| values.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }

    pub(super) fn delete(key: &str) -> Result<(), Error> {
        check(key, &[])?;
        VALUES.with_borrow_mut(|values| values.remove(key));
        Ok(())
    }

    pub(super) fn compare_and_swap(
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Error> {
        check(key, value.unwrap_or_default())?;
        let found = get(key)?;
        if found.as_deref() != expected {
            return Ok(Swap::Conflict(found));
        }
        match value {
            Some(value) => set(key, value)?,
            None => delete(key)?,
        }
        Ok(Swap::Stored)
    }

    #[expect(clippy::unnecessary_wraps, reason = "inside a component it can fail")]
    pub(super) fn list_keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        let limit = usize::try_from(limit.min(LISTED)).unwrap_or_default();
        Ok(VALUES.with_borrow(|values| {
            let keys = values.keys().filter(|key| key.starts_with(prefix));
            keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(limit).cloned().collect()
        }))
    }

    fn check(key: &str, value: &[u8]) -> Result<(), Error> {
        if key.is_empty() || key.len() > KEY || value.len() > VALUE { Err(Error::TooLarge) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_needs_the_value_that_is_there() {
        assert_eq!(compare_and_swap("n", None, Some(b"1")), Ok(Swap::Stored));
        assert_eq!(compare_and_swap("n", None, Some(b"2")), Ok(Swap::Conflict(Some(b"1".to_vec()))));
        assert_eq!(compare_and_swap("n", Some(b"1"), None), Ok(Swap::Stored));
        assert_eq!(get("n"), Ok(None));
    }

    #[test]
    fn keys_are_listed_in_order_after_a_key() {
        for key in ["b/2", "a", "b/1", "b/3"] {
            set(key, b"x").expect("stored");
        }
        assert_eq!(list_keys("b/", Some("b/1"), 1), Ok(vec!["b/2".to_owned()]));
        assert_eq!(
            list_keys("b/", None, 1000),
            Ok(vec!["b/1".to_owned(), "b/2".to_owned(), "b/3".to_owned()])
        );
    }

    #[test]
    fn limits_hold_from_both_sides() {
        assert_eq!(set(&"k".repeat(512), &vec![0; 1024 * 1024]), Ok(()));
        assert_eq!(set(&"k".repeat(513), b""), Err(Error::TooLarge));
        assert_eq!(set("k", &vec![0; 1024 * 1024 + 1]), Err(Error::TooLarge));
        assert_eq!(set("", b""), Err(Error::TooLarge));
    }
}
