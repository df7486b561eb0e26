//! Tools of the program itself, beside those of components. Their names are the program's: no component has one.

use std::sync::Arc;

use openpact_model::port::ToolProvider;
use openpact_orchestrator::chat::NATIVE;
use openpact_orchestrator::router::Router;

use super::component::Components;
use crate::exit::chain;

/// Whose a tool of that name is, if it is the program's.
pub(super) fn owner(tool: &str) -> Option<String> {
    NATIVE.contains(&tool).then(|| "OpenPact's own".to_owned())
}

impl Components {
    /// Puts tools of the program itself beside those of the components, in the router too. `grants_changing` has to be
    /// held.
    pub(super) fn add_native(&self, native: Arc<dyn ToolProvider>, router: &Router) {
        let mut all = self.providers();
        all.push(Arc::clone(&native));
        match router.set_providers(all) {
            Ok(()) => drop(self.native.set(native)),
            Err(error) => {
                let error = chain(&error);
                tracing::error!(
                    error,
                    "tools of the program itself are left out: switch the other component off, and start again"
                );
            }
        }
    }

    /// These, and the tools of the program itself where it has them.
    pub(super) fn beside_native(
        &self,
        mut providers: Vec<Arc<dyn ToolProvider>>,
    ) -> Vec<Arc<dyn ToolProvider>> {
        providers.extend(self.native.get().cloned());
        providers
    }
}
