//! The entry point, by the C ABI: Rust's own start-up would set SIGPIPE to ignored and open closed standard
//! descriptors, and the inner shell must find both as the caller left them.
#![no_main]

use std::ffi::{c_char, c_int};

// SAFETY: the symbol `main` is defined once, here, with the signature that the C runtime calls.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    #[cfg(target_env = "musl")]
    sbsh::system::entry::keep_c_memory();
    sbsh::doors::main(sbsh::system::entry::arguments(count, arguments))
}

/// Not musl's: that gives pages back to the kernel with every connection, and faults them in again with the next.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
