//! Commands as Discord gets them.

use super::*;
use crate::api::script::{Script, ok, refused};

fn spec(name: &str, options: Vec<CommandOption>) -> CommandSpec {
    CommandSpec { name: name.into(), description: "Does it".into(), options }
}

fn choice(name: &str, required: bool, choices: &[&str]) -> CommandOption {
    let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
    CommandOption { name: name.into(), description: String::new(), required, choices }
}

fn registered(commands: &[CommandSpec]) -> Value {
    let api = Script::new([ok(&json!({ "id": "8" })), ok(&json!([]))]);
    register(&api, commands).expect("registered");
    assert_eq!(api.lines(), ["GET applications/@me", "PUT applications/8/commands"]);
    api.body(1)
}

#[test]
fn all_commands_are_put_at_once() {
    let options = vec![choice("title", false, &[]), choice("mode", true, &["simple", "full"])];
    let body = registered(&[spec("mode-full", vec![]), spec("mode", options)]);
    let (first, second) = (&body[0], &body[1]);
    assert_eq!(
        (&first["name"], &first["type"], &first["description"]),
        (&json!("mode-full"), &json!(1), &json!("Does it"))
    );
    assert_eq!((&first["contexts"], &first["integration_types"]), (&json!([0, 1]), &json!([0])));
    let options = second["options"].as_array().expect("options");
    assert_eq!(
        options.iter().map(|option| option["name"].clone()).collect::<Vec<_>>(),
        ["mode", "title"],
        "those that are required come first"
    );
    assert_eq!(options[0]["choices"][1]["value"], json!("full"));
    assert_eq!((&options[0]["type"], &options[0]["description"]), (&json!(3), &json!("mode")));
    assert_eq!(order("mode"), ["title", "mode"], "as the host has them");
    assert_eq!(order("mode-full"), Vec::<String>::new());
}

#[test]
fn commands_that_are_gone_are_taken_away() {
    assert_eq!(registered(&[]), json!([]));
}

#[test]
fn what_discord_would_refuse_is_cut() {
    let many: Vec<_> = (0..26).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let long = CommandSpec {
        description: "d".repeat(101),
        ..spec("a", vec![choice("x", true, &many), choice("y", true, &many[..25])])
    };
    let body = registered(&vec![long; 101]);
    assert_eq!(body.as_array().map(Vec::len), Some(100));
    assert_eq!(body[0]["description"], json!("d".repeat(100)));
    assert!(body[0]["options"][0]["choices"].as_array().is_none_or(Vec::is_empty), "any text then");
    assert_eq!(body[0]["options"][1]["choices"].as_array().map(Vec::len), Some(25));
}

#[test]
fn errors_are_told() {
    let error = |answers: Vec<_>| register(&Script::new(answers), &[]).expect_err("an error");
    assert!(matches!(error(vec![refused(401, 0)]), AdapterError::Credential(_)));
    assert!(matches!(error(vec![ok(&json!({}))]), AdapterError::Protocol(_)));
    let refused = error(vec![ok(&json!({ "id": "8" })), refused(400, 50_035)]);
    assert!(matches!(refused, AdapterError::Configuration(_)));
}

#[test]
fn commands_are_spelt_as_the_host_does() {
    assert_eq!(spelling("mode-full").as_deref(), Some("mode-full"));
    assert_eq!(spelling("mode_full").as_deref(), Some("mode-full"));
    for other in ["", "1st", "größe", "with space", &"x".repeat(33)] {
        assert_eq!(spelling(other), None, "{other}");
    }
}
