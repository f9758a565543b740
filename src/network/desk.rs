//! What the gateway needs from above: the policy as it is now, somebody to ask, a log. Owns the values that are
//! exchanged; the pipeline gives them life.

use super::{Permit, Refusal, Target};
use crate::broker;
use crate::gatekeeper::{AskedCall, Violation};
use crate::policy::NetworkPolicy;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A question about an unknown host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The host, in its one spelling.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The program that connects, if it could be found out: a claim of the inside.
    pub program: Option<String>,
}

impl Asked {
    /// About a target.
    pub fn about(target: &Target, program: Option<String>) -> Asked {
        Asked { host: target.host.to_string(), port: target.port, program }
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The connections that wait for it.
    Once,
    /// Until the command ends.
    Session,
    /// From now on in this project; written already.
    AlwaysHere,
    /// From now on for this person; written already.
    AlwaysUser,
    /// Not now nor later; written already.
    Never(String),
    /// Not for this command; who said so.
    No(String),
    /// Nobody could be asked; why.
    Nobody(String),
}

/// The gateway's connection upwards. Called on the gateway's threads.
pub trait Desk: Send + Sync {
    /// The policy as the settings say it now.
    ///
    /// # Errors
    /// They are broken; the text says where. Nothing is allowed then.
    fn policy(&self) -> Result<Arc<NetworkPolicy>, String>;

    /// Asks whoever can be asked without the caller's terminal. Waits.
    fn ask(&self, asked: &Asked) -> Reply;

    /// A connection ended. Noting it is quick; it may be lost before [`Desk::write_down`].
    fn ended(&self, permit: &Permit);

    /// Writes down what was noted; for a moment when no program waits.
    fn write_down(&self);

    /// A connection was refused, for the first time or again; without a target, what was asked for is none. Written
    /// down at once.
    fn refused(&self, refusal: &Refusal, target: Option<&Target>, again: bool);
}

/// From the gateway to the front, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToFront {
    /// To be said after the command.
    Blocked {
        /// What was blocked and why.
        what: String,
        /// The program that wanted it, if it is known.
        program: Option<String>,
        /// How a person allows it.
        advice: Option<String>,
    },
    /// To be asked now, on the caller's terminal, in one question; a reply for each comes back, in this order.
    Ask(Vec<Asked>),
    /// From the gatekeeper, likewise.
    AskCall(AskedCall),
    /// From a broker, likewise.
    AskOutside(broker::Asked),
    /// From a broker: this was answered by somebody without the terminal.
    Outside(broker::Asked, Reply),
    /// From a broker: a refusal in one line, which nobody has heard yet.
    Unheard(String),
    /// From the gatekeeper: what stands here now, a person allowed.
    Granted(PathBuf),
    /// From the gatekeeper: a call was refused.
    Violation(Violation),
    /// From the gatekeeper: a repository was born here.
    Repository(PathBuf),
    /// From a broker: a program runs without these variables, which were set inside. To be said now, once for each program.
    LeftBehind {
        /// It.
        program: PathBuf,
        /// Their names, in words.
        names: String,
    },
    /// To be said now.
    Notice(String),
}
