//! The environment of the inner shell: what the caller had, less what is secret, and what the sandbox adds.
//!
//! Owns that value. Must not start anything.

use super::prepare::Prepared;
use crate::caller::Caller;
use crate::network::setup::{self, Entrances, Reach};
use crate::policy::network::ProxyVariables;
use crate::policy::proxy_variables;
use crate::run::CONNECT_HELPER;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// All of it. `authorities` name files of certificates by variables.
pub fn inside(
    prepared: &Prepared,
    caller: &Caller,
    entrances: Option<&Entrances>,
    authorities: &[(&'static str, PathBuf)],
) -> Vec<CString> {
    let told = told_of_proxy(prepared, entrances);
    let temporary = prepared.places.variables();
    let mut set: Vec<(&str, &OsStr)> =
        temporary.iter().map(|(name, path)| (*name, path.as_os_str())).collect();
    // Without UDP names are asked for over TCP (resolv.conf(5)), where they are answered.
    let resolver = entrances.filter(|entrances| entrances.mediated.is_some()).map(|_| {
        let before = caller.variable("RES_OPTIONS").map(|own| own.to_string_lossy().into_owned() + " ");
        OsString::from(before.unwrap_or_default() + "use-vc")
    });
    set.extend(resolver.iter().map(|options| ("RES_OPTIONS", options.as_os_str())));
    set.extend(told.iter().map(|(name, value)| (*name, OsStr::new(value))));
    set.extend(authorities.iter().map(|(name, path)| (*name, path.as_os_str())));
    // The caller's own proxy is honoured outside; inside, its address leads nowhere and its password is a secret.
    let rules = &prepared.policy.environment;
    let removed = |name: &OsStr| {
        let is = |n| rules.removes(n).is_some() || proxy_variables::CALLERS.contains(&n);
        name.to_str().is_some_and(is)
    };
    caller.environment_for(removed, &set)
}

/// The variables that tell programs of the proxy, where they have to be told.
fn told_of_proxy(prepared: &Prepared, entrances: Option<&Entrances>) -> Vec<(&'static str, String)> {
    let transparent = entrances.is_some_and(|entrances| entrances.reach == Reach::Every);
    let wanted = match prepared.policy.network.proxy_variables {
        ProxyVariables::Always => true,
        ProxyVariables::Never => false,
        ProxyVariables::Auto => !transparent,
    };
    if !wanted {
        return Vec::new();
    }
    let binary = prepared.locations.binary.as_deref().unwrap_or(Path::new("sbsh"));
    let helper = shlex::bytes::try_quote(binary.as_os_str().as_bytes()).map(|quoted| quoted.into_owned());
    let helper = String::from_utf8(helper.unwrap_or_default()).unwrap_or_default();
    proxy_variables::variables(setup::HTTP_PORT, setup::SOCKS_PORT, &format!("{helper} {CONNECT_HELPER}"))
}
