//! The `workspace` component: the files that the assistant and its people work on.
//!
//! The host preopens the mount `workspace` and is the wall around it: no path leaves it, links cannot be made, quotas
//! hold. What is checked here as well gives the model an error that it can act on.

mod delete;
mod edit;
mod kind;
mod list;
mod path;
mod pattern;
mod read;
mod relocate;
mod root;
mod search;
#[cfg(test)]
mod tests_support;
mod trash;
mod walk;
mod write;

pub use delete::Delete;
pub use edit::Edit;
pub use list::List;
pub use read::Read;
pub use relocate::Move;
pub use search::Search;
pub use write::Write;

openpact_sdk::export!(Read, Write, List, Search, Edit, Move, Delete);

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
            "run: cargo run -p openpact-tool-workspace --example list-workspace-tools > tools/workspace/tools.json"
        );
    }

    #[test]
    fn an_unknown_tool_and_an_unknown_argument_are_errors() {
        assert!(super::call_tool("workspace_burn", "{}").is_err());
        let error = super::call_tool("workspace_read", r#"{"path":"a","ofset":1}"#).expect_err("misspelt");
        assert!(error.text().contains("ofset"), "{error}");
    }
}
