//! GitHub Apps: a token for one installation (GitHub REST API, "Create an installation access token for an app"; the
//! request is signed as "Generating a JSON Web Token (JWT) for a GitHub App" says).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header};
use openpact_model::mint::{Definition, GithubApp};
use openpact_model::secret::{SecretName, SecretValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::exchange::{no_token, post, quote};
use super::{Failed, Fresh, signer};
use crate::Shared;

/// The request counts as made this long ago: the server's clock may be behind.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// It is good for this long; GitHub takes ten minutes at most.
const LIFE: SignedDuration = SignedDuration::from_mins(9);

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    expires_at: Option<Timestamp>,
    message: Option<String>,
}

/// Whether the app's definition can be used.
pub(super) fn check(app: &GithubApp) -> Result<(), String> {
    if app.app_id.is_empty() {
        return Err("\"app_id\" is empty".to_owned());
    }
    signer::key(app.private_key.expose()).map(drop)
}

/// Asks for a token.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    name: &SecretName,
    definition: &Definition,
    app: &GithubApp,
    now: Timestamp,
) -> Result<Fresh, Failed> {
    let jwt = jwt(app, now).map_err(Failed::lasting)?;
    let authorization = Zeroizing::new(format!("Bearer {}", jwt.as_str()));
    let headers = [
        ("authorization", authorization.as_str()),
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
    ];
    let (status, body) = post(shared, name, definition, &headers, Bytes::new()).await?;
    let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
        return Err(no_token(definition, status, &body));
    };
    match (status, answer.token) {
        (StatusCode::CREATED | StatusCode::OK, Some(token)) => {
            Ok(Fresh { token: SecretValue::new(token), expires: answer.expires_at, renewed: None })
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => {
            let said = quote(definition, &answer.message.unwrap_or_default());
            Err(Failed::passing(format!(
                "GitHub refuses the app (status {}): {said}; check app_id, installation_id, private_key, the clock of \
                 this machine, and that the app is installed, and store them with 'openpact secret set {name} \
                 --github-app FILE'",
                status.as_u16()
            )))
        }
        _ => Err(no_token(definition, status, &body)),
    }
}

/// The request, signed.
fn jwt(app: &GithubApp, now: Timestamp) -> Result<Zeroizing<String>, String> {
    let key = signer::key(app.private_key.expose())?;
    let at = |after: SignedDuration| now.checked_add(after).map_or(0, Timestamp::as_second);
    let claims = Claims { iat: at(-SKEW), exp: at(LIFE), iss: &app.app_id };
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key);
    signed.map(Zeroizing::new).map_err(|error| format!("the private key cannot sign: {error}"))
}
