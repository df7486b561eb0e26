//! `fake-NAME [PORT [CONTROL-PORT]]`: a fake for shell scripts.
//!
//! Prints one line of JSON with its addresses, `{"api": "http://…", "control": "http://…"}`, and stops when its standard
//! input is closed.

use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Starts a server on the port that the command line names, says its `addresses`, and lets `control` take orders for it.
pub fn run<S, C: Future<Output = io::Result<()>>>(
    start: impl FnOnce(u16) -> io::Result<S>,
    addresses: impl FnOnce(&S) -> Value,
    control: impl FnOnce(Arc<S>, TcpListener) -> C,
) -> ExitCode {
    match serve(start, addresses, control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", std::env::args().next().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn serve<S, C: Future<Output = io::Result<()>>>(
    start: impl FnOnce(u16) -> io::Result<S>,
    addresses: impl FnOnce(&S) -> Value,
    control: impl FnOnce(Arc<S>, TcpListener) -> C,
) -> io::Result<()> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>().map_err(io::Error::other));
    let (api, orders) = (ports.next().transpose()?.unwrap_or(0), ports.next().transpose()?.unwrap_or(0));
    let server = Arc::new(start(api)?);
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, orders)).await?;
        let mut line = addresses(&server);
        line["control"] = json!(format!("http://{}", listener.local_addr()?));
        println!("{line}");
        // Whoever started it waits for this line.
        let _ = io::stdout().flush();
        control(server, listener).await
    })
}
