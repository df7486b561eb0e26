//! One run of the program that needs the data directory: this process takes it over, or asks the one that has it.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{self, App, Unavailable};
use crate::cli::Global;
use crate::command::Program;
use crate::config::environment::Environment;
use crate::config::{Config, Sources};
use crate::control::server::{Handler as _, Server};
use crate::control::{Request, Response, client};
use crate::exit::{Code, Failure};
use crate::present::{Output, complain};
use crate::signal::Signals;
use crate::{chat, log};

/// How long a process that holds the directory, but does not answer, is waited for. It may be another command that is
/// about to be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the store may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// The configuration, with where it applies.
#[derive(Clone)]
pub(crate) struct Settings {
    config: Config,
    config_file: std::path::PathBuf,
    data: std::path::PathBuf,
}

/// A run of the program.
pub(crate) struct Session<'a> {
    settings: Settings,
    log: &'a log::Handle,
    output: Output,
}

impl Settings {
    /// Reads the configuration.
    pub(crate) fn load(global: &Global, environment: &Environment) -> Result<Self, Failure> {
        let (file, required) = global.config_file();
        // Absolute, since another process may be asked where its own is.
        let file = std::path::absolute(&file).unwrap_or(file);
        let sources = Sources { file: file.clone(), required, environment };
        let config = Config::load(&sources).map_err(|error| Failure::of(Code::Configuration, &error))?;
        Ok(Self { config, config_file: file, data: global.data.clone() })
    }

    /// What it says about the log.
    pub(crate) fn log(&self) -> &crate::config::log::Log {
        &self.config.log
    }

    async fn open(&self) -> Result<App, Unavailable> {
        let Self { config, config_file, data } = self.clone();
        App::open(app::Settings { config, config_file, data }).await
    }
}

impl<'a> Session<'a> {
    /// A run with these settings.
    pub(crate) fn build(settings: Settings, log: &'a log::Handle, output: Output) -> Self {
        Self { settings, log, output }
    }

    /// Does what was asked.
    pub(crate) async fn run(self, work: Program) -> Result<(), Failure> {
        match work {
            Program::CheckConfig => {
                self.check_config();
                Ok(())
            }
            Program::Chat => self.chat().await,
            Program::Ask(request) => {
                let reply = self.ask(request).await?;
                self.output.reply(&reply);
                crate::command::verdict(&reply)
            }
            Program::Verify(verify) => verify.run(self.ask(Request::Publishers).await?, self.output),
        }
    }

    fn check_config(&self) {
        let file = &self.settings.config_file;
        let there = if file.exists() { "is good" } else { "is not there; everything has its default" };
        if self.output.json {
            crate::present::value(&self.settings.config);
        } else {
            crate::present::print(&format!("{} {there}\n", file.display()));
        }
    }

    /// Answers a request here, or has it answered by the process that holds the data directory.
    async fn ask(&self, request: Request) -> Response {
        let secure = self.settings.data.join("secure");
        let mut waited = Duration::ZERO;
        loop {
            let (process, message) = match self.settings.open().await {
                Ok(app) => return self.answer(app, request).await,
                Err(Unavailable::Broken(failure)) => return Err(failure),
                Err(Unavailable::Held { process, message }) => (process, message),
            };
            match client::ask(&secure, &request).await {
                Ok(response) => return response,
                Err(error) if waited >= PATIENCE || error.kind() == std::io::ErrorKind::TimedOut => {
                    let what = "it does not answer on its control socket";
                    return Err(Failure::new(Code::Held, format!("{message}; {what} ({error})")));
                }
                Err(error) => {
                    tracing::debug!(process, %error, "waiting for the process that holds the data directory");
                }
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
            if waited == Duration::from_secs(1) {
                complain(&format!("waiting: {message}"));
            }
        }
    }

    async fn answer(&self, app: App, request: Request) -> Response {
        let signals = Signals::listen()?;
        app.protect(self.log);
        let answer = tokio::select! {
            answer = app.handle(request) => answer,
            () = signals.stopped() => Err(Failure::new(Code::Interrupted, "stopped by a signal")),
        };
        app.close(CLOSING).await;
        answer
    }

    async fn chat(self) -> Result<(), Failure> {
        let signals = Signals::listen()?;
        let app = match self.settings.open().await {
            Ok(app) => Arc::new(app),
            Err(Unavailable::Broken(failure)) => return Err(failure),
            Err(Unavailable::Held { message, .. }) => return Err(Failure::new(Code::Held, message)),
        };
        app.protect(self.log);
        app.serve();
        let server = Server::start(&app.secure(), Arc::clone(&app) as Arc<_>);
        let server = server.map_err(Failure::doing("the control socket in 'secure' cannot be made"))?;
        let outcome = chat::run(&app, &signals, self.output).await;
        chat::terminal::restore();
        server.stop().await;
        app.close(CLOSING).await;
        outcome
    }
}
