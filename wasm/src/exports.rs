//! What the module exports: four C functions for every host, and one function for JavaScript over the same call.
// The only place with `unsafe`: memory that crosses the boundary. `unreachable_pub` does not see what wasm-bindgen exports.
#![allow(unsafe_code, unreachable_pub)]

use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroize as _;

use crate::Module;

thread_local! {
    static MODULE: RefCell<Module> = RefCell::new(Module::default());
}

/// The version of the contract.
#[unsafe(no_mangle)]
extern "C" fn bulla_abi() -> i32 {
    bulla_abi::ABI_VERSION
}

/// Takes `len` octets for a message. Never gives 0; memory that cannot be had is a trap.
#[unsafe(no_mangle)]
extern "C" fn bulla_alloc(len: u32) -> *mut u8 {
    let layout = layout(len);
    // SAFETY: the layout's size is at least 1.
    let pointer = unsafe { alloc(layout) };
    if pointer.is_null() {
        std::alloc::handle_alloc_error(layout);
    }
    pointer
}

/// Gives back what `bulla_alloc` or `bulla_call` gave, wiped: it may have held a key.
///
/// # Safety
/// `pointer` and `len` must be a pair that one of them gave, and be freed once.
#[unsafe(no_mangle)]
unsafe extern "C" fn bulla_free(pointer: *mut u8, len: u32) {
    let layout = layout(len);
    // SAFETY: the caller gives a pair that was made with this layout.
    unsafe {
        core::slice::from_raw_parts_mut(pointer, len as usize).zeroize();
        dealloc(pointer, layout);
    }
}

/// Carries out an operation on a message. Gives `pointer << 32 | length` of the answer, which the caller frees.
///
/// # Safety
/// `pointer` and `len` must describe initialised memory that `bulla_alloc` gave.
#[unsafe(no_mangle)]
unsafe extern "C" fn bulla_call(operation: i32, pointer: *const u8, len: u32) -> i64 {
    // SAFETY: the caller gives memory of this module.
    let message = unsafe { core::slice::from_raw_parts(pointer, len as usize) };
    let mut answer = MODULE.with_borrow_mut(|module| module.call(operation, message));
    let length = u32::try_from(answer.len()).unwrap_or(0);
    let copy = bulla_alloc(length);
    // SAFETY: `copy` has room for `length` octets and was made just now.
    unsafe { core::ptr::copy_nonoverlapping(answer.as_ptr(), copy, length as usize) };
    answer.zeroize();
    // On wasm32 an address has 32 bits; natively these exports are not called.
    ((copy as usize as u64) << 32 | u64::from(length)).cast_signed()
}

fn layout(len: u32) -> Layout {
    // At least one octet, so that every pointer is a real one. `u32` octets always fit the address space's limit but for
    // the topmost ones, which no allocator gives.
    Layout::array::<u8>(len.max(1) as usize).unwrap_or(Layout::new::<u8>())
}

/// For JavaScript: the same call, with messages as `Uint8Array`.
#[wasm_bindgen]
pub fn call(operation: i32, message: &[u8]) -> Vec<u8> {
    MODULE.with_borrow_mut(|module| module.call(operation, message))
}

/// For JavaScript: the version of the contract.
#[wasm_bindgen]
pub fn abi() -> i32 {
    bulla_abi::ABI_VERSION
}
