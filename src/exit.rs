//! Exit statuses that sbsh itself gives. The inner shell's own statuses pass through unchanged.

/// sbsh refused: denied, not approved, no backend, broken settings ("command cannot execute" in POSIX terms).
pub const REFUSED: i32 = 126;
/// The inner shell or the program was not found.
pub const NOT_FOUND: i32 = 127;
/// sbsh was called wrongly.
pub const USAGE: i32 = 2;
