//! How every part is, and what to do about it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use openpact_egress::rule::ANY_SITE;
use openpact_engine::Health;
use openpact_store::{audit, secret};

use super::App;
use super::component::settled;
use super::count::counting_part;
use crate::control::{Grant, Part, Provider, State, Status};
use crate::exit::{Failure, chain};

impl App {
    /// Everything.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        let mut parts = vec![self.store_part().await?, self.secrets_part().await?];
        let components = match self.parts().await {
            Ok(built) => {
                let (about, todo) = self.engine_about();
                let (state, todo) = match built.engine.health().await {
                    Health::Ready => (State::Running, todo),
                    Health::NotReady { why } => (State::Failed, todo.or(Some(why))),
                };
                parts.push(Part { name: "engine".to_owned(), state, about, todo });
                parts.extend(self.running_parts(built, &self.grants(None).await?));
                parts.extend(counting_part(&built.components));
                parts.extend(self.chat_part().await);
                parts.extend(self.providers().await?.into_iter().map(provider_part));
                self.components().await?
            }
            Err(failure) => {
                let todo = Some("mend what the message says, then ask again".to_owned());
                parts.push(Part {
                    name: "runtime".to_owned(),
                    state: State::Failed,
                    about: failure.message,
                    todo,
                });
                Vec::new()
            }
        };
        parts.extend(self.unsigned_part().await?);
        parts.extend(self.configuration_part().await);
        parts.extend(self.mcp_part());
        parts.extend(self.health_part());
        if !self.is_serving() {
            for part in &mut parts {
                part.state = settled(part.state);
            }
        }
        let there = if self.config_file.exists() { "" } else { " (not there: everything has its default)" };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: self.is_serving().then(std::process::id),
            serving: self.serving.get().map(|(what, _)| *what),
            uptime: self.serving.get().map(|(_, since)| self.clock.since(*since).as_secs()),
            data: self.root().display().to_string(),
            config: format!("{}{there}", self.config_file.display()),
            parts,
            components,
        })
    }

    async fn store_part(&self) -> Result<Part, Failure> {
        let newest = audit::Filter { limit: 1, ..audit::Filter::default() };
        let head = self.store.audit().page(newest).await.map_err(Failure::failed)?;
        let about = head.first().map_or_else(
            || "nothing is in the audit log yet".to_owned(),
            |entry| format!("audit log at entry {}, chain head {}", entry.number, entry.hash.short()),
        );
        Ok(Part { name: "store".to_owned(), state: State::Running, about, todo: open_to_others(self.root()) })
    }

    /// What the configuration says that has no effect with the components that there are: one sentence each.
    pub(crate) async fn doubts(&self) -> Vec<String> {
        let names = self.parts().await.map(|parts| parts.components.names()).unwrap_or_default();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.config().doubts(&names)
    }

    /// What the configuration says that is probably not meant; nothing where all is well.
    async fn configuration_part(&self) -> Option<Part> {
        let doubts = self.doubts().await;
        let about = match doubts.len() {
            0 => return None,
            1 => "one line has no effect".to_owned(),
            some => format!("{some} lines have no effect"),
        };
        let (name, todo) = ("configuration".to_owned(), Some(doubts.join("\n")));
        Some(Part { name, state: State::Running, about, todo })
    }

    async fn secrets_part(&self) -> Result<Part, Failure> {
        let all = self.store.secret_vault().list().await.map_err(Failure::failed)?;
        let lost = all.iter().filter(|info| !info.readable).count();
        let problem = self.store.key_problem().map(|error| chain(&error));
        let state = if problem.is_some() || lost > 0 { State::Failed } else { State::Running };
        let about = if lost > 0 {
            format!("{} stored, {lost} cannot be read", all.len())
        } else {
            format!("{} stored", all.len())
        };
        let again = || (lost > 0).then(|| "set again those that 'openpact secret list' marks".to_owned());
        let todo = problem.or_else(again).or_else(|| minting_problems(&all));
        Ok(Part { name: "secrets".to_owned(), state, about, todo })
    }

    fn running_parts(&self, built: &super::Parts, grants: &[Grant]) -> [Part; 3] {
        let part =
            |name: &str, about| Part { name: name.to_owned(), state: State::Running, about, todo: None };
        let config = self.config();
        let ca = config.egress.extra_ca.as_ref();
        let network = ca.map_or_else(String::new, |path| format!(", and those in {}", path.display()));
        let any_site = any_site(grants);
        let limits = &config.limits;
        let sandbox = format!("{} threads, {} instances at most", built.guest_threads, limits.instances);
        let tools: usize = built.components.providers().iter().map(|provider| provider.tools().len()).sum();
        [
            part(
                "network",
                format!("public addresses by grant{any_site}; the usual certificate authorities{network}"),
            ),
            part("sandbox", sandbox),
            part("tools", format!("{tools} tools")),
        ]
    }
}

/// Who may reach any site, as the end of a phrase.
fn any_site(grants: &[Grant]) -> String {
    let names: BTreeSet<_> =
        grants.iter().filter(|grant| grant.any_site).map(|grant| grant.principal.to_string()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(", {ANY_SITE} for {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// What to do where others on this machine can look into the data directory. One that was there before the program is
/// somebody's, and is not changed behind their back.
fn open_to_others(root: &Path) -> Option<String> {
    let mode = std::fs::metadata(root).ok()?.permissions().mode() & 0o7777;
    let root = root.display();
    (mode & 0o027 != 0).then(|| {
        format!(
            "other users of this machine can look into {root} (its mode is {mode:04o}): chmod 0750 {root}"
        )
    })
}

/// Why credentials that the host mints could not be had, and what to do.
fn minting_problems(all: &[secret::Info]) -> Option<String> {
    let problems = all.iter().filter_map(|info| match &info.kind {
        secret::Kind::Minted { problem: Some(problem), .. } => Some(format!("{}: {problem}", info.name)),
        _ => None,
    });
    let problems: Vec<_> = problems.collect();
    (!problems.is_empty()).then(|| problems.join("\n"))
}

/// A chat platform as a part.
fn provider_part(provider: Provider) -> Part {
    let Provider { name, state, about, todo, .. } = provider;
    Part { name, state, about, todo }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_data_directory_that_others_can_look_into_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_open) in [(0o700, false), (0o750, false), (0o770, true), (0o751, true), (0o755, true)] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(folder.path()).is_some(), is_open, "{mode:o}");
        }
        assert!(open_to_others(folder.path()).unwrap().contains("(its mode is 0755): chmod 0750 /"));
    }
}
