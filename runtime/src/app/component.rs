//! The components: verified, deployed with what they are granted, loaded; each for itself, so that one that is refused
//! stops no other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use openpact_egress::{Door, Egress};
use openpact_embedded::Embedded;
use openpact_host::{Deployment, Host, Limits, Report};
use openpact_model::audit::{Event, Verdict};
use openpact_model::id::{ComponentName, Digest, TurnId};
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretSource;
use openpact_model::tool::{ToolCall, ToolFailure, ToolOutput, ToolSpec};
use openpact_packages::manifest::Kind;
use openpact_packages::{Manifest, Trust, Verified};

use super::{App, grant, mount, setting};
use crate::config::components::{self, Component as Stated};
use crate::config::limits::Call;
use crate::control;
use crate::control::State;
use crate::exit::{Code, Failure, chain};

/// Said of a component whose loading ended in a defect.
pub(super) const BROKE: &str = "the program broke while it was loaded; the log says where";

/// All components by name.
pub(crate) struct Components {
    all: BTreeMap<ComponentName, Component>,
    reports: Arc<Reports>,
}

/// One component, whether it runs or not.
pub(super) struct Component {
    verified: Option<Arc<Verified>>,
    door: Option<Arc<Door>>,
    mounts: Vec<String>,
    state: Run,
}

enum Run {
    Running(Arc<Measured>),
    /// An adapter: verified, and loaded when its platform is to be connected.
    Adapter,
    Off,
    Failed(String),
}

/// The names of the components that come with the program and connect chat platforms.
pub(crate) fn provider_names() -> Vec<String> {
    let trust = Trust { publishers: vec![openpact_embedded::publisher()], ..Trust::default() };
    let is_adapter = |embedded: &&Embedded| {
        let verified = openpact_packages::verify(embedded.wasm.to_vec(), embedded.signature, &trust);
        verified.is_ok_and(|verified| verified.manifest().kind == Kind::Adapter)
    };
    let adapters = openpact_embedded::components().iter().filter(is_adapter);
    adapters.map(|embedded| embedded.name.to_owned()).collect()
}

/// What the components are built with.
pub(super) struct Workshop<'a> {
    pub(super) app: &'a App,
    pub(super) host: &'a Host,
    pub(super) egress: &'a Egress,
    pub(super) grants: &'a [control::Grant],
    pub(super) secrets: Arc<dyn SecretSource>,
}

/// The default grants.
pub(super) fn defaults() -> BTreeMap<ComponentName, Stated> {
    crate::config::default_grants().expect("a test reads the file that is built in")
}

impl Components {
    /// Loads the components that come with the program.
    pub(super) async fn load(workshop: &Workshop<'_>) -> Self {
        let reports = Arc::new(Reports::default());
        let trust = Trust { publishers: vec![openpact_embedded::publisher()], ..Trust::default() };
        let all = openpact_embedded::components().iter().filter_map(|embedded| {
            let name: ComponentName = embedded.name.parse().ok()?;
            let (reports, trust) = (Arc::clone(&reports), trust.clone());
            Some(async move { (name.clone(), workshop.component(name, embedded, &trust, reports).await) })
        });
        Self { all: join_all(all).await.into_iter().collect(), reports }
    }

    /// The component of that name.
    ///
    /// # Errors
    /// When there is none; the nearest name is suggested.
    pub(super) fn find(&self, name: &ComponentName) -> Result<&Component, Failure> {
        self.all.get(name).ok_or_else(|| {
            let names: Vec<_> = self.all.keys().map(ComponentName::as_str).collect();
            let message = format!("there is no component '{name}'; there are {}", names.join(", "));
            Failure::new(Code::Failed, message)
        })
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &ComponentName> {
        self.all.keys()
    }

    /// The names of those of a kind whose signature is good.
    pub(super) fn of_kind(&self, kind: Kind) -> Vec<ComponentName> {
        let of = |component: &Component| component.manifest().is_some_and(|manifest| manifest.kind == kind);
        self.all.iter().filter(|(_, component)| of(component)).map(|(name, _)| name.clone()).collect()
    }

    /// The adapters that speak for owners: those that come with the program, and no other, whoever signed it.
    pub(super) fn asserts_owner(&self) -> Vec<ComponentName> {
        let embedded: Vec<_> = openpact_embedded::components().iter().map(|one| one.name).collect();
        asserting(self.of_kind(Kind::Adapter), &embedded)
    }

    /// Those that run, for the router.
    pub(super) fn providers(&self) -> Vec<Arc<dyn ToolProvider>> {
        let running = self.all.values().filter_map(|component| component.running());
        running.map(|measured| Arc::clone(measured) as Arc<dyn ToolProvider>).collect()
    }

    /// What the sandbox measured, by turn.
    pub(super) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// All of them, as the admin sees them.
    pub(super) fn show(&self, grants: &[control::Grant]) -> Vec<control::Component> {
        self.all.iter().map(|(name, component)| component.show(name, grants)).collect()
    }
}

/// Those of `adapters` that come with the program.
fn asserting(adapters: Vec<ComponentName>, embedded: &[&str]) -> Vec<ComponentName> {
    adapters.into_iter().filter(|name| embedded.contains(&name.as_str())).collect()
}

impl Component {
    /// Its manifest, where its signature is good.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.verified.as_ref().map(|verified| verified.manifest())
    }

    /// The package, where its signature is good.
    pub(super) fn verified(&self) -> Option<&Arc<Verified>> {
        self.verified.as_ref()
    }

    /// Its door to the network.
    pub(super) fn door(&self) -> Option<&Arc<Door>> {
        self.door.as_ref()
    }

    pub(super) fn running(&self) -> Option<&Arc<Measured>> {
        match &self.state {
            Run::Running(measured) => Some(measured),
            Run::Adapter | Run::Off | Run::Failed(_) => None,
        }
    }

    /// Why it does not run.
    pub(super) fn why(&self) -> Option<&str> {
        match &self.state {
            Run::Running(_) | Run::Adapter => None,
            Run::Off => Some("the configuration switches it off ('enabled: false')"),
            Run::Failed(why) => Some(why),
        }
    }

    fn show(&self, name: &ComponentName, grants: &[control::Grant]) -> control::Component {
        let principal = Principal::Component(name.clone());
        let own = grants.iter().filter(|grant| grant.principal == principal);
        let tools = self
            .manifest()
            .map(|manifest| manifest.tools.iter().map(|tool| manifest.full_tool_name(&tool.name)).collect());
        control::Component {
            name: name.to_string(),
            version: self.manifest().map(|manifest| manifest.version.to_string()),
            publisher: self.verified.as_ref().map(|verified| verified.publisher().to_owned()),
            digest: self.verified.as_ref().map(|verified| verified.digest()),
            state: match self.state {
                Run::Running(_) => State::Running,
                Run::Adapter => State::Ready,
                Run::Off => State::Off,
                Run::Failed(_) => State::Failed,
            },
            why: self.why().map(str::to_owned),
            tools: tools.unwrap_or_default(),
            mounts: self.mounts.clone(),
            grants: own.map(|grant| format!("{} (from {})", grant.shown(), grant.origin)).collect(),
        }
    }
}

impl Workshop<'_> {
    async fn component(
        &self,
        name: ComponentName,
        embedded: &Embedded,
        trust: &Trust,
        reports: Arc<Reports>,
    ) -> Component {
        let failed =
            |verified, why| Component { verified, door: None, mounts: Vec::new(), state: Run::Failed(why) };
        let stated = self.app.stated(&name);
        let verified = match openpact_packages::verify(embedded.wasm.to_vec(), embedded.signature, trust) {
            Ok(verified) => Arc::new(verified),
            Err(refusal) => {
                let why = chain(&refusal);
                self.record(&name, None, Err(&why)).await;
                return failed(None, format!("refused: {why}"));
            }
        };
        // An adapter is switched on and off while the program runs.
        let is_tool = verified.manifest().kind == Kind::Tool;
        if is_tool && stated.enabled == Some(false) {
            return Component { verified: Some(verified), door: None, mounts: Vec::new(), state: Run::Off };
        }
        match self.run(&name, &verified, &stated, reports).await {
            Ok(component) => {
                // A command that only looks needs no line in the log each time.
                if self.app.is_serving() {
                    self.record(&name, Some(&verified), Ok(())).await;
                }
                component
            }
            Err(why) => {
                self.record(&name, Some(&verified), Err(&why)).await;
                failed(Some(verified), why)
            }
        }
    }

    async fn run(
        &self,
        name: &ComponentName,
        verified: &Arc<Verified>,
        stated: &Stated,
        reports: Arc<Reports>,
    ) -> Result<Component, String> {
        let manifest = verified.manifest();
        let principal = Principal::Component(name.clone());
        let grants = build_grants(self.grants, &principal, manifest, stated)?;
        let door = self.egress.door(principal, grants);
        let deployment = deployment(self.app, manifest, stated, &door, &self.secrets)?;
        let sentences = deployment.mounts.iter().map(mount::sentence).collect();
        if manifest.kind == Kind::Adapter {
            let (verified, door) = (Some(Arc::clone(verified)), Some(door));
            return Ok(Component { verified, door, mounts: sentences, state: Run::Adapter });
        }
        let (host, package) = (self.host.clone(), Arc::clone(verified));
        let loading = tokio::task::spawn_blocking(move || host.load(&package, deployment));
        let loaded = loading.await.map_err(|_| BROKE.to_owned())?;
        let component = loaded.map_err(|error| chain(&error))?;
        let state = Run::Running(Arc::new(Measured { component, reports }));
        Ok(Component { verified: Some(Arc::clone(verified)), door: Some(door), mounts: sentences, state })
    }

    async fn record(&self, name: &ComponentName, verified: Option<&Verified>, outcome: Result<(), &str>) {
        let verdict = match (outcome, verified) {
            (Ok(()), _) => Verdict::Allowed,
            (Err(_), None) => Verdict::Denied,
            (Err(_), Some(_)) => Verdict::Failed,
        };
        let mut event = Event::new("component.load", "runtime", format!("component:{name}"), verdict);
        if let Some(verified) = verified {
            event = event
                .with("digest", verified.digest().to_string())
                .with("key", verified.key_id().to_string());
        }
        if let Err(why) = outcome {
            tracing::warn!(component = %name, why, "a component does not run");
            event = event.with("why", why);
        }
        if let Err(failure) = self.app.audit(event).await {
            tracing::error!(component = %name, error = %failure, "the audit log cannot be written");
        }
    }
}

impl App {
    /// What is stated about a component: in the configuration, and else in the default grants.
    pub(super) fn stated(&self, name: &ComponentName) -> Stated {
        let default = defaults().remove(name).unwrap_or_default();
        self.config().components.get(name).cloned().unwrap_or_default().over(default)
    }

    /// The components, as the admin sees them.
    pub(super) async fn components(&self) -> Result<Vec<control::Component>, Failure> {
        let grants = self.grants(None).await?;
        let mut all = self.parts().await?.components.show(&grants);
        // Where no process serves, nothing runs: it is only looked at.
        if !self.is_serving() {
            for component in &mut all {
                component.state = settled(component.state);
            }
        }
        for provider in self.providers().await? {
            if let Some(component) = all.iter_mut().find(|component| component.name == provider.name) {
                component.state = provider.state;
                component.why = (provider.state != State::Running).then_some(provider.about);
            }
        }
        Ok(all)
    }
}

/// A state as it is where no process serves.
pub(super) fn settled(state: State) -> State {
    if state == State::Running { State::Ready } else { state }
}

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

/// A component whose calls are measured for those who ask.
pub(super) struct Measured {
    component: Arc<openpact_host::Component>,
    reports: Arc<Reports>,
}

#[async_trait]
impl ToolProvider for Measured {
    fn principal(&self) -> Principal {
        self.component.principal()
    }

    fn digest(&self) -> Option<Digest> {
        ToolProvider::digest(&*self.component)
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        self.component.tools()
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        let turn = call.turn.clone();
        let report = self.component.call_reported(call).await;
        self.reports.keep(&turn, &report);
        report.result
    }
}

/// What the sandbox measured in those turns whose caller wants to know.
#[derive(Default)]
pub(super) struct Reports(Mutex<HashMap<TurnId, Option<Report>>>);

impl Reports {
    /// From now on the report of the turn's call is kept.
    pub(super) fn expect(&self, turn: &TurnId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(turn.clone(), None);
    }

    /// What was kept, if the call got as far as the sandbox.
    pub(super) fn take(&self, turn: &TurnId) -> Option<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(turn).flatten()
    }

    fn keep(&self, turn: &TurnId, report: &Report) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(turn) {
            *place = Some(report.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_of_others_speaks_for_no_owner() {
        let adapters = ["telegram", "telegram-of-others"].map(|name| name.parse().unwrap());
        let asserting = asserting(adapters.to_vec(), &["telegram", "workspace"]);
        assert_eq!(asserting, ["telegram".parse().unwrap()]);
    }
}
