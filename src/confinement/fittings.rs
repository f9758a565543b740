//! What a boundary consists of beside its plan: stand-ins, and places of the system that every sandbox treats alike. A pure
//! value for whatever mechanism builds it.

use std::path::PathBuf;

/// Things outside that a boundary is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fittings {
    /// A directory with mode 000 that stands in for hidden directories.
    pub blind_directory: PathBuf,
    /// A file with mode 000 that stands in for hidden files.
    pub blind_file: PathBuf,
    /// A `/proc` of the sandbox's own. Without it the one outside is seen, read-only: its processes' names, and what of them
    /// this user may read.
    pub own_processes: bool,
    /// Places in `/proc` that are the kernel's own and that this user could write; see `facts::kernel_files`.
    pub kernel_files: Vec<PathBuf>,
    /// Directories that programs inside would take for somebody else's; see `facts::misread_inside`.
    pub misread: Vec<PathBuf>,
    /// The terminal on a standard descriptor. Its place in `/dev/pts` is hidden by the sandbox's own one, so it is
    /// shown as `/dev/console`, where ttyname(3) finds it.
    pub terminal: Option<PathBuf>,
    /// Programs in whose place stands something else: the file, where it is kept itself, and what stands there.
    pub covers: Vec<Cover>,
    /// Directories whose changes go elsewhere; only our own builder makes them.
    pub layers: Vec<Layer>,
}

/// A program in whose place another one stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// The file.
    pub file: PathBuf,
    /// Where it is to be found itself; below `/dev`.
    pub kept: PathBuf,
    /// What stands in its place.
    pub by: PathBuf,
}

/// A directory that a command sees as it is and changes only in a layer above it (overlayfs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The directory.
    pub at: PathBuf,
    /// Where its changes go.
    pub upper: PathBuf,
    /// What the file system needs beside that, on the same one.
    pub work: PathBuf,
}
