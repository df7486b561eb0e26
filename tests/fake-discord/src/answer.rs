//! Answers as they stand on the wire.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Response};
use openpact_fake_kit::wire::{self, Body};
use serde_json::json;

use crate::clock;
use crate::endpoint::Answer;
use crate::fault::Limited;
use crate::limits::Bucket;
use crate::refusal::Refusal;

pub(crate) const JSON: &str = "application/json";

pub(crate) fn reply(answer: Answer) -> Response<Body> {
    match answer {
        Ok(reply) if reply.status == 204 => wire::empty(204),
        Ok(reply) => wire::whole(reply.status, JSON, reply.body.to_string()),
        Err(refusal) => refused(&refusal),
    }
}

pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    match refusal.limited {
        Some(limit) => too_many(limit, "", clock::now()),
        None => wire::whole(refusal.status, JSON, refusal.body().to_string()),
    }
}

/// A page of a proxy in front of the API.
pub(crate) fn page(status: u16) -> Response<Body> {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center><hr><center>cloudflare</center></body>\r\n</html>\r\n"
    );
    wire::whole(status, "text/html", page)
}

/// A refusal that becomes [`too_many`].
pub(crate) fn too_many_refusal(limit: Limited) -> Refusal {
    let mut refusal = Refusal::new(429, 0, "You are being rate limited.");
    refusal.limited = Some(limit);
    refusal
}

/// 429 in one of its forms. `bucket` is empty where the headers of the bucket come from elsewhere.
pub(crate) fn too_many(limit: Limited, bucket: &str, now: SystemTime) -> Response<Body> {
    let (seconds, scope) = match limit {
        Limited::Cloudflare(seconds) => {
            let mut response = page(429);
            put(response.headers_mut(), "retry-after", &seconds.to_string());
            return response;
        }
        Limited::Route(seconds) => (seconds, "user"),
        Limited::Global(seconds) => (seconds, "global"),
        Limited::Shared(seconds) => (seconds, "shared"),
    };
    let global = scope == "global";
    let message = match scope {
        "shared" => "The resource is being rate limited.",
        _ => "You are being rate limited.",
    };
    let body = json!({"message": message, "retry_after": seconds, "global": global});
    let mut response = wire::whole(429, JSON, body.to_string());
    let headers = response.headers_mut();
    put(headers, "retry-after", &format!("{:.0}", seconds.ceil()));
    put(headers, "x-ratelimit-scope", scope);
    put(headers, "via", "1.1 google");
    if global {
        put(headers, "x-ratelimit-global", "true");
    } else if !bucket.is_empty() {
        let reset = clock::seconds(now) + seconds;
        // Of a resource that others use up too, this bot's own share may be left.
        let remaining = u64::from(scope == "shared");
        let name = bucket.to_owned();
        let bucket = Bucket { name, limit: 5, remaining, reset, reset_after: seconds };
        bucket_headers(headers, &bucket);
    }
    response
}

pub(crate) fn bucket_headers(headers: &mut HeaderMap, bucket: &Bucket) {
    put(headers, "x-ratelimit-limit", &bucket.limit.to_string());
    put(headers, "x-ratelimit-remaining", &bucket.remaining.to_string());
    put(headers, "x-ratelimit-reset", &format!("{:.3}", bucket.reset));
    put(headers, "x-ratelimit-reset-after", &format!("{:.3}", bucket.reset_after));
    put(headers, "x-ratelimit-bucket", &bucket.name);
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("it is made of plain letters"));
}
