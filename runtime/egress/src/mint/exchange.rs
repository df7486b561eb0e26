//! The request to a token endpoint, through a door that leads nowhere else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ipnet::IpNet;
use openpact_model::mint::Definition;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretName;
use openpact_model::text::one_line;
use url::Url;

use super::{Failed, github};
use crate::Shared;
use crate::credential::References;
use crate::door::{Door, Grant};
use crate::error::Error;
use crate::limit::Options;
use crate::redact::Redactor;
use crate::rule::{Rule, Target};

/// The longest answer of a token endpoint.
const MAX_ANSWER: u64 = 64 * 1024;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of what a server says is shown.
const SHOWN: usize = 200;

/// The one rule of the door to a definition's endpoint.
///
/// # Errors
/// One sentence: what is wrong with the address.
pub fn rule(definition: &Definition) -> Result<Rule, String> {
    let endpoint = definition.endpoint();
    let url = Url::parse(&endpoint).map_err(|error| format!("'{endpoint}' is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(
            "the address of the token endpoint holds a user name, a password or a fragment".to_owned()
        );
    }
    let ranges = definition.private().iter().map(|range| {
        let single = || range.parse::<IpAddr>().map(IpNet::from).ok();
        range
            .parse::<IpNet>()
            .ok()
            .or_else(single)
            .ok_or_else(|| format!("'{range}' is not a range of addresses"))
    });
    let private = ranges.collect::<Result<Vec<_>, _>>()?;
    let protected = url.scheme() == "https" || (url.scheme() == "http" && !private.is_empty());
    if !protected {
        return Err(format!(
            "'{endpoint}' is not https; plain http is for addresses that \"private\" names, such as [\"127.0.0.1/32\"]"
        ));
    }
    let target = Target::of(&Method::POST, &url).filter(|target| !target.path.is_hostile());
    let target =
        target.ok_or_else(|| format!("'{endpoint}' cannot be asked: it has no host, or a doubtful path"))?;
    let mut rule = Rule::allowing(&target);
    (rule.private, rule.response_max, rule.timeout) = (private, Some(MAX_ANSWER), Some(PATIENCE));
    // What the rule would allow is exactly this address, or it is not one that a rule can name.
    let again: Rule =
        rule.to_string().parse().map_err(|error| format!("'{endpoint}' cannot be granted: {error}"))?;
    if again.matches(&target) { Ok(rule) } else { Err(format!("'{endpoint}' cannot be granted as '{rule}'")) }
}

/// Whether a definition can be used, as far as that can be told without asking its server.
///
/// # Errors
/// One sentence: what is wrong with it.
pub fn ready(definition: &Definition) -> Result<(), String> {
    rule(definition)?;
    match definition {
        Definition::Oauth(oauth) => {
            let named = !oauth.client_id.is_empty();
            named.then_some(()).ok_or("\"client_id\" is empty")?;
            if oauth.refresh_token.is_none() && oauth.client_secret.is_none() {
                return Err("there is neither a \"refresh_token\", by which a person gave access, nor a \
                            \"client_secret\", by which the client asks in its own name"
                    .to_owned());
            }
            let parts = [&oauth.refresh_token, &oauth.client_secret];
            let empty = parts.into_iter().flatten().any(|part| part.expose().is_empty());
            if empty { Err("a secret part of it is empty".to_owned()) } else { Ok(()) }
        }
        Definition::GithubApp(app) => github::check(app),
    }
}

/// Sends one request to the endpoint of `definition` and reads its answer.
pub(super) async fn post(
    shared: &Arc<Shared>,
    name: &SecretName,
    definition: &Definition,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<(StatusCode, Bytes), Failed> {
    let rule = rule(definition).map_err(Failed::lasting)?;
    let door =
        Door::new(shared.clone(), Principal::Runtime, vec![Grant { rule, placement: None, secret: None }]);
    let own =
        [("accept", "application/json"), ("user-agent", concat!("openpact/", env!("CARGO_PKG_VERSION")))];
    let headers: Vec<_> =
        own.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let failed = |error: &Error| explain(name, definition, error);
    let request = crate::request("POST", &definition.endpoint(), &headers, body);
    let request = request.map_err(|error| failed(&error))?;
    let sent = door.send(request, Options::default(), &References::none()).await;
    let (head, body) = sent.map_err(|error| failed(&error))?.into_parts();
    let body = body.collect().await.map_err(|error| failed(&error))?;
    Ok((head.status, body.to_bytes()))
}

/// Why there was no answer, and what to do.
fn explain(name: &SecretName, definition: &Definition, error: &Error) -> Failed {
    let at = one_line(&definition.endpoint(), SHOWN);
    let message = match error {
        Error::Prohibited { admin, .. } => format!(
            "the token endpoint {at} may not be connected to: {}; if it is meant to be there, name the range as \
             \"private\" in what {name} is made from and set it again",
            admin.detail.as_deref().unwrap_or("its address is special")
        ),
        Error::Denied(denial) if denial.reason.contains("redirect") => format!(
            "the token endpoint {at} redirects, which is not followed; set {name} again with the address that it \
             redirects to, if you trust that one"
        ),
        Error::TooLarge { .. } => {
            format!("the token endpoint {at} answered more than {MAX_ANSWER} bytes; is it one?")
        }
        other => format!("the token endpoint {at} could not be asked: {other}"),
    };
    let lasting = matches!(error, Error::Prohibited { .. } | Error::Denied(_));
    if lasting { Failed::lasting(message) } else { Failed::passing(message) }
}

/// What a server says of an error, without any part of what it was asked with, on one line.
pub(super) fn quote(definition: &Definition, text: &str) -> String {
    one_line(&Redactor::of(definition.parts()).redact(text), SHOWN)
}

/// An answer that is no token.
pub(super) fn no_token(definition: &Definition, status: StatusCode, body: &[u8]) -> Failed {
    let at = one_line(&definition.endpoint(), SHOWN);
    let what = match body.trim_ascii_start().first() {
        None => "nothing",
        Some(b'<') => "a web page",
        Some(b'{') => "no token",
        Some(_) => "something that is not JSON",
    };
    let code = status.as_u16();
    Failed::passing(format!("the token endpoint {at} answered {what} (status {code}); check the address"))
}
