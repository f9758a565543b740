//! Confinement: the exact boundary for one command, as a value, and what each mechanism is told of it.
//!
//! Owns [`Plan`] and its translation for bubblewrap, our own builder, Landlock, seccomp and Seatbelt. Only `facts` looks at the
//! system; plan and translations are pure, so that they can be compared as text. Must not decide policy and must not run anything.

pub mod advice;
#[cfg(target_os = "linux")]
pub mod bubblewrap;
mod configured;
pub mod facts;
#[cfg(target_os = "linux")]
pub mod fittings;
pub mod landlock;
#[cfg(target_os = "linux")]
pub mod namespaces;
pub mod plan;
pub mod repositories;
pub mod seatbelt;
#[cfg(target_os = "linux")]
pub mod seccomp;
#[cfg(target_os = "linux")]
mod seccomp_alone;
pub mod sight;
mod walk;

pub use plan::{Guard, Mount, Plan};

/// What builds a boundary.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// bubblewrap, this program.
    Bubblewrap(std::path::PathBuf),
    /// sbsh itself, by the kernel's namespaces.
    Namespaces,
    /// sbsh itself, by Landlock, without namespaces.
    Landlock,
}

#[cfg(target_os = "linux")]
impl Mechanism {
    /// Its name in settings, reports and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Mechanism::Bubblewrap(_) => "bubblewrap",
            Mechanism::Namespaces => "namespaces",
            Mechanism::Landlock => "landlock",
        }
    }
}
