//! System calls behind safe faces. The only place with `unsafe`; owns no policy and uses no other folder.
//!
//! Each file owns one subject; each `unsafe` block says why it is sound.

#[cfg(target_os = "linux")]
pub mod beneath;
#[cfg(target_os = "linux")]
pub mod connecting;
#[cfg(target_os = "linux")]
pub mod descriptors;
pub mod entry;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
pub mod inside;
#[cfg(target_os = "linux")]
pub mod namespaces;
#[cfg(target_os = "linux")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod notify;
#[cfg(target_os = "linux")]
pub mod peer;
pub mod private;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod seccomp;
#[cfg(target_os = "linux")]
pub mod signals;
#[cfg(target_os = "linux")]
pub mod sockets;
pub mod store;
#[cfg(target_os = "linux")]
pub mod stranger;
#[cfg(target_os = "linux")]
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod unix_diag;
pub mod visible;
