//! What the C runtime hands to `main`. Owns reading it; nothing else.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Where the C runtime's vector of arguments stands, and how many there are.
static VECTOR: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The arguments that the C runtime handed to `main`, as bytes.
#[allow(clippy::not_unsafe_ptr_arg_deref)] // `main` alone calls it, with what the C runtime gave
pub fn arguments(count: c_int, vector: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or(0);
    VECTOR.store(vector.cast_mut(), Ordering::Relaxed);
    COUNT.store(count, Ordering::Relaxed);
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

/// The file that was executed, by the name that execve(2) had, or a script's whose first line names this program; `None` where the
/// kernel does not tell (getauxval(3), AT_EXECFN).
#[cfg(target_os = "linux")]
pub fn executed() -> Option<OsString> {
    // SAFETY: it only reads the vector that the kernel gave this process.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    if name.is_null() {
        return None;
    }
    // SAFETY: the kernel's NUL-terminated string, above the environment on this process's own stack (execve(2)).
    let name = unsafe { CStr::from_ptr(name) };
    Some(OsString::from_vec(name.to_bytes().to_vec()))
}

/// Keeps one piece of each size that musl's own allocator is asked for again and again (by realpath(3) and opendir(3)), for as long
/// as this process lives: a page whose last piece is freed goes back to the kernel at once, and is faulted in again with the next.
#[cfg(target_env = "musl")]
pub fn keep_c_memory() {
    const SIZES: [usize; 6] = [8, 24, 40, 56, 88, 2080];
    for size in SIZES {
        // SAFETY: nothing is done with it, not even freed.
        std::hint::black_box(unsafe { libc::malloc(size) });
    }
}

/// Wipes the arguments and the environment that this process was started with, as `/proc/PID/cmdline` and `environ` show
/// them, and leaves its name. For a child that goes on without a program of its own; afterwards it must not ask for either.
#[cfg(target_os = "linux")]
pub fn forget() {
    let vector: *const *const c_char = VECTOR.load(Ordering::Relaxed);
    if vector.is_null() {
        return;
    }
    // The kernel puts the strings of both one behind the other, the arguments first (execve(2)); in the vectors that point
    // to them a null pointer ends each.
    let mut next = 0;
    let mut end = None;
    for _ in 0..2 {
        loop {
            // SAFETY: both vectors are alive for the whole process, and nothing beyond their null pointers is read.
            let text = unsafe { *vector.add(next) };
            next += 1;
            if text.is_null() {
                break;
            }
            // SAFETY: a NUL-terminated string of the kernel's.
            end = Some(unsafe { CStr::from_ptr(text) }.to_bytes_with_nul().as_ptr_range().end);
        }
    }
    // SAFETY: as above; the first entry is null only if there are none at all.
    let start = unsafe { *vector }.cast_mut();
    let Some(end) = end.filter(|_| !start.is_null() && COUNT.load(Ordering::Relaxed) > 0) else { return };
    let Ok(length) = usize::try_from((end as isize).wrapping_sub(start as isize)) else { return };
    let name = b"sbsh";
    // SAFETY: from the first argument to the end of the last variable is one piece of this process's own stack, and nobody
    // reads it any more.
    unsafe {
        std::ptr::write_bytes(start, 0, length);
        std::ptr::copy_nonoverlapping(name.as_ptr(), start.cast(), name.len().min(length.saturating_sub(1)));
    }
}
