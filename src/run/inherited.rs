//! Which of the caller's descriptors go inside, and how.
//!
//! Owns the rule of DROP-IN.md: pipes, terminals, plain devices and files that the policy would let the command
//! open the same way. A descriptor carries the mount that it was opened on: through `/proc/self/fd` a read-only
//! descriptor could be opened again for writing, past every read-only mount. So a file that the policy does not let
//! the command write is opened anew inside, at the same position.

use super::RunError;
use super::record::Passed;
use super::waiting::Waiting;
use crate::confinement::fittings::Layer;
use crate::policy::{Access, FilePolicy};
use crate::system::descriptors::{self, Descriptor, Kind};
use std::path::{Path, PathBuf};

/// What goes inside.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For the launch record.
    pub passed: Vec<Passed>,
    /// The first terminal among the standard descriptors.
    pub terminal: Option<PathBuf>,
}

/// Standard descriptors that the caller had closed are opened on `/dev/null`, so that none of ours takes their
/// place; returns which. To be called before anything else is opened.
pub fn occupy_closed() -> Vec<i32> {
    let mut closed = Vec::new();
    for number in 0..=2 {
        if descriptors::look(number).is_none() {
            closed.push(number);
            // The lowest free number is taken; lower ones are occupied by now.
            if let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
                std::mem::forget(file);
            }
        }
    }
    closed
}

/// Decides for every descriptor. What is not passed is closed by the first process inside, before any code that is not
/// ours.
///
/// # Errors
/// A standard descriptor that leads to a file which the policy does not let the command read.
pub fn vet(
    files: &FilePolicy,
    lets_write: &dyn Fn(&Path) -> bool,
    layers: &[Layer],
    waiting: &Waiting,
) -> Result<Inherited, RunError> {
    let mut inherited = Inherited::default();
    let rule = Rule { files, lets_write, layers };
    for (number, carried) in (0..).zip(waiting.carried) {
        match carried {
            None => inherited.passed.push(Passed::Closed { number }),
            Some(carried) => {
                if let Some(descriptor) = descriptors::look(number) {
                    inherited.standard(&descriptor, carried, &rule)?;
                }
            }
        }
    }
    for &number in &waiting.extras {
        inherited.extra(number, &rule);
    }
    Ok(inherited)
}

/// What it goes by.
struct Rule<'a> {
    files: &'a FilePolicy,
    /// As the boundary that was planned has it: the policy knows nothing of what is protected because of what was found.
    lets_write: &'a dyn Fn(&Path) -> bool,
    layers: &'a [Layer],
}

impl Rule<'_> {
    fn access(&self, path: &Path) -> Access {
        self.files.access(path)
    }

    /// Whether a file may be changed inside. By the name that it had it is not judged: it may have another that is protected.
    fn writes(&self, number: i32, path: &Path) -> bool {
        self.access(path) == Access::Write
            && descriptors::place(path) == descriptors::identity(number)
            && (self.lets_write)(path)
    }

    fn is_layered(&self, path: &Path) -> bool {
        self.layers.iter().any(|layer| path.starts_with(&layer.at))
    }
}

impl Inherited {
    fn standard(&mut self, descriptor: &Descriptor, carried: i32, rule: &Rule<'_>) -> Result<(), RunError> {
        let number = descriptor.number;
        match (descriptor.kind, &descriptor.path) {
            // What is open for reading could be opened for writing past its layer.
            (Kind::File, Some(path)) if !descriptor.writable && rule.is_layered(path) => {
                self.passed.push(from_layer(anew(number, carried, descriptor)?));
            }
            // What is open for writing was given to the command to be written.
            (Kind::File, Some(path)) if !descriptor.writable && !rule.writes(number, path) => {
                if rule.access(path) == Access::None {
                    return Err(RunError::Descriptor {
                        name: standard_name(number).into(),
                        cause: format!("the policy does not let the command read '{}'", path.display()),
                    });
                }
                self.passed.push(anew(number, carried, descriptor)?);
            }
            (Kind::Directory, Some(path)) => {
                let passed = anew(number, carried, descriptor)?;
                self.passed.push(if rule.is_layered(path) { from_layer(passed) } else { passed });
            }
            // Below a path that is longer than the kernel tells.
            (Kind::Directory, None) => drop(anew(number, carried, descriptor)?),
            (Kind::File, None) if !descriptor.writable => drop(anew(number, carried, descriptor)?),
            (Kind::Other, _) => {
                return Err(RunError::Descriptor {
                    name: standard_name(number).into(),
                    cause: "it is a device or a handle that leads past the sandbox".into(),
                });
            }
            (Kind::Socket, _) if !descriptors::has_its_partner(number) => {
                return Err(RunError::Descriptor {
                    name: standard_name(number).into(),
                    cause: "it is a socket without a partner, which would reach others past the sandbox"
                        .into(),
                });
            }
            _ => {
                if descriptor.kind == Kind::Terminal && self.terminal.is_none() {
                    self.terminal = descriptors::terminal_path(number);
                }
                self.passed.push(Passed::As { number, carried });
            }
        }
        Ok(())
    }

    fn extra(&mut self, number: i32, rule: &Rule<'_>) {
        let Some(descriptor) = descriptors::look(number) else { return };
        let goes_inside = match (descriptor.kind, &descriptor.path) {
            (Kind::Pipe | Kind::Terminal | Kind::PlainDevice | Kind::Nameless, _) => true,
            (Kind::File, Some(path)) if rule.is_layered(path) => {
                if !descriptor.writable
                    && let Ok(passed) = anew(number, number, &descriptor)
                {
                    self.passed.push(from_layer(passed));
                }
                false
            }
            (Kind::File, Some(path)) if rule.writes(number, path) => true,
            (Kind::File, Some(path)) => {
                if !descriptor.writable
                    && rule.access(path) != Access::None
                    && let Ok(passed) = anew(number, number, &descriptor)
                {
                    self.passed.push(passed);
                }
                false
            }
            _ => false,
        };
        if goes_inside {
            self.passed.push(Passed::As { number, carried: number });
        }
    }
}

/// Seen through a layer it has another device, or another number.
fn from_layer(passed: Passed) -> Passed {
    match passed {
        Passed::Anew { number, carried, path, position, directory, .. } => {
            Passed::Anew { number, carried, path, position, directory, device: 0, inode: 0 }
        }
        other => other,
    }
}

/// Whether the path still leads to the file is seen where it is opened.
fn anew(number: i32, carried: i32, descriptor: &Descriptor) -> Result<Passed, RunError> {
    let refuse = |cause: String| RunError::Descriptor { name: standard_name(number).into(), cause };
    let path = descriptor.path.clone().ok_or_else(|| refuse("its path is unknown".into()))?;
    let (device, inode) =
        descriptors::identity(number).ok_or_else(|| refuse("it cannot be looked at".into()))?;
    Ok(Passed::Anew {
        number,
        carried,
        path: path.into_os_string(),
        position: descriptors::position(number).unwrap_or(0),
        device,
        inode,
        directory: descriptor.kind == Kind::Directory,
    })
}

fn standard_name(number: i32) -> &'static str {
    match number {
        0 => "standard input",
        1 => "standard output",
        2 => "standard error",
        _ => "a descriptor",
    }
}
