//! The bot about itself, and where the gateway is.
#![expect(clippy::unnecessary_wraps, reason = "all operations have one form")]

use serde_json::json;

use super::{Answer, Reply};
use crate::gateway::intent;
use crate::request::Request;
use crate::world::{User, World};

/// How many sessions a bot may start in a day.
pub(crate) const STARTS: u64 = 1_000;

pub(crate) fn gateway(world: &mut World, _: &Request) -> Answer {
    Ok(Reply::ok(json!({ "url": world.gateway_url() })))
}

pub(crate) fn gateway_bot(world: &mut World, request: &Request) -> Answer {
    let total = world.limits.starts.unwrap_or(STARTS);
    let remaining = total.saturating_sub(world.account(request.bot).starts);
    Ok(Reply::ok(json!({
        "url": world.gateway_url(),
        "shards": 1,
        "session_start_limit": {
            "total": total,
            "remaining": remaining,
            "reset_after": 86_400_000,
            "max_concurrency": 1,
        },
    })))
}

pub(crate) fn user(world: &mut World, request: &Request) -> Answer {
    let mut user = world.account(request.bot).user.object();
    user["mfa_enabled"] = false.into();
    user["locale"] = "en-US".into();
    user["verified"] = true.into();
    user["email"] = serde_json::Value::Null;
    Ok(Reply::ok(user))
}

pub(crate) fn application(world: &mut World, request: &Request) -> Answer {
    let account = world.account(request.bot);
    let owner = User { id: 1, name: "Owner".to_owned(), is_bot: false };
    let flags = intent::application_flags(account.privileged);
    Ok(Reply::ok(json!({
        "id": account.user.id.to_string(),
        "name": account.user.name,
        "icon": null,
        "description": "",
        "type": null,
        "bot": account.user.object(),
        "bot_public": false,
        "bot_require_code_grant": false,
        "verify_key": "0".repeat(64),
        "flags": flags,
        "flags_new": flags.to_string(),
        "redirect_uris": [],
        "interactions_endpoint_url": null,
        "role_connections_verification_url": null,
        "owner": owner.object(),
        "approximate_guild_count": world.guilds.len(),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": null,
        "eligible_oauth2_scopes": [],
    })))
}

impl World {
    /// Where the gateway is.
    pub(crate) fn gateway_url(&self) -> String {
        self.base.replacen("http", "ws", 1)
    }
}
