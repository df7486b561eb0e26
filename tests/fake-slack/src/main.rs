//! `fake-slack [PORT [CONTROL-PORT]]`: the fake for shell scripts.
//!
//! Prints one line of JSON with its two addresses, `{"api": "http://…/api", "control": "http://…"}`, and stops when its
//! standard input is closed.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use openpact_fake_slack::{Server, serve_control};
use serde_json::json;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake-slack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>().map_err(io::Error::other));
    let (api, control) = (ports.next().transpose()?.unwrap_or(0), ports.next().transpose()?.unwrap_or(0));
    let server = Arc::new(Server::start_on(api)?);
    let base = server.api_url();
    let tell = move |address| {
        println!("{}", json!({"api": base, "control": format!("http://{address}")}));
        // Whoever started it waits for this line.
        let _ = io::stdout().flush();
    };
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve_control(server, control, tell))
}
