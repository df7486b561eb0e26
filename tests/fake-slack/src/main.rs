//! `fake-slack [PORT [CONTROL-PORT]]`: the fake for shell scripts, as [`openpact_fake_kit::program`] describes it.

use std::process::ExitCode;

use openpact_fake_kit::program;
use openpact_fake_slack::{Server, serve_control};
use serde_json::json;

fn main() -> ExitCode {
    program::run(Server::start_on, |server| json!({"api": server.api_url()}), serve_control)
}
