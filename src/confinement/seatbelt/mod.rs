//! What macOS is told: a Seatbelt profile from the policy and what exists of it. Pure.
//!
//! Owns the profile and sandbox-exec's arguments. The fixed parts are files of their own (`base.sb`, `devices.sb`).
//! Must not look at the system and must not run anything.
//!
//! Of two rules the later one holds. So the order is: closed; the base; reading; writing; for each depth what is closed and then what is opened; what may not be
//! made or moved; devices; network. `tests/seatbelt.rs` reads the text back and compares it with the policy.
//!
//! What a profile cannot do, and a gatekeeper could: a directory that is moved into a glob's reach brings its names
//! along; a repository that is born inside cannot be looked at afterwards, so none can be born (`git init`, `git
//! clone`); names of HFS+ with signs that it ignores are not known to be the same.

mod files;
mod glob;
mod regex;
mod text;
pub mod violations;

use super::plan::Places;
use crate::policy::FilePolicy;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use text::{Filter, Say, Text, real, real_glob};

/// The program that puts a command under a profile: the system's own, never by the caller's PATH.
pub const SANDBOX_EXEC: &str = "/usr/bin/sandbox-exec";

const BASE: &str = include_str!("base.sb");
const DEVICES: &str = include_str!("devices.sb");

/// Everything that a profile is made from.
#[derive(Debug, Clone, Copy)]
pub struct Boundary<'a> {
    /// Which files may be read and written, existing or not.
    pub files: &'a FilePolicy,
    /// What exists of them, and where it really is.
    pub places: &'a Places,
    /// The writable directories at whose tops names are protected.
    pub roots: &'a [PathBuf],
    /// A directory of the command's own, in which it may listen on sockets.
    pub scratch: Option<&'a Path>,
    /// What may be connected to.
    pub network: &'a Network,
    /// What the system's log says with each refusal: nobody else's word.
    pub tag: &'a str,
}

/// What may be connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Ports of the loopback on which sbsh's own proxy listens.
    pub proxies: Vec<u16>,
    /// `network.allowLocalBinding`: there is one loopback for all, so this opens it in both directions.
    pub local_binding: bool,
    /// `allowUnixSockets`: globs over absolute paths.
    pub sockets: Vec<String>,
    /// `network.allowAllUnixSockets`.
    pub all_sockets: bool,
}

/// A profile and the values that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The text; nothing in it is anybody else's.
    pub text: String,
    /// Names and values.
    pub parameters: Vec<(String, OsString)>,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SeatbeltError {
    /// A glob's braces come to too much.
    #[error("cannot confine by the path '{pattern}' ({origin}): its braces come to too many alternatives")]
    TooManyAlternatives {
        /// The glob.
        pattern: String,
        /// Where it stands.
        origin: String,
    },
    /// An argument ends at a NUL.
    #[error("cannot confine by a path with a NUL in it")]
    Nul,
}

/// The profile for these.
///
/// # Errors
/// [`SeatbeltError`]: the command must not run.
pub fn profile(boundary: &Boundary<'_>) -> Result<Profile, SeatbeltError> {
    let mut text = Text::new(boundary.tag);
    text.closed();
    text.own(BASE);
    text.own("\n; --- files");
    files::write(boundary, &mut text)?;
    text.own("\n; --- devices");
    text.rule(Say::Deny, "file-read* file-write* file-ioctl", &[Filter::Words("(subpath \"/dev\")")]);
    text.own(DEVICES);
    text.own("\n; --- network");
    network(boundary, &mut text)?;
    let (text, parameters) = text.end();
    if parameters.iter().any(|(_, value)| value.as_bytes().contains(&0)) {
        return Err(SeatbeltError::Nul);
    }
    Ok(Profile { text, parameters })
}

fn network(boundary: &Boundary<'_>, text: &mut Text) -> Result<(), SeatbeltError> {
    let network = boundary.network;
    let proxies: Vec<Filter> =
        network.proxies.iter().map(|port| Filter::Port("remote", Some(*port))).collect();
    text.rule(Say::Allow, "network-outbound", &proxies);
    if network.local_binding {
        text.rule(Say::Allow, "network-bind network-inbound", &[Filter::Port("local", None)]);
        text.rule(Say::Allow, "network-outbound", &[Filter::Port("remote", None)]);
    }
    if network.all_sockets {
        text.rule(Say::Allow, "network-bind network-inbound", &[Filter::Words("(local unix-socket)")]);
        text.rule(Say::Allow, "network-outbound", &[Filter::Words("(remote unix-socket)")]);
        return Ok(());
    }
    let mut expressions: Vec<Vec<u8>> = Vec::new();
    for pattern in &network.sockets {
        let globs = glob::read(&real_glob(pattern)).map_err(|glob::TooMany| {
            SeatbeltError::TooManyAlternatives { pattern: pattern.clone(), origin: "allowUnixSockets".into() }
        })?;
        let of =
            |glob: &glob::Glob| glob.expressions(glob::Depth::Any, regex::Case::Exact).unwrap_or_default();
        for expression in globs.iter().flat_map(of) {
            expressions.push([b"^".as_slice(), &expression, b"$"].concat());
        }
    }
    let named = |end| expressions.iter().cloned().map(move |e| Filter::Socket(end, e)).collect::<Vec<_>>();
    text.rule(Say::Allow, "network-outbound", &named("remote"));
    // What listens in the command's own directory is the command's own.
    if let Some(scratch) = boundary.scratch {
        let mut own = b"^".to_vec();
        regex::literal(real(scratch).as_os_str().as_bytes(), regex::Case::Exact, &mut own);
        own.push(b'/');
        let local = Filter::Socket("local", own.clone());
        text.rule(Say::Allow, "network-bind network-inbound", &[local]);
        text.rule(Say::Allow, "network-outbound", &[Filter::Socket("remote", own)]);
    }
    Ok(())
}

/// sandbox-exec's arguments before the command: the profile as text, and a definition for each value.
pub fn arguments(profile: &Profile) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec![OsStr::new("-p").into(), profile.text.clone().into()];
    for (name, value) in &profile.parameters {
        all.push("-D".into());
        all.push(text::definition(name, value));
    }
    all.push("--".into());
    all
}
