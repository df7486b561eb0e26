//! Credentials that rotate: what the host mints them from, what it minted, and the ports by which that is done. The
//! token endpoint is asked by the host; neither a guest nor a model sees any part of it.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::port::PortError;
use crate::secret::{SecretName, SecretValue};

/// What a credential is minted from. It can be written as JSON so that the store can encrypt it whole; nothing else
/// writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Definition {
    /// OAuth 2.0: an access token by refresh token (RFC 6749, section 6) or by the client's own credentials (4.4).
    Oauth(Oauth),
    /// GitHub: an installation token of a GitHub App.
    GithubApp(GithubApp),
}

/// How to ask an OAuth 2.0 server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// The token endpoint.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret; a public client has none.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretValue>,
    /// The refresh token. Without it the client asks in its own name.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretValue>,
    /// The scopes; empty: those that were granted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where the client's secret goes (RFC 6749, section 2.3.1).
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Special address ranges that the token endpoint may be in.
    #[serde(default)]
    pub private: Vec<String>,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// In the header `Authorization`.
    #[default]
    Basic,
    /// In the body.
    Post,
}

/// How to ask GitHub for an installation token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubApp {
    /// The API: `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise server.
    #[serde(default = "github")]
    pub base_url: String,
    /// The app's id or client id.
    #[serde(deserialize_with = "text_or_number")]
    pub app_id: String,
    /// The installation.
    pub installation_id: u64,
    /// The app's private key, PEM.
    #[serde(with = "exposed")]
    pub private_key: SecretValue,
    /// Special address ranges that the API may be in.
    #[serde(default)]
    pub private: Vec<String>,
}

/// A token that was minted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// The token.
    #[serde(with = "exposed")]
    pub value: SecretValue,
    /// From when on another one is minted.
    pub renew: Timestamp,
    /// Until when a server may still say it back.
    pub expires: Timestamp,
}

/// A credential that the host mints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Minted {
    /// What it is minted from.
    pub definition: Definition,
    /// What was minted and may still be said back, the newest last.
    #[serde(default)]
    pub tokens: Vec<Token>,
}

impl Definition {
    /// Its kind, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Oauth(oauth) if oauth.refresh_token.is_some() => "oauth-refresh",
            Self::Oauth(_) => "oauth-client",
            Self::GithubApp(_) => "github-app",
        }
    }

    /// The address that is asked for tokens.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Oauth(oauth) => oauth.token_url.clone(),
            Self::GithubApp(app) => {
                let base = app.base_url.trim_end_matches('/');
                format!("{base}/app/installations/{}/access_tokens", app.installation_id)
            }
        }
    }

    /// The special address ranges that its endpoint may be in.
    pub fn private(&self) -> &[String] {
        match self {
            Self::Oauth(oauth) => &oauth.private,
            Self::GithubApp(app) => &app.private,
        }
    }

    /// Its parts that are secret, the main one first.
    pub fn parts(&self) -> impl Iterator<Item = &SecretValue> {
        let parts = match self {
            Self::Oauth(oauth) => [oauth.refresh_token.as_ref(), oauth.client_secret.as_ref()],
            Self::GithubApp(app) => [Some(&app.private_key), None],
        };
        parts.into_iter().flatten()
    }

    /// Whether both are the same in every part.
    pub fn is_same(&self, other: &Self) -> bool {
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }
}

impl Minted {
    /// The newest token, unless it is time for another one.
    pub fn good(&self, now: Timestamp) -> Option<&SecretValue> {
        self.tokens.last().filter(|token| now < token.renew).map(|token| &token.value)
    }

    /// Every part and every token.
    pub fn values(&self) -> impl Iterator<Item = &SecretValue> {
        self.definition.parts().chain(self.tokens.iter().map(|token| &token.value))
    }
}

/// Mints credentials for those who put them into requests.
#[async_trait]
pub trait Minter: Send + Sync {
    /// The token that goes into requests for `name`; a new one where the last is about to expire. Goes on even if the
    /// caller stops waiting: a refresh token that was used must not be lost.
    ///
    /// # Errors
    /// What the admin is told: why there is no token, and what to do.
    async fn mint(&self, name: &SecretName) -> Result<SecretValue, PortError>;
}

/// Where what was minted is kept.
#[async_trait]
pub trait MintStore: Send + Sync {
    /// Keeps `token`, and `renewed` in the place of `from` where the server rotated a part of it. It is on disk, and in
    /// the snapshots that are taken, when this returns. `false`: the definition is not `from` any more, and nothing was
    /// changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn minted(
        &self,
        name: &SecretName,
        from: &Definition,
        renewed: Option<Definition>,
        token: Token,
    ) -> Result<bool, PortError>;

    /// Writes down why nothing could be minted, for the admin.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn mint_failed(&self, name: &SecretName, problem: String) -> Result<(), PortError>;
}

fn github() -> String {
    "https://api.github.com".to_owned()
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        _ => Err(de::Error::custom("the app's id is a number or a text")),
    }
}

/// A value in the JSON that the store encrypts.
mod exposed {
    use super::{Deserialize as _, Deserializer, SecretValue, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &SecretValue, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretValue, D::Error> {
        String::deserialize(deserializer).map(SecretValue::new)
    }
}

/// The same where there may be none.
mod optional {
    use super::{Deserialize as _, Deserializer, SecretValue, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<SecretValue>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(SecretValue::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SecretValue>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(SecretValue::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_reads_back_and_shows_no_part() {
        let text = r#"{"kind":"oauth","token_url":"https://a.example/token","client_id":"c",
            "client_secret":"client-secret-value","refresh_token":"refresh-token-value"}"#;
        let definition: Definition = serde_json::from_str(text).unwrap();
        assert_eq!((definition.kind(), definition.parts().count()), ("oauth-refresh", 2));
        let again: Definition = serde_json::from_str(&serde_json::to_string(&definition).unwrap()).unwrap();
        assert!(definition.is_same(&again));
        let shown = format!("{definition:?}");
        assert!(!shown.contains("secret-value") && !shown.contains("token-value"), "{shown}");
        assert!(serde_json::from_str::<Definition>(&text.replace("client_id", "client")).is_err());
    }

    #[test]
    fn a_token_is_good_until_it_is_to_be_renewed() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let text = r#"{"kind":"github-app","app_id":7,"installation_id":9,"private_key":"k"}"#;
        let token = Token { value: SecretValue::new("t".into()), renew: second(10), expires: second(20) };
        let minted = Minted { definition: serde_json::from_str(text).unwrap(), tokens: vec![token] };
        assert!(minted.good(second(9)).is_some() && minted.good(second(10)).is_none());
        assert_eq!(minted.definition.endpoint(), "https://api.github.com/app/installations/9/access_tokens");
    }
}
