//! `openpact chat`: the owner talks to the assistant, at a terminal or through a pipe.

mod greeting;
mod input;
mod piped;
mod screen;
pub(crate) mod terminal;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use openpact_model::role::{Audience, Channel, Role};
use openpact_orchestrator::{Inbound, Orchestrator, Updates};

use crate::app::{App, owner};
use crate::exit::{Code, Failure};
use crate::present::Output;
use crate::signal::Signals;

use input::{Input, Lines};

/// Said when a signal to end comes while an answer is given.
const ENDING: &str = "Ending after this answer; a second signal ends at once.";

/// The owner's conversation with the assistant.
struct Conversation<'a> {
    orchestrator: &'a Orchestrator,
    signals: &'a Signals,
    /// How long a running answer may go on after the signal to end.
    patience: Duration,
    /// Whether tool calls are shown; where they are typed by hand they need not be.
    show_tools: bool,
}

/// Talks until the input ends.
///
/// # Errors
/// When something cannot be built, or the input cannot be read.
pub(crate) async fn run(app: &App, signals: &Signals, output: Output) -> Result<(), Failure> {
    let parts = tokio::select! {
        parts = app.parts() => parts?,
        () = signals.stopped() => return Err(interrupted()),
    };
    let conversation = Conversation {
        orchestrator: &parts.orchestrator,
        signals,
        patience: app.patience(),
        show_tools: parts.engine.name() != openpact_engine::direct::NAME,
    };
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !output.json {
        crate::present::print(&greeting::text(app, output));
        terminal::talk(&conversation, output).await?;
    } else {
        piped::talk(&conversation, output).await?;
    }
    if signals.is_stopped() { Err(interrupted()) } else { Ok(()) }
}

/// There is nothing to say about it: whoever sent the signal knows.
fn interrupted() -> Failure {
    Failure::new(Code::Interrupted, "")
}

impl Conversation<'_> {
    /// Says something, as the owner of this machine's terminal.
    fn say(&self, text: String) -> Updates {
        let channel = Channel { provider: "terminal".to_owned(), channel: "owner".to_owned(), thread: None };
        let (sender, role, audience) = (owner(), Role::Owner, Audience::Private);
        self.orchestrator.submit(Inbound { channel, sender, role, audience, text, turn: None })
    }

    /// What is typed next; the end when a signal says so.
    async fn next(&self, lines: &mut Lines) -> Input {
        tokio::select! {
            input = lines.next() => input,
            () = self.signals.stopped() => Input::End,
        }
    }

    /// Done when an answer that runs has to be left, since the program ends.
    async fn expired(&self) {
        self.signals.stopped().await;
        tokio::time::sleep(self.patience).await;
    }
}
