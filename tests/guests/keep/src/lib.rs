//! Keeps values in the key-value store, and too many of them.
#![cfg(target_family = "wasm")]

use openpact_guest_kit::Value;

openpact_guest_kit::tools! {
    "set" => set,
    "get" => get,
    "fill" => fill,
    "swap" => swap,
    "keys" => keys,
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

use store::{fill, get, keys, set, swap};

mod store {
    use openpact_guest_kit::kv::{self, Swap};
    use openpact_guest_kit::{Answer, Value};

    use super::text;

    pub(super) fn set(arguments: &Value) -> Answer {
        let bytes = usize::try_from(arguments["bytes"].as_u64().unwrap_or(1)).unwrap_or(usize::MAX);
        let set = kv::set(text(arguments, "key"), &vec![b'x'; bytes]);
        set.map(|()| "set".to_owned()).map_err(|error| format!("{error:?}"))
    }

    pub(super) fn get(arguments: &Value) -> Answer {
        let value = kv::get(text(arguments, "key")).map_err(|error| format!("{error:?}"))?;
        Ok(value.map_or_else(|| "none".to_owned(), |value| value.len().to_string()))
    }

    pub(super) fn fill(_: &Value) -> Answer {
        for number in 0..100_000 {
            kv::set(&format!("key-{number}"), &[b'x'; 1000]).map_err(|error| format!("{error:?}"))?;
        }
        Ok("never refused".to_owned())
    }

    pub(super) fn swap(arguments: &Value) -> Answer {
        let expected = arguments["expected"].as_str().map(str::as_bytes);
        let swap = kv::compare_and_swap(text(arguments, "key"), expected, Some(b"new"));
        match swap.map_err(|error| format!("{error:?}"))? {
            Swap::Stored => Ok("stored".to_owned()),
            Swap::Conflict(there) => Ok(format!("conflict {:?}", there.map(|there| there.len()))),
        }
    }

    pub(super) fn keys(arguments: &Value) -> Answer {
        let limit = u32::try_from(arguments["limit"].as_u64().unwrap_or(10)).unwrap_or(u32::MAX);
        let keys =
            kv::list_keys(text(arguments, "prefix"), None, limit).map_err(|error| format!("{error:?}"))?;
        Ok(keys.len().to_string())
    }
}
