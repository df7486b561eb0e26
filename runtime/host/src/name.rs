//! The names under which a component's tools are offered. That they differ and are not too long is checked when the
//! package is verified.

use std::collections::HashMap;
use std::sync::Arc;

use openpact_model::tool::ToolSpec;
use openpact_packages::Manifest;

/// The tools of one component: as offered, and what the guest calls each.
pub(crate) struct Tools {
    pub(crate) specs: Arc<[ToolSpec]>,
    own: HashMap<String, String>,
}

impl Tools {
    /// The tools that the manifest lists, under their full names.
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let full = |tool: &ToolSpec| manifest.full_tool_name(&tool.name);
        let specs = manifest.tools.iter().map(|tool| ToolSpec { name: full(tool), ..tool.clone() }).collect();
        let own = manifest.tools.iter().map(|tool| (full(tool), tool.name.clone())).collect();
        Self { specs, own }
    }

    /// What the guest calls the tool with this full name; `None` for what the manifest does not list.
    pub(crate) fn own_name(&self, full: &str) -> Option<&str> {
        self.own.get(full).map(String::as_str)
    }
}
