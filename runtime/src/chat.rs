//! `openpact chat`: the owner talks to the assistant, at a terminal or through a pipe.

mod greeting;
mod input;
mod piped;
mod screen;
pub(crate) mod terminal;

use std::io::{self, IsTerminal as _};

use openpact_model::role::{Audience, Channel, Role};
use openpact_orchestrator::{Inbound, Orchestrator, Updates};

use crate::app::{App, owner};
use crate::exit::Failure;
use crate::present::Output;
use crate::signal::Signals;

/// The owner's conversation with the assistant.
struct Conversation<'a> {
    orchestrator: &'a Orchestrator,
    /// Whether tool calls are shown; where they are typed by hand they need not be.
    show_tools: bool,
}

/// Talks until the input ends.
///
/// # Errors
/// When something cannot be built, or the input cannot be read.
pub(crate) async fn run(app: &App, signals: &Signals, output: Output) -> Result<(), Failure> {
    let parts = app.parts().await?;
    let conversation = Conversation {
        orchestrator: &parts.orchestrator,
        show_tools: parts.engine.name() != openpact_engine::direct::NAME,
    };
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !output.json {
        crate::present::print(&greeting::text(app, output));
        terminal::talk(&conversation, signals, output).await
    } else {
        piped::talk(&conversation, signals, output).await
    }
}

impl Conversation<'_> {
    /// Says something, as the owner of this machine's terminal.
    fn say(&self, text: String) -> Updates {
        let channel = Channel { provider: "terminal".to_owned(), channel: "owner".to_owned(), thread: None };
        let (sender, role, audience) = (owner(), Role::Owner, Audience::Private);
        self.orchestrator.submit(Inbound { channel, sender, role, audience, text })
    }
}
