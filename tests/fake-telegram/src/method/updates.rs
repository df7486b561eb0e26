//! `getUpdates` and webhooks.

use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::world::World;

/// The longest poll, in seconds.
const LONGEST: u64 = 50;

pub(super) async fn get(shared: &Shared, token: &str, parameters: &Parameters) -> Answer {
    let offset = parameters.integer("offset").unwrap_or(0);
    let limit = parameters.integer("limit").unwrap_or(100).clamp(1, 100);
    let limit = usize::try_from(limit).expect("it was clamped");
    let timeout = parameters.integer("timeout").and_then(|wait| u64::try_from(wait).ok()).unwrap_or(0);
    let allowed = parameters.structure("allowed_updates")?;
    let (mine, arrived) = begin(shared, token, allowed.as_ref())?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(timeout.min(LONGEST));
    loop {
        let notified = arrived.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if let Some(updates) = look(shared, token, mine, offset, limit)? {
            return Ok(updates.into());
        }
        if tokio::time::timeout_at(deadline, notified).await.is_err() {
            return Ok(look(shared, token, mine, offset, limit)?.unwrap_or_default().into());
        }
    }
}

/// Ends an older poll, and gives the number of this one.
fn begin(
    shared: &Shared,
    token: &str,
    allowed: Option<&Value>,
) -> Result<(u64, std::sync::Arc<tokio::sync::Notify>), Refusal> {
    let mut world = shared.world();
    let account = world.account(token)?;
    if !account.webhook.is_empty() {
        let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
        return Err(Refusal::new(409, why.to_owned()));
    }
    if let Some(kinds) = allowed {
        account.allowed =
            kinds.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    account.poll += 1;
    account.arrived.notify_waiters();
    let begun = (account.poll, account.arrived.clone());
    drop(world);
    shared.touch();
    Ok(begun)
}

fn look(
    shared: &Shared,
    token: &str,
    mine: u64,
    offset: i64,
    limit: usize,
) -> Result<Option<Vec<Value>>, Refusal> {
    let mut world = shared.world();
    let now = world.now();
    let account = world.account(token)?;
    if account.poll != mine {
        account.conflicts += 1;
        return Err(Refusal::conflict());
    }
    let updates = account.fetch(now, offset, limit);
    drop(world);
    shared.touch();
    Ok((!updates.is_empty()).then_some(updates))
}

pub(super) fn set_webhook(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let account = world.account(token)?;
    let url = parameters.text("url").unwrap_or_default();
    if !url.is_empty() && !url.starts_with("https://") {
        return Err(Refusal::bad("bad webhook: An HTTPS URL must be provided for webhook"));
    }
    account.webhook = url;
    account.poll += 1;
    account.arrived.notify_waiters();
    Ok(true.into())
}

pub(super) fn delete_webhook(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let account = world.account(token)?;
    account.webhook.clear();
    if parameters.boolean("drop_pending_updates") == Some(true) {
        account.queue.clear();
    }
    Ok(true.into())
}

pub(super) fn webhook_info(world: &mut World, token: &str) -> Answer {
    let account = world.account(token)?;
    Ok(json!({
        "url": account.webhook,
        "has_custom_certificate": false,
        "pending_update_count": account.queue.len(),
    }))
}
