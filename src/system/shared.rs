//! What several threads have in common. Owns getting at it; decides nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of whoever held it.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
