//! `sbshctl allow`: what a person allows from now on, written into settings. Never from inside.

use super::{only_outside, print};
use crate::caller::Caller;
use crate::cli::{AllowKind, AllowPlace};
use crate::exit;
use crate::pipeline::Stop;
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::remember::{self, Destination, PathList};
use crate::policy::{NetworkPolicy, NetworkVerdict, parse_host_port};
use crate::settings::Sourced;
use crate::system::visible::visible;
use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::Path;

/// The port that is looked at where none is named.
const HTTPS: u16 = 443;

/// Allows a domain, a path or a socket.
///
/// # Errors
/// From inside; nothing that can be allowed; a managed lock; a file that cannot be changed.
pub fn run(kind: AllowKind, entry: &str, place: AllowPlace, caller: &Caller) -> Result<i32, Stop> {
    only_outside("allow")?;
    let prepared = prepare::policy(caller)?;
    let destination = match place {
        AllowPlace::User => Destination::User,
        AllowPlace::Project if prepared.layers.project.is_none() => {
            let text = "there is no project here: no directory from here upwards has a '.claude'; use --user";
            return Err(Stop::Failed(text.into(), exit::REFUSED));
        }
        AllowPlace::Project | AllowPlace::Nearest => Destination::ProjectPersonal,
    };
    let list = match kind {
        AllowKind::Domain => None,
        AllowKind::Write => Some(PathList::Write),
        AllowKind::Read => Some(PathList::Read),
        AllowKind::Socket => Some(PathList::Socket),
    };
    if let Some(list) = list {
        let file = remember::path(entry, list, destination, &prepared)?;
        return print(&said_of_path(entry, &file, &prepare::policy(caller)?));
    }
    let file = remember::domain(entry, destination, false, &prepared)?;
    let after = prepare::policy(caller)?;
    let mut text = said(entry, &file, &after);
    match remember::settle(entry, &prepared) {
        Ok(0) => {}
        Ok(count) => {
            let _ = writeln!(text, "settled: {count} of 'sbshctl pending'");
        }
        // It is allowed all the same; the list is only a list.
        Err(error) => {
            let _ = writeln!(text, "'sbshctl pending' still lists it: {error}");
        }
    }
    print(&text)
}

/// What was written where, and what settings say of it now.
fn said_of_path(entry: &str, file: &Path, after: &Prepared) -> String {
    let mut text = where_to(entry, file, after);
    for notice in &after.policy.notices {
        let _ = writeln!(text, "  {}", visible(notice.text.as_bytes()));
    }
    text
}

fn where_to(entry: &str, file: &Path, after: &Prepared) -> String {
    let path = visible(file.as_os_str().as_encoded_bytes());
    let everywhere = after.layers.user_file.as_deref() == Some(file);
    let reach = if everywhere { "all projects of this user" } else { "this project" };
    format!("'{}' is allowed in {reach}, by '{path}'\n", visible(entry.as_bytes()))
}

/// What was written where, and whether it counts.
fn said(entry: &str, file: &Path, after: &Prepared) -> String {
    let mut text = where_to(entry, file, after);
    let network = &after.policy.network;
    if !network.allowed.entries().iter().any(|allowed| allowed.value == entry) {
        text.push_str("but it does not count:\n");
        for notice in &after.policy.notices {
            let _ = writeln!(text, "  {}", visible(notice.text.as_bytes()));
        }
    }
    if let Some((denied, origin)) = denied(entry, network) {
        let _ = writeln!(text, "but it stays refused: '{}' is denied ({origin})", visible(denied.as_bytes()));
    }
    text
}

/// The entry that denies what another allows: deny wins, wherever it stands.
fn denied(entry: &str, network: &NetworkPolicy) -> Option<(String, String)> {
    let bare = entry.parse::<Ipv6Addr>().is_ok();
    let authority = if bare { format!("[{entry}]") } else { entry.to_owned() };
    match parse_host_port(&authority, Some(HTTPS)) {
        Ok((host, port)) => match network.judge(&host, port) {
            NetworkVerdict::Denied { entry, origin } => Some((entry, origin.to_string())),
            _ => None,
        },
        // More than one host: only what denies all of them is surely said.
        Err(_) => {
            let all = |denied: &&Sourced<String>| denied.value == "*" || denied.value == entry;
            let found = network.denied.entries().iter().find(all)?;
            Some((found.value.clone(), found.origin.to_string()))
        }
    }
}
