//! One instance of the module: its own memory, a limit on it, and a deadline for every call.
//!
//! Everything that comes out of the sandbox is a claim of the module: pointers and lengths are checked against its memory,
//! replies against a size, and what fails leaves a sandbox that takes no more calls.

use std::time::Duration;

use bulla_abi::{Message, Operation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{InstancePre, Store, Trap};
use zeroize::Zeroizing;

use crate::allowance::Allowance;
use crate::contract::{Exports, Functions};
use crate::decision::Documents;
use crate::error::SandboxError;
use crate::prepared::Prepared;
use crate::{reply, ticker};

/// Octets of a reply. 32 MiB: the largest reply is a push plan with the blobs of one signing request, far below it.
pub const MAX_REPLY_BYTES: usize = 32 << 20;

/// Time that making a sandbox may take. The module starts nothing by itself, so microseconds are usual.
const CREATE_BUDGET: Duration = Duration::from_secs(2);

/// Octets of a page of WebAssembly's memory (WebAssembly core specification, section "Memory Instances").
const WASM_PAGE: usize = 65_536;

/// One instance of the module. Dropping it wipes its memory and frees its place.
pub struct Sandbox {
    store: Store<Allowance>,
    functions: Functions,
    poisoned: bool,
    /// Whether nothing was asked of it yet.
    fresh: bool,
    /// Whether all state of the module is known to lie in its memory.
    keeps_state_in_memory: bool,
    // After the store, because fields are dropped in order: the place is free once the instance is gone.
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(crate) fn create(
        linked: &InstancePre<Allowance>,
        exports: &Exports,
        limit: usize,
        keeps_state_in_memory: bool,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, SandboxError> {
        let mut store = Store::new(linked.module().engine(), Allowance::new(limit));
        store.limiter(|allowance| allowance);
        store.set_epoch_deadline(ticker::ticks(CREATE_BUDGET));
        let failed = |error: wasmtime::Error| SandboxError::Create { what: format!("{error:#}") };
        let instance = linked.instantiate(&mut store).map_err(failed)?;
        let functions = exports.of(&mut store, &instance).map_err(failed)?;
        Ok(Self { store, functions, poisoned: false, fresh: true, keeps_state_in_memory, _place: place })
    }

    /// Octets of memory that it has now; it never gives any back.
    pub fn memory_octets(&self) -> usize {
        self.functions.memory.data_size(&self.store)
    }

    /// The version of the contract that the module speaks.
    pub(crate) fn abi(&mut self) -> Result<i32, SandboxError> {
        self.functions
            .abi
            .call(&mut self.store, ())
            .map_err(|error| SandboxError::Create { what: format!("bulla_abi: {error:#}") })
    }

    /// Carries out one operation, within `budget` of wall time. It blocks: call it from a thread that may.
    ///
    /// The reply may be an error of the module; [`call_json`](Self::call_json) tells them apart.
    ///
    /// # Errors
    /// Every variant of [`SandboxError`] but `Module`, `Full` and `Stopped`. After any of them but `Memory` for a request
    /// that does not fit, `Frame` for a request and a `budget` of zero, the sandbox takes no more calls.
    pub fn call(&mut self, operation: Operation, message: &Message, budget: Duration) -> Result<Message, SandboxError> {
        if self.poisoned {
            return Err(SandboxError::Poisoned { operation });
        }
        // A request may hold a key or a passphrase: this copy of it is wiped.
        let request = Zeroizing::new(message.encode()?);
        let limit = self.store.data().bytes;
        let length = i32::try_from(request.len()).map_err(|_| SandboxError::Memory { limit })?;
        if request.len() > limit {
            return Err(SandboxError::Memory { limit });
        }
        if budget.is_zero() {
            return Err(SandboxError::Deadline { operation, budget });
        }
        // Poisoned unless everything below goes well: no path out of it can forget to say so.
        self.poisoned = true;
        self.fresh = false;
        self.store.set_epoch_deadline(ticker::ticks(budget));
        let reply = self.exchange(operation, &request, length, budget)?;
        self.poisoned = false;
        Ok(reply)
    }

    /// [`call`](Self::call) with a header to serialise, and a reply whose `{"ok": …}` is read into `T`.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`SandboxError::Module`] when the module answered `{"error": …}`, and
    /// [`SandboxError::Header`] when the answer is something else than `T`. The sandbox stays usable after these two.
    pub fn call_json<T: DeserializeOwned>(
        &mut self,
        operation: Operation,
        header: &impl Serialize,
        blobs: Vec<Vec<u8>>,
        budget: Duration,
    ) -> Result<(T, Vec<Vec<u8>>), SandboxError> {
        let mut message = Message::new(header)?;
        message.blobs = blobs;
        let reply = self.call(operation, &message, budget)?;
        Ok((reply::body(&reply)?, reply.blobs))
    }

    /// Loads documents; into a fresh sandbox from their second time on by copying what loading them has left in another
    /// one. The reply is that of [`Operation::Load`], and may be an error of the module.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn load(&mut self, documents: &Documents, budget: Duration) -> Result<Message, SandboxError> {
        if !self.keeps_state_in_memory || !self.fresh || self.poisoned {
            return self.call(Operation::Load, documents.message(), budget);
        }
        let slot = documents.slot();
        if let Some(prepared) = slot.get() {
            self.put(prepared)?;
            return Ok(prepared.reply.clone());
        }
        if !slot.is_mine_to_keep() {
            return self.call(Operation::Load, documents.message(), budget);
        }
        let fresh = self.functions.memory.data(&self.store).to_vec();
        let loaded = self.call(Operation::Load, documents.message(), budget);
        slot.keep(
            loaded
                .as_ref()
                .ok()
                .map(|reply| Prepared::between(&fresh, self.functions.memory.data(&self.store), reply.clone())),
        );
        loaded
    }

    /// Makes the memory of this fresh sandbox what another one was after `load`.
    fn put(&mut self, prepared: &Prepared) -> Result<(), SandboxError> {
        let limit = self.store.data().bytes;
        self.poisoned = true;
        self.fresh = false;
        let missing = prepared.size.saturating_sub(self.functions.memory.data_size(&self.store));
        let pages = u64::try_from(missing / WASM_PAGE).map_err(|_| SandboxError::Memory { limit })?;
        self.functions.memory.grow(&mut self.store, pages).map_err(|_| SandboxError::Memory { limit })?;
        let memory = self.functions.memory.data_mut(&mut self.store);
        for (at, piece) in &prepared.pieces {
            let place = memory.get_mut(*at..at.saturating_add(piece.len()));
            place.ok_or(SandboxError::Memory { limit })?.copy_from_slice(piece);
        }
        self.poisoned = false;
        Ok(())
    }

    fn exchange(
        &mut self,
        operation: Operation,
        request: &[u8],
        length: i32,
        budget: Duration,
    ) -> Result<Message, SandboxError> {
        let fault = |error, store: &Store<Allowance>| fault(error, operation, budget, store.data());

        let pointer = self.functions.alloc.call(&mut self.store, length).map_err(|error| fault(error, &self.store))?;
        if pointer == 0 && self.store.data().refused {
            return Err(SandboxError::Memory { limit: self.store.data().bytes });
        }
        let at = self.part("place for the request", pointer.cast_unsigned(), length.cast_unsigned())?;
        if let Some(place) = self.functions.memory.data_mut(&mut self.store).get_mut(at.clone()) {
            place.copy_from_slice(request);
        }

        let packed = self.functions.call.call(&mut self.store, (operation.number(), pointer, length));
        let packed = packed.map_err(|error| fault(error, &self.store))?.cast_unsigned();
        let (reply_pointer, reply_length) = ((packed >> 32) as u32, (packed & 0xffff_ffff) as u32);
        let found = self.part("reply", reply_pointer, reply_length)?;
        let octets = found.len();
        if octets > MAX_REPLY_BYTES {
            let (pointer, length) = (reply_pointer, reply_length);
            return Err(SandboxError::Range { what: "reply", pointer, length, memory: MAX_REPLY_BYTES });
        }
        // The request is still allocated, so a reply inside it would be freed twice.
        if found.start < at.end && at.start < found.end {
            let (pointer, length, memory) = (reply_pointer, reply_length, self.functions.memory.data_size(&self.store));
            return Err(SandboxError::Range { what: "reply, which lies in the request", pointer, length, memory });
        }
        let reply = Message::decode(self.functions.memory.data(&self.store).get(found).unwrap_or_default())?;

        let both = [(reply_pointer.cast_signed(), reply_length.cast_signed()), (pointer, length)];
        for part in both {
            self.functions.free.call(&mut self.store, part).map_err(|error| fault(error, &self.store))?;
        }
        Ok(reply)
    }

    /// A part of the sandbox's memory that the module pointed to, if it is one.
    fn part(&self, what: &'static str, pointer: u32, length: u32) -> Result<std::ops::Range<usize>, SandboxError> {
        let memory = self.functions.memory.data_size(&self.store);
        let outside = SandboxError::Range { what, pointer, length, memory };
        let start = usize::try_from(pointer).unwrap_or(usize::MAX);
        let end = start.checked_add(usize::try_from(length).unwrap_or(usize::MAX));
        match end {
            // Rust never allocates at 0, so a pointer of 0 is a failed allocation that nobody looked at.
            Some(end) if end <= memory && pointer != 0 => Ok(start..end),
            _ => Err(outside),
        }
    }
}

/// What a failed call means. A trap after a refused growth of memory is a lack of memory: that is how Rust's allocator ends.
fn fault(error: wasmtime::Error, operation: Operation, budget: Duration, allowance: &Allowance) -> SandboxError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => SandboxError::Deadline { operation, budget },
        _ if allowance.refused => SandboxError::Memory { limit: allowance.bytes },
        Some(trap) => SandboxError::Trap { operation, what: trap.to_string() },
        None => SandboxError::Trap { operation, what: format!("{error:#}") },
    }
}
