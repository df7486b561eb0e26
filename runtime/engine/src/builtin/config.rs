//! How the engine is set up.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use openpact_egress::Grant;
use openpact_egress::credential::Placement;
use openpact_egress::rule;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretName;
use url::Url;

use super::NAME;
use super::provider::Usage;
use super::retry::Retry;
use super::sight::Images;

/// What the grants of [`grants`] call the key.
const CREDENTIAL: &str = "model-key";

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of an OpenAI-compatible service, without `/chat/completions`.
    pub base_url: Url,
    /// The model, unless a turn or its session says otherwise.
    pub model: String,
    /// The model to ask when the other one does not answer.
    pub fallback: Option<String>,
    /// The key; `None` for a service that takes none.
    pub key: Option<Key>,
    /// How many tokens the model can take.
    pub context_window: u64,
    /// How many tokens one answer may have; `None` for what the service allows.
    pub max_output: Option<u64>,
    /// How many times in one turn the model may be asked.
    pub max_steps: u32,
    /// How long a turn may take in all.
    pub deadline: Duration,
    /// How long the provider may be silent.
    pub idle: Duration,
    /// What is done when the provider does not answer.
    pub retry: Retry,
    /// Whether models are shown the images that people send.
    pub images: Images,
    /// What models cost, where it is known.
    pub prices: BTreeMap<String, Price>,
}

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The credential, as the grants of the engine's door name it.
    pub credential: String,
    /// The secret behind it, to tell a person which one to set.
    pub secret: SecretName,
}

impl Key {
    /// A key that stands behind the grants of [`grants`].
    pub fn new(secret: SecretName) -> Self {
        Self { credential: CREDENTIAL.to_owned(), secret }
    }
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Tokens in.
    pub input: f64,
    /// Tokens out.
    pub output: f64,
    /// Tokens in that came from the provider's cache.
    pub cached: f64,
}

/// A setting cannot be used. `Display` names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{setting}' {why}")]
pub struct ConfigError {
    /// The setting, as it is written in the configuration.
    pub setting: &'static str,
    /// What is wrong with it, and what would not be.
    pub why: &'static str,
}

impl Config {
    /// The usual limits: 50 steps, 30 minutes in all, 5 minutes of silence, a window of 128,000 tokens.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            model: model.into(),
            fallback: None,
            key: None,
            context_window: 128_000,
            max_output: None,
            max_steps: 50,
            deadline: Duration::from_mins(30),
            idle: Duration::from_mins(5),
            retry: Retry::default(),
            images: Images::Auto,
            prices: BTreeMap::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, why| Err(ConfigError { setting, why });
        if !matches!(self.base_url.scheme(), "http" | "https") || self.base_url.host().is_none() {
            return wrong(
                "engine.base_url",
                "has to be an http or https address, such as https://api.openai.com/v1",
            );
        }
        if self.base_url.query().is_some() || self.base_url.fragment().is_some() {
            return wrong("engine.base_url", "must not have a part behind '?' or '#'");
        }
        if self.model.trim().is_empty() {
            return wrong("engine.model", "has to name a model");
        }
        if self.max_steps == 0 {
            return wrong("engine.max_steps", "has to be 1 or more");
        }
        if self.context_window < MIN_WINDOW {
            return wrong(
                "engine.context_window",
                "has to be 2048 tokens or more; less holds no conversation",
            );
        }
        if self.max_output.is_some_and(|most| most == 0 || most > self.context_window / 2) {
            return wrong(
                "engine.max_output_tokens",
                "has to be between 1 and half of 'engine.context_window'",
            );
        }
        if self.deadline.is_zero() || self.deadline > MAX_DEADLINE {
            return wrong("engine.deadline", "has to be longer than nothing and at most an hour");
        }
        if self.idle.is_zero() {
            return wrong("engine.idle", "has to be longer than nothing");
        }
        Ok(())
    }

    /// What a request cost; `None` where the price is not known.
    pub(super) fn cost(&self, model: &str, usage: &Usage) -> Option<f64> {
        let price = self.prices.get(model)?;
        let million =
            |tokens: u64, price: f64| f64::from(u32::try_from(tokens).unwrap_or(u32::MAX)) * price / 1e6;
        let fresh = usage.input.saturating_sub(usage.cached);
        Some(
            million(fresh, price.input)
                + million(usage.cached, price.cached)
                + million(usage.output, price.output),
        )
    }
}

/// The longest deadline: the door keeps no request open for longer.
const MAX_DEADLINE: Duration = Duration::from_hours(1);

/// The smallest window that a conversation fits into.
const MIN_WINDOW: u64 = 2048;

/// Who the engine is to the door and to the secrets: the key's secret is bound to this principal.
pub fn principal() -> Principal {
    Principal::Engine(NAME.to_owned())
}

/// What the engine's door has to allow, and nothing else: asking for answers and for the list of models. `private` are
/// the special address ranges that the service may be at.
///
/// # Errors
/// When the address makes no rule.
pub fn grants(config: &Config, private: &[IpNet]) -> Result<Vec<Grant>, rule::Error> {
    let base = config.base_url.as_str().trim_end_matches('/');
    let mut options = format!(
        " request-max=32MiB response-max=64MiB timeout={}",
        config.deadline.min(MAX_DEADLINE).as_secs().max(1)
    );
    if let Some(key) = &config.key {
        options = format!("{options} credential={}", key.credential);
    }
    if !private.is_empty() {
        let ranges: Vec<String> = private.iter().map(ToString::to_string).collect();
        options = format!("{options} private={}", ranges.join(","));
    }
    let placement = bearer();
    let grant = |rule: String| {
        let rule = rule.parse()?;
        let secret = config.key.as_ref().map(|key| key.secret.clone());
        Ok(Grant { rule, placement: secret.is_some().then(|| placement.clone()), secret })
    };
    Ok(vec![
        grant(format!("POST {base}/chat/completions{options}"))?,
        grant(format!("GET {base}/models{options}"))?,
    ])
}

fn bearer() -> Placement {
    "header Authorization: Bearer {}".parse().expect("this is a placement")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("https://api.example.com/v1".parse().unwrap(), "m")
    }

    fn refused(change: impl FnOnce(&mut Config)) -> &'static str {
        let mut config = config();
        change(&mut config);
        config.check().unwrap_err().setting
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(config().check(), Ok(()));
        assert_eq!(refused(|config| config.base_url = "ftp://a".parse().unwrap()), "engine.base_url");
        assert_eq!(
            refused(|config| config.base_url = "https://a/v1?k=1".parse().unwrap()),
            "engine.base_url"
        );
        assert_eq!(refused(|config| config.model = " ".to_owned()), "engine.model");
        assert_eq!(refused(|config| config.max_steps = 0), "engine.max_steps");
        assert_eq!(refused(|config| config.context_window = MIN_WINDOW - 1), "engine.context_window");
        assert_eq!(refused(|config| config.max_output = Some(64_001)), "engine.max_output_tokens");
        assert_eq!(refused(|config| config.deadline = Duration::ZERO), "engine.deadline");
        assert_eq!(refused(|config| config.idle = Duration::ZERO), "engine.idle");
        let hour = Duration::from_hours(1);
        assert_eq!(refused(|config| config.deadline = hour + Duration::from_secs(1)), "engine.deadline");
        let mut edge = config();
        edge.deadline = hour;
        assert!(grants(&edge, &[]).is_ok());
        (edge.context_window, edge.max_output, edge.max_steps) = (MIN_WINDOW, Some(MIN_WINDOW / 2), 1);
        assert_eq!(edge.check(), Ok(()));
    }

    #[test]
    fn the_door_is_asked_for_two_paths_and_no_more() {
        let mut config = config();
        config.key = Some(Key::new("OPENAI_API_KEY".parse().unwrap()));
        let grants = grants(&config, &["127.0.0.1/32".parse().unwrap()]).unwrap();
        let rules: Vec<String> = grants.iter().map(|grant| grant.rule.to_string()).collect();
        assert!(rules[0].starts_with("POST https://api.example.com/v1/chat/completions "), "{rules:?}");
        assert!(rules[1].starts_with("GET https://api.example.com/v1/models "), "{rules:?}");
        assert!(rules[0].contains("credential=model-key") && rules[0].contains("private=127.0.0.1/32"));
        assert_eq!(grants.len(), 2);
    }

    #[test]
    fn a_request_costs_what_its_tokens_cost() {
        let mut config = config();
        config.prices.insert("m".to_owned(), Price { input: 2.0, output: 8.0, cached: 0.5 });
        let usage = Usage { input: 1_500_000, output: 250_000, cached: 1_000_000 };
        assert_eq!(config.cost("m", &usage), Some(1.0 + 0.5 + 2.0));
        assert_eq!(config.cost("other", &usage), None);
    }
}
