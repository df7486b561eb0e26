//! Prints `tools.json`: what this component lists.

fn main() {
    let tools = serde_json::to_string_pretty(&openpact_tool_web::list_tools());
    println!("{}", tools.expect("a list of tools is JSON"));
}
