//! From a request to the answer on the wire, with what goes wrong in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request as Incoming, Response};
use openpact_fake_kit::websocket;
use openpact_fake_kit::wire::{self, Body};
use serde_json::{Value, json};

use crate::answer::{self, JSON};
use crate::endpoint::{Answer, Reply};
use crate::fault::{Fault, Limited};
use crate::limits::{Bucket, Over, bucket};
use crate::refusal::Refusal;
use crate::request::{self, MAX_BODY, Request};
use crate::route::{self, Found, Route};
use crate::server::Shared;
use crate::world::{Call, World};
use crate::{clock, gateway, specification};

type Sent = io::Result<Response<Body>>;

/// Answers a request; an error breaks the connection.
pub(crate) async fn answer(shared: Arc<Shared>, request: Incoming<hyper::body::Incoming>) -> Sent {
    if websocket::is_asked(request.headers()) {
        return upgrade(&shared, request).await;
    }
    let path = request.uri().path().to_owned();
    if path.starts_with("/attachments/") {
        return attachment(&shared, &request).await;
    }
    let Some(rest) = path.strip_prefix("/api/v10") else {
        let refusal = match path.strip_prefix("/api/") {
            Some(_) => Refusal::new(400, 50_041, "Invalid API version"),
            None => Refusal::not_found(),
        };
        return Ok(answer::refused(&refusal));
    };
    match route::find(request.method().as_str(), rest) {
        Found::Route(route, variables) => operation(&shared, route, variables, request).await,
        Found::OtherMethod => Ok(answer::refused(&Refusal::new(405, 0, "405: Method Not Allowed"))),
        Found::Nothing => {
            let asked = format!("{} {rest}: the fake has no such operation", request.method());
            shared.world().complain([asked]);
            Ok(answer::refused(&Refusal::not_found()))
        }
    }
}

/// A request on its way through the operation that it asks for.
struct Asked {
    route: &'static Route,
    path: Vec<String>,
    parts: Parts,
    /// The bot whose token came with it.
    bot: Option<u64>,
}

impl Asked {
    /// The channel that the path names.
    fn channel(&self) -> Option<u64> {
        self.route.template.starts_with("/channels/").then(|| self.path[0].parse().ok())?
    }

    /// What rate limits count apart.
    fn resource(&self) -> &str {
        let whole = ["/channels/", "/webhooks/", "/guilds/"];
        let counts = whole.iter().any(|start| self.route.template.starts_with(start));
        self.path.first().filter(|_| counts).map_or("", String::as_str)
    }
}

async fn operation(
    shared: &Shared,
    route: &'static Route,
    path: Vec<String>,
    request: Incoming<hyper::body::Incoming>,
) -> Sent {
    let (parts, body) = request.into_parts();
    let bot = authorized(&shared.world(), &parts);
    let asked = Asked { route, path, parts, bot };
    let fault = shared.world().strike(|rule| rule.fits(route.operation, asked.channel()));
    if fault == Some(Fault::CutBefore) {
        record(shared, &asked, &Value::Null, 0);
        return wire::cut();
    }
    let body = wire::read(body, MAX_BODY).await?;
    let read = request::read(&asked.parts, body).await;
    let noted = read.as_ref().map(|(body, _)| body.clone()).unwrap_or_default();
    let (bucket, answer) = match fault.as_ref().map(|fault| (fault.refusal(), fault.executes())) {
        None | Some((None, true)) => {
            if let Some(Fault::Delay(milliseconds)) = fault {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
            execute(shared, &asked, read)
        }
        Some((Some(refusal), _)) => (None, Err(refusal)),
        Some((None, false)) => (None, Ok(Reply::nothing())),
    };
    let response = match fault {
        None => Ok(answer::reply(answer)),
        Some(fault) => faulty(shared, &asked, answer, &fault).await,
    };
    let response = response.map(|response| with_bucket(response, bucket.as_ref()));
    let status = response.as_ref().map_or(0, |response| response.status().as_u16());
    record(shared, &asked, &noted, status);
    response
}

/// The bot whose token the header has, in the form `Bot TOKEN`.
fn authorized(world: &World, parts: &Parts) -> Option<u64> {
    let value = parts.headers.get("authorization")?.to_str().ok()?;
    let account = world.bots.get(value.strip_prefix("Bot ")?)?;
    (!account.revoked).then_some(account.user.id)
}

/// Judges a request and does what it asks for.
fn execute(
    shared: &Shared,
    asked: &Asked,
    read: Result<(Value, Vec<crate::world::File>), Refusal>,
) -> (Option<Bucket>, Answer) {
    let route = asked.route;
    let mut world = shared.world();
    if route.authorized && asked.bot.is_none() {
        return (None, Err(Refusal::unauthorized()));
    }
    let (limits, now) = (world.limits, world.now());
    let counted = asked.bot.filter(|_| route.authorized);
    let (bucket, over) = world.windows.take(limits, now, route.operation, asked.resource(), counted);
    if let Some(over) = over {
        return ((!over.global).then_some(bucket), Err(too_many(over)));
    }
    let (body, files) = match read {
        Ok(read) => read,
        Err(refusal) => return (Some(bucket), Err(refusal)),
    };
    let query = request::query(asked.parts.uri.query());
    if let Err(refusal) = judge(&mut world, asked, &query, &body) {
        return (Some(bucket), Err(refusal));
    }
    let bot = asked.bot.unwrap_or(0);
    let request = Request { bot, path: asked.path.clone(), query, body, files };
    let answer = (route.handler)(&mut world, &request);
    if let (Ok(reply), Some(specification)) = (&answer, specification::load())
        && !reply.body.is_null()
    {
        let method = route.method.to_ascii_lowercase();
        let wrong = specification.judge_answer(&method, route.template, reply.status, &reply.body);
        for wrong in wrong {
            world.complain([format!("the fake's answer to {}: {}", route.operation, wrong.line())]);
        }
    }
    drop(world);
    shared.touch();
    (Some(bucket), answer)
}

/// A refusal where a request is not as described; the test is told, too.
fn judge(world: &mut World, asked: &Asked, query: &[(String, String)], body: &Value) -> Result<(), Refusal> {
    let operation = asked.route.operation;
    let agent = asked.parts.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    if !agent.unwrap_or_default().starts_with("DiscordBot (") {
        world.complain([format!("{operation}: the User-Agent is not of the form DiscordBot (URL, VERSION)")]);
    }
    for (name, value) in asked.route.template.split('/').filter(|part| part.starts_with('{')).zip(&asked.path)
    {
        if name.ends_with("_id}") && value.parse::<u64>().is_err() {
            let name = name.trim_matches(['{', '}']);
            world.complain([format!("{operation}: {name} is no id: {value}")]);
            let why = format!("Value \"{value}\" is not snowflake.");
            return Err(Refusal::field(name, "NUMBER_TYPE_COERCE", &why));
        }
    }
    let Some(specification) = specification::load() else { return Ok(()) };
    let method = asked.route.method.to_ascii_lowercase();
    let mut wrong = specification.judge_query(&method, asked.route.template, query);
    if asked.parts.headers.contains_key("content-type") || asked.route.method != "GET" {
        wrong.extend(specification.judge_body(&method, asked.route.template, body));
    }
    wrong.retain(|one| !(world.tolerant && one.is_unknown()));
    if wrong.is_empty() {
        return Ok(());
    }
    for wrong in &wrong {
        world.complain([format!("{operation}: {}", wrong.line())]);
    }
    Err(Refusal::form(wrong.into_iter().map(|one| (one.path, one.code, one.message)).collect()))
}

/// The refusal of a limit that was set; its headers come from [`with_bucket`].
fn too_many(over: Over) -> Refusal {
    let limit = if over.global { Limited::Global(over.wait) } else { Limited::Route(over.wait) };
    answer::too_many_refusal(limit)
}

fn with_bucket(mut response: Response<Body>, bucket: Option<&Bucket>) -> Response<Body> {
    let Some(bucket) = bucket.filter(|_| response.status() != 401) else { return response };
    if !response.headers().contains_key("x-ratelimit-bucket") {
        answer::bucket_headers(response.headers_mut(), bucket);
    }
    response
}

fn record(shared: &Shared, asked: &Asked, body: &Value, status: u16) {
    let operation = asked.route.operation.to_owned();
    let path = asked.parts.uri.path().trim_start_matches("/api/v10").to_owned();
    let call = Call { operation, path, body: body.clone(), at: clock::now(), status };
    shared.change(|world| world.record(asked.route.operation, call));
}

async fn faulty(shared: &Shared, asked: &Asked, answer: Answer, fault: &Fault) -> Sent {
    if fault.hides() {
        untold(shared, &answer);
    }
    let (status, text) = match &answer {
        Ok(reply) => (reply.status, reply.body.to_string()),
        Err(refusal) => (refusal.status, refusal.body().to_string()),
    };
    let body = Bytes::from(text);
    let pieces = |pieces| Ok(wire::pieces(status, JSON, body.len(), pieces));
    match fault {
        Fault::CutBefore | Fault::CutAfter => wire::cut(),
        // There is no middle in an answer without a body.
        Fault::CutBody if status == 204 => wire::cut(),
        Fault::Hang | Fault::HangAfter => std::future::pending().await,
        Fault::CutBody => pieces(wire::half(&body)),
        Fault::Drip(milliseconds) if status != 204 => pieces(wire::drip(&body, *milliseconds)),
        Fault::Malformed => Ok(wire::whole(200, JSON, [b"{;", &*body].concat())),
        Fault::Misshapen => {
            let odd = json!({"unexpected": [1, null]}).to_string();
            Ok(wire::whole(200, JSON, odd))
        }
        Fault::ServerErrorPage(status) => Ok(answer::page(*status)),
        Fault::TooManyRequests(limit) => {
            Ok(answer::too_many(*limit, &bucket(asked.route.operation), clock::now()))
        }
        _ => Ok(answer::reply(answer)),
    }
}

/// Remembers that the bot could not learn of what it sent.
fn untold(shared: &Shared, answer: &Answer) {
    let Ok(reply) = answer else { return };
    let id = |value: &Value| value.as_str().and_then(|id| id.parse::<u64>().ok());
    let (message, channel) = (id(&reply.body["id"]), id(&reply.body["channel_id"]));
    let mut world = shared.world();
    let room = channel.and_then(|channel| world.rooms.get_mut(&channel));
    let sent = room.and_then(|room| room.sent.iter_mut().find(|sent| Some(sent.id) == message));
    if let Some(sent) = sent {
        sent.told = false;
    }
}

/// A fault where nothing is executed, or only delayed.
async fn plain_fault(fault: Option<Fault>, operation: &str) -> Option<Sent> {
    let fault = fault?;
    match fault {
        Fault::Delay(milliseconds) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            None
        }
        Fault::Hang | Fault::HangAfter => std::future::pending().await,
        Fault::ServerErrorPage(status) => Some(Ok(answer::page(status))),
        Fault::TooManyRequests(limit) => Some(Ok(answer::too_many(limit, &bucket(operation), clock::now()))),
        fault => Some(fault.refusal().map_or_else(wire::cut, |refusal| Ok(answer::refused(&refusal)))),
    }
}

async fn upgrade(shared: &Arc<Shared>, request: Incoming<hyper::body::Incoming>) -> Sent {
    let fault = shared.world().strike(|rule| rule.fits("connect_gateway", None));
    if let Some(answer) = plain_fault(fault, "connect_gateway").await {
        return answer;
    }
    Ok(gateway::open(shared, request).unwrap_or_else(|status| wire::whole(status, "text/plain", "")))
}

async fn attachment(shared: &Shared, request: &Incoming<hyper::body::Incoming>) -> Sent {
    let fault = shared.world().strike(|rule| rule.fits("attachment", None));
    if let Some(answer) = plain_fault(fault, "attachment").await {
        return answer;
    }
    let query = request::query(request.uri().query());
    let signature = query.iter().find(|(name, _)| name == "hm").map(|(_, value)| value.as_str());
    let mut world = shared.world();
    world.count_one("attachment");
    let now = world.now();
    let found = world.files.get(request.uri().path());
    let found = found.filter(|stored| Some(stored.signature.as_str()) == signature && stored.expires > now);
    Ok(match found {
        Some(stored) => wire::whole(200, &stored.media_type, Bytes::copy_from_slice(&stored.bytes)),
        None => wire::whole(404, "text/plain", "This content is no longer available."),
    })
}
