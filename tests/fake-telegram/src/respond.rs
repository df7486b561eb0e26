//! From a request to the answer on the wire, with what goes wrong in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::clock;
use openpact_fake_kit::wire::{self, Body};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::fault::{self, Fault};
use crate::parameters::{self, MAX_BODY, Parameters};
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::world::Call;
use crate::{method, specification};

const JSON: &str = "application/json";

/// What a path asks for.
enum Route {
    Method { token: String, method: String },
    File { token: String, path: String },
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        if let Some((token, path)) = path.strip_prefix("/file/bot").and_then(|rest| rest.split_once('/')) {
            return Some(Self::File { token: token.to_owned(), path: path.to_owned() });
        }
        let (token, method) = path.strip_prefix("/bot")?.split_once('/')?;
        Some(Self::Method { token: token.to_owned(), method: method.trim_end_matches('/').to_owned() })
    }
}

/// Answers a request; an error breaks the connection.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    match Route::of(parts.uri.path()) {
        None => Ok(refused(&Refusal::new(404, "Not Found".to_owned()))),
        Some(Route::File { token, path }) => Ok(file(&shared, &token, &path)),
        Some(Route::Method { token, method }) => {
            let body = wire::read(body, MAX_BODY).await?;
            let parameters = match parameters::read(&parts, body).await {
                Ok(parameters) => parameters,
                Err(why) => return Ok(refused(&why.into())),
            };
            call(&shared, &token, &method, &parameters).await
        }
    }
}

async fn call(
    shared: &Shared,
    token: &str,
    method: &str,
    parameters: &Parameters,
) -> io::Result<Response<Body>> {
    judge(shared, method, parameters);
    let chat = parameters.integer("chat_id");
    let fault = shared.world().strike(|rule| rule.fits(method, chat));
    let response = match fault {
        None => Ok(envelope(execute(shared, token, method, parameters).await)),
        Some(fault) => faulty(shared, token, method, parameters, fault).await,
    };
    let status = response.as_ref().map_or(0, |response| response.status().as_u16());
    record(shared, method, parameters, status);
    response
}

async fn execute(shared: &Shared, token: &str, method: &str, parameters: &Parameters) -> method::Answer {
    let answer = method::execute(shared, token, method, parameters).await;
    if let (Ok(result), Some(specification)) = (&answer, specification::load())
        && !method.eq_ignore_ascii_case("getUpdates")
        && let Some(name) = specification.method(method)
    {
        // Updates may be strange on purpose; those that are not are judged where they are made.
        shared.world().complain(specification.judge_answer(name, result));
    }
    answer
}

fn judge(shared: &Shared, method: &str, parameters: &Parameters) {
    let Some(specification) = specification::load() else { return };
    let wrong = match specification.method(method) {
        Some(name) => specification.judge_request(name, parameters),
        None => vec![format!("{method}: there is no such method in {}", specification.version())],
    };
    shared.world().complain(wrong);
}

fn record(shared: &Shared, method: &str, parameters: &Parameters, status: u16) {
    let parameters = parameters.record();
    let call = Call { method: method.to_owned(), parameters, at: clock::now(), status };
    shared.change(|world| world.record(&method.to_ascii_lowercase(), call));
}

async fn faulty(
    shared: &Shared,
    token: &str,
    method: &str,
    parameters: &Parameters,
    fault: Fault,
) -> io::Result<Response<Body>> {
    if let Fault::Delay(milliseconds) = fault {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let answer = match fault.refusal() {
        Some(refusal) => return Ok(refused(&refusal)),
        None if fault.executes() => execute(shared, token, method, parameters).await,
        None => Ok(Value::Null),
    };
    if fault.hides() {
        untold(shared, token, &answer);
    }
    let body = Bytes::from(json!({"ok": true, "result": answer.as_ref().ok()}).to_string());
    let pieces = |pieces| Ok(wire::pieces(200, JSON, body.len(), pieces));
    match fault {
        Fault::CutBefore | Fault::CutAfter => wire::cut(),
        Fault::Hang | Fault::HangAfter => std::future::pending().await,
        Fault::CutBody => pieces(wire::half(&body)),
        Fault::Drip(milliseconds) => pieces(wire::drip(&body, milliseconds)),
        Fault::Malformed => Ok(wire::whole(200, JSON, String::from_utf8_lossy(&body).replacen(':', ";", 1))),
        Fault::Misshapen => Ok(wire::whole(200, JSON, fault::misshapen().to_string())),
        Fault::TooManyRequestsPage(seconds) => {
            let mut response = wire::whole(429, "text/html", wire::page(429));
            response.headers_mut().insert("retry-after", seconds.into());
            Ok(response)
        }
        Fault::ServerErrorPage(status) => Ok(wire::whole(status, "text/html", wire::page(status))),
        _ => Ok(envelope(answer)),
    }
}

/// Remembers that the bot could not learn of what it sent.
fn untold(shared: &Shared, token: &str, answer: &method::Answer) {
    let Ok(message) = answer else { return };
    let (id, chat) = (message["message_id"].as_i64(), message["chat"]["id"].as_i64());
    let mut world = shared.world();
    let Ok(account) = world.account(token) else { return };
    let room = chat.and_then(|chat| account.room.get_mut(&chat));
    let sent = room.and_then(|room| room.sent.iter_mut().rev().find(|sent| Some(sent.message_id) == id));
    if let Some(sent) = sent {
        sent.told = false;
    }
}

fn file(shared: &Shared, token: &str, path: &str) -> Response<Body> {
    let mut world = shared.world();
    let account = match world.account(token) {
        Ok(account) => account,
        Err(refusal) => return refused(&refusal),
    };
    match path.strip_prefix("documents/").and_then(|id| account.files.get(id)) {
        Some(bytes) => wire::whole(200, "application/octet-stream", Bytes::copy_from_slice(bytes)),
        None => refused(&Refusal::new(404, "Not Found".to_owned())),
    }
}

fn envelope(answer: method::Answer) -> Response<Body> {
    match answer {
        Ok(result) => wire::whole(200, JSON, json!({"ok": true, "result": result}).to_string()),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = wire::whole(refusal.code, JSON, refusal.envelope().to_string());
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}
