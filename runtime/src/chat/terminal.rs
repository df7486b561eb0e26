//! Talking at a terminal.

use std::io;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use openpact_orchestrator::{Update, Updates};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::input::{Input, Lines};
use super::screen::Screen;
use super::{Conversation, ENDING};
use crate::exit::{Code, Failure};
use crate::present::{Output, Style, print};

/// The columns of a terminal that does not say.
const WIDTH: usize = 80;

/// How the terminal was before the line editor changed it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Puts the terminal back as it was: the program may end while the line editor waits for a key.
pub(crate) fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        // Where the terminal is gone there is nothing to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}

/// Talks until Ctrl-D, `/exit` or `/quit`.
///
/// # Errors
/// When the terminal cannot be read.
pub(super) async fn talk(conversation: &Conversation<'_>, output: Output) -> Result<(), Failure> {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stdin()).ok();
    let unreadable = Failure::doing::<io::Error>;
    let mut lines =
        Lines::from_terminal("> ".to_owned()).map_err(unreadable("the terminal cannot be read"))?;
    loop {
        match conversation.next(&mut lines).await {
            Input::Line(text) => match text.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(()),
                _ => answer(conversation, text, output).await,
            },
            Input::Interrupt => print(&format!("{}\n", output.styled("Ctrl-D leaves.", Style::Dim))),
            Input::End => return Ok(()),
            Input::Unfit(why) => print(&format!("{why}\n")),
            Input::Broken(why) => {
                return Err(Failure::new(Code::Failed, format!("the terminal cannot be read: {why}")));
            }
        }
    }
}

/// Shows the answer to one message. Ctrl-C stops it; once more, and the program ends.
async fn answer(conversation: &Conversation<'_>, text: String, output: Output) {
    let signals = conversation.signals;
    let mut updates = conversation.say(text);
    let mut stopping: Option<Updates> = None;
    let mut screen = Screen::new(io::stdout(), output, width(), conversation.show_tools);
    let mut claim = Some(signals.claim());
    let mut expired = pin!(conversation.expired());
    let mut told = false;
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Event(event)) => screen.event(&event),
                Some(Update::Notice(text)) => screen.notice(&text),
                Some(Update::Done) | None => break,
            },
            () = &mut expired => break,
            () = signals.stopped(), if !told => {
                screen.notice(ENDING);
                told = true;
            }
            () = signals.interruption(), if claim.is_some() => {
                screen.notice("Stopping. Ctrl-C again leaves.");
                stopping = Some(conversation.say("/stop".to_owned()));
                claim = None;
            }
        }
    }
    screen.end_line();
    // What the command itself answered says no more than the end of the turn did.
    while let Some(update) = stopping.as_mut() {
        if !matches!(update.recv().await, Some(Update::Event(_) | Update::Notice(_))) {
            break;
        }
    }
    print("\n");
}

fn width() -> usize {
    tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0)
        .unwrap_or(WIDTH)
}
