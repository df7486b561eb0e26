//! `fake-discord [PORT [CONTROL-PORT]]`: the fake for shell scripts, as [`openpact_fake_kit::program`] describes it. It
//! says the address of the gateway, too: `"gateway": "ws://…"`.

use std::process::ExitCode;

use openpact_fake_discord::{Server, serve_control};
use openpact_fake_kit::program;
use serde_json::{Value, json};

fn main() -> ExitCode {
    program::run(Server::start_on, addresses, serve_control)
}

fn addresses(server: &Server) -> Value {
    json!({"api": server.api_url(), "gateway": server.gateway_url()})
}
