//! OAuth 2.0 (RFC 6749): an access token by refresh token (section 6) or by client credentials (section 4.4).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use openpact_model::mint::{ClientAuth, Definition, Oauth};
use openpact_model::secret::{SecretName, SecretValue};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::exchange::{no_token, post, quote};
use super::{Failed, Fresh, MAX_TOKEN};
use crate::Shared;

/// An answer of a token endpoint, good (section 5.1) or not (section 5.2).
#[derive(Default, Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Asks for a token.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    name: &SecretName,
    definition: &Definition,
    oauth: &Oauth,
    now: Timestamp,
) -> Result<Fresh, Failed> {
    let body = Bytes::from(form(oauth));
    let authorization = authorization(oauth);
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(authorization.as_ref().map(|value| ("authorization", value.as_str())));
    let (status, body) = post(shared, name, definition, &headers, body).await?;
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    match answer {
        Some(answer) if status == StatusCode::OK && answer.error.is_none() => {
            fresh(definition, oauth, answer, now).unwrap_or_else(|| Err(no_token(definition, status, &body)))
        }
        // Some servers say an error with the status of success.
        Some(answer) if answer.error.is_some() => Err(refused(name, definition, &answer)),
        _ => Err(no_token(definition, status, &body)),
    }
}

fn form(oauth: &Oauth) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match &oauth.refresh_token {
        Some(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose())
        }
        None => form.append_pair("grant_type", "client_credentials"),
    };
    if !oauth.scopes.is_empty() {
        form.append_pair("scope", &oauth.scopes.join(" "));
    }
    // A public client names itself; one that proves who it is does both in the same place.
    match &oauth.client_secret {
        Some(secret) if oauth.client_auth == ClientAuth::Post => {
            form.append_pair("client_id", &oauth.client_id).append_pair("client_secret", secret.expose());
        }
        Some(_) => {}
        None => drop(form.append_pair("client_id", &oauth.client_id)),
    }
    form.finish()
}

/// User and password are encoded as in a form before they are put together (section 2.3.1).
fn authorization(oauth: &Oauth) -> Option<Zeroizing<String>> {
    let secret = oauth.client_secret.as_ref().filter(|_| oauth.client_auth == ClientAuth::Basic)?;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(&oauth.client_id), encoded(secret.expose())));
    Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
}

/// What a good answer holds; `None` where there is no token in it.
fn fresh(
    definition: &Definition,
    oauth: &Oauth,
    answer: Answer,
    now: Timestamp,
) -> Option<Result<Fresh, Failed>> {
    let token = SecretValue::new(answer.access_token?);
    if let Some(other) = answer.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        let other = quote(definition, &other);
        let message =
            format!("the server answered with a token of the type '{other}'; only bearer tokens can be used");
        return Some(Err(Failed::lasting(message)));
    }
    let expires = match answer.expires_in.map(|value| seconds(&value)) {
        None => None,
        Some(Some(seconds)) => {
            Some(now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
        }
        Some(None) => {
            let message = "the server answered with an expires_in that is no number of seconds";
            return Some(Err(Failed::passing(message)));
        }
    };
    let before = oauth.refresh_token.as_ref().map(SecretValue::expose);
    let rotated = answer.refresh_token.filter(|token| {
        // Client credentials bring no refresh token along (section 4.4.3).
        before.is_some_and(|before| before != token) && (1..=MAX_TOKEN).contains(&token.len())
    });
    let renewed = rotated.map(|token| {
        let refresh_token = Some(SecretValue::new(token));
        Definition::Oauth(Oauth { refresh_token, ..oauth.clone() })
    });
    Some(Ok(Fresh { token, expires, renewed }))
}

/// Seconds; some servers write them as a text.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| {
        let whole = value.as_f64().filter(|number| number.is_finite())?;
        format!("{whole:.0}").parse().ok()
    });
    number.or_else(|| value.as_str()?.trim().parse().ok())
}

fn refused(name: &SecretName, definition: &Definition, answer: &Answer) -> Failed {
    let error = answer.error.as_deref().unwrap_or_default();
    let said = answer.error_description.as_ref().map_or_else(String::new, |more| format!(" ({more})"));
    let said = quote(definition, &format!("{error}{said}"));
    let again = format!("'openpact secret set {name} --oauth FILE'");
    match error {
        "invalid_grant" => Failed::lasting(format!(
            "the server takes the refresh token no more: {said}; give access again there, and store what it gives \
             with {again}"
        )),
        "invalid_client" | "unauthorized_client" => Failed::lasting(format!(
            "the server does not know the client: {said}; check client_id, client_secret and client_auth, and store \
             them with {again}"
        )),
        "invalid_scope" | "unsupported_grant_type" | "invalid_request" => Failed::lasting(format!(
            "the server refuses the request: {said}; store a definition that fits with {again}"
        )),
        _ => Failed::passing(format!("the server gave no token: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth(text: &str) -> Oauth {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_client_proves_who_it_is_in_one_place() {
        let both = r#"{"token_url":"https://a.example/t","client_id":"a b","client_secret":"p:w&d"}"#;
        let basic = oauth(both);
        assert_eq!(form(&basic), "grant_type=client_credentials");
        let header = authorization(&basic).unwrap();
        assert_eq!(header.as_str(), format!("Basic {}", STANDARD.encode("a+b:p%3Aw%26d")));
        let post = Oauth { client_auth: ClientAuth::Post, ..basic };
        assert_eq!(form(&post), "grant_type=client_credentials&client_id=a+b&client_secret=p%3Aw%26d");
        assert!(authorization(&post).is_none());
        let public = oauth(
            r#"{"token_url":"https://a.example/t","client_id":"c","refresh_token":"r","scopes":["x","y"]}"#,
        );
        assert_eq!(form(&public), "grant_type=refresh_token&refresh_token=r&scope=x+y&client_id=c");
    }

    #[test]
    fn seconds_come_in_more_than_one_form() {
        for (text, expected) in
            [("60", Some(60)), ("\"60\"", Some(60)), ("59.6", Some(60)), ("\"x\"", None), ("[]", None)]
        {
            assert_eq!(seconds(&serde_json::from_str(text).unwrap()), expected, "{text}");
        }
    }
}
