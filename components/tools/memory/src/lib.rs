//! The `memory` component: what the assistant remembers of its people and of itself.
//!
//! Two mounts: `context` holds `SOUL.md`, `USER.md` and `MEMORY.md`, which go into the prompt and which the host guards
//! one by one by role; `memory` holds a file for each day. Which day it is depends on the setting `timezone`.

mod daily;
mod read;
mod store;
mod today;
mod write;

pub use daily::Daily;
pub use read::Read;
pub use write::Write;

openpact_sdk::export!(Read, Write, Daily);

#[cfg(test)]
mod tests {
    /// `tools.json` is what the admin approves before the component ever runs.
    #[test]
    fn tools_json_is_what_the_component_lists() {
        let listed = openpact_sdk::serde_json::to_value(super::list_tools()).expect("JSON");
        let pinned: openpact_sdk::serde_json::Value =
            openpact_sdk::serde_json::from_str(include_str!("../tools.json")).expect("JSON");
        assert_eq!(
            pinned, listed,
            "run: cargo run -p openpact-tool-memory --example list-memory-tools > tools/memory/tools.json"
        );
    }
}
