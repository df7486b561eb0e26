//! OpenPact: a self-hosted AI assistant whose extensions cannot steal.
//!
//! Six steps: the log, the cryptography, the configuration, building, running until a signal, and an orderly end.

mod app;
mod chat;
mod cli;
mod command;
mod config;
mod file;
mod log;
mod present;
mod service;
mod session;
mod signal;
mod supervise;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use openpact_control as control;
use openpact_control::failure as exit;

use config::environment::Environment;
use exit::{Code, Failure};
use present::{Output, Style};

fn main() -> ExitCode {
    // Before everything else: the helper that compiles is to be as little of the program as can be.
    if std::env::args_os().nth(1).is_some_and(|first| first == cli::COMPILE_COMPONENT) {
        return openpact_host::serve_compiler();
    }
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let environment = Environment::read();
    let output = Output::new(arguments.global.json, environment.colours());
    let outcome = run(arguments, &environment, output);
    outcome.map_or_else(|failure| fail(&failure, output, &environment), |()| ExitCode::SUCCESS)
}

fn run(arguments: cli::Arguments, environment: &Environment, output: Output) -> Result<(), Failure> {
    // 1. The log.
    let colours = environment.colours() && std::io::stderr().is_terminal();
    let level = arguments.global.log_level.clone();
    let log = log::install(level, colours).map_err(|why| Failure::new(Code::Usage, why))?;
    // 2. The cryptography.
    rustls::crypto::ring::default_provider().install_default().expect("nothing was installed before");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::doing("the threads of the program cannot be started"))?;
    let outcome = runtime.block_on(async {
        let work = match command::plan(arguments.command, output)? {
            command::Plan::Local(work) => return work.run(output).await,
            command::Plan::Program(work) => work,
        };
        // 3. The configuration.
        let settings = session::Settings::load(&arguments.global, environment)?;
        log.configure(settings.log(), false);
        // 4. Building, 5. running until it is done or a signal comes, 6. the end.
        let session = session::Session::build(settings, &log, output);
        Box::pin(session.run(work)).await
    });
    // Whatever is left hangs on a terminal or a socket that nobody waits for.
    runtime.shutdown_background();
    outcome
}

/// Says what is wrong with the command line, or what `--help` asks for.
fn misused(error: &clap::Error) -> ExitCode {
    // What was asked for is not known, since it could not be read.
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        present::value(&serde_json::json!({ "error": Failure::new(Code::Usage, message) }));
    }
    // Where nobody reads it there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { Code::Usage.into() } else { ExitCode::SUCCESS }
}

/// Says what went wrong, as people or programs read it.
fn fail(failure: &Failure, output: Output, environment: &Environment) -> ExitCode {
    // Without a message the answer itself was shown, and told of what is wrong: it is the one JSON value.
    if output.json && !failure.message.is_empty() {
        present::value(&serde_json::json!({ "error": failure }));
    }
    let colours = environment.colours() && std::io::stderr().is_terminal();
    let head = Output { json: false, colours }.styled("error:", Style::Red);
    let message = openpact_model::text::terminal(&failure.message);
    if !message.is_empty() {
        present::complain(&format!("{head} {message}"));
    }
    failure.code.into()
}
