//! Is this file our module? Its imports and exports against the contract (docs/abi.md, section "Exports").

use wasmtime::{ExternType, FuncType, Instance, Memory, Module, ModuleExport, Store, TypedFunc, ValType};

use crate::allowance::Allowance;
use crate::error::EngineError;

const I32: ValType = ValType::I32;

/// Where the exports of the contract are in the module, so that a new sandbox looks none up by name.
#[derive(Clone, Copy)]
pub(crate) struct Exports {
    memory: ModuleExport,
    abi: ModuleExport,
    alloc: ModuleExport,
    free: ModuleExport,
    call: ModuleExport,
}

/// The exports of the contract in one instance.
pub(crate) struct Functions {
    pub(crate) memory: Memory,
    pub(crate) abi: TypedFunc<(), i32>,
    pub(crate) alloc: TypedFunc<i32, i32>,
    pub(crate) free: TypedFunc<(i32, i32), ()>,
    pub(crate) call: TypedFunc<(i32, i32, i32), i64>,
}

impl Exports {
    /// Holds a module against the contract: no imports, and every export with its type. More exports are allowed, since
    /// the JavaScript veneer has some.
    pub(crate) fn find(module: &Module) -> Result<Self, EngineError> {
        if let Some(import) = module.imports().next() {
            return Err(EngineError::Import { module: import.module().into(), name: import.name().into() });
        }
        Ok(Self {
            memory: memory(module)?,
            abi: function(module, "bulla_abi", "() -> i32", &[], &[I32])?,
            alloc: function(module, "bulla_alloc", "(i32) -> i32", &[I32], &[I32])?,
            free: function(module, "bulla_free", "(i32, i32)", &[I32, I32], &[])?,
            call: function(module, "bulla_call", "(i32, i32, i32) -> i64", &[I32, I32, I32], &[ValType::I64])?,
        })
    }

    /// The exports in an instance of the module they were found in.
    pub(crate) fn of(&self, store: &mut Store<Allowance>, instance: &Instance) -> wasmtime::Result<Functions> {
        let memory = instance.get_module_export(&mut *store, &self.memory).and_then(|item| item.into_memory());
        let mut typed = |export| instance.get_module_export(&mut *store, export).and_then(|item| item.into_func());
        let missing = || wasmtime::Error::msg("an export of the module is not in its instance");
        let (abi, alloc) = (typed(&self.abi).ok_or_else(missing)?, typed(&self.alloc).ok_or_else(missing)?);
        let (free, call) = (typed(&self.free).ok_or_else(missing)?, typed(&self.call).ok_or_else(missing)?);
        Ok(Functions {
            memory: memory.ok_or_else(missing)?,
            abi: abi.typed(&*store)?,
            alloc: alloc.typed(&*store)?,
            free: free.typed(&*store)?,
            call: call.typed(&*store)?,
        })
    }
}

fn memory(module: &Module) -> Result<ModuleExport, EngineError> {
    let (name, wanted) = ("memory", "a 32-bit memory of its own");
    let found = match module.get_export(name) {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {
            return module.get_export_index(name).ok_or(EngineError::Export { name, wanted, found: None });
        }
        other => other.map(|item| described(&item)),
    };
    Err(EngineError::Export { name, wanted, found })
}

fn function(
    module: &Module,
    name: &'static str,
    wanted: &'static str,
    params: &[ValType],
    results: &[ValType],
) -> Result<ModuleExport, EngineError> {
    let same = |types: &mut dyn Iterator<Item = ValType>, wanted: &[ValType]| {
        let types: Vec<_> = types.collect();
        types.len() == wanted.len() && types.iter().zip(wanted).all(|(got, want)| ValType::eq(got, want))
    };
    let found = match module.get_export(name) {
        Some(ExternType::Func(ty)) if same(&mut ty.params(), params) && same(&mut ty.results(), results) => {
            return module.get_export_index(name).ok_or(EngineError::Export { name, wanted, found: None });
        }
        other => other.map(|item| described(&item)),
    };
    Err(EngineError::Export { name, wanted, found })
}

/// What an export is, in the notation of the contract.
fn described(item: &ExternType) -> String {
    match item {
        ExternType::Func(ty) => signature(ty),
        ExternType::Global(_) => "a global".into(),
        ExternType::Table(_) => "a table".into(),
        ExternType::Memory(memory) if memory.is_shared() => "a shared memory".into(),
        ExternType::Memory(memory) if memory.is_64() => "a 64-bit memory".into(),
        _ => "something else".into(),
    }
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = ValType>| types.map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ");
    let (params, results) = (list(&mut ty.params()), list(&mut ty.results()));
    if results.is_empty() { format!("({params})") } else { format!("({params}) -> {results}") }
}
