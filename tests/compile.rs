//! The helper process that compiles, through the real program: components made to keep a compiler busy end with a clear
//! error, and whoever asked lives on.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openpact_host::{Bounds, Compiler, Config, Error, Helper, Host, Ports};
use openpact_model::clock::SystemClock;
use openpact_model::port::{KeyValue, KeyValueWrite, PortError};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use wasm_encoder as wasm;
use wasm_encoder::Instruction;

const PROGRAM: &str = env!("CARGO_BIN_EXE_openpact");

struct NoValues;

#[async_trait]
impl KeyValue for NoValues {
    async fn get(&self, _: &Principal, _: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(None)
    }

    async fn put(
        &self,
        _: &Principal,
        _: &str,
        _: Option<Vec<u8>>,
        _: Option<Option<Vec<u8>>>,
        _: u64,
    ) -> Result<KeyValueWrite, PortError> {
        Ok(KeyValueWrite::OverQuota)
    }

    async fn keys(&self, _: &Principal, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }
}

fn host(program: &str, arguments: &[&str], bounds: Bounds) -> Host {
    let arguments = arguments.iter().map(Into::into).collect();
    let compiler = Compiler::Helper(Helper { program: program.into(), arguments, bounds });
    let ports =
        Ports { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), key_value: Arc::new(NoValues) };
    // Few instances: these tests run none, and the address space is that of all tests.
    Config { max_instances: 4, ..Config::new(compiler, None, [0; 32]) }.build(ports).unwrap()
}

/// Compiles with the real helper. A component that compiles is refused later, since it exports no tools.
fn compile(wasm: &[u8], bounds: Bounds) -> Error {
    host(PROGRAM, &["compile-component"], bounds).describe(wasm).unwrap_err()
}

/// Bounds that no test but one of that bound meets.
fn wide() -> Bounds {
    Bounds { memory: 8 << 30, cpu: Duration::from_mins(5), wall: Duration::from_mins(10), native: 1 << 30 }
}

fn component(module: &wasm::Module) -> Vec<u8> {
    let mut component = wasm::Component::new();
    component.section(&wasm::ModuleSection(module));
    component.finish()
}

/// A module of functions from a number to a number.
fn module(functions: &[wasm::Function], times: u32) -> wasm::Module {
    let mut types = wasm::TypeSection::new();
    types.ty().function([wasm::ValType::I64], [wasm::ValType::I64]);
    let (mut declared, mut code) = (wasm::FunctionSection::new(), wasm::CodeSection::new());
    for _ in 0..times {
        for function in functions {
            declared.function(0);
            code.function(function);
        }
    }
    let mut module = wasm::Module::new();
    module.section(&types).section(&declared).section(&code);
    module
}

fn function(body: impl IntoIterator<Item = Instruction<'static>>) -> wasm::Function {
    let mut function = wasm::Function::new([]);
    for instruction in body {
        function.instruction(&instruction);
    }
    function.instruction(&Instruction::End);
    function
}

/// Many functions of some arithmetic.
fn many_functions(functions: u32) -> Vec<u8> {
    let body = (0..50).flat_map(|number| [Instruction::I64Const(number), Instruction::I64Mul]);
    let function = function(std::iter::once(Instruction::LocalGet(0)).chain(body));
    component(&module(&[function], functions))
}

/// One function: many jumps, each to everywhere.
fn huge_function() -> Vec<u8> {
    const BLOCKS: u32 = 2000;
    let table = Instruction::BrTable((0..BLOCKS).collect::<Vec<_>>().into(), 0);
    let mut body = vec![Instruction::Block(wasm::BlockType::Empty); BLOCKS as usize];
    for _ in 0..1000 {
        body.push(Instruction::Block(wasm::BlockType::Empty));
        body.extend([Instruction::LocalGet(0), Instruction::I32WrapI64, table.clone(), Instruction::End]);
    }
    body.extend(vec![Instruction::End; BLOCKS as usize]);
    body.push(Instruction::LocalGet(0));
    component(&module(&[function(body)], 1))
}

/// Components in components.
fn nested(depth: u32) -> Vec<u8> {
    let mut bytes = wasm::Component::new().finish();
    for _ in 0..depth {
        let mut outer = wasm::Component::new();
        outer.section(&wasm::RawSection { id: wasm::ComponentSectionId::Component.into(), data: &bytes });
        bytes = outer.finish();
    }
    bytes
}

#[test]
fn what_compiles_elsewhere_fits_here() {
    let compiled = compile(&many_functions(10), Bounds::default());
    assert!(matches!(compiled, Error::Interface { .. }), "{compiled:?}");
    let refused = compile(b"\0asm\x0d\0\x01\0nonsense", Bounds::default());
    assert!(matches!(refused, Error::Compile { .. }), "{refused:?}");
}

#[test]
fn too_much_processor_time_ends_with_its_limit() {
    let stopped = compile(&many_functions(300_000), Bounds { cpu: Duration::from_secs(1), ..wide() });
    let told = "the component 'the component' is not compiled: that takes more than 1 s of processor time, which is \
                the limit; its author has to make it smaller or simpler";
    assert_eq!(stopped.to_string(), told, "{stopped:?}");
}

#[test]
fn too_much_memory_ends_with_its_limit() {
    let stopped = compile(&huge_function(), Bounds { memory: 600 << 20, ..wide() });
    assert!(stopped.to_string().contains("more than 600 MiB of memory, which is the limit"), "{stopped:?}");
}

#[test]
fn too_much_native_code_ends_with_its_limit() {
    let stopped = compile(&many_functions(20_000), Bounds { native: 1 << 20, ..wide() });
    assert!(
        stopped.to_string().contains("more than 1 MiB of native code, which is the limit"),
        "{stopped:?}"
    );
}

#[test]
fn whatever_the_shape_its_bound_is_told_and_the_host_lives() {
    // Only memory is tight: each of the first two takes far more, and comes there long before another bound.
    let bounds = Bounds { memory: 1 << 30, ..wide() };
    let host = host(PROGRAM, &["compile-component"], bounds);
    let deep = vec![Instruction::Block(wasm::BlockType::Empty); 2_000_000];
    let ends = vec![Instruction::End; 2_000_000];
    let deep = function(deep.into_iter().chain(ends).chain([Instruction::LocalGet(0)]));
    let mut types = wasm::TypeSection::new();
    for number in 0..900_000_usize {
        types.ty().function(vec![wasm::ValType::I64; number % 20], [wasm::ValType::I32]);
    }
    let mut many_types = wasm::Module::new();
    many_types.section(&types);
    let memory = Some("more than 1024 MiB of memory, which is the limit");
    for (what, wasm, bound) in [
        ("blocks in blocks", component(&module(&[deep], 1)), memory),
        ("components in components", nested(50_000), memory),
        // Cheap for this compiler, however many: it is compiled, and refused later, since it exports no tools.
        ("many types", component(&many_types), None),
    ] {
        let ended = host.describe(&wasm).unwrap_err();
        match bound {
            Some(bound) => assert!(ended.to_string().contains(bound), "{what}: {ended:?}"),
            None => assert!(matches!(ended, Error::Interface { .. }), "{what}: {ended:?}"),
        }
        let good = host.describe(&many_functions(1)).unwrap_err();
        assert!(matches!(good, Error::Interface { .. }), "after {what}: {good:?}");
    }
}

#[test]
fn a_helper_that_hangs_is_killed_with_everything_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("started");
    let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let host = host("/bin/sh", &["-c", &script], Bounds { wall: Duration::from_secs(2), ..wide() });
    let stopped = host.describe(&many_functions(1)).unwrap_err();
    assert!(stopped.to_string().contains("more than 2 s, which is the limit"), "{stopped:?}");
    let started = fs::read_to_string(&file).unwrap();
    wait_until(|| {
        // Nobody may have collected it; it does not run.
        let about = fs::read_to_string(format!("/proc/{}/stat", started.trim()));
        about.map_or(true, |about| about.contains(") Z "))
    });
}

#[test]
fn a_helper_that_is_none_is_told() {
    for (program, arguments, told) in [
        ("/nowhere/openpact", &[][..], "cannot be started"),
        ("/bin/sh", &["-c", "echo no such thing >&2; exit 3"], "exit status: 3: no such thing"),
        ("/bin/cat", &[], ""),
        ("/bin/true", &[], ""),
    ] {
        let ended = host(program, arguments, wide()).describe(&many_functions(1)).unwrap_err();
        let Error::Compiler { why, .. } = &ended else { panic!("{program}: {ended:?}") };
        assert!(why.contains(told), "{program}: {why}");
    }
}

#[test]
fn the_helper_has_no_environment_of_ours() {
    let host = host("/bin/sh", &["-c", "env >&2; exit 3"], wide());
    let Error::Compiler { why, .. } = host.describe(&many_functions(1)).unwrap_err() else {
        panic!("no helper")
    };
    for name in ["RAYON_NUM_THREADS=", "MALLOC_ARENA_MAX=", "RUST_MIN_STACK="] {
        assert!(why.contains(name), "{why}");
    }
    for name in ["PATH=", "HOME=", "CARGO"] {
        assert!(!why.contains(name), "{why}");
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_helper_keeps_nothing_that_it_does_not_need() {
    let open = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("compile-component").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helper = Running(command.spawn().unwrap());
    let about = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", helper.0.id())).unwrap();
    let descriptors =
        || fs::read_dir(Path::new("/proc").join(helper.0.id().to_string()).join("fd")).unwrap().count();
    wait_until(|| about("limits").contains("Max file size             0                    0"));
    assert_eq!(descriptors(), 3);
    assert!(about("status").contains("NoNewPrivs:\t1"));
    assert!(about("limits").contains("Max core file size        0                    0"));
    let order = [1_u64 << 30, 7, 1000].map(u64::to_le_bytes).concat();
    helper.0.stdin.as_mut().unwrap().write_all(&order).unwrap();
    let about = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", helper.0.id())).unwrap();
    wait_until(|| {
        let limits = about("limits");
        limits.contains("Max address space         1073741824           1073741824")
            && limits.contains("Max cpu time              7                    8")
    });
    // Nobody sends the rest of the component.
    drop(helper.0.stdin.take());
    assert!(!helper.0.wait().unwrap().success());
}

/// Waits until something has come about.
fn wait_until(condition: impl Fn() -> bool) {
    let mut waits = 0;
    while !condition() {
        waits += 1;
        assert!(waits < 12_000, "it does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}
