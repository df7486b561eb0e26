//! The tools that there are now, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::tool::ToolSpec;

use super::reach::Marks;
use super::schema::Schema;
use crate::Error;

/// One tool, ready to be called.
pub(super) struct Tool {
    pub(super) spec: ToolSpec,
    pub(super) provider: Arc<dyn ToolProvider>,
    pub(super) principal: Principal,
    pub(super) digest: Option<Digest>,
    pub(super) schema: Schema,
    /// Which of its arguments are addresses.
    pub(super) marks: Marks,
}

/// All tools in the order of their names. Immutable: a change makes a new one, and calls that run keep theirs.
#[derive(Default)]
pub(super) struct Registry(BTreeMap<String, Arc<Tool>>);

impl Registry {
    pub(super) fn build(providers: Vec<Arc<dyn ToolProvider>>) -> Result<Self, Error> {
        let mut tools: BTreeMap<String, Arc<Tool>> = BTreeMap::new();
        for provider in providers {
            let (principal, digest) = (provider.principal(), provider.digest());
            for spec in provider.tools().iter() {
                check_name(&spec.name, &principal)?;
                if let Some(first) = tools.get(&spec.name) {
                    return Err(Error::DuplicateTool {
                        tool: spec.name.clone(),
                        first: first.principal.clone(),
                        second: principal,
                    });
                }
                let schema = Schema::compile(&spec.input_schema).map_err(|why| Error::Schema {
                    tool: spec.name.clone(),
                    provider: principal.clone(),
                    why,
                })?;
                let tool = Tool {
                    spec: spec.clone(),
                    provider: Arc::clone(&provider),
                    principal: principal.clone(),
                    digest,
                    schema,
                    marks: Marks::of(&spec.input_schema),
                };
                tools.insert(spec.name.clone(), Arc::new(tool));
            }
        }
        Ok(Self(tools))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Tool>> {
        self.0.get(name)
    }

    /// In the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.0.values()
    }
}

/// Names go to model providers, which take `[a-zA-Z0-9_-]{1,64}`; ours are narrower, so that no two look alike.
fn check_name(name: &str, provider: &Principal) -> Result<(), Error> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if first && rest && name.len() <= 64 {
        return Ok(());
    }
    Err(Error::ToolName { tool: openpact_model::text::one_line(name, 80), provider: provider.clone() })
}
