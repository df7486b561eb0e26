//! What a component gets: folders, limits, settings and grants, as the configuration, the admin and the default grants
//! say.

use std::sync::Arc;

use openpact_egress::Door;
use openpact_host::{Deployment, Limits};
use openpact_model::principal::Principal;
use openpact_model::secret::SecretSource;
use openpact_packages::Manifest;

use super::{App, grant, mount, setting};
use crate::config::components::{self, Component as Stated};
use crate::config::limits::Call;
use crate::control;

/// Whether the settings fit the component.
pub(super) fn judge_settings(manifest: &Manifest, stated: &Stated) -> Result<(), String> {
    setting::check(manifest.settings.as_ref(), &manifest.secret_settings(), stated)
}

/// Everything that a component gets, as the configuration now says.
pub(super) fn deployment(
    app: &App,
    manifest: &Manifest,
    stated: &Stated,
    door: &Arc<Door>,
    secrets: &Arc<dyn SecretSource>,
) -> Result<Deployment, String> {
    judge_settings(manifest, stated)?;
    let config = app.config();
    let schema = manifest.settings.as_ref();
    let settings = setting::with_zone(schema, &stated.settings, app.clock.zone().iana_name());
    let channels = config.chat.providers.get(manifest.name.as_str()).map(|provider| &provider.channels);
    Ok(Deployment {
        mounts: mount::mounts(&app.directory, &manifest.requests.files, stated)?,
        limits: limits(&config.limits.call, &stated.limits, manifest),
        kv_quota: kv_quota(stated, manifest),
        settings: setting::with_channels(schema, settings, channels),
        door: Some(Arc::clone(door)),
        secrets: Arc::clone(secrets),
    })
}

/// The grants of one component, as its door takes them.
pub(super) fn build_grants(
    all: &[control::Grant],
    principal: &Principal,
    manifest: &Manifest,
    stated: &Stated,
) -> Result<Vec<openpact_egress::Grant>, String> {
    let credentials =
        stated.credentials.iter().map(|(name, secret)| (name.clone(), secret.0.clone())).collect();
    let own = all.iter().filter(|grant| grant.principal == *principal);
    own.map(|one| grant::build(one, manifest, &credentials)).collect()
}

/// The limits of a call: the component's own section, else what its manifest asks for as far as that is less than
/// what every component may have, else that.
pub(super) fn limits(call: &Call, stated: &components::Limits, manifest: &Manifest) -> Limits {
    let asked = &manifest.requests.limits;
    let places = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let memory = asked.memory.map_or(call.memory.0, |asked| asked.min(call.memory.0));
    let wall =
        asked.time.map_or(call.wall.0, |asked| std::time::Duration::from_millis(asked).min(call.wall.0));
    Limits {
        memory: stated.memory.map_or(memory, |size| size.0),
        wall: stated.wall.map_or(wall, |span| span.0),
        cpu: stated.cpu.unwrap_or(call.cpu).0,
        result: stated.result.unwrap_or(call.result).0,
        concurrent: places(stated.concurrent.unwrap_or(call.concurrent)),
        queue: places(stated.queue.unwrap_or(call.queue)),
        ..Limits::default()
    }
}

/// What the configuration gives, and no more than the manifest asks for.
fn kv_quota(stated: &Stated, manifest: &Manifest) -> u64 {
    let asked = manifest.requests.kv.unwrap_or(0);
    stated.kv.map_or(0, |given| given.0.min(asked))
}
