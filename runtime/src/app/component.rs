//! The components: verified, deployed with what they are granted, loaded; each for itself, so that one that is refused
//! stops no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use futures::future::join_all;
use openpact_egress::{Door, Egress};
use openpact_embedded::Embedded;
use openpact_host::Host;
use openpact_model::audit::{Event, Verdict};
use openpact_model::health::Health;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretSource;
use openpact_packages::manifest::Kind;
use openpact_packages::{Manifest, Trust, Verified};

use super::deployment::{build_grants, deployment};
use super::measure::{Measured, Reports};
use super::{App, mount, native};
use crate::config::components::Component as Stated;
use crate::control;
use crate::control::State;
use crate::exit::{Code, Failure, chain};

/// Said of a component whose loading ended in a defect.
pub(super) const BROKE: &str = "the program broke while it was loaded; the log says where";

/// All components by name. Immutable in itself: a change makes a new one, and what runs keeps what it has.
type All = Arc<BTreeMap<ComponentName, Arc<Component>>>;

/// The components.
pub(crate) struct Components {
    all: RwLock<All>,
    reports: Arc<Reports>,
    /// The tools of the program itself, where it has some.
    pub(super) native: OnceLock<Arc<dyn ToolProvider>>,
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
    /// Switched off; the text says by whom.
    Off(String),
    Failed(String),
}

/// The names of the components that come with the program and connect chat platforms.
pub(crate) fn provider_names() -> Vec<String> {
    let trust = own_trust();
    let is_adapter = |embedded: &&Embedded| {
        let verified = openpact_packages::verify(embedded.wasm.to_vec(), embedded.signature, &trust);
        verified.is_ok_and(|verified| verified.manifest().kind == Kind::Adapter)
    };
    let adapters = openpact_embedded::components().iter().filter(is_adapter);
    adapters.map(|embedded| embedded.name.to_owned()).collect()
}

/// The names of the components that come with the program.
pub(super) fn embedded_names() -> Vec<ComponentName> {
    openpact_embedded::components().iter().filter_map(|one| one.name.parse().ok()).collect()
}

/// The package of a component that comes with the program.
pub(super) fn embedded(name: &ComponentName, revoked: BTreeSet<Digest>) -> Result<Verified, String> {
    let trust = Trust { revoked_digests: revoked, ..own_trust() };
    let all = openpact_embedded::components().iter();
    let found =
        all.into_iter().find(|one| one.name == name.as_str()).ok_or("it does not come with the program")?;
    openpact_packages::verify(found.wasm.to_vec(), found.signature, &trust).map_err(|refusal| chain(&refusal))
}

fn own_trust() -> Trust {
    Trust { publishers: vec![openpact_embedded::publisher()], ..Trust::default() }
}

/// What the components are built with.
pub(super) struct Workshop<'a> {
    pub(super) app: &'a App,
    pub(super) host: &'a Host,
    pub(super) egress: &'a Egress,
    pub(super) grants: &'a [control::Grant],
    pub(super) secrets: Arc<dyn SecretSource>,
    pub(super) reports: Arc<Reports>,
}

/// The default grants.
pub(super) fn defaults() -> BTreeMap<ComponentName, Stated> {
    crate::config::default_grants().expect("a test reads the file that is built in")
}

impl Components {
    /// Loads the components that come with the program, and those that an admin installed.
    pub(super) async fn load(workshop: &Workshop<'_>) -> Result<Self, Failure> {
        let revoked = workshop.app.revoked_digests().await?;
        let own = embedded_names().into_iter().map(|name| {
            let verified = embedded(&name, revoked.clone());
            async move {
                let component = workshop.component(&name, verified, workshop.app.stated(&name)).await;
                (name, component)
            }
        });
        let installed = workshop.app.installed().await?;
        let installed = installed.into_iter().map(|(name, verified)| async move {
            let component = workshop.component(&name, verified, workshop.app.stated(&name)).await;
            (name, component)
        });
        let unsigned = workshop.app.unsigned().await?;
        for problem in unsigned.problems {
            tracing::warn!(problem, "an unsigned package does not run");
        }
        let unsigned = unsigned.components.into_iter().map(|(name, verified)| async move {
            let component = workshop.component(&name, Ok(verified), workshop.app.stated(&name)).await;
            (name, component)
        });
        let (own, installed) = (join_all(own).await, join_all(installed).await);
        let mut all: BTreeMap<_, _> = own.into_iter().collect();
        // The program's own come first: a tool of theirs is never another component's.
        for (name, component) in installed.into_iter().chain(join_all(unsigned).await) {
            let component = component.without_clash(&name, &all);
            all.entry(name).or_insert(component);
        }
        let all = all.into_iter().map(|(name, component)| (name, Arc::new(component))).collect();
        let reports = Arc::clone(&workshop.reports);
        Ok(Self { all: RwLock::new(Arc::new(all)), reports, native: OnceLock::new() })
    }

    /// The component of that name.
    ///
    /// # Errors
    /// When there is none; those that there are are named.
    pub(super) fn find(&self, name: &ComponentName) -> Result<Arc<Component>, Failure> {
        let all = self.all();
        all.get(name).cloned().ok_or_else(|| {
            let names: Vec<_> = all.keys().map(ComponentName::as_str).collect();
            let message = format!("there is no component '{name}'; there are {}", names.join(", "));
            Failure::new(Code::Failed, message)
        })
    }

    fn all(&self) -> All {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All names.
    pub(super) fn names(&self) -> Vec<ComponentName> {
        self.all().keys().cloned().collect()
    }

    /// The names of those of a kind whose signature is good.
    pub(super) fn of_kind(&self, kind: Kind) -> Vec<ComponentName> {
        let of = |component: &Component| component.manifest().is_some_and(|manifest| manifest.kind == kind);
        let all = self.all();
        all.iter().filter(|(_, component)| of(component)).map(|(name, _)| name.clone()).collect()
    }

    /// Those that run, for the router.
    pub(super) fn providers(&self) -> Vec<Arc<dyn ToolProvider>> {
        self.beside_native(providers(&self.all()))
    }

    /// Those that would run, for the router, if `name` were `component`.
    pub(super) fn providers_with(
        &self,
        name: &ComponentName,
        component: Option<&Arc<Component>>,
    ) -> Vec<Arc<dyn ToolProvider>> {
        self.beside_native(providers(&with(&self.all(), name, component)))
    }

    /// Puts `component` in the place of the one of that name, or takes it out. Gives the one that was there.
    pub(super) fn put(
        &self,
        name: &ComponentName,
        component: Option<&Arc<Component>>,
    ) -> Option<Arc<Component>> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(name).cloned();
        *all = Arc::new(with(&all, name, component));
        before
    }

    /// What the sandbox measured, by turn.
    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// All of them, as the admin sees them.
    pub(super) fn show(&self, app: &App, host: &Host, grants: &[control::Grant]) -> Vec<control::Component> {
        let show = |(name, component): (&ComponentName, &Arc<Component>)| {
            let (unsigned, health) = (app.is_unsigned(component), host.health(name));
            control::Component { unsigned, health, ..component.show(name, grants) }
        };
        self.all().iter().map(show).collect()
    }
}

fn providers(all: &BTreeMap<ComponentName, Arc<Component>>) -> Vec<Arc<dyn ToolProvider>> {
    let running = all.values().filter_map(|component| component.running());
    running.map(|measured| Arc::clone(measured) as Arc<dyn ToolProvider>).collect()
}

fn with(
    all: &BTreeMap<ComponentName, Arc<Component>>,
    name: &ComponentName,
    component: Option<&Arc<Component>>,
) -> BTreeMap<ComponentName, Arc<Component>> {
    let mut all = all.clone();
    match component {
        Some(component) => all.insert(name.clone(), Arc::clone(component)),
        None => all.remove(name),
    };
    all
}

impl Component {
    /// One that does not run, for this reason.
    pub(super) fn failed(verified: Option<Arc<Verified>>, why: String) -> Self {
        Self { verified, door: None, mounts: Vec::new(), state: Run::Failed(why) }
    }

    /// The same, but not running where a tool of it has the name of another's.
    fn without_clash(self, name: &ComponentName, others: &BTreeMap<ComponentName, Self>) -> Self {
        let taken = |tool: &str| {
            others
                .iter()
                .find(|(other, component)| *other != name && component.tools().iter().any(|one| one == tool))
        };
        let clash = self.tools().into_iter().find_map(|tool| {
            let other = taken(&tool).map(|(other, _)| format!("'{other}'"));
            Some((other.or_else(|| native::owner(&tool))?, tool))
        });
        match clash {
            Some((other, tool)) if self.running().is_some() => {
                self.stop();
                Self::failed(self.verified, format!("its tool '{tool}' has the name of one of {other}"))
            }
            _ => self,
        }
    }

    /// The names of its tools, as a model knows them.
    pub(super) fn tools(&self) -> Vec<String> {
        let names = |manifest: &Manifest| {
            manifest.tools.iter().map(|tool| manifest.full_tool_name(&tool.name)).collect()
        };
        self.manifest().map(names).unwrap_or_default()
    }

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
            Run::Adapter | Run::Off(_) | Run::Failed(_) => None,
        }
    }

    /// Whether there is nothing wrong with it.
    pub(super) fn is_good(&self) -> bool {
        !matches!(self.state, Run::Failed(_))
    }

    /// Why it does not run.
    pub(super) fn why(&self) -> Option<&str> {
        match &self.state {
            Run::Running(_) | Run::Adapter => None,
            Run::Off(why) | Run::Failed(why) => Some(why),
        }
    }

    /// Stops what runs of it, for good, and closes its door.
    pub(super) fn stop(&self) {
        if let Some(measured) = self.running() {
            measured.component.stop();
        }
        if let Some(door) = &self.door {
            door.set_grants(Vec::new());
        }
    }

    fn show(&self, name: &ComponentName, grants: &[control::Grant]) -> control::Component {
        let principal = Principal::Component(name.clone());
        let own = grants.iter().filter(|grant| grant.principal == principal);
        control::Component {
            name: name.to_string(),
            version: self.manifest().map(|manifest| manifest.version.to_string()),
            publisher: self.verified.as_ref().map(|verified| verified.publisher().to_owned()),
            digest: self.verified.as_ref().map(|verified| verified.digest()),
            state: match self.state {
                Run::Running(_) => State::Running,
                Run::Adapter => State::Ready,
                Run::Off(_) => State::Off,
                Run::Failed(_) => State::Failed,
            },
            why: self.why().map(str::to_owned),
            tools: self.tools(),
            mounts: self.mounts.clone(),
            grants: own.map(|grant| format!("{} (from {})", grant.shown(), grant.origin)).collect(),
            waiting: None,
            counting: self.door.as_ref().and_then(|door| door.counting_until()),
            unsigned: false,
            health: Health::default(),
        }
    }
}

impl Workshop<'_> {
    /// A component as it is to run now, whatever stands in its way.
    pub(super) async fn component(
        &self,
        name: &ComponentName,
        verified: Result<Verified, String>,
        stated: Stated,
    ) -> Component {
        let verified = match verified {
            Ok(verified) => Arc::new(verified),
            Err(why) => {
                self.record(name, None, Err(&why)).await;
                return Component::failed(None, format!("refused: {why}"));
            }
        };
        // An adapter is switched on and off while the program runs.
        let is_tool = verified.manifest().kind == Kind::Tool;
        if is_tool && stated.enabled == Some(false) {
            return Component {
                verified: Some(verified),
                door: None,
                mounts: Vec::new(),
                state: Run::Off(self.app.who_switched_off(name)),
            };
        }
        match self.run(name, &verified, &stated).await {
            Ok(component) => {
                // A command that only looks needs no line in the log each time.
                if self.app.is_serving() {
                    self.record(name, Some(&verified), Ok(())).await;
                }
                component
            }
            Err(why) => {
                self.record(name, Some(&verified), Err(&why)).await;
                Component::failed(Some(verified), why)
            }
        }
    }

    async fn run(
        &self,
        name: &ComponentName,
        verified: &Arc<Verified>,
        stated: &Stated,
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
        let state = Run::Running(Arc::new(Measured { component, reports: Arc::clone(&self.reports) }));
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
            if self.app.vouching.vouched(verified) {
                event = event.with("unsigned", true);
                tracing::warn!(component = %name, "nobody signed this component: it runs for development");
            }
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
    /// What is stated about a component: in the configuration, else by the admin, else in the default grants.
    pub(super) fn stated(&self, name: &ComponentName) -> Stated {
        self.stated_with(name, self.given(name))
    }

    /// The component of that name.
    ///
    /// # Errors
    /// When there is none, or no version of it was approved yet.
    pub(super) async fn loaded(&self, name: &ComponentName) -> Result<Arc<Component>, Failure> {
        let found = self.parts().await?.components.find(name);
        let rows = self.catalog.list().await.map_err(super::lifecycle::failure)?;
        let waiting = rows.iter().find(|row| row.name == *name).and_then(openpact_lifecycle::waiting);
        found.map_err(|failure| match waiting {
            Some(_) => {
                let message = format!(
                    "'{name}' waits for you, and nothing of it runs before: openpact component status {name}"
                );
                Failure::new(Code::Failed, message)
            }
            None => failure,
        })
    }

    /// Who switched a component off.
    fn who_switched_off(&self, name: &ComponentName) -> String {
        if self.config().components.get(name).is_some_and(|stated| stated.enabled.is_some()) {
            return "the configuration switches it off ('enabled: false')".to_owned();
        }
        format!("switched off; 'openpact component enable {name}' switches it on")
    }

    /// The components, as the admin sees them.
    pub(super) async fn components(&self) -> Result<Vec<control::Component>, Failure> {
        let grants = self.grants(None).await?;
        let parts = self.parts().await?;
        let mut all = parts.components.show(self, &parts.host, &grants);
        self.add_waiting(&mut all).await?;
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
