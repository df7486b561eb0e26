//! The `web` component: pages of the web, as text that a model can read.
//!
//! The host decides which addresses are reached, follows redirects, and bounds time and size. What comes from there was
//! written by strangers: it is given as such, and no part of it can look like a word of this tool.

mod answer;
mod charset;
mod fetch;
mod json;
mod kind;
mod reader;

pub use fetch::Fetch;

openpact_sdk::export!(Fetch);

#[cfg(test)]
mod tests {
    /// `tools.json` is what the admin approves before the component ever runs.
    #[test]
    fn tools_json_is_what_the_component_lists() {
        let listed = serde_json::to_value(super::list_tools()).expect("JSON");
        let pinned: serde_json::Value = serde_json::from_str(include_str!("../tools.json")).expect("JSON");
        assert_eq!(
            pinned, listed,
            "run: cargo run -p openpact-tool-web --example list-web-tools > tools/web/tools.json"
        );
    }

    /// The host keeps what this says to the addresses that a person wrote, where it has to.
    #[test]
    fn the_address_is_marked_as_one() {
        let tools = serde_json::to_value(super::list_tools()).expect("JSON");
        assert_eq!(tools[0]["input_schema"]["properties"]["url"]["format"], "uri");
    }
}
