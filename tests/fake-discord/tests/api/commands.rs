//! Global commands.

use serde_json::json;

use crate::place::Place;

const COMMANDS: &str = "/applications/700/commands";

#[test]
fn commands_are_registered_and_taken_back() {
    let place = Place::new();
    let echo = json!({"name": "echo", "description": "Says it again", "options": [
        {"type": 3, "name": "text", "description": "What", "required": true},
        {"type": 4, "name": "times", "description": "How often"},
    ]});
    let created = place.call("POST", COMMANDS, &echo);
    assert_eq!(created.status, 201, "{created:?}");
    let again = place.call("POST", COMMANDS, &echo);
    assert_eq!((again.status, again.body()["id"] == created.body()["id"]), (200, true));
    let path = format!("{COMMANDS}/{}", created.body()["id"].as_str().unwrap());
    assert_eq!(place.good("PATCH", &path, &json!({"description": "Echoes"}))["description"], "Echoes");
    let all = place.good("PUT", COMMANDS, &json!([echo, {"name": "new", "description": "Start over"}]));
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["id"], created.body()["id"], "a name keeps its id");
    assert_eq!(place.good("GET", COMMANDS, &json!(null)), all);
    place.done("DELETE", &path, &json!(null));
    place.bad("GET", &path, &json!(null), 404, 10_063);
    assert_eq!(place.bot.commands().len(), 1);
    place.server.assert_no_violations();
}

#[test]
fn commands_that_discord_would_not_have_are_refused() {
    let place = Place::new();
    let command = |name: &str| json!({"name": name, "description": "x"});
    for name in ["New", "two words", "semi;colon"] {
        let refused = place.bad("POST", COMMANDS, &command(name), 400, 50_035);
        let code = &refused["errors"]["name"]["_errors"][0]["code"];
        assert_eq!(code, "APPLICATION_COMMAND_INVALID_NAME", "{refused}");
    }
    place.bad("POST", COMMANDS, &json!({"name": "x"}), 400, 50_035);
    let twice = json!([command("same"), command("same")]);
    let refused = place.bad("PUT", COMMANDS, &twice, 400, 50_035);
    assert!(refused["errors"]["1"]["_errors"].is_array(), "{refused}");
    let late = json!({"name": "x", "description": "x", "options": [
        {"type": 3, "name": "a", "description": "x"},
        {"type": 3, "name": "b", "description": "x", "required": true},
    ]});
    place.bad("POST", COMMANDS, &late, 400, 50_035);
    let many: Vec<_> = (0..101).map(|number| command(&format!("c{number}"))).collect();
    place.bad("PUT", COMMANDS, &json!(many), 400, 30_032);
    place.bad("PUT", "/applications/701/commands", &json!([]), 403, 20_012);
    assert!(place.bot.commands().is_empty());
    place.server.assert_no_violations();
}

#[test]
fn nobody_can_use_what_is_not_registered() {
    let place = Place::new();
    place.good(
        "POST",
        COMMANDS,
        &json!({"name": "say", "description": "x", "options": [
            {"type": 3, "name": "text", "description": "What", "required": true},
        ]}),
    );
    let use_it = |name: &str, options: &[(&str, serde_json::Value)]| {
        place.general.try_command(&place.alice, name, options)
    };
    assert!(use_it("sing", &[]).is_err());
    assert!(use_it("say", &[]).is_err());
    assert!(use_it("say", &[("text", json!("x")), ("loud", json!(true))]).is_err());
    assert!(use_it("say", &[("text", json!("x"))]).is_ok());
}
