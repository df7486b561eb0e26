//! What Slack has documented since the machine-readable description was published (<https://docs.slack.dev/reference/methods>),
//! and what that never held: which methods take no JSON.

/// Parameters that methods of the description have got since: method, name, type.
pub(crate) const PARAMETERS: [(&str, &str, &str); 16] = [
    ("chat.postMessage", "metadata", "object"),
    ("chat.postMessage", "markdown_text", "string"),
    // The errors `duplicate_message_not_found` and `duplicate_channel_not_found` speak of it.
    ("chat.postMessage", "client_msg_id", "string"),
    ("chat.update", "metadata", "object"),
    ("chat.update", "markdown_text", "string"),
    ("chat.update", "reply_broadcast", "boolean"),
    ("chat.update", "file_ids", "object"),
    ("chat.update", "unfurled_attachments", "object"),
    ("chat.postEphemeral", "markdown_text", "string"),
    ("conversations.history", "include_all_metadata", "boolean"),
    ("conversations.replies", "include_all_metadata", "boolean"),
    ("conversations.list", "team_id", "string"),
    ("conversations.open", "prevent_creation", "boolean"),
    ("conversations.info", "include_all_metadata", "boolean"),
    ("views.open", "interactivity_pointer", "string"),
    ("views.publish", "interactivity_pointer", "string"),
];

/// Fields of messages and interactions that the documentation shows and that some of the published samples lack.
pub(crate) const FIELDS: [&str; 7] =
    ["app_id", "bot_id", "bot_profile", "parent_user_id", "reply_users", "team", "values"];

/// A parameter that Slack's own framework sends with every request, whether the method has it or not.
pub(crate) const EVERYWHERE: &str = "team_id";

/// A method that the description does not have.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// Name, type, and whether it has to be there.
    pub(crate) parameters: &'static [(&'static str, &'static str, bool)],
}

/// The methods that the description does not have.
pub(crate) const METHODS: [Method; 4] = [
    Method { name: "apps.connections.open", parameters: &[] },
    Method {
        name: "assistant.threads.setStatus",
        parameters: &[
            ("channel_id", "string", true),
            ("thread_ts", "string", true),
            ("status", "string", true),
            ("loading_messages", "object", false),
            ("icon_emoji", "string", false),
            ("icon_url", "string", false),
            ("username", "string", false),
        ],
    },
    Method {
        name: "files.getUploadURLExternal",
        parameters: &[
            ("filename", "string", true),
            ("length", "integer", true),
            ("alt_txt", "string", false),
            ("alt_text", "string", false),
            ("snippet_type", "string", false),
        ],
    },
    Method {
        name: "files.completeUploadExternal",
        parameters: &[
            ("files", "object", true),
            ("channel_id", "string", false),
            ("channels", "string", false),
            ("thread_ts", "string", false),
            ("initial_comment", "string", false),
            ("blocks", "object", false),
        ],
    },
];

/// Methods that take no JSON: arguments in it are not seen.
pub(crate) const NO_JSON: [&str; 12] = [
    "bots.info",
    "chat.getPermalink",
    "conversations.history",
    "conversations.info",
    "conversations.list",
    "conversations.members",
    "conversations.replies",
    "files.getUploadURLExternal",
    "files.info",
    "reactions.get",
    "users.info",
    "users.list",
];
