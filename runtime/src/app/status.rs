//! How every part is, and what to do about it.

use openpact_engine::Health;
use openpact_store::audit;

use super::App;
use crate::control::{Part, State, Status};
use crate::exit::{Failure, chain};

impl App {
    /// Everything.
    pub(super) async fn status(&self) -> Result<Status, Failure> {
        let mut parts = vec![self.store_part().await?, self.secrets_part().await?];
        let components = match self.parts().await {
            Ok(built) => {
                let (about, todo) = self.engine_about();
                let (state, todo) = match built.engine.health().await {
                    Health::Ready => (State::Running, todo),
                    Health::NotReady { why } => (State::Failed, todo.or(Some(why))),
                };
                parts.push(Part { name: "engine".to_owned(), state, about, todo });
                parts.extend(self.running_parts(built));
                built.components.show(&self.grants(None).await?)
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
        let there = if self.config_file.exists() { "" } else { " (not there: everything has its default)" };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: self.is_serving().then(std::process::id),
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
        Ok(Part { name: "store".to_owned(), state: State::Running, about, todo: None })
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
        let todo = problem
            .or_else(|| (lost > 0).then(|| "set again those that 'openpact secret list' marks".to_owned()));
        Ok(Part { name: "secrets".to_owned(), state, about, todo })
    }

    fn running_parts(&self, built: &super::Parts) -> [Part; 3] {
        let part =
            |name: &str, about| Part { name: name.to_owned(), state: State::Running, about, todo: None };
        let ca = self.config.egress.extra_ca.as_ref();
        let network = ca.map_or_else(String::new, |path| format!(", and those in {}", path.display()));
        let limits = &self.config.limits;
        let sandbox = format!("{} threads, {} instances at most", built.guest_threads, limits.instances);
        let tools: usize = built.components.providers().iter().map(|provider| provider.tools().len()).sum();
        [
            part("network", format!("public addresses by grant; the usual certificate authorities{network}")),
            part("sandbox", sandbox),
            part("tools", format!("{tools} tools")),
        ]
    }
}
