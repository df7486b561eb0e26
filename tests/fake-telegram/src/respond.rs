//! From a request to the answer on the wire, with what goes wrong in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::fault::{self, Fault};
use crate::parameters::{MAX_BODY, Parameters};
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::world::Call;
use crate::{clock, method};

/// The most requests that are remembered in full, and the most violations.
const REMEMBERED: usize = 200_000;

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

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
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
            let parameters = match Parameters::read(&parts, body).await {
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
    let fault = shared.world().faults.strike(method, parameters.integer("chat_id"));
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
    if let (Ok(result), Some(specification)) = (&answer, &shared.specification)
        && !method.eq_ignore_ascii_case("getUpdates")
        && let Some(name) = specification.method(method)
    {
        // Updates may be strange on purpose; those that are not are judged where they are made.
        shared.world().violations.extend(specification.judge_answer(name, result));
    }
    answer
}

fn judge(shared: &Shared, method: &str, parameters: &Parameters) {
    let Some(specification) = &shared.specification else { return };
    let wrong = match specification.method(method) {
        Some(name) => specification.judge_request(name, parameters),
        None => vec![format!("{method}: there is no such method in {}", specification.version())],
    };
    let mut world = shared.world();
    if world.violations.len() < REMEMBERED {
        world.violations.extend(wrong);
    }
}

fn record(shared: &Shared, method: &str, parameters: &Parameters, status: u16) {
    let mut world = shared.world();
    *world.counts.entry(method.to_ascii_lowercase()).or_default() += 1;
    if world.calls.len() >= REMEMBERED {
        world.calls.drain(..REMEMBERED / 2);
    }
    let parameters = parameters.record();
    world.calls.push(Call { method: method.to_owned(), parameters, at: clock::now(), status });
    drop(world);
    shared.touch();
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
    if matches!(
        fault,
        Fault::CutAfter | Fault::CutBody | Fault::HangAfter | Fault::Malformed | Fault::Misshapen
    ) {
        untold(shared, token, &answer);
    }
    let text = json!({"ok": true, "result": answer.as_ref().ok()}).to_string();
    match fault {
        Fault::CutBefore | Fault::CutAfter => Err(io::Error::other("a fault breaks the connection")),
        Fault::Hang | Fault::HangAfter => std::future::pending().await,
        Fault::CutBody => {
            let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
            let pieces = vec![Piece::Bytes(half), Piece::Cut];
            Ok(respond(200, "application/json", Some(text.len()), pieces))
        }
        Fault::Drip(milliseconds) => {
            let pause = || Piece::Pause(Duration::from_millis(milliseconds));
            let bytes = text.as_bytes().chunks(16).map(|chunk| Piece::Bytes(Bytes::copy_from_slice(chunk)));
            let pieces = bytes.flat_map(|piece| [pause(), piece]).collect();
            Ok(respond(200, "application/json", Some(text.len()), pieces))
        }
        Fault::Malformed => Ok(whole(200, "application/json", text.replacen(':', ";", 1).into())),
        Fault::Misshapen => Ok(whole(200, "application/json", fault::misshapen().to_string().into())),
        Fault::ServerErrorPage(status) => {
            let page = format!(
                "<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n"
            );
            Ok(whole(status, "text/html", page.into()))
        }
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
        Some(bytes) => whole(200, "application/octet-stream", Bytes::copy_from_slice(bytes)),
        None => refused(&Refusal::new(404, "Not Found".to_owned())),
    }
}

fn envelope(answer: method::Answer) -> Response<Body> {
    match answer {
        Ok(result) => {
            whole(200, "application/json", json!({"ok": true, "result": result}).to_string().into())
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = whole(refusal.code, "application/json", refusal.envelope().to_string().into());
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

fn whole(status: u16, content_type: &str, body: Bytes) -> Response<Body> {
    respond(status, content_type, Some(body.len()), vec![Piece::Bytes(body)])
}

/// What goes to the connection.
enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
}

fn respond(status: u16, content_type: &str, length: Option<usize>, pieces: Vec<Piece>) -> Response<Body> {
    let stream = futures::stream::iter(pieces).filter_map(|piece| async move {
        match piece {
            Piece::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
            Piece::Pause(time) => {
                tokio::time::sleep(time).await;
                None
            }
            // What was said so far has to reach the wire before the connection breaks.
            Piece::Cut => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(Err(io::Error::other("a fault breaks the connection")))
            }
        }
    });
    let mut response = Response::builder().status(status).header("content-type", content_type);
    if let Some(length) = length {
        response = response.header("content-length", length);
    }
    response.body(StreamBody::new(stream.boxed())).expect("statuses and headers are valid")
}
