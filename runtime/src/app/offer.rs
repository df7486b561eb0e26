//! What an admin is shown of a package before the decision, and of a component after it.

use openpact_lifecycle::request::{self, What};
use openpact_lifecycle::{self as lifecycle};
use openpact_model::id::ComponentName;
use openpact_packages::{Inspection, Manifest};
use openpact_store::component::{Row, State, Version};

use super::consent::checked;
use super::lifecycle::failure;
use super::{App, deployment};
use crate::config::components::Component as Stated;
use crate::config::unit::{Size, Span};
use crate::control::lifecycle::{Asked, Credential, Description, Offer, Standing, Tool, Version as Shown};
use crate::control::{self, Grant};
use crate::exit::{Code, Failure, chain};

impl App {
    /// A version of a component as it asks to be let in.
    pub(super) async fn offer(
        &self,
        name: &ComponentName,
        version: &str,
        warnings: Vec<String>,
    ) -> Result<Offer, Failure> {
        let row = self.catalog.find(name).await.map_err(failure)?;
        let missing = || Failure::new(Code::Failed, format!("'{name}' has no version {version}"));
        let found = row.versions.iter().find(|one| one.version == version).ok_or_else(missing)?;
        let inspection = self.catalog.inspect(name, found).await.map_err(failure)?;
        let difference = match found.state {
            State::Waiting => self.catalog.difference(&row, found).await.map_err(failure)?,
            State::Approved | State::Gone => None,
        };
        let manifest = manifest(name, inspection)?;
        let (grants, stated) = (self.own_grants(name).await?, self.stated(name));
        Ok(Offer {
            name: name.clone(),
            version: found.version.clone(),
            digest: found.digest,
            publisher: row.publisher.clone(),
            key: key_number(&found.key),
            description: manifest.description.clone(),
            source: found.source.clone(),
            standing: standing(&row, found),
            current: row.current.clone(),
            asks: asked(&manifest, &grants, &stated),
            credentials: credentials(&manifest, &grants, &stated),
            tools: tools(&manifest),
            difference,
            warnings,
        })
    }

    /// Everything about one component.
    pub(super) async fn describe(&self, name: &ComponentName) -> Result<Description, Failure> {
        let row = self.catalog.list().await.map_err(failure)?.into_iter().find(|row| row.name == *name);
        let shown = self.components().await?.into_iter().find(|one| one.name == name.as_str());
        let component = match (shown, &row) {
            (Some(component), _) => component,
            (None, Some(row)) => absent(row),
            // The error that names those that there are.
            (None, None) => {
                return Err(self
                    .parts()
                    .await?
                    .components
                    .find(name)
                    .err()
                    .unwrap_or_else(|| Failure::new(Code::Failed, format!("'{name}' cannot be shown"))));
            }
        };
        let loaded = self.parts().await?.components.find(name).ok();
        let manifest = loaded.as_ref().and_then(|component| component.manifest()).cloned();
        let (grants, stated) = (self.own_grants(name).await?, self.stated(name));
        let waiting = row.as_ref().and_then(lifecycle::waiting).map(|version| version.version.clone());
        Ok(Description {
            component,
            description: manifest.as_ref().map(|manifest| manifest.description.clone()),
            asks: manifest.as_ref().map(|one| asked(one, &grants, &stated)).unwrap_or_default(),
            credentials: manifest.as_ref().map(|one| credentials(one, &grants, &stated)).unwrap_or_default(),
            settings: manifest.as_ref().map(settings).unwrap_or_default(),
            given: super::lifecycle::to_value(&self.given(name))?,
            limits: manifest.as_ref().map(|one| self.limits_of(one, &stated)).unwrap_or_default(),
            versions: match &row {
                Some(row) => self.versions(row).await,
                None => Vec::new(),
            },
            waiting: match waiting {
                Some(version) => Some(self.offer(name, &version, Vec::new()).await?),
                None => None,
            },
        })
    }

    async fn versions(&self, row: &Row) -> Vec<Shown> {
        let mut shown = Vec::new();
        for version in row.versions.iter().rev() {
            let refused = match version.state {
                State::Approved => self.catalog.load(&row.name, version).await.err(),
                State::Waiting | State::Gone => None,
            };
            shown.push(Shown {
                version: version.version.clone(),
                digest: version.digest,
                standing: standing(row, version),
                source: version.source.clone(),
                installed: version.installed,
                approved: version.approved,
                approved_by: version.approved_by.clone(),
                refused: refused.map(|error| chain(&error)),
            });
        }
        shown
    }

    async fn own_grants(&self, name: &ComponentName) -> Result<Vec<Grant>, Failure> {
        self.grants(Some(&openpact_model::principal::Principal::Component(name.clone()))).await
    }

    fn limits_of(&self, manifest: &Manifest, stated: &Stated) -> Vec<(String, String)> {
        let limits = deployment::limits(&self.config().limits.call, &stated.limits, manifest);
        let pair = |name: &str, value: String| (name.to_owned(), value);
        vec![
            pair("memory", Size(limits.memory).to_string()),
            pair("wall time", Span(limits.wall).to_string()),
            pair("CPU time", Span(limits.cpu).to_string()),
            pair("result", Size(limits.result).to_string()),
            pair("calls at once", limits.concurrent.to_string()),
            pair("calls that wait", limits.queue.to_string()),
        ]
    }

    /// Says of each component whether a version of it waits, and adds those of which none was approved yet.
    pub(super) async fn add_waiting(&self, all: &mut Vec<control::Component>) -> Result<(), Failure> {
        for row in self.catalog.list().await.map_err(failure)? {
            let Some(waiting) = lifecycle::waiting(&row) else { continue };
            match all.iter_mut().find(|component| component.name == row.name.as_str()) {
                Some(component) => component.waiting = Some(waiting.version.clone()),
                None => all.push(absent(&row)),
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(())
    }
}

/// A component of which no version runs.
fn absent(row: &Row) -> control::Component {
    let waiting = lifecycle::waiting(row);
    control::Component {
        name: row.name.to_string(),
        version: waiting.map(|version| version.version.clone()),
        publisher: Some(row.publisher.clone()),
        digest: waiting.map(|version| version.digest),
        state: if waiting.is_some() { control::State::Waiting } else { control::State::Off },
        why: Some(match waiting {
            Some(version) => format!(
                "version {1} waits for you: look with 'openpact component status {0}', then 'openpact component approve {0} {1}'",
                row.name, version.version
            ),
            None => "it was removed, or never approved".to_owned(),
        }),
        tools: Vec::new(),
        mounts: Vec::new(),
        grants: Vec::new(),
        waiting: waiting.map(|version| version.version.clone()),
        counting: None,
        unsigned: false,
        health: openpact_model::health::Health::default(),
    }
}

fn manifest(name: &ComponentName, inspection: Inspection) -> Result<Manifest, Failure> {
    let unreadable =
        || Failure::new(Code::Failed, format!("the package of '{name}' has no manifest any more"));
    inspection.manifest.ok_or_else(unreadable)
}

fn key_number(key: &str) -> String {
    let number = key.parse::<openpact_packages::key::PublicKey>().map(|key| key.id().to_string());
    number.unwrap_or_else(|_| "unreadable".to_owned())
}

fn standing(row: &Row, version: &Version) -> Standing {
    match version.state {
        State::Waiting => Standing::Waits,
        State::Approved if row.current.as_ref() == Some(&version.version) => Standing::Runs,
        State::Approved => Standing::Approved,
        State::Gone => Standing::Gone,
    }
}

fn asked(manifest: &Manifest, grants: &[Grant], stated: &Stated) -> Vec<Asked> {
    let show = |ask: request::Request| {
        let (what, granted, problem) = match ask.what {
            What::Network { rule } => match checked(manifest, &rule) {
                Ok(rule) => {
                    let granted = grants.iter().any(|grant| grant.rule == rule);
                    (shown(&rule), granted, None)
                }
                Err(failure) => (rule, false, Some(failure.message)),
            },
            What::Files { mount, writable } => {
                let given = stated.mounts.get(&mount);
                let path = given.and_then(|given| given.path.clone()).unwrap_or_else(|| (&mount).into());
                let access = if writable { "read and write" } else { "read" };
                (format!("{access} the folder {} as /{mount}", path.display()), given.is_some(), None)
            }
            What::KeyValue { quota } => {
                (format!("keep {} of keys and values", Size(quota)), stated.kv.is_some(), None)
            }
        };
        Asked { label: ask.label, what, reason: ask.reason, granted, problem }
    };
    request::of(manifest).into_iter().map(show).collect()
}

/// A rule for people: labelled where it stands for any site.
fn shown(rule: &str) -> String {
    let parsed = rule.parse::<openpact_egress::rule::Rule>();
    parsed.map_or_else(|_| rule.to_owned(), |rule| rule.labelled())
}

fn credentials(manifest: &Manifest, grants: &[Grant], stated: &Stated) -> Vec<Credential> {
    let behind = |name: &str| {
        let own = grants.iter().find(|grant| {
            grant.secret.is_some() && grant.rule.split(' ').any(|part| part == format!("credential={name}"))
        });
        own.and_then(|grant| grant.secret.clone())
            .or_else(|| stated.credentials.get(name).map(|secret| secret.0.clone()))
    };
    let show = |request: &openpact_packages::manifest::CredentialRequest| Credential {
        name: request.name.clone(),
        description: request.description.clone(),
        placement: request.placement.clone(),
        hosts: request.hosts.clone(),
        secret: behind(&request.name),
    };
    manifest.requests.credentials.iter().map(show).collect()
}

fn tools(manifest: &Manifest) -> Vec<Tool> {
    let show = |tool: &openpact_model::tool::ToolSpec| Tool {
        name: manifest.full_tool_name(&tool.name),
        description: tool.description.clone(),
        reads: word(tool.effects.reads),
        writes: word(tool.effects.writes),
    };
    manifest.tools.iter().map(show).collect()
}

/// An effect in the word that the manifest has for it.
fn word(effect: impl serde::Serialize) -> String {
    let value = serde_json::to_value(effect).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn settings(manifest: &Manifest) -> Vec<String> {
    let secret = manifest.secret_settings();
    let properties = manifest.settings.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let show = |(name, schema): (&String, &serde_json::Value)| {
        let about = schema.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
        let secret = if secret.contains(&name.as_str()) { " (a secret)" } else { "" };
        if about.is_empty() { format!("{name}{secret}") } else { format!("{name}{secret}: {about}") }
    };
    properties.into_iter().flatten().map(show).collect()
}
