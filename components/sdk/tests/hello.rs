//! The example: it is short, and it does what it says.

#[path = "../examples/hello.rs"]
mod hello;

use openpact_sdk::{Error, Output, serde_json};

#[test]
fn a_tool_of_one_function_has_less_than_thirty_lines() {
    let lines = include_str!("../examples/hello.rs").lines().count();
    assert!(lines < 30, "{lines} lines");
}

#[test]
fn it_lists_itself_with_a_schema() {
    let listed = serde_json::to_value(hello::list_tools()).expect("JSON");
    let expected = serde_json::json!([{
        "name": "hello_greet",
        "description": "Greets somebody by name.",
        "input_schema": {
            "type": "object",
            "properties": { "name": { "type": "string", "description": "Who is greeted." } },
            "required": ["name"],
            "additionalProperties": false
        },
        "effects": { "reads": "nothing", "writes": "nothing" }
    }]);
    assert_eq!(listed, expected);
}

#[test]
fn it_answers_and_says_what_is_wrong() {
    assert_eq!(hello::call_tool("hello_greet", r#"{"name":"Ada"}"#), Ok(Output::text("Hello, Ada!")));
    for (arguments, expected) in
        [("{}", "missing field `name`"), (r#"{"name":"a","x":1}"#, "unknown field `x`"), ("[", "EOF")]
    {
        match hello::call_tool("hello_greet", arguments) {
            Err(Error::InvalidArguments(text)) => assert!(text.contains(expected), "{arguments}: {text}"),
            other => panic!("{arguments}: {other:?}"),
        }
    }
    assert!(matches!(hello::call_tool("other", "{}"), Err(Error::NotFound(_))));
}
