//! Prints `tools.json`: what this component lists.

fn main() {
    let tools = openpact_sdk::serde_json::to_string_pretty(&openpact_tool_memory::list_tools());
    println!("{}", tools.expect("a list of tools is JSON"));
}
