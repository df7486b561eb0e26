//! The fakes of the chat platforms behind one interface, for tests of what holds on every platform: who says what
//! where, and what the assistant answers. What one platform alone has is tested with its own fake.
//!
//! Everything stops with the value that started it.

mod discord;
mod slack;
mod telegram;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use discord::Discord;
pub use slack::Slack;
pub use telegram::Telegram;

/// What the assistant said.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its number in the order of everything that was said there.
    pub number: u64,
    /// The message.
    pub id: String,
    /// All of its text as it is now, that of embeds and blocks included.
    pub text: String,
    /// The message that it replies to; on Slack the one that its thread grew from.
    pub reply_to: Option<String>,
    /// The values of its buttons.
    pub buttons: Vec<String>,
    /// How often it was changed.
    pub edits: usize,
    /// Whether it was taken back.
    pub deleted: bool,
    /// Whether one person alone sees it.
    pub private: bool,
    /// Whether the assistant could learn that it was sent.
    pub told: bool,
    /// When.
    pub at: SystemTime,
}

/// A chat platform with the assistant's bot on it. People are numbers from 1 on; rooms and messages are named as the
/// platform names them.
///
/// # Panics
/// All of it panics where it is asked for what is not there, as tests do.
pub trait Platform: Send + Sync {
    /// What its adapter is called.
    fn name(&self) -> &'static str;

    /// The secrets that the adapter needs: name and value.
    fn secrets(&self) -> Vec<(&'static str, &'static str)>;

    /// What stands below `components:` in the configuration.
    fn component(&self) -> String;

    /// What the platform calls a person.
    fn identity(&self, person: u32) -> String;

    /// A person shows this name from now on.
    fn meet(&self, person: u32, name: &str);

    /// Where a person talks with the assistant alone.
    fn direct(&self, person: u32) -> String;

    /// A room with the assistant and others in it; the same number is the same room.
    fn room(&self, number: u32) -> String;

    /// A new thread in a room, made by a person and used like a room; `None` where this platform's threads are used in
    /// another way.
    fn thread(&self, room: &str, person: u32, name: &str) -> Option<String> {
        let _ = (room, person, name);
        None
    }

    /// A person says something; gives the message.
    fn say(&self, room: &str, person: u32, text: &str) -> String;

    /// A person says something that begins with a mention of the assistant; gives the message.
    fn address(&self, room: &str, person: u32, text: &str) -> String;

    /// A person replies to what the assistant said, on Slack in its thread; gives the message.
    fn reply(&self, room: &str, person: u32, to: &Answer, text: &str) -> String;

    /// The same, beginning with a mention of the assistant.
    fn address_in(&self, room: &str, person: u32, to: &Answer, text: &str) -> String {
        self.reply(room, person, to, text)
    }

    /// A person passes on what somebody else wrote; gives the message.
    fn forward(&self, room: &str, person: u32, author: u32, text: &str) -> String;

    /// Another program, which the configuration of [`Platform::component`] lists, says something that begins with a
    /// mention of the assistant.
    fn address_as_program(&self, room: &str, text: &str);

    /// What the platform calls that program.
    fn program(&self) -> String;

    /// A person changes a message.
    fn edit(&self, room: &str, message: &str, text: &str);

    /// A person sends a file; gives the message.
    fn attach(&self, room: &str, person: u32, text: &str, file: File<'_>) -> String;

    /// A person uses a command.
    fn command(&self, room: &str, person: u32, name: &str, arguments: &str);

    /// A person presses a button.
    fn press(&self, room: &str, person: u32, message: &str, value: &str);

    /// What people were told at the button itself, where the platform has no message for that.
    fn toasts(&self) -> Vec<String> {
        Vec::new()
    }

    /// The commands or presses in that room whose answer the person still waits for.
    fn unanswered(&self, room: &str) -> usize;

    /// What the assistant said in that room, in order, a sign that it thinks aside.
    fn answers(&self, room: &str) -> Vec<Answer>;

    /// How many messages the assistant sent, in all rooms.
    fn total(&self) -> u64;

    /// How often it was shown in that room that an answer is being written.
    fn typed(&self, room: &str) -> usize;

    /// Whether the assistant receives what is said now.
    fn is_connected(&self) -> bool;

    /// How often the assistant connected.
    fn connections(&self) -> u64;

    /// Where the platform has sessions of connections, the assistant's cannot be taken up again.
    fn forget_session(&self) {}

    /// Where the platform tells the assistant again of what it did not take, it gives that up.
    fn give_up(&self) {}

    /// Lets connections and requests fail from now on, at random. What was not taken is not told again.
    fn storm(&self, seed: u64);

    /// Nothing fails any more.
    fn calm(&self);

    /// From now on it takes only so many requests of one kind in a channel in so many milliseconds, and says with each how
    /// many are left. `false` for a platform that says nothing of the kind.
    fn narrow(&self, _requests: u64, _milliseconds: u64) -> bool {
        false
    }

    /// The requests that it refused because they were too many, where it can be narrowed.
    fn refusals(&self) -> usize {
        0
    }

    /// Whether the assistant has told the platform its commands; on Slack the app's manifest has them from the start.
    fn has_commands(&self) -> bool;

    /// What the assistant asked that the platform's description does not allow.
    fn violations(&self) -> Vec<String>;

    /// What happened, for a test that failed.
    fn summary(&self) -> String;
}

/// A file that a person sends.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the platform takes it for.
    pub media_type: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// All platforms, each with a server of its own.
pub fn all() -> Vec<Box<dyn Platform>> {
    vec![Box::new(Telegram::start()), Box::new(Discord::start()), Box::new(Slack::start())]
}

/// Looks until there is something, for so long.
#[expect(clippy::disallowed_methods, reason = "tests wait by the real clock")]
pub fn wait<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
