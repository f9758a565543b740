//! What the C runtime hands to `main`. Owns reading it; nothing else.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

/// The arguments that the C runtime handed to `main`, as bytes.
#[allow(clippy::not_unsafe_ptr_arg_deref)] // `main` alone calls it, with what the C runtime gave
pub fn arguments(count: c_int, vector: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or(0);
    (0..count)
        .map_while(|index| {
            // SAFETY: the C runtime guarantees `count` valid, NUL-terminated strings followed by a null pointer,
            // all alive for the whole process (C17 5.1.2.2.1).
            let pointer = unsafe { *vector.add(index) };
            if pointer.is_null() {
                return None;
            }
            // SAFETY: as above; not null.
            let text = unsafe { CStr::from_ptr(pointer) };
            Some(OsString::from_vec(text.to_bytes().to_vec()))
        })
        .collect()
}
