//! A platform in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use openpact_model::chat::{
    Abilities, Account, AdapterError, Author, AuthorKind, ButtonPress, CommandSpec, CommandUse, Happening,
    Info, LengthUnit, Message, Occasion, Part, Piece, Place, SendError, Sent, Stage, Target, Visibility,
};

use super::*;

/// One message that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) channel: String,
    pub(super) reply_to: Option<String>,
    pub(super) text: String,
    pub(super) key: String,
}

/// What comes of fetching a file.
#[derive(Debug, Clone)]
pub(super) enum Fetched {
    /// These bytes, where the limit allows them.
    Bytes(Vec<u8>),
    /// These bytes, whatever the limit is.
    Regardless(Vec<u8>),
    /// An error.
    Error(SendError),
    /// Nothing, ever.
    Never,
}

/// The platform with its one adapter. Parts are what stands between `¶`; before the end also what stands between `§`.
pub(super) struct Platform {
    info: Info,
    said: Mutex<Vec<Said>>,
    faults: Mutex<HashMap<String, VecDeque<SendError>>>,
    /// Channels into which a call never returns, after it has sent.
    pub(super) stuck: Mutex<HashSet<String>>,
    /// What channels are called where they are sent to by another name.
    pub(super) moved: Mutex<HashMap<String, String>>,
    /// Changes that never return, after they were made.
    pub(super) is_edit_stuck: AtomicBool,
    pub(super) is_delete_stuck: AtomicBool,
    pub(super) is_render_stuck: AtomicBool,
    /// How long it takes after something was sent until that is told.
    pub(super) lag: Mutex<Duration>,
    /// The next changes fail, and the next takings back.
    pub(super) edit_faults: Mutex<VecDeque<SendError>>,
    pub(super) delete_faults: Mutex<VecDeque<SendError>>,
    /// When something was to be sent or changed.
    touched: Mutex<Vec<tokio::time::Instant>>,
    ids: AtomicUsize,
    render_faults: Mutex<VecDeque<SendError>>,
    /// The next answers to interactions fail.
    pub(super) interaction_faults: Mutex<VecDeque<SendError>>,
    pub(super) typing_fault: Mutex<Option<SendError>>,
    /// What lies there to be fetched; each call takes one answer, and the last one stays.
    files: Mutex<HashMap<String, VecDeque<Fetched>>>,
    /// What was fetched: the file, and the limit.
    fetches: Mutex<Vec<(String, u64)>>,
    pub(super) calls: AtomicUsize,
    pub(super) typed: AtomicUsize,
    changed: Notify,
}

impl Platform {
    pub(super) fn new() -> Arc<Self> {
        Self::with(Abilities { typing: true, ..Abilities::default() })
    }

    pub(super) fn with_buttons() -> Arc<Self> {
        Self::with(Abilities { typing: true, buttons: true, ..Abilities::default() })
    }

    pub(super) fn with(abilities: Abilities) -> Arc<Self> {
        let info = Info {
            platform: "fake".into(),
            title: "Fake".into(),
            abilities,
            message_length: 1000,
            length_unit: LengthUnit::Characters,
            typing_interval: Some(1),
            edit_interval: 0,
            send_interval: 0,
            send_rate: None,
        };
        Arc::new(Self {
            info,
            said: Mutex::default(),
            faults: Mutex::default(),
            stuck: Mutex::default(),
            moved: Mutex::default(),
            is_edit_stuck: AtomicBool::new(false),
            is_delete_stuck: AtomicBool::new(false),
            is_render_stuck: AtomicBool::new(false),
            lag: Mutex::default(),
            edit_faults: Mutex::default(),
            delete_faults: Mutex::default(),
            touched: Mutex::default(),
            ids: AtomicUsize::new(0),
            render_faults: Mutex::default(),
            interaction_faults: Mutex::default(),
            typing_fault: Mutex::default(),
            files: Mutex::default(),
            fetches: Mutex::default(),
            calls: AtomicUsize::new(0),
            typed: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// What lies there.
    pub(super) fn said(&self) -> Vec<Said> {
        lock(&self.said).clone()
    }

    /// The texts in one channel.
    pub(super) fn texts(&self, channel: &str) -> Vec<String> {
        self.said().into_iter().filter(|said| said.channel == channel).map(|said| said.text).collect()
    }

    /// Waits until something was to be sent or changed.
    pub(super) async fn until_touched(&self) {
        while lock(&self.touched).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The times between one try to send or change something and the next.
    pub(super) fn gaps(&self) -> Vec<Duration> {
        lock(&self.touched).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Somebody deletes a message.
    pub(super) fn remove(&self, id: &str) -> bool {
        let mut said = lock(&self.said);
        let before = said.len();
        said.retain(|said| said.id != id);
        self.changed.notify_waiters();
        said.len() < before
    }

    /// The next calls into that channel fail.
    pub(super) fn fail(&self, channel: &str, errors: impl IntoIterator<Item = SendError>) {
        lock(&self.faults).entry(channel.to_owned()).or_default().extend(errors);
    }

    /// The next calls of `render` fail.
    pub(super) fn fail_render(&self, errors: impl IntoIterator<Item = SendError>) {
        lock(&self.render_faults).extend(errors);
    }

    /// Puts a file there.
    pub(super) fn put(&self, id: &str, answers: impl IntoIterator<Item = Fetched>) {
        lock(&self.files).insert(id.to_owned(), answers.into_iter().collect());
    }

    /// What was fetched so far, and with which limit.
    pub(super) fn fetches(&self) -> Vec<(String, u64)> {
        lock(&self.fetches).clone()
    }

    pub(super) fn stick(&self, channel: &str) {
        lock(&self.stuck).insert(channel.to_owned());
    }

    pub(super) fn unstick(&self, channel: &str) {
        lock(&self.stuck).remove(channel);
    }

    /// Waits until these messages lie in a channel.
    pub(super) async fn until_said(&self, channel: &str, expected: &[&str]) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let texts = self.texts(channel);
            if texts == expected {
                return;
            }
            let patience = Duration::from_secs(20);
            assert!(
                tokio::time::timeout(patience, changed).await.is_ok(),
                "{texts:?} lie there, and not {expected:?}"
            );
        }
    }

    /// Waits until so many messages lie in a channel, and gives their texts.
    pub(super) async fn until(&self, channel: &str, count: usize) -> Vec<String> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let texts = self.texts(channel);
            if texts.len() >= count {
                return texts;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Adapter for Platform {
    fn instance(&self) -> &'static str {
        "fake"
    }

    fn info(&self) -> &Info {
        &self.info
    }

    async fn run(&self, _: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError {
        stop.cancelled().await;
        AdapterError::Stopped
    }

    async fn render(&self, message: &Outbound) -> Result<Vec<Part>, SendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        if self.is_render_stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = lock(&self.render_faults).pop_front() {
            return Err(fault);
        }
        // As a platform's form leaves nothing of some Markdown.
        if matches!(&message.pieces[..], [Piece::Markdown(text)] if text.contains("nothing to see")) {
            return Ok(Vec::new());
        }
        let piece = |piece: &Piece| match piece {
            Piece::Markdown(text) | Piece::Notice(text) => text.clone(),
            Piece::Reasoning(text) => format!("({text})"),
            Piece::ToolUse(used) => {
                format!("{}({})={}", used.name, used.input, used.output.clone().unwrap_or_default())
            }
            Piece::File(file) => file.name.clone(),
        };
        let buttons = message.buttons.iter().map(|button| format!("[{}]({})", button.label, button.value));
        let text = message.pieces.iter().map(piece).chain(buttons).collect::<Vec<_>>().join("\n");
        let text = match message.stage {
            Stage::Partial => text.replace('§', "¶"),
            Stage::Complete => text.replace('§', ""),
        };
        let part = |text: &str| Part { body: text.to_owned(), plain: text.to_owned(), files: Vec::new() };
        Ok(text.split('¶').map(part).collect())
    }

    async fn send_part(&self, target: &Target, part: &Part, key: &str) -> Result<Sent, SendError> {
        lock(&self.touched).push(tokio::time::Instant::now());
        let id = format!("m{}", self.ids.fetch_add(1, Ordering::SeqCst));
        let fault = lock(&self.faults).get_mut(&target.channel).and_then(VecDeque::pop_front);
        let is_sent = fault.as_ref().is_none_or(|fault| matches!(fault, SendError::Unknown(_)));
        if is_sent {
            let (channel, reply_to) = (target.channel.clone(), target.reply_to.clone());
            let (text, key) = (part.body.clone(), key.to_owned());
            lock(&self.said).push(Said { id: id.clone(), channel, reply_to, text, key });
            self.changed.notify_waiters();
        }
        if lock(&self.stuck).contains(&target.channel) {
            std::future::pending::<()>().await;
        }
        let lag = *lock(&self.lag);
        if !lag.is_zero() {
            tokio::time::sleep(lag).await;
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        let moved_to = lock(&self.moved).get(&target.channel).cloned();
        Ok(Sent { id, pause: None, moved_to })
    }

    async fn edit_part(&self, target: &Target, id: &str, part: &Part) -> Result<(), SendError> {
        lock(&self.touched).push(tokio::time::Instant::now());
        let fault = lock(&self.edit_faults).pop_front();
        if fault.as_ref().is_none_or(|fault| matches!(fault, SendError::Unknown(_))) {
            let mut said = lock(&self.said);
            let said = said.iter_mut().find(|said| said.id == id && said.channel == target.channel);
            said.ok_or_else(|| SendError::Gone(id.to_owned()))?.text.clone_from(&part.body);
            self.changed.notify_waiters();
        }
        if self.is_edit_stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        fault.map_or(Ok(()), Err)
    }

    async fn delete_part(&self, _: &Target, id: &str) -> Result<(), SendError> {
        if let Some(fault) = lock(&self.delete_faults).pop_front() {
            return Err(fault);
        }
        let is_there = self.remove(id);
        if self.is_delete_stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if is_there { Ok(()) } else { Err(SendError::Gone(id.to_owned())) }
    }

    async fn typing(&self, _: &Target) -> Result<(), SendError> {
        self.typed.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        Err(lock(&self.typing_fault).take().unwrap_or(SendError::Unavailable("nobody minds".into())))
    }

    async fn answer_interaction(&self, interaction: &str, answer: &Outbound) -> Result<(), SendError> {
        if interaction == "expired" {
            return Err(SendError::Gone("expired".into()));
        }
        if let Some(fault) = lock(&self.interaction_faults).pop_front() {
            return Err(fault);
        }
        let text = format!("{:?}", answer.pieces);
        let channel = format!("interaction {interaction}");
        lock(&self.said).push(Said {
            id: String::new(),
            channel: channel.clone(),
            reply_to: None,
            text,
            key: String::new(),
        });
        self.changed.notify_waiters();
        if lock(&self.stuck).contains(&channel) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn fetch_attachment(&self, id: &str, limit: u64) -> Result<Vec<u8>, SendError> {
        lock(&self.fetches).push((id.to_owned(), limit));
        self.changed.notify_waiters();
        let answer = lock(&self.files).get_mut(id).and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        match answer.unwrap_or(Fetched::Error(SendError::Gone("no such file".into()))) {
            Fetched::Bytes(bytes) if bytes.len() as u64 > limit => {
                Err(SendError::TooLarge(bytes.len() as u64))
            }
            Fetched::Bytes(bytes) | Fetched::Regardless(bytes) => Ok(bytes),
            Fetched::Error(error) => Err(error),
            Fetched::Never => std::future::pending().await,
        }
    }

    async fn register_commands(&self, _: &[CommandSpec]) -> Result<(), AdapterError> {
        Ok(())
    }
}

pub(super) fn connected(account: &str) -> Connection {
    Connection::Connected(Account { id: account.to_owned(), name: account.to_owned() })
}

/// A direct message of the owner; its event and itself have one id.
pub(super) fn message(place: &str, id: &str, text: &str) -> Event {
    let said = Message {
        id: id.to_owned(),
        text: text.to_owned(),
        others: false,
        attachments: Vec::new(),
        reply_to: None,
        occasion: Occasion::Direct,
    };
    event(place, id, Happening::Message(said))
}

/// A command of the owner that the platform keeps open.
pub(super) fn used(place: &str, id: &str, text: &str) -> Event {
    let (name, arguments) = text.split_once(' ').unwrap_or((text, ""));
    let (name, arguments) = (name.to_owned(), arguments.to_owned());
    let happening = CommandUse { interaction: Some(id.to_owned()), message: None, name, arguments };
    event(place, id, Happening::Command(happening))
}

/// A press of the owner.
pub(super) fn press(place: &str, id: &str, value: &str) -> Event {
    let (interaction, message, value) = (id.to_owned(), "m".to_owned(), value.to_owned());
    event(place, id, Happening::Button(ButtonPress { interaction, message, value }))
}

/// The same event where others read it.
pub(super) fn in_public(mut event: Event) -> Event {
    event.place.visibility = Visibility::Public;
    event
}

/// The same message as it is after an edit.
pub(super) fn edit(place: &str, id: &str, revision: u64, text: &str) -> Event {
    let Happening::Message(said) = message(place, id, text).happening else { unreachable!() };
    Event { revision, ..event(place, id, Happening::Edit(said)) }
}

pub(super) fn event(place: &str, id: &str, happening: Happening) -> Event {
    Event {
        account: "me".into(),
        id: id.to_owned(),
        revision: 0,
        time: 0,
        place: Place { id: place.to_owned(), thread: None, name: None, visibility: Visibility::Direct },
        author: author("owner"),
        happening,
    }
}

pub(super) fn author(id: &str) -> Author {
    Author { id: id.to_owned(), display_name: id.to_uppercase(), handle: None, kind: AuthorKind::Person }
}

/// The same event by somebody else.
pub(super) fn by(id: &str, mut event: Event) -> Event {
    event.author = author(id);
    event
}
