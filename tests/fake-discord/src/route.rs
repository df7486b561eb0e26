//! Which operation a path asks for. Operations have the names of Discord's description.

use percent_encoding::percent_decode_str;

use crate::endpoint::{self, Handler};

/// An operation of the API.
pub(crate) struct Route {
    /// Its name.
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// Its path as the description writes it.
    pub(crate) template: &'static str,
    /// Whether it asks for the token of a bot; the others are open, or have a token in their path.
    pub(crate) authorized: bool,
    pub(crate) handler: Handler,
}

impl Route {
    const fn new(
        method: &'static str,
        template: &'static str,
        operation: &'static str,
        handler: Handler,
    ) -> Self {
        Self { operation, method, template, authorized: true, handler }
    }

    const fn open(
        method: &'static str,
        template: &'static str,
        operation: &'static str,
        handler: Handler,
    ) -> Self {
        Self { operation, method, template, authorized: false, handler }
    }
}

const MESSAGES: &str = "/channels/{channel_id}/messages";
const MESSAGE: &str = "/channels/{channel_id}/messages/{message_id}";
const COMMANDS: &str = "/applications/{application_id}/commands";
const COMMAND: &str = "/applications/{application_id}/commands/{command_id}";
const ORIGINAL: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/@original";
const FOLLOWED: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}";

/// All of them; where two fit a path, the first counts.
static ROUTES: [Route; 33] = [
    Route::open("GET", "/gateway", "get_gateway", endpoint::me::gateway),
    Route::new("GET", "/gateway/bot", "get_bot_gateway", endpoint::me::gateway_bot),
    Route::new("GET", "/users/@me", "get_my_user", endpoint::me::user),
    Route::new("GET", "/applications/@me", "get_my_application", endpoint::me::application),
    Route::new("GET", "/oauth2/applications/@me", "get_my_oauth2_application", endpoint::me::application),
    Route::new("POST", "/users/@me/channels", "create_dm", endpoint::channel::direct),
    Route::new("GET", "/channels/{channel_id}", "get_channel", endpoint::channel::get),
    Route::new("GET", MESSAGES, "list_messages", endpoint::message::list),
    Route::new("POST", MESSAGES, "create_message", endpoint::message::create),
    Route::new("GET", MESSAGE, "get_message", endpoint::message::get),
    Route::new("PATCH", MESSAGE, "update_message", endpoint::message::update),
    Route::new("DELETE", MESSAGE, "delete_message", endpoint::message::delete),
    Route::new(
        "POST",
        "/channels/{channel_id}/typing",
        "trigger_typing_indicator",
        endpoint::channel::typing,
    ),
    Route::new("POST", "/channels/{channel_id}/threads", "create_thread", endpoint::thread::create),
    Route::new(
        "POST",
        "/channels/{channel_id}/messages/{message_id}/threads",
        "create_thread_from_message",
        endpoint::thread::from_message,
    ),
    Route::new(
        "PUT",
        "/channels/{channel_id}/thread-members/@me",
        "join_thread",
        endpoint::thread::membership,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/thread-members/@me",
        "leave_thread",
        endpoint::thread::membership,
    ),
    Route::new("GET", COMMANDS, "list_application_commands", endpoint::command::list),
    Route::new("PUT", COMMANDS, "bulk_set_application_commands", endpoint::command::replace),
    Route::new("POST", COMMANDS, "create_application_command", endpoint::command::create),
    Route::new("GET", COMMAND, "get_application_command", endpoint::command::get),
    Route::new("PATCH", COMMAND, "update_application_command", endpoint::command::update),
    Route::new("DELETE", COMMAND, "delete_application_command", endpoint::command::delete),
    Route::open(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        "create_interaction_response",
        endpoint::interaction::respond,
    ),
    Route::open(
        "POST",
        "/webhooks/{webhook_id}/{webhook_token}",
        "execute_webhook",
        endpoint::webhook::follow_up,
    ),
    Route::open("GET", ORIGINAL, "get_original_webhook_message", endpoint::webhook::get_original),
    Route::open("PATCH", ORIGINAL, "update_original_webhook_message", endpoint::webhook::update_original),
    Route::open("DELETE", ORIGINAL, "delete_original_webhook_message", endpoint::webhook::delete_original),
    Route::open("GET", FOLLOWED, "get_webhook_message", endpoint::webhook::get),
    Route::open("PATCH", FOLLOWED, "update_webhook_message", endpoint::webhook::update),
    Route::open("DELETE", FOLLOWED, "delete_webhook_message", endpoint::webhook::delete),
    Route::new("PATCH", "/channels/{channel_id}", "update_channel", endpoint::thread::update),
    Route::new("DELETE", "/channels/{channel_id}", "delete_channel", endpoint::thread::delete),
];

/// What a path without the version in front leads to.
pub(crate) enum Found {
    Route(&'static Route, Vec<String>),
    /// The path is known, the method is not.
    OtherMethod,
    Nothing,
}

pub(crate) fn find(method: &str, path: &str) -> Found {
    let fitting = || ROUTES.iter().filter_map(|route| Some((route, fit(route.template, path)?)));
    if let Some((route, variables)) = fitting().find(|(route, _)| route.method == method) {
        return Found::Route(route, variables);
    }
    if fitting().next().is_some() { Found::OtherMethod } else { Found::Nothing }
}

/// What stands in the path for each variable of the template, if it fits.
fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let mut variables = Vec::new();
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return Some(variables),
            (Some(name), Some(value)) => {
                let value = percent_decode_str(value).decode_utf8().ok()?;
                if name.starts_with('{') && !value.is_empty() {
                    variables.push(value.into_owned());
                } else if name != value {
                    return None;
                }
            }
            _ => return None,
        }
    }
}
