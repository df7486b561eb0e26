//! What it means when the gateway closes a connection (Opcodes and Status Codes, "Gateway Close Event Codes").

use openpact_sdk::adapter::AdapterError;

use crate::api::TOKEN_REFUSED;

/// What to do then.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// Resume the session.
    Resume(String),
    /// Begin another session.
    Renew(String),
    /// Stop: it would be closed again.
    Fatal(AdapterError),
}

const INTENTS_REFUSED: &str = "Discord does not let this bot read messages. Open \
     https://discord.com/developers/applications, choose the application, then Bot, switch on Message Content Intent \
     under Privileged Gateway Intents, and start the provider again. A bot in more than 100 servers needs Discord's \
     approval for it.";

/// What a code means; none where the connection ended without one.
pub(super) fn meaning(code: Option<u16>, reason: &str) -> Meaning {
    let Some(code) = code else { return Meaning::Resume("the gateway closed the connection".to_owned()) };
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(123).collect();
    let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let why = |what: &str| format!("the gateway closed the connection ({code}, {what}){said}");
    let configuration = |text: &str| Meaning::Fatal(AdapterError::Configuration(text.to_owned()));
    match code {
        4_000 => Meaning::Resume(why("unknown error")),
        4_001 => Meaning::Resume(why("unknown opcode")),
        4_002 => Meaning::Resume(why("it could not decode a frame")),
        4_003 => Meaning::Renew(why("not authenticated")),
        4_004 => Meaning::Fatal(AdapterError::Credential(TOKEN_REFUSED.to_owned())),
        4_005 => Meaning::Renew(why("already authenticated")),
        4_007 => Meaning::Renew(why("invalid sequence")),
        4_008 => Meaning::Resume(why("too many frames")),
        4_009 => Meaning::Renew(why("the session timed out")),
        4_010 => configuration(
            "Discord says that the shard is not valid (4010). This adapter states none: check what answers at the \
             setting gateway_url.",
        ),
        4_011 => configuration(
            "Discord wants this bot to divide its servers among several connections (4011, sharding required), which \
             this adapter cannot. Take the bot out of servers until it is in fewer than 2,500, or use a bot of its own.",
        ),
        4_012 => configuration(
            "Discord does not speak version 10 of the gateway any more (4012). Update OpenPact; if the setting \
             gateway_url names a server of your own, update that.",
        ),
        4_013 => configuration(
            "Discord does not know the intents that this adapter asks for (4013). Update OpenPact; if the setting \
             gateway_url names a server of your own, it has to know the intents GUILDS, GUILD_MESSAGES, \
             DIRECT_MESSAGES and MESSAGE_CONTENT.",
        ),
        4_014 => configuration(INTENTS_REFUSED),
        _ => Meaning::Resume(why("no code of Discord's own")),
    }
}
