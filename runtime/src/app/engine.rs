//! The engine that the configuration names, and its one grant: the model's address and nothing else.

use std::sync::Arc;

use openpact_egress::Egress;
use openpact_engine::{Engine, builtin, direct};
use openpact_model::port::ToolCaller;

use super::{App, secret};
use crate::config::engine::{Images, Kind};
use crate::control::Grant;
use crate::exit::{Code, Failure, chain};

impl App {
    /// The engine.
    pub(super) fn engine(
        &self,
        egress: &Egress,
        tools: Arc<dyn ToolCaller>,
    ) -> Result<Arc<dyn Engine>, Failure> {
        let (store, clock, random) = (self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.random));
        let Some(config) = self.model_config() else {
            return Ok(Arc::new(direct::Engine::new(direct::Ports { store, tools, clock, random })));
        };
        let door = egress.door(builtin::principal(), self.model_grants(&config)?);
        let ports = builtin::Ports { store, tools, door, clock, random };
        let engine = config.build(ports).map_err(|error| Failure::of(Code::Configuration, &error))?;
        Ok(Arc::new(engine))
    }

    /// The engine that talks to a model, where one is configured.
    fn model_config(&self) -> Option<builtin::Config> {
        let config = self.config();
        let stated = &config.engine;
        let (Kind::Builtin, Some(base_url), Some(model)) = (stated.kind(), &stated.base_url, &stated.model)
        else {
            return None;
        };
        Some(builtin::Config {
            fallback: stated.fallback.clone(),
            key: secret::engine_key(&config).map(builtin::Key::new),
            context_window: stated.context_window,
            max_output: stated.max_output_tokens,
            images: match stated.images {
                Images::Auto => builtin::Images::Auto,
                Images::Always => builtin::Images::Always,
                Images::Never => builtin::Images::Never,
            },
            max_steps: stated.max_steps,
            deadline: stated.deadline.0,
            idle: stated.idle.0,
            ..builtin::Config::new(base_url.clone(), model)
        })
    }

    fn model_grants(&self, config: &builtin::Config) -> Result<Vec<openpact_egress::Grant>, Failure> {
        builtin::grants(config, &self.config().engine.private).map_err(|error| {
            let message =
                format!("'engine.base_url' cannot be granted as '{}': {}", config.base_url, chain(&error));
            Failure::new(Code::Configuration, message)
        })
    }

    /// What the engine may reach, for the list: exactly the two addresses that it needs.
    pub(super) fn engine_grants(&self) -> Result<Vec<Grant>, Failure> {
        let Some(config) = self.model_config() else { return Ok(Vec::new()) };
        let show = |grant: openpact_egress::Grant| Grant {
            id: None,
            principal: builtin::principal(),
            rule: grant.rule.to_string(),
            any_site: grant.rule.is_any_site(),
            secret: grant.secret,
            origin: "configuration".to_owned(),
        };
        Ok(self.model_grants(&config)?.into_iter().map(show).collect())
    }

    /// Whether tools are called by hand.
    pub(crate) fn needs_no_model(&self) -> bool {
        self.config().engine.kind() == Kind::Direct
    }

    /// What the engine is, in a sentence, and what is to be done before it can answer.
    pub(crate) fn engine_about(&self) -> (String, Option<String>) {
        let config = self.config();
        let stated = &config.engine;
        let (Kind::Builtin, Some(base_url), Some(model)) = (stated.kind(), &stated.base_url, &stated.model)
        else {
            let about = "direct: runs what is typed as !tool {json}; no model is configured".to_owned();
            return (about, Some(super::HOW_TO_CONFIGURE.to_owned()));
        };
        let key = secret::engine_key(&config);
        let shown = key.as_ref().map_or_else(|| "no key".to_owned(), |name| format!("key {name}"));
        let about = format!("builtin: model {model} at {base_url}, {shown}");
        let missing = key.filter(|name| !self.store.secrets().snapshot().entries.contains_key(name));
        (about, missing.map(|name| format!("store the key: openpact secret set {name}")))
    }
}
