//! Blocks: what Block Kit allows (<https://docs.slack.dev/reference/block-kit/blocks>), as far as messages of bots use it.

use serde_json::Value;

use crate::refusal::Refusal;

/// The most blocks in a message.
const MAX_BLOCKS: usize = 50;

/// The most characters in all blocks of Markdown together.
const MAX_MARKDOWN: usize = 12_000;

/// Kinds of blocks that are let through as they are.
const OTHERS: [&str; 7] = ["divider", "file", "input", "rich_text", "table", "video", "context_actions"];

/// What is wrong, each with a pointer to its place.
struct Judge(Vec<String>);

/// Refuses blocks that the real server refuses.
pub(crate) fn check(blocks: &Value) -> Result<(), Refusal> {
    let Some(list) = blocks.as_array() else { return Err(Refusal::new("invalid_blocks_format")) };
    let mut judge = Judge(Vec::new());
    if list.len() > MAX_BLOCKS {
        judge.wrong(&format!("no more than {MAX_BLOCKS} items allowed"), "/blocks");
    }
    let mut ids = Vec::new();
    let mut markdown = 0;
    for (index, block) in list.iter().enumerate() {
        let place = format!("/blocks/{index}");
        judge.block(block, &place);
        if let Some(id) = block["block_id"].as_str() {
            judge.most(id, 255, &format!("{place}/block_id"));
            if ids.contains(&id) {
                judge.wrong("block_id must be unique", &format!("{place}/block_id"));
            }
            ids.push(id);
        }
        if block["type"] == "markdown" {
            markdown += block["text"].as_str().unwrap_or_default().chars().count();
        }
    }
    if markdown > MAX_MARKDOWN {
        return Err(Refusal::new("msg_blocks_too_long"));
    }
    if judge.0.is_empty() { Ok(()) } else { Err(Refusal::because("invalid_blocks", judge.0)) }
}

impl Judge {
    fn wrong(&mut self, what: &str, place: &str) {
        self.0.push(format!("[ERROR] {what} [json-pointer:{place}]"));
    }

    fn most(&mut self, text: &str, most: usize, place: &str) {
        if text.chars().count() > most {
            self.wrong(&format!("must be less than {} characters", most + 1), place);
        }
    }

    fn at_most(&mut self, items: usize, most: usize, place: &str) {
        if items > most {
            self.wrong(&format!("no more than {most} items allowed"), place);
        }
    }

    fn block(&mut self, block: &Value, place: &str) {
        match block["type"].as_str() {
            Some("section") => self.section(block, place),
            Some("header") => self.text(&block["text"], &["plain_text"], 150, &format!("{place}/text")),
            Some("context") => self.context(block, place),
            Some("actions") => self.actions(block, place),
            Some("image") => self.image(block, place),
            Some("markdown") => {
                if block["text"].as_str().is_none_or(str::is_empty) {
                    self.wrong("missing required field: text", place);
                }
            }
            Some(kind) if OTHERS.contains(&kind) => {}
            Some(kind) => self.wrong(&format!("unsupported type: {kind}"), &format!("{place}/type")),
            None => self.wrong("missing required field: type", place),
        }
    }

    fn section(&mut self, block: &Value, place: &str) {
        let fields = block["fields"].as_array();
        if block["text"].is_null() && fields.is_none_or(Vec::is_empty) {
            self.wrong("missing required field: text", place);
        }
        if !block["text"].is_null() {
            self.text(&block["text"], &["mrkdwn", "plain_text"], 3_000, &format!("{place}/text"));
        }
        let fields = fields.map(Vec::as_slice).unwrap_or_default();
        self.at_most(fields.len(), 10, &format!("{place}/fields"));
        for (index, field) in fields.iter().enumerate() {
            self.text(field, &["mrkdwn", "plain_text"], 2_000, &format!("{place}/fields/{index}"));
        }
        if block["accessory"]["type"] == "button" {
            self.button(&block["accessory"], &format!("{place}/accessory"));
        }
    }

    fn context(&mut self, block: &Value, place: &str) {
        let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
        if elements.is_empty() {
            self.wrong("must provide at least one element", &format!("{place}/elements"));
        }
        self.at_most(elements.len(), 10, &format!("{place}/elements"));
        for (index, element) in elements.iter().enumerate() {
            let place = format!("{place}/elements/{index}");
            match element["type"].as_str() {
                Some("image") => self.image(element, &place),
                _ => self.text(element, &["mrkdwn", "plain_text"], 3_000, &place),
            }
        }
    }

    fn actions(&mut self, block: &Value, place: &str) {
        let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
        if elements.is_empty() {
            self.wrong("must provide at least one element", &format!("{place}/elements"));
        }
        self.at_most(elements.len(), 25, &format!("{place}/elements"));
        let mut ids = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let place = format!("{place}/elements/{index}");
            if element["type"] == "button" {
                self.button(element, &place);
            }
            if let Some(id) = element["action_id"].as_str() {
                if ids.contains(&id) {
                    self.wrong("action_id must be unique", &format!("{place}/action_id"));
                }
                ids.push(id);
            }
        }
    }

    fn button(&mut self, button: &Value, place: &str) {
        self.text(&button["text"], &["plain_text"], 75, &format!("{place}/text"));
        for (field, most) in [("action_id", 255), ("value", 2_000), ("url", 3_000)] {
            self.most(button[field].as_str().unwrap_or_default(), most, &format!("{place}/{field}"));
        }
        if button["style"].as_str().is_some_and(|style| !["primary", "danger"].contains(&style)) {
            self.wrong("must be a valid enum value", &format!("{place}/style"));
        }
    }

    fn image(&mut self, image: &Value, place: &str) {
        if image["alt_text"].as_str().is_none() {
            self.wrong("missing required field: alt_text", place);
        }
        self.most(image["alt_text"].as_str().unwrap_or_default(), 2_000, &format!("{place}/alt_text"));
        self.most(image["image_url"].as_str().unwrap_or_default(), 3_000, &format!("{place}/image_url"));
    }

    /// A text with its kind.
    fn text(&mut self, text: &Value, kinds: &[&str], most: usize, place: &str) {
        if !text["type"].as_str().is_some_and(|kind| kinds.contains(&kind)) {
            self.wrong(&format!("must be one of {}", kinds.join(", ")), &format!("{place}/type"));
        }
        match text["text"].as_str() {
            None => self.wrong("missing required field: text", place),
            Some("") => self.wrong("must be more than 0 characters", &format!("{place}/text")),
            Some(said) => self.most(said, most, &format!("{place}/text")),
        }
    }
}

/// The blocks that Slack makes of a text: one of rich text, with links to people told apart.
pub(crate) fn of_text(text: &str, id: u64) -> Value {
    let mut elements = Vec::new();
    let mut rest = text;
    while let Some((before, (user, after))) =
        rest.split_once("<@").and_then(|(before, after)| Some((before, after.split_once('>')?)))
    {
        elements.push(plain(before));
        elements.push(serde_json::json!({"type": "user", "user_id": user}));
        rest = after;
    }
    elements.push(plain(rest));
    elements.retain(|element| element["text"] != "");
    serde_json::json!([{
        "type": "rich_text",
        "block_id": format!("b{id}"),
        "elements": [{"type": "rich_text_section", "elements": elements}],
    }])
}

fn plain(text: &str) -> Value {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::json!({"type": "text", "text": text})
}
