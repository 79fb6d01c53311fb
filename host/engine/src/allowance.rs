//! The memory that one sandbox may take, and whether it asked for more.

use wasmtime::ResourceLimiter;

/// Elements of a table. The module has one table of function pointers, a few thousand of them.
const MAX_TABLE_ELEMENTS: usize = 20_000;

/// The limit of one sandbox. It remembers a refusal, so that the trap which follows is reported as what it is.
#[derive(Debug)]
pub(crate) struct Allowance {
    pub(crate) bytes: usize,
    pub(crate) refused: bool,
}

impl Allowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, refused: false }
    }
}

impl ResourceLimiter for Allowance {
    fn memory_growing(&mut self, _now: usize, wanted: usize, _declared: Option<usize>) -> wasmtime::Result<bool> {
        let fits = wanted <= self.bytes;
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _declared: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }
}
