//! Everything beyond the store, built once, from the network's door up to the orchestrator.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use openpact_egress::{self as egress, Door, Egress};
use openpact_engine::Engine;
use openpact_host::{self as host, Host};
use openpact_model::chat;
use openpact_model::id::ComponentName;
use openpact_model::port::{AuditSink, KeyValue, ToolCaller};
use openpact_model::principal::Principal;
use openpact_model::secret::SecretSource;
use openpact_orchestrator::router::{self, Router};
use openpact_orchestrator::{self as orchestrator, Orchestrator};
use openpact_packages::manifest::Kind;

use super::component::{self, Component, Components, Workshop};
use super::measure::Reports;
use super::{App, deployment, secret};
use crate::config::tools;
use crate::control;
use crate::exit::{Code, Failure, chain};

/// The most threads that run components where the configuration says nothing.
const GUEST_THREADS: usize = 4;

/// Everything beyond the store.
pub(crate) struct Parts {
    pub(super) components: Components,
    pub(super) router: Arc<Router>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) orchestrator: Arc<Orchestrator>,
    /// Threads that run components.
    pub(super) guest_threads: usize,
    pub(super) host: Host,
    pub(super) egress: Egress,
    /// The doors of versions that were replaced, as long as something of them runs.
    retired: Mutex<Vec<(ComponentName, Weak<Door>)>>,
    secrets: Arc<dyn SecretSource>,
    pub(super) configured: Arc<secret::Configured>,
}

impl Parts {
    /// Builds everything.
    pub(super) async fn build(app: &App) -> Result<Self, Failure> {
        let configured = app.configured_users();
        let configured = Arc::new(secret::Configured::new(app.store.secrets(), configured));
        let secrets = Arc::clone(&configured) as Arc<dyn SecretSource>;
        let egress = egress(app, Arc::clone(&secrets))?;
        egress.mint_with(app.store.mint_store());
        let guest_threads = guest_threads(app);
        let host = sandbox(app, guest_threads)?;
        let grants = app.grants(None).await?;
        let workshop = Workshop {
            app,
            host: &host,
            egress: &egress,
            grants: &grants,
            secrets: Arc::clone(&secrets),
            reports: Arc::new(Reports::default()),
        };
        let components = Components::load(&workshop).await?;
        let router = router(app, &components, Arc::clone(&secrets))?;
        let engine = app.engine(&egress, Arc::clone(&router) as Arc<dyn ToolCaller>)?;
        let ports = orchestrator::Ports {
            store: app.store.clone(),
            engine: Arc::clone(&engine),
            router: Arc::clone(&router),
            people: Arc::clone(app.people().await?),
            clock: Arc::clone(&app.clock),
            random: Arc::clone(&app.random),
            ai_data: app.directory.ai_data(),
        };
        let deadline = app.config().engine.deadline.0.saturating_add(Duration::from_secs(30));
        let config = orchestrator::Config { turn_deadline: deadline, ..orchestrator::Config::default() };
        let orchestrator = Arc::new(config.build(ports).await.map_err(Failure::failed)?);
        let retired = Mutex::default();
        Ok(Self {
            components,
            router,
            engine,
            orchestrator,
            guest_threads,
            host,
            egress,
            retired,
            secrets,
            configured,
        })
    }

    /// What further components are built with.
    pub(super) fn workshop<'a>(&'a self, app: &'a App, grants: &'a [control::Grant]) -> Workshop<'a> {
        Workshop {
            app,
            host: &self.host,
            egress: &self.egress,
            grants,
            secrets: Arc::clone(&self.secrets),
            reports: Arc::clone(self.components.reports()),
        }
    }

    /// Keeps an eye on the door of a version that was replaced: what is taken back from now on, is from it too.
    pub(super) fn retire(&self, name: &ComponentName, before: &Component) {
        if let Some(door) = before.door() {
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.retain(|(_, door)| door.strong_count() > 0);
            retired.push((name.clone(), Arc::downgrade(door)));
        }
    }

    /// Takes from the doors of replaced versions what the component may not do any more.
    fn narrow_retired(&self, name: &ComponentName, allowed: &[egress::Grant]) {
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let own = retired.iter().filter(|(of, _)| of == name).filter_map(|(_, door)| door.upgrade());
        for door in own {
            let still = |grant: &egress::Grant| allowed.iter().any(|one| one.rule == grant.rule);
            door.set_grants(door.grants().into_iter().filter(still).collect());
        }
    }

    /// Gives a component's door the grants that hold now.
    pub(super) async fn renew_grants(&self, app: &App, name: &ComponentName) -> Result<(), Failure> {
        let component = self.components.find(name)?;
        self.renew_door(app, name, &component).await
    }

    /// Gives the door of a component, which need not be in place yet, the grants that hold now.
    pub(super) async fn renew_door(
        &self,
        app: &App,
        name: &ComponentName,
        component: &Component,
    ) -> Result<(), Failure> {
        let (Some(manifest), Some(door)) = (component.manifest(), component.door()) else { return Ok(()) };
        let principal = Principal::Component(name.clone());
        let all = app.grants(Some(&principal)).await?;
        let grants = deployment::build_grants(&all, &principal, manifest, &app.stated(name));
        let grants = grants.map_err(|why| Failure::new(Code::Failed, why))?;
        self.narrow_retired(name, &grants);
        door.set_grants(grants);
        Ok(())
    }

    /// Loads an adapter as the configuration and the grants now say.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn load_adapter(
        &self,
        app: &App,
        name: &ComponentName,
    ) -> Result<Arc<dyn chat::Adapter>, String> {
        let component = self.components.find(name).map_err(|failure| failure.message)?;
        let (Some(verified), Some(door)) = (component.verified(), component.door()) else {
            return Err(component.why().unwrap_or("it is not verified").to_owned());
        };
        let stated = app.stated(name);
        let deployment = deployment::deployment(app, verified.manifest(), &stated, door, &self.secrets)?;
        let (host, package) = (self.host.clone(), Arc::clone(verified));
        let loading = tokio::task::spawn_blocking(move || host.load_adapter(&package, deployment));
        let loaded = loading.await.map_err(|_| component::BROKE.to_owned())?;
        Ok(loaded.map_err(|error| chain(&error))?)
    }

    /// The longest time that one call of any adapter takes, as far as the configuration allows it now.
    pub(super) fn adapter_patience(&self, app: &App) -> Duration {
        let config = app.config();
        let adapters = self.components.of_kind(Kind::Adapter);
        let of = |name: &ComponentName| {
            let component = self.components.find(name).ok()?;
            let limits = &app.stated(name).limits;
            let limits = deployment::limits(&config.limits.call, limits, component.manifest()?);
            Some(self.host.adapter_patience(&limits))
        };
        let least = self.host.adapter_patience(&host::Limits::default());
        adapters.iter().filter_map(of).fold(least, Duration::max)
    }

    /// Takes no more messages and waits for those that run.
    pub(crate) async fn shutdown(&self, deadline: Duration) {
        self.orchestrator.shutdown(deadline).await;
    }
}

fn egress(app: &App, secrets: Arc<dyn SecretSource>) -> Result<Egress, Failure> {
    let config =
        egress::Config { extra_ca: app.config().egress.extra_ca.clone(), ..egress::Config::default() };
    let ports = egress::Ports {
        clock: Arc::clone(&app.clock),
        random: Arc::clone(&app.random),
        audit: Arc::new(app.store.clone()) as Arc<dyn AuditSink>,
        secrets,
    };
    config.build(ports).map_err(|error| Failure::of(Code::Configuration, &error))
}

fn guest_threads(app: &App) -> usize {
    let stated = app.config().limits.guest_threads.and_then(|threads| usize::try_from(threads).ok());
    let processors = || std::thread::available_parallelism().map_or(1, usize::from).min(GUEST_THREADS);
    stated.unwrap_or_else(processors).max(1)
}

fn sandbox(app: &App, guest_threads: usize) -> Result<Host, Failure> {
    let cache = app.directory.secure().join("cache");
    let compiler = host::Compiler::Helper(host::Helper::this_program(crate::cli::COMPILE_COMPONENT));
    let config = host::Config {
        guest_threads,
        max_instances: app.config().limits.instances,
        ..host::Config::new(compiler, Some(cache), app.store.key("native-cache"))
    };
    let ports = host::Ports {
        clock: Arc::clone(&app.clock),
        random: Arc::clone(&app.random),
        key_value: Arc::new(app.store.clone()) as Arc<dyn KeyValue>,
    };
    config.build(ports).map_err(Failure::failed)
}

fn router(
    app: &App,
    components: &Components,
    secrets: Arc<dyn SecretSource>,
) -> Result<Arc<Router>, Failure> {
    let config = app.config();
    let tools = &config.tools;
    let lists = |list: &tools::List| router::Lists { allow: list.allow.clone(), deny: list.deny.clone() };
    let rate = |rate: tools::Rate| router::Rate { burst: rate.burst, per_minute: rate.per_minute };
    let single = tools.rate.tools.iter().map(|(name, one)| (name.clone(), rate(*one)));
    let config = router::Config {
        policy: router::Policy {
            owner: lists(&tools.roles.owner),
            member: lists(&tools.roles.member),
            guest: lists(&tools.roles.guest),
        },
        disabled: tools.disabled.clone(),
        rates: router::Rates {
            user: rate(tools.rate.person),
            tool: rate(tools.rate.tool),
            tools: single.collect(),
        },
        deadline: tools.deadline.0,
        ..router::Config::default()
    };
    let ports = router::Ports {
        store: app.store.clone(),
        secrets,
        clock: Arc::clone(&app.clock),
        random: Arc::clone(&app.random),
    };
    config.build(ports, components.providers()).map_err(|error| Failure::of(Code::Configuration, &error))
}
