//! From a request to the answer on the wire, with what goes wrong in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::wire::{self, Body};
use openpact_fake_kit::{clock, form};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::fault::{self, Fault, Stage};
use crate::parameters::{MAX_BODY, Parameters};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::server::Shared;
use crate::world::{Call, World};
use crate::{file, hook, method, socket};

/// What a path asks for.
enum Route {
    Method(String),
    Download(String),
    Upload(String),
    Hook(String),
    Nothing,
}

impl Route {
    fn of(path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy();
        if let Some(method) = path.strip_prefix("/api/") {
            return Self::Method(method.trim_end_matches('/').to_owned());
        }
        if let Some(path) = path.strip_prefix("/files/files-pri/") {
            return Self::Download(path.to_owned());
        }
        if let Some(id) = path.strip_prefix("/files/upload/v1/") {
            return Self::Upload(id.to_owned());
        }
        path.strip_prefix("/hooks/actions/").map_or(Self::Nothing, |path| Self::Hook(path.to_owned()))
    }

    /// The name by which rules and counts know it.
    fn name(&self) -> &str {
        match self {
            Self::Method(method) => method,
            Self::Download(_) => "files",
            Self::Upload(_) => "upload",
            Self::Hook(_) => "response_url",
            Self::Nothing => "nothing",
        }
    }
}

/// A request that was read.
struct Asked {
    route: Route,
    post: bool,
    token: Option<String>,
    parameters: Result<Parameters, Refusal>,
    body: Bytes,
}

impl Asked {
    async fn read(route: Route, parts: &Parts, body: Bytes) -> Self {
        let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let parameters = match &route {
            Route::Upload(_) | Route::Download(_) => Ok(Parameters::default()),
            _ => Parameters::read(parts, body.clone()).await,
        };
        let body = if matches!(route, Route::Upload(_)) { contents(parts, body).await } else { body };
        Self { route, post: parts.method == Method::POST, token, parameters, body }
    }

    fn channel(&self, world: &World) -> Option<String> {
        let parameters = self.parameters.as_ref().ok()?;
        if let Route::Hook(path) = &self.route {
            let id = path.split('/').nth(1)?;
            return world.interactions.get(id).map(|interaction| interaction.channel.clone());
        }
        parameters.text("channel").or_else(|| parameters.text("channel_id"))
    }
}

/// The bytes of a file: the body as it is, or the first part of a form.
async fn contents(parts: &Parts, body: Bytes) -> Bytes {
    let kind = form::content_type(parts);
    if form::media_type(kind) != "multipart/form-data" {
        return body;
    }
    let parts = form::parts(kind, body).await.unwrap_or_default();
    parts.into_iter().next().map(|part| part.bytes).unwrap_or_default()
}

/// Answers a request; an error breaks the connection.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    if request.uri().path().starts_with("/link") {
        return socket::open(shared, request).await;
    }
    let (parts, body) = request.into_parts();
    let route = Route::of(parts.uri.path());
    if shared.world().goes_wrong(Stage::Head, route.name(), None).is_some() {
        return wire::cut();
    }
    let body = wire::read(body, MAX_BODY).await?;
    let asked = Asked::read(route, &parts, body).await;
    let fault = {
        let mut world = shared.world();
        let channel = asked.channel(&world);
        world.goes_wrong(Stage::Request, asked.route.name(), channel.as_deref())
    };
    match fault {
        None => {
            let reply = execute(&shared, &asked);
            record(&shared, &asked, reply.status, reply.value["error"].as_str());
            Ok(reply.whole())
        }
        Some(fault) => faulty(&shared, &asked, fault).await,
    }
}

fn execute(shared: &Shared, asked: &Asked) -> Reply {
    let token = asked.token.as_deref();
    shared.change(|world| match &asked.route {
        Route::Nothing => Reply::page(404),
        Route::Download(path) => file::download(world, token, path),
        Route::Upload(id) => file::upload(world, id, &asked.body),
        Route::Hook(path) => {
            let body = serde_json::from_slice(&asked.body).unwrap_or(Value::Null);
            match hook::post(world, path, body) {
                Ok(()) => Reply::text(200, "text/plain; charset=utf-8", "ok".to_owned()),
                Err((status, why)) => Reply::json(status, why.body()),
            }
        }
        Route::Method(method) => {
            let insecure = method == "apps.connections.open" && !asked.post;
            let answer = match &asked.parameters {
                Err(why) => {
                    world.complain([format!("{method}: {}", why.error)]);
                    Err(why.clone())
                }
                Ok(_) if insecure => Err(Refusal::new("insecure_request")),
                Ok(parameters) => method::execute(world, token, method, parameters),
            };
            match answer {
                Ok(value) => Reply::json(200, value),
                Err(why) => Reply::refused(&why),
            }
        }
    })
}

fn record(shared: &Shared, asked: &Asked, status: u16, error: Option<&str>) {
    let method = asked.route.name().to_owned();
    let parameters = asked.parameters.as_ref().map(|parameters| parameters.record()).unwrap_or_default();
    let error = error.map(str::to_owned);
    let call = Call { method, parameters, at: clock::now(), status, error };
    shared.change(|world| world.record(asked.route.name(), call));
}

async fn faulty(shared: &Shared, asked: &Asked, fault: Fault) -> io::Result<Response<Body>> {
    if let Fault::Delay(milliseconds) = fault {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let reply = if fault.executes() { execute(shared, asked) } else { stand_in(&fault) };
    if fault.hides() {
        untold(shared, &reply.value);
    }
    if fault == Fault::BadTicket {
        // Whatever was given out opens nothing any more.
        let url = reply.value["url"].as_str().and_then(|url| url.split("ticket=").nth(1));
        let ticket = url.and_then(|rest| rest.split('&').next()).unwrap_or_default();
        shared.change(|world| world.exchange.redeem(ticket, clock::now()));
    }
    let status = match fault {
        Fault::CutBefore | Fault::CutAfter | Fault::CutBody | Fault::Hang | Fault::HangAfter => 0,
        _ => reply.status,
    };
    record(shared, asked, status, reply.value["error"].as_str());
    let body = reply.body.clone();
    match fault {
        Fault::CutBefore | Fault::CutAfter => wire::cut(),
        Fault::Hang | Fault::HangAfter => std::future::pending().await,
        Fault::CutBody => Ok(reply.pieces(wire::half(&body))),
        Fault::Drip(milliseconds) => Ok(reply.pieces(wire::drip(&body, milliseconds))),
        Fault::Malformed => {
            let text = String::from_utf8_lossy(&reply.body).replacen(':', ";", 1);
            Ok(Reply::text(200, &reply.kind, text).whole())
        }
        Fault::Misshapen => Ok(Reply::json(200, fault::misshapen()).whole()),
        _ => Ok(reply.whole()),
    }
}

/// The answer of a fault that does not execute the request.
fn stand_in(fault: &Fault) -> Reply {
    match fault {
        Fault::Error(error) => Reply::refused(&Refusal::new(error)),
        Fault::MissingScope(needed) => Reply::json(
            200,
            json!({"ok": false, "error": "missing_scope", "needed": needed, "provided": "app_mentions:read"}),
        ),
        Fault::TooManyRequests(wait) => Reply::too_many(wait),
        Fault::Page(status) => Reply::page(*status),
        Fault::ServerError(status) => Reply::json(*status, json!({"ok": false, "error": "internal_error"})),
        _ => Reply::json(200, Value::Null),
    }
}

/// Remembers that the bot could not learn of what it said.
fn untold(shared: &Shared, answer: &Value) {
    let (Some(channel), Some(ts)) = (answer["channel"].as_str(), answer["ts"].as_str()) else { return };
    let mut world = shared.world();
    let conversation = world.conversations.get_mut(channel);
    let said = conversation.and_then(|found| found.posted.iter_mut().rev().find(|said| said.ts == ts));
    if let Some(said) = said {
        said.told = false;
    }
}
