//! One limit over all linear memories and tables of an instance.

use std::sync::Arc;

use openpact_model::tool::Limit;
use wasmtime::ResourceLimiter;

use crate::failure::LimitHit;
use crate::ledger::Ledger;

/// Bytes that one table element costs the host.
const ELEMENT_BYTES: u64 = 16;

/// Core instances in one component. A component of one Rust program has three or four.
pub(crate) const INSTANCES: u32 = 32;
/// Tables in one component.
pub(crate) const TABLES: u32 = 16;
/// Linear memories in one component.
pub(crate) const MEMORIES: u32 = 4;
/// Elements in one table.
pub(crate) const TABLE_ELEMENTS: usize = 64 * 1024;

/// Counts what memories and tables take together. Growth past the limit is a trap that says so, since a mere refusal
/// would reach the guest as an allocation that failed and end as an abort without a reason.
pub(crate) struct Limiter {
    used: u64,
    max: u64,
    ledger: Arc<Ledger>,
}

impl Limiter {
    pub(crate) fn new(max: u64, ledger: Arc<Ledger>) -> Self {
        Self { used: 0, max, ledger }
    }

    fn grow(&mut self, current: u64, desired: u64, maximum: Option<u64>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum && maximum <= self.max) {
            // The guest's own declared maximum, or the pool's for a table: an ordinary refusal.
            return Ok(false);
        }
        let used = self.used.saturating_sub(current).saturating_add(desired);
        if used > self.max {
            return Err(wasmtime::Error::new(LimitHit { limit: Limit::Memory, value: self.max }));
        }
        self.used = used;
        self.ledger.memory(used);
        Ok(true)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current as u64, desired as u64, maximum.map(|maximum| maximum as u64))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| (elements as u64).saturating_mul(ELEMENT_BYTES);
        self.grow(bytes(current), bytes(desired), maximum.map(bytes))
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Compiler;
    use crate::config::Config;

    fn limiter(max: u64) -> (Limiter, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::for_tests());
        (Limiter::new(max, Arc::clone(&ledger)), ledger)
    }

    #[test]
    fn memories_and_tables_share_one_limit() {
        let (mut limiter, ledger) = limiter(3000);
        assert!(limiter.memory_growing(0, 1000, None).unwrap());
        assert!(limiter.memory_growing(0, 1000, None).unwrap());
        assert!(limiter.table_growing(0, 62, None).unwrap());
        assert_eq!(ledger.peak_memory(), 2992);
        assert!(limiter.memory_growing(1000, 1008, None).unwrap());
        let refused = limiter.memory_growing(1008, 1009, None).unwrap_err();
        let hit = refused.downcast_ref::<LimitHit>().unwrap();
        assert_eq!((hit.limit, hit.value), (Limit::Memory, 3000));
    }

    #[test]
    fn a_declared_maximum_is_an_ordinary_refusal() {
        let (mut limiter, _) = limiter(3000);
        assert!(!limiter.memory_growing(0, 2000, Some(1000)).unwrap());
        assert!(
            limiter.memory_growing(0, 5000, Some(4000)).is_err(),
            "the pool's maximum is not the guest's"
        );
        assert!(limiter.memory_growing(0, 3000, Some(3000)).unwrap());
    }

    /// A module with memories of so many pages and tables of so many elements, and a function that lets the last memory
    /// grow by a page for ever.
    fn module(memories: &[u64], tables: &[u64]) -> Vec<u8> {
        use wasm_encoder as wasm;
        let mut types = wasm::TypeSection::new();
        types.ty().function([], []);
        let mut functions = wasm::FunctionSection::new();
        functions.function(0);
        let mut table_section = wasm::TableSection::new();
        for elements in tables {
            table_section.table(wasm::TableType {
                element_type: wasm::RefType::FUNCREF,
                table64: false,
                minimum: *elements,
                maximum: None,
                shared: false,
            });
        }
        let mut memory_section = wasm::MemorySection::new();
        for pages in memories {
            memory_section.memory(wasm::MemoryType {
                minimum: *pages,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        let mut exports = wasm::ExportSection::new();
        exports.export("grow", wasm::ExportKind::Func, 0);
        let mut body = wasm::Function::new([]);
        let last = u32::try_from(memories.len() - 1).unwrap();
        body.instructions()
            .loop_(wasm::BlockType::Empty)
            .i32_const(1)
            .memory_grow(last)
            .drop()
            .br(0)
            .end()
            .end();
        let mut code = wasm::CodeSection::new();
        code.function(&body);
        let mut module = wasm::Module::new();
        module.section(&types).section(&functions).section(&table_section).section(&memory_section);
        module.section(&exports).section(&code);
        module.finish()
    }

    /// Makes an instance with room for `max` bytes, and lets it grow if that is wanted. Gives what was taken at most.
    fn run(max: u64, memories: &[u64], tables: &[u64], grow: bool) -> (wasmtime::Result<()>, u64) {
        let engine = crate::engine::build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        let (limiter, ledger) = limiter(max);
        let mut store = wasmtime::Store::new(&engine, limiter);
        store.limiter(|limiter| limiter);
        store.set_epoch_deadline(u64::MAX / 2);
        let result = wasmtime::Module::new(&engine, module(memories, tables)).and_then(|module| {
            let instance = wasmtime::Instance::new(&mut store, &module, &[])?;
            let function = instance.get_typed_func::<(), ()>(&mut store, "grow")?;
            if grow { function.call(&mut store, ()) } else { Ok(()) }
        });
        (result, ledger.peak_memory())
    }

    #[test]
    fn the_engine_counts_all_memories_and_tables_of_an_instance() {
        const PAGE: u64 = 65536;
        let room = 300 * PAGE;
        let hit = |(result, _): (wasmtime::Result<()>, u64)| {
            *result.unwrap_err().downcast_ref::<LimitHit>().unwrap()
        };
        let expected = LimitHit { limit: Limit::Memory, value: room };
        assert_eq!(run(room, &[100, 100, 100], &[], false).1, room);
        assert_eq!(hit(run(room, &[100, 100, 101], &[], false)), expected);
        assert_eq!(run(room, &[100, 199], &[4096], false).1, room);
        assert_eq!(hit(run(room, &[100, 199], &[4097], false)), expected);
        let grown = run(room, &[100, 100], &[], true);
        assert_eq!(grown.1, room, "to the last page");
        assert_eq!(hit(grown), expected);
        assert!(run(room, &[1; MEMORIES as usize + 1], &[], false).0.is_err(), "one memory too many");
        assert!(run(room, &[1], &[1; TABLES as usize + 1], false).0.is_err(), "one table too many");
    }

    #[test]
    fn numbers_that_overflow_are_refused() {
        let (mut limiter, _) = limiter(u64::MAX - 1);
        assert!(limiter.table_growing(0, usize::MAX, None).is_err());
    }
}
