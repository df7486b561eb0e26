//! What the commands do.

use std::fmt::Write as _;

use openpact_engine::{Context, Model, Session};
use openpact_model::audit::{Event, Verdict};
use openpact_model::id::SessionId;
use openpact_model::port::AuditSink as _;
use openpact_model::text::one_line;

use super::{Command, help};
use crate::message::Inbound;
use crate::orchestrator::Shared;
use crate::{Error, session};

/// Sessions on one page.
const PAGE: usize = 10;

/// The longest name of a model that is taken without a list to find it in.
const MODEL_BYTES: usize = 200;

/// The longest list of models or matches that is told.
const LIST: usize = 40;

impl Shared {
    /// Does it and says what there is to say.
    pub(crate) async fn run_command(&self, command: Command, inbound: &Inbound) -> Result<String, Error> {
        if let Some(refused) = self.refuse(&command, inbound, None).await? {
            return Ok(refused);
        }
        match command {
            Command::New { title } => self.new_session(inbound, title).await,
            Command::Sessions { page } => self.sessions(inbound, page).await,
            Command::Switch { id } => self.switch(inbound, &id).await,
            Command::Rename { title } => self.rename(inbound, &title).await,
            Command::Context => self.context(inbound).await,
            Command::Stop => Ok(self.stop(inbound)),
            // Channels of chat platforms have them; see chat/control.rs.
            Command::Retry => Ok("There is nothing kept here that could run again; say it again.".to_owned()),
            Command::Mode { .. } => Ok("Here everything is shown always.".to_owned()),
            Command::Model { name: None } => self.models(inbound).await,
            Command::Model { name: Some(name) } => self.set_model(inbound, &name).await,
            Command::Approve { code, role } => self.approve(inbound, &code, role).await,
            Command::Deny { code } => self.deny(inbound, &code).await,
            Command::Help => Ok(help()),
        }
    }

    /// What somebody is told who may not use the command, with what there is to say beside; `None` for somebody who
    /// may. It is recorded.
    pub(crate) async fn refuse(
        &self,
        command: &Command,
        inbound: &Inbound,
        hint: Option<&str>,
    ) -> Result<Option<String>, Error> {
        if inbound.role >= command.role() {
            return Ok(None);
        }
        let actor = one_line(&format!("{}:{}", inbound.sender.provider, inbound.sender.user), 128);
        let mut event = Event::new("command.call", actor, format!("/{}", command.name()), Verdict::Denied)
            .with("role", inbound.role.to_string())
            .with("channel", one_line(&inbound.channel.to_string(), 200));
        if hint.is_some() {
            event = event.with("reason", "the adapter may not speak for owners");
        }
        if let Err(error) = self.store.record(event).await {
            tracing::error!(%error, "a refused command could not be audited");
        }
        let refused = format!("The role '{}' may not use this command.", inbound.role);
        Ok(Some(hint.map_or(refused.clone(), |hint| format!("{refused} {hint}"))))
    }

    async fn new_session(&self, inbound: &Inbound, title: Option<String>) -> Result<String, Error> {
        let title = title.map(|title| session::given_title(&title));
        let audience = inbound.effective_audience();
        let (store, engine) = (&self.store, &*self.engine);
        session::create(store, engine, &inbound.channel, audience, title.as_deref()).await?;
        Ok(match title {
            Some(title) => format!("A new conversation: {title}"),
            None => "A new conversation.".to_owned(),
        })
    }

    async fn sessions(&self, inbound: &Inbound, page: usize) -> Result<String, Error> {
        let sessions = self.visible(inbound).await?;
        if sessions.is_empty() {
            return Ok("There is no conversation yet; write something to begin one.".to_owned());
        }
        let pages = sessions.len().div_ceil(PAGE);
        if page > pages {
            return Ok(format!("There are only {pages} pages."));
        }
        let active = self.store.sessions().active(&inbound.channel).await?;
        let mut text = String::new();
        for session in sessions.iter().skip((page - 1) * PAGE).take(PAGE) {
            let mark = if active.as_ref() == Some(&session.id) { "*" } else { " " };
            let day = session.updated.to_zoned(self.clock.zone()).strftime("%Y-%m-%d %H:%M");
            writeln!(text, "{mark} {}  {day}  {}", session.id, name(session))
                .expect("writing to a String cannot fail");
        }
        if pages > 1 {
            write!(text, "Page {page} of {pages}.").expect("writing to a String cannot fail");
        }
        Ok(text.trim_end().to_owned())
    }

    async fn switch(&self, inbound: &Inbound, wanted: &str) -> Result<String, Error> {
        let sessions = self.visible(inbound).await?;
        let is_wanted = |session: &&Session| {
            let id = session.id.as_str();
            let bare = id.split_once('_').map_or(id, |(_kind, bare)| bare);
            id.starts_with(wanted) || bare.starts_with(wanted)
        };
        let exact = sessions.iter().find(|session| session.id.as_str() == wanted);
        let found: Vec<&Session> =
            exact.map_or_else(|| sessions.iter().filter(is_wanted).collect(), |one| vec![one]);
        let session = match found.as_slice() {
            [] => {
                return Ok(format!(
                    "No conversation begins with '{}'; /sessions lists them.",
                    one_line(wanted, 40)
                ));
            }
            [session] => *session,
            several => {
                let list = several.iter().take(PAGE).map(|one| format!("{}  {}", one.id, name(one)));
                let list = list.collect::<Vec<_>>().join("\n");
                return Ok(format!("{} conversations begin so; say more of the id:\n{list}", several.len()));
            }
        };
        if session::audience_of(&self.store, &session.id).await? != inbound.effective_audience() {
            return Ok("That conversation is read by others than this channel, so it cannot go on here: what is said in \
                       one would be known in the other."
                .to_owned());
        }
        self.store.sessions().set_active(&inbound.channel, &session.id).await?;
        Ok(format!("Going on with: {}", name(session)))
    }

    async fn rename(&self, inbound: &Inbound, title: &str) -> Result<String, Error> {
        let Some(id) = self.current(inbound).await? else { return Ok(none_yet()) };
        let title = session::given_title(title);
        self.engine.rename_session(&id, &title).await?;
        Ok(format!("This conversation is now: {title}"))
    }

    async fn context(&self, inbound: &Inbound) -> Result<String, Error> {
        let Some(id) = self.current(inbound).await? else { return Ok(none_yet()) };
        Ok(describe(&self.engine.context(&id).await?))
    }

    fn stop(&self, inbound: &Inbound) -> String {
        match self.lanes.stop(&inbound.channel) {
            None => "Nothing is running here.".to_owned(),
            Some(0) => "Stopping.".to_owned(),
            Some(1) => "Stopping. One message still waits.".to_owned(),
            Some(waiting) => format!("Stopping. {waiting} messages still wait."),
        }
    }

    async fn models(&self, inbound: &Inbound) -> Result<String, Error> {
        let chosen = match self.current(inbound).await? {
            Some(id) => self.store.sessions().get(&id).await?.and_then(|row| row.model),
            None => None,
        };
        let models = self.engine.models().await?;
        let in_use = |model: &Model| match &chosen {
            Some(chosen) => model.id == *chosen,
            None => model.default,
        };
        if models.is_empty() {
            return Ok("The engine names no models.".to_owned());
        }
        let line = |model: &Model| {
            let mark = if in_use(model) { "*" } else { " " };
            format!("{mark} {}", one_line(&model.id, 120))
        };
        let mut lines: Vec<String> = models.iter().take(LIST).map(line).collect();
        if models.len() > LIST {
            lines.push(format!("  and {} more", models.len() - LIST));
        }
        Ok(lines.join("\n"))
    }

    async fn set_model(&self, inbound: &Inbound, wanted: &str) -> Result<String, Error> {
        let (model, unchecked) = match self.engine.models().await {
            Ok(models) if models.is_empty() => {
                (wanted.to_owned(), Some("the engine names no models".to_owned()))
            }
            Ok(models) => match choose(&models, wanted) {
                Ok(model) => (model.id.clone(), None),
                Err(text) => return Ok(text),
            },
            // Many services have no list, and a name is good without one.
            Err(openpact_engine::Error::Provider(why)) => (wanted.to_owned(), Some(why)),
            Err(error) => return Err(error.into()),
        };
        if unchecked.is_some() && (model.len() > MODEL_BYTES || model.contains(char::is_control)) {
            return Ok(format!("A model's name is one line of at most {MODEL_BYTES} bytes."));
        }
        let id = if let Some(id) = self.current(inbound).await? {
            id
        } else {
            let audience = inbound.effective_audience();
            session::create(&self.store, &*self.engine, &inbound.channel, audience, None).await?.id
        };
        self.store.sessions().set_model(&id, Some(&model)).await?;
        let shown = one_line(&model, 120);
        Ok(match unchecked {
            None => format!("This conversation now uses {shown}."),
            Some(why) => {
                format!(
                    "This conversation now uses {shown}. Whether there is such a model was not checked: {why}."
                )
            }
        })
    }

    async fn visible(&self, inbound: &Inbound) -> Result<Vec<Session>, Error> {
        let audience = inbound.effective_audience();
        session::visible(&self.store, &*self.engine, &inbound.channel, inbound.role, audience).await
    }

    /// The session that the channel talks in, if this audience may see it.
    async fn current(&self, inbound: &Inbound) -> Result<Option<SessionId>, Error> {
        let Some(id) = self.store.sessions().active(&inbound.channel).await? else { return Ok(None) };
        let fits = session::audience_of(&self.store, &id).await? == inbound.effective_audience();
        Ok(if fits && self.engine.get_session(&id).await?.is_some() { Some(id) } else { None })
    }
}

fn none_yet() -> String {
    "There is no conversation here yet; write something to begin one.".to_owned()
}

fn name(session: &Session) -> String {
    if session.title.is_empty() { "(untitled)".to_owned() } else { one_line(&session.title, 80) }
}

/// The model that was meant: the exact name, or the only one that contains what was written.
fn choose<'a>(models: &'a [Model], wanted: &str) -> Result<&'a Model, String> {
    if let Some(model) = models.iter().find(|model| model.id == wanted) {
        return Ok(model);
    }
    let lower = wanted.to_lowercase();
    let found: Vec<&Model> = models.iter().filter(|model| model.id.to_lowercase().contains(&lower)).collect();
    match found.as_slice() {
        [model] => Ok(model),
        [] => {
            let shown = one_line(wanted, 80);
            let near = crate::nearest::nearest(wanted, models.iter().map(|model| model.id.as_str()));
            Err(match near {
                Some(near) => format!("No model is named '{shown}'. Did you mean {}?", one_line(near, 120)),
                None => format!("No model is named '{shown}'; /model lists them."),
            })
        }
        several => {
            let list = several.iter().take(LIST).map(|model| one_line(&model.id, 120));
            Err(format!("Several models fit; say more of the name:\n{}", list.collect::<Vec<_>>().join("\n")))
        }
    }
}

fn describe(context: &Context) -> String {
    let mut text =
        format!("Model: {}\nContext: {} tokens", one_line(&context.model, 120), grouped(context.tokens));
    let mut add = |part: String| text.push_str(&part);
    if let Some(window) = context.window.filter(|window| *window > 0) {
        let percent = context.tokens.saturating_mul(100) / window;
        add(format!(" of {} ({percent} %)", grouped(window)));
    }
    if context.cached > 0 {
        add(format!(", {} of them from the provider's cache", grouped(context.cached)));
    }
    if let Some(cost) = context.cost {
        add(format!("\nCost so far: ${cost:.4}"));
    }
    text
}

/// A number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> Model {
        Model { id: id.into(), default: false }
    }

    #[test]
    fn a_model_is_chosen_by_what_is_unmistakable() {
        let models = [model("gpt-5"), model("gpt-5-mini"), model("llama-4")];
        let chosen = |wanted: &str| choose(&models, wanted).map(|model| model.id.as_str());
        assert_eq!(chosen("gpt-5"), Ok("gpt-5"));
        assert_eq!(chosen("MINI"), Ok("gpt-5-mini"));
        assert!(chosen("gpt").unwrap_err().contains("gpt-5\ngpt-5-mini"));
        assert!(chosen("lama4").unwrap_err().contains("Did you mean llama-4?"));
        assert!(chosen("zzz").unwrap_err().contains("/model lists them"));
    }

    #[test]
    fn the_context_is_told_in_numbers_for_people() {
        let mut context = Context { model: "m".into(), tokens: 12_345, ..Context::default() };
        assert_eq!(describe(&context), "Model: m\nContext: 12,345 tokens");
        context.window = Some(128_000);
        context.cached = 999;
        context.cost = Some(0.0123);
        let expected = "Model: m\nContext: 12,345 tokens of 128,000 (9 %), 999 of them from the provider's cache\n\
                        Cost so far: $0.0123";
        assert_eq!(describe(&context), expected);
        context.window = Some(0);
        assert!(!describe(&context).contains('%'));
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
