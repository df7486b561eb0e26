//! How the program and its parts are.

use serde::{Deserialize, Serialize};

use crate::Component;

/// Whether a part works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does.
    Running,
    /// Nothing is wrong with it, but no process runs it.
    Ready,
    /// It is on its way, or tries again by itself.
    Starting,
    /// It waits for an admin's approval.
    Waiting,
    /// It was switched off.
    Off,
    /// It does not, and something has to be done.
    Failed,
}

/// One part of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is called.
    pub name: String,
    /// Whether it works.
    pub state: State,
    /// What there is to know, or why it does not work.
    pub about: String,
    /// What to do, where something is to be done.
    pub todo: Option<String>,
}

/// What a process that holds the data directory does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serving {
    /// `openpact start`: everything.
    Start,
    /// `openpact chat`: the terminal.
    Chat,
    /// `openpact mcp`: one program on this machine, through its standard input.
    Mcp,
}

/// One chat platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The component that connects it.
    pub name: String,
    /// Whether it works.
    pub state: State,
    /// What there is to know, or why it does not work.
    pub about: String,
    /// What to do, where something is to be done.
    pub todo: Option<String>,
    /// The account that is connected now, as the platform shows it.
    pub account: Option<String>,
    /// How often it ended by itself in the last ten minutes.
    pub recent_ends: usize,
    /// How it ended the last time.
    pub last_end: Option<String>,
    /// Seconds until it is started again.
    pub next_try: Option<u64>,
}

/// How everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The process that serves chats now; `None` where none does and this answer was looked up for itself.
    pub process: Option<u32>,
    /// What that process does.
    pub serving: Option<Serving>,
    /// For how many seconds it has been running.
    pub uptime: Option<u64>,
    /// The data directory.
    pub data: String,
    /// The configuration file, and whether it is there.
    pub config: String,
    /// The parts.
    pub parts: Vec<Part>,
    /// The components.
    pub components: Vec<Component>,
}
