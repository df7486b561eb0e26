//! The names under which a component's tools are offered.

use std::collections::HashMap;
use std::sync::Arc;

use openpact_model::tool::ToolSpec;
use openpact_packages::Manifest;

use crate::error::Error;

/// The longest full name: what the model providers take.
const MAX_LENGTH: usize = 64;

/// The tools of one component: as offered, and what the guest calls each.
pub(crate) struct Tools {
    pub(crate) specs: Arc<[ToolSpec]>,
    own: HashMap<String, String>,
}

impl Tools {
    /// The tools that the manifest lists, under their full names.
    pub(crate) fn new(manifest: &Manifest) -> Result<Self, Error> {
        let refuse = |why: String| Error::ToolName { name: manifest.name.to_string(), why };
        let mut own = HashMap::new();
        let mut specs = Vec::new();
        for tool in &manifest.tools {
            let full = manifest.full_tool_name(&tool.name);
            if full.len() > MAX_LENGTH {
                return Err(refuse(format!("'{full}' is longer than {MAX_LENGTH} characters")));
            }
            if let Some(other) = own.insert(full.clone(), tool.name.clone()) {
                return Err(refuse(format!("'{other}' and '{}' would both be '{full}'", tool.name)));
            }
            specs.push(ToolSpec { name: full, ..tool.clone() });
        }
        Ok(Self { specs: specs.into(), own })
    }

    /// What the guest calls the tool with this full name; `None` for what the manifest does not list.
    pub(crate) fn own_name(&self, full: &str) -> Option<&str> {
        self.own.get(full).map(String::as_str)
    }
}
