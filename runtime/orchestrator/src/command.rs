//! Commands: handled here, no model involved, never behind a turn.

mod approve;
mod run;

use openpact_model::chat::{CommandOption, CommandSpec};
use openpact_model::role::Role;
use openpact_model::text::one_line;

use crate::nearest::nearest;

/// The commands: name, parameters, what it does.
const COMMANDS: [(&str, &str, &str); 12] = [
    ("new", "[title]", "start a new conversation"),
    ("sessions", "[page]", "list the conversations"),
    ("switch", "ID", "go on with another conversation; the beginning of its id is enough"),
    ("rename", "TITLE", "give this conversation a title"),
    ("context", "", "show the model, and how full its window is"),
    ("stop", "", "stop the running answer"),
    ("retry", "", "answer the last message again"),
    ("mode", "[simple|thinking|tools|full]", "choose how much of the work is shown here"),
    ("model", "[name]", "show the models, or choose one for this conversation"),
    ("approve", "CODE [role]", "let somebody in who was told this code, as member or guest"),
    ("deny", "CODE", "turn somebody down who was told this code"),
    ("help", "", "show this list"),
];

/// The modes, and what each shows.
const MODES: [(&str, &str); 4] = [
    ("simple", "the answers alone"),
    ("thinking", "what the model thinks, too"),
    ("tools", "the calls of tools, too"),
    ("full", "what the model thinks and the calls of tools, too"),
];

/// The names of all commands, without the slash.
pub const NAMES: [&str; COMMANDS.len()] = {
    let mut names = [""; COMMANDS.len()];
    let mut at = 0;
    while at < COMMANDS.len() {
        names[at] = COMMANDS[at].0;
        at += 1;
    }
    names
};

/// A command that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    New { title: Option<String> },
    Sessions { page: usize },
    Switch { id: String },
    Rename { title: String },
    Context,
    Stop,
    Retry,
    Mode { detail: Option<String> },
    Model { name: Option<String> },
    Approve { code: String, role: Role },
    Deny { code: String },
    Help,
}

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// No command.
    Text,
    /// One that was understood.
    Command(Command),
    /// One that was not; what to tell the person.
    Wrong(String),
}

impl Command {
    /// Whether it depends on no command before it, and so waits for none.
    pub(crate) fn is_immediate(&self) -> bool {
        matches!(self, Self::Stop | Self::Approve { .. } | Self::Deny { .. } | Self::Help)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Sessions { .. } => "sessions",
            Self::Switch { .. } => "switch",
            Self::Rename { .. } => "rename",
            Self::Context => "context",
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::Mode { .. } => "mode",
            Self::Model { .. } => "model",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Help => "help",
        }
    }

    /// Whether it is about one conversation, and means nothing where there can be none.
    pub(crate) fn is_of_conversation(&self) -> bool {
        match self {
            Self::New { .. } | Self::Switch { .. } | Self::Rename { .. } | Self::Context | Self::Retry => {
                true
            }
            Self::Model { name } => name.is_some(),
            Self::Sessions { .. }
            | Self::Stop
            | Self::Mode { .. }
            | Self::Approve { .. }
            | Self::Deny { .. }
            | Self::Help => false,
        }
    }

    /// The least role that may give it.
    pub(crate) fn role(&self) -> Role {
        match self {
            // They decide what an answer costs, and what others may do.
            Self::Model { name: Some(_) } | Self::Approve { .. } | Self::Deny { .. } => Role::Owner,
            _ => Role::Member,
        }
    }
}

/// Reads a text that may be a command: `/name`, with a bot's name behind an `@` where a platform adds it, and
/// underscores for hyphens. A path such as `/etc/hosts` is none.
pub(crate) fn parse(text: &str) -> Parsed {
    let Some(rest) = text.trim().strip_prefix('/') else { return Parsed::Text };
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let name = word.split_once('@').map_or(word, |(name, _bot)| name);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_name = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !is_name {
        return Parsed::Text;
    }
    let name = name.to_ascii_lowercase().replace('_', "-");
    let argument = argument.trim();
    let given = || (!argument.is_empty()).then(|| argument.to_owned());
    let needed = |what: &str| given().ok_or_else(|| Parsed::Wrong(format!("Say what: /{name} {what}")));
    let command = match name.as_str() {
        "new" => Ok(Command::New { title: given() }),
        "sessions" => page(argument).map(|page| Command::Sessions { page }),
        "switch" => needed("ID").map(|id| Command::Switch { id }),
        "rename" => needed("TITLE").map(|title| Command::Rename { title }),
        "context" => Ok(Command::Context),
        "stop" => Ok(Command::Stop),
        "retry" => Ok(Command::Retry),
        "mode" => Ok(Command::Mode { detail: given() }),
        "mode-simple" | "mode-thinking" | "mode-tools" | "mode-full" => {
            Ok(Command::Mode { detail: name.strip_prefix("mode-").map(str::to_owned) })
        }
        "model" => Ok(Command::Model { name: given() }),
        "approve" => needed("CODE, and then perhaps a role").and_then(|text| approve::parse(&text)),
        "deny" => needed("CODE").map(|code| Command::Deny { code }),
        "help" => Ok(Command::Help),
        other => Err(unknown(other)),
    };
    command.map_or_else(|wrong| wrong, Parsed::Command)
}

fn page(argument: &str) -> Result<usize, Parsed> {
    match argument.parse() {
        _ if argument.is_empty() => Ok(1),
        Ok(page) if page >= 1 => Ok(page),
        _ => Err(Parsed::Wrong("A page is a number from 1 on: /sessions 2".to_owned())),
    }
}

fn unknown(name: &str) -> Parsed {
    let shown = one_line(name, 40);
    Parsed::Wrong(match nearest(name, NAMES.into_iter()) {
        Some(nearest) => format!("There is no command /{shown}. Did you mean /{nearest}? /help lists all."),
        None => format!("There is no command /{shown}. /help lists all."),
    })
}

/// The commands as platforms are told them: those of [`NAMES`], and one of its own for each mode.
pub fn specs() -> Vec<CommandSpec> {
    let commands = COMMANDS.iter().map(|(name, _, about)| CommandSpec {
        name: (*name).to_owned(),
        description: (*about).to_owned(),
        options: options(name),
    });
    let modes = MODES.iter().map(|(mode, about)| CommandSpec {
        name: format!("mode-{mode}"),
        description: format!("show here {about}"),
        options: Vec::new(),
    });
    commands.chain(modes).collect()
}

/// What may stand behind a command, in the order in which it is written.
fn options(command: &str) -> Vec<CommandOption> {
    let option = |name: &str, description: &str, required: bool, choices: &[&str]| CommandOption {
        name: name.to_owned(),
        description: description.to_owned(),
        required,
        choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
    };
    let modes: Vec<&str> = MODES.iter().map(|(mode, _)| *mode).collect();
    match command {
        "new" => vec![option("title", "its title", false, &[])],
        "sessions" => vec![option("page", "which page of the list", false, &[])],
        "switch" => vec![option("id", "the beginning of its id, as /sessions shows it", true, &[])],
        "rename" => vec![option("title", "its new title", true, &[])],
        "mode" => vec![option("mode", "how much is shown; without it you are told", false, &modes)],
        "model" => vec![option("name", "a part of its name; without it all are listed", false, &[])],
        // Nobody is made an owner in a chat.
        "approve" => vec![
            option("code", "the code that they were told", true, &[]),
            option("role", "what they may do; a member, where nothing is said", false, &["member", "guest"]),
        ],
        "deny" => vec![option("code", "the code that they were told", true, &[])],
        _ => Vec::new(),
    }
}

fn help() -> String {
    let lines = COMMANDS.map(|(name, parameters, about)| {
        let usage = format!("/{name} {parameters}");
        format!("{:<18} {about}", usage.trim_end())
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Parsed) {
        assert_eq!(&parse(text), expected, "{text:?}");
    }

    #[track_caller]
    fn wrong(text: &str, part: &str) {
        let Parsed::Wrong(told) = parse(text) else { panic!("{text:?} was not refused") };
        assert!(told.contains(part), "{told}");
    }

    #[test]
    fn commands_are_read_as_people_write_them() {
        check("/new", &Parsed::Command(Command::New { title: None }));
        check(" /new  A  title \n", &Parsed::Command(Command::New { title: Some("A  title".into()) }));
        check("/New@our_bot x", &Parsed::Command(Command::New { title: Some("x".into()) }));
        check("/sessions", &Parsed::Command(Command::Sessions { page: 1 }));
        check("/sessions 3", &Parsed::Command(Command::Sessions { page: 3 }));
        check("/switch ses_ab", &Parsed::Command(Command::Switch { id: "ses_ab".into() }));
        check("/model", &Parsed::Command(Command::Model { name: None }));
        check("/model gpt-x", &Parsed::Command(Command::Model { name: Some("gpt-x".into()) }));
        check("/stop now please", &Parsed::Command(Command::Stop));
        let approve = |role| Parsed::Command(Command::Approve { code: "K7QF-3M9T".into(), role });
        check("/approve K7QF-3M9T", &approve(Role::Member));
        check("/approve@our_bot K7QF-3M9T  Guest", &approve(Role::Guest));
        check("/approve K7QF-3M9T owner", &approve(Role::Owner));
        check("/deny K7QF 3M9T", &Parsed::Command(Command::Deny { code: "K7QF 3M9T".into() }));
        check("/rename\tA", &Parsed::Command(Command::Rename { title: "A".into() }));
    }

    #[test]
    fn other_texts_are_no_commands() {
        for text in [
            "hello",
            "a /new",
            "/",
            "/ new",
            "/etc/hosts is a file",
            "//new",
            "/1",
            "/überhaupt",
            "1/2",
            "!tools",
        ] {
            check(text, &Parsed::Text);
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_the_way_out() {
        wrong("/swtich a", "Did you mean /switch?");
        wrong("/session_s", "Did you mean /sessions?");
        wrong("/qqqq", "/help lists all");
        wrong("/sessions 0", "number from 1 on");
        wrong("/sessions -1", "number from 1 on");
        wrong("/sessions 99999999999999999999999", "number from 1 on");
        wrong("/approve", "/approve CODE");
        wrong("/approve K7QF-3M9T boss", "'boss' is no role");
        wrong("/approve K7QF-3M9T member guest", "one code");
        wrong("/deny", "/deny CODE");
        wrong("/switch", "/switch ID");
        wrong("/rename  ", "/rename TITLE");
    }

    #[test]
    fn what_platforms_are_told_is_understood_when_it_comes_back() {
        let specs = specs();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        for mode in ["simple", "thinking", "tools", "full"] {
            assert!(names.contains(&&*format!("mode-{mode}")), "{names:?}");
            let expected = Parsed::Command(Command::Mode { detail: Some(mode.into()) });
            check(&format!("/mode-{mode}"), &expected);
            check(&format!("/mode {mode}"), &expected);
        }
        for spec in &specs {
            assert!(spec.description.len() <= 100, "{}", spec.description);
            let required = spec.options.iter().map(|option| option.required);
            assert!(required.is_sorted_by(|one, other| one >= other), "platforms want those first");
            // With the least, and with everything that may stand there.
            let value =
                |option: &CommandOption| option.choices.first().cloned().unwrap_or_else(|| "1".into());
            for least in [true, false] {
                let given = spec.options.iter().filter(|option| option.required || !least).map(value);
                let text = format!("/{} {}", spec.name, given.collect::<Vec<_>>().join(" "));
                assert!(matches!(parse(&text), Parsed::Command(_)), "{text}");
            }
            for option in &spec.options {
                assert!(option.description.len() <= 100, "{}", option.description);
                assert!(option.name.len() <= 32 && option.name.chars().all(|c| c.is_ascii_lowercase()));
            }
        }
        let approve = specs.iter().find(|spec| spec.name == "approve").unwrap();
        assert_eq!(approve.options[1].choices, ["member", "guest"], "never an owner");
    }

    #[test]
    fn help_lists_every_command() {
        let text = help();
        for name in NAMES {
            assert!(text.contains(&format!("/{name}")), "{text}");
            assert!(!matches!(parse(&format!("/{name} 1")), Parsed::Text | Parsed::Wrong(_)), "{name}");
        }
    }
}
