//! One run of the program that needs the data directory: this process takes it over, or asks the one that has it.

mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::{self, App, Unavailable};
use crate::cli::Global;
use crate::command::Program;
use crate::config::environment::Environment;
use crate::config::{Config, Sources};
use crate::control::server::{Handler as _, Server};
use crate::control::{Reply, Request, Response, Serving, client};
use crate::exit::{Code, Failure};
use crate::present::{Output, complain};
use crate::service::Service;
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
    /// Whether the file has to be there: it was asked for by name, or was there when it was read last. An editor that
    /// saves by renaming takes it away for an instant, which must not drop everything that it says.
    required: Arc<AtomicBool>,
    environment: Environment,
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
        let (config, found) =
            Config::load(&sources).map_err(|error| Failure::of(Code::Configuration, &error))?;
        let (environment, required) = (environment.clone(), Arc::new(AtomicBool::new(required || found)));
        Ok(Self { config, config_file: file, required, environment, data: global.data.clone() })
    }

    /// Reads the configuration once more.
    ///
    /// # Errors
    /// When it cannot be used, or the file is gone that was there before.
    pub(crate) fn reread(&self) -> Result<Config, Failure> {
        let (file, environment) = (self.config_file.clone(), &self.environment);
        let required = self.required.load(Ordering::Relaxed);
        let sources = Sources { file, required, environment };
        let (config, found) = Config::load(&sources).map_err(|error| {
            let mut failure = Failure::of(Code::Configuration, &error);
            if !sources.file.exists() {
                failure
                    .message
                    .push_str("; put it back, or an empty one if everything is to have its default");
            }
            failure
        })?;
        self.required.store(required || found, Ordering::Relaxed);
        Ok(config)
    }

    /// What it says about the log.
    pub(crate) fn log(&self) -> &crate::config::log::Log {
        &self.config.log
    }

    async fn open(&self) -> Result<App, Unavailable> {
        let Self { config, config_file, data, .. } = self.clone();
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
                self.check_config().await;
                Ok(())
            }
            Program::Start => self.start().await,
            Program::Chat => self.chat().await,
            Program::Mcp => self.mcp().await,
            Program::Ask(request) => {
                let reply = self.ask(request).await?;
                self.output.reply(&reply);
                crate::command::verdict(&reply)
            }
            Program::Verify(verify) => {
                let publishers = self.ask(Request::Publishers).await?;
                verify.run(publishers, self.ask(Request::Revocations).await?, self.output)
            }
        }
    }

    async fn check_config(&self) {
        self.doubts().await.iter().for_each(|doubt| complain(&format!("warning: {doubt}")));
        let file = &self.settings.config_file;
        let there = if file.exists() { "is good" } else { "is not there; everything has its default" };
        if self.output.json {
            crate::present::value(&self.settings.config);
        } else {
            crate::present::print(&format!("{} {there}\n", file.display()));
        }
    }

    /// What the configuration says that has no effect. Which components are installed is asked for only where it
    /// matters, and where there is a data directory: to check makes none.
    async fn doubts(&self) -> Vec<String> {
        let config = &self.settings.config;
        let doubts = config.doubts(&[]);
        if doubts.is_empty() || !self.settings.data.join("secure").join("openpact.db").exists() {
            return doubts;
        }
        match self.ask(Request::Components).await {
            Ok(Reply::Components(all)) => {
                config.doubts(&all.into_iter().map(|component| component.name).collect::<Vec<_>>())
            }
            Ok(_) => doubts,
            Err(failure) => {
                complain(&format!("which components are installed is not known: {failure}"));
                doubts
            }
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

    async fn start(self) -> Result<(), Failure> {
        let signals = Signals::listen_to_reload()?;
        // A person at a terminal is told what matters without it.
        self.log.configure(&self.settings.config.log, !self.output.is_terminal());
        let metrics = self.settings.config.health.measure().map_err(Failure::failed)?;
        let app = match self.settings.open().await {
            Ok(app) => Arc::new(app),
            Err(Unavailable::Broken(failure)) => return Err(failure),
            Err(Unavailable::Held { process, message }) => return Err(self.held(process, message).await),
        };
        app.protect(self.log);
        app.serve(Serving::Start);
        let server = Server::start(&app.secure(), Arc::clone(&app) as Arc<_>);
        let server = server.map_err(Failure::doing("the control socket in 'secure' cannot be made"))?;
        let (settings, output) = (&self.settings, self.output);
        let service = Service { app: &app, signals: &signals, settings, log: self.log, output, metrics };
        let outcome = service.run().await;
        server.stop().await;
        app.close(CLOSING).await;
        outcome
    }

    /// That another process holds the data directory: which command it is and how that ends, where it says so.
    async fn held(&self, process: Option<u32>, message: String) -> Failure {
        let secure = self.settings.data.join("secure");
        let serving = match tokio::time::timeout(PATIENCE, client::ask(&secure, &Request::Status)).await {
            Ok(Ok(Ok(Reply::Status(status)))) => status.serving,
            _ => None,
        };
        let Some(serving) = serving else { return Failure::new(Code::Held, message) };
        let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
        let (command, end) = match serving {
            Serving::Start => ("start", ", the service: it runs already, and Ctrl-C or SIGTERM ends it"),
            Serving::Chat => ("chat", ", a conversation at a terminal: end it there with Ctrl-D"),
            Serving::Mcp => ("mcp", ", which an editor started: close it there, or end the process"),
        };
        let data = self.settings.data.display();
        let message = format!(
            "{data} is in use by 'openpact {command}'{process}{end}; or choose another directory with --data"
        );
        Failure::new(Code::Held, message)
    }

    async fn chat(self) -> Result<(), Failure> {
        let signals = Signals::listen()?;
        let app = match self.settings.open().await {
            Ok(app) => Arc::new(app),
            Err(Unavailable::Broken(failure)) => return Err(failure),
            Err(Unavailable::Held { process, message }) => {
                let mut failure = self.held(process, message).await;
                failure.message.push_str("; 'openpact chat' needs the data directory for itself");
                return Err(failure);
            }
        };
        app.protect(self.log);
        app.serve(Serving::Chat);
        let server = Server::start(&app.secure(), Arc::clone(&app) as Arc<_>);
        let server = server.map_err(Failure::doing("the control socket in 'secure' cannot be made"))?;
        let outcome = chat::run(&app, &signals, self.output).await;
        chat::terminal::restore();
        server.stop().await;
        app.close(CLOSING).await;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_there_has_to_be_there_when_it_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let config_file = folder.path().join("config.yaml");
        let (environment, data) = (Environment::default(), folder.path().to_owned());
        let required = Arc::new(AtomicBool::new(false));
        let settings = Settings {
            config: Config::default(),
            config_file: config_file.clone(),
            required,
            environment,
            data,
        };
        assert_eq!(settings.reread().unwrap(), Config::default(), "it was not there before either");
        std::fs::write(&config_file, "limits: { instances: 9 }").unwrap();
        assert_eq!(settings.reread().unwrap().limits.instances, 9);
        std::fs::remove_file(&config_file).unwrap();
        assert!(settings.reread().unwrap_err().message.contains("put it back"));
        std::fs::write(&config_file, "").unwrap();
        assert_eq!(settings.reread().unwrap(), Config::default(), "an empty one is meant");
    }
}
