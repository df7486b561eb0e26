//! What is answered: small JSON objects, and the text of the measurements.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::check::Check;
use crate::visitor::Sight;

/// Of Prometheus' text format (prometheus.io, "Exposition formats", version 0.0.4).
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// `/health` and `/ready`.
#[derive(Serialize)]
struct Told<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    /// What keeps it from being ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<&'a Check>,
    /// Every part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<&'a Check>,
}

/// Everything that else there is to say.
#[derive(Serialize)]
struct Problem {
    error: &'static str,
}

/// What the program says of itself.
pub(crate) struct About {
    pub(crate) version: &'static str,
    pub(crate) uptime_seconds: u64,
}

/// The process works, or this could not be said; how its parts are is for those who may see it.
pub(crate) fn health(sight: Sight, about: &About, report: &[Check]) -> Response<Body> {
    let status = if report.iter().any(Check::blocks) { "degraded" } else { "ok" };
    json(StatusCode::OK, &told(sight, status, about, report, false))
}

/// 200 where everything that is needed runs, else 503.
pub(crate) fn ready(sight: Sight, about: &About, report: &[Check]) -> Response<Body> {
    let is_ready = !report.iter().any(Check::blocks);
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not-ready") };
    json(code, &told(sight, status, about, report, true))
}

fn told<'a>(
    sight: Sight,
    status: &'static str,
    about: &About,
    report: &'a [Check],
    tells_failing: bool,
) -> Told<'a> {
    if sight != Sight::Detail {
        return Told { status, version: None, uptime_seconds: None, failing: vec![], checks: vec![] };
    }
    Told {
        status,
        version: Some(about.version),
        uptime_seconds: Some(about.uptime_seconds),
        failing: report.iter().filter(|check| tells_failing && check.blocks()).collect(),
        checks: report.iter().collect(),
    }
}

/// The measurements.
pub(crate) fn metrics(text: String) -> Response<Body> {
    response(StatusCode::OK, METRICS, text)
}

/// No such path.
pub(crate) fn not_found() -> Response<Body> {
    json(
        StatusCode::NOT_FOUND,
        &Problem { error: "there are /health, /healthz, /ready, /readyz and /metrics here" },
    )
}

/// A method that is not for reading.
pub(crate) fn not_allowed() -> Response<Body> {
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &Problem { error: "only GET and HEAD" });
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// A `Host` that is not this endpoint's.
pub(crate) fn misdirected() -> Response<Body> {
    json(
        StatusCode::MISDIRECTED_REQUEST,
        &Problem { error: "this endpoint answers to localhost and loopback addresses only" },
    )
}

fn json(code: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_string(value).expect("texts, numbers and lists of them can be written as JSON");
    response(code, JSON, text + "\n")
}

fn response(code: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
