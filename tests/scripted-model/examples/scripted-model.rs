//! Runs a script until it is stopped: `cargo run -p openpact-scripted-model --example scripted-model -- FILE [PORT]`.
//! Prints the base address of the API.

use std::path::Path;
use std::process::ExitCode;

use openpact_scripted_model::{Script, Server};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), port) = (arguments.next(), arguments.next()) else {
        eprintln!(
            "usage: scripted-model FILE [PORT]\nFILE is a script in TOML, or in JSON if it ends in .json"
        );
        return ExitCode::FAILURE;
    };
    match run(Path::new(&file), port.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause = Some(&*error as &dyn std::error::Error);
            while let Some(error) = cause {
                eprintln!("scripted-model: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, port: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
    let port = port.map_or(Ok(0), str::parse)?;
    let server = Server::start_on(Script::read(file)?, port)?;
    println!("{}", server.base_url());
    server.wait();
    Ok(())
}
