//! Network keys: which lists and switches each one fills. Pure.
//!
//! Owns which of them widen. Must not compare hosts: that is `policy::network`.

use super::Builder;
use crate::policy::PathPattern;
use crate::policy::counting::Reach;
use crate::policy::error::{PolicyError, Problem};
use crate::policy::network::{List, ProxyVariables, entry};
use crate::policy::paths::escaped;
use crate::settings::Sourced;

impl Builder<'_> {
    /// `allowedDomains` and `network`.
    pub(super) fn network(&mut self) -> Result<(), PolicyError> {
        self.domains()?;
        self.upstream()?;
        self.sockets()
    }

    fn domains(&mut self) -> Result<(), PolicyError> {
        let reach = self.domains_lock.map_or(Reach::Every, Reach::Locked);
        for (said, counts) in self.counting.widening("sandbox.allowedDomains", reach, |v| &v.allowed_domains)
        {
            let checked = entry::check(&said.value, List::Allowed).map_err(|p| p.at(&said.origin))?;
            if counts {
                self.network.allowed.add(said.clone(), checked);
            }
        }
        for said in self.counting.tightening(|v| &v.denied_domains) {
            let checked = entry::check(&said.value, List::Denied).map_err(|p| p.at(&said.origin))?;
            self.network.denied.add(said.clone(), checked);
        }
        let key = "sandbox.network.uncheckedTlsNames";
        for (said, counts) in self.counting.widening(key, reach, |v| &v.unchecked_names) {
            let checked = entry::check(&said.value, List::Unchecked).map_err(|p| p.at(&said.origin))?;
            if counts {
                self.network.unchecked_names.add(said.clone(), checked);
            }
        }
        self.network.managed_only = self.managed_says(|values| values.managed_domains_only.as_ref());
        // It only tightens: true holds wherever it stands.
        let said = || self.layers.layers.iter().filter_map(|layer| layer.values.strict_allowlist.as_ref());
        self.network.strict = said().find(|said| said.value).or_else(|| said().next()).cloned();
        Ok(())
    }

    /// What carries allowed connections on, and what programs inside are told of it.
    fn upstream(&mut self) -> Result<(), PolicyError> {
        let counting = &mut self.counting;
        let port = |_: &u16| true;
        self.network.http_proxy_port = counting.scalar(
            "sandbox.network.httpProxyPort",
            Reach::Every,
            |v| v.http_proxy_port.clone(),
            port,
        );
        self.network.socks_proxy_port = counting.scalar(
            "sandbox.network.socksProxyPort",
            Reach::Every,
            |v| v.socks_proxy_port.clone(),
            port,
        );
        self.network.local_binding =
            counting.switch("sandbox.network.allowLocalBinding", Reach::Every, [false, true], |v| {
                v.local_binding.as_ref()
            });
        let key = "sandbox.network.proxyVariables";
        let said = counting.scalar(key, Reach::Every, |v| v.proxy_variables.clone(), |_| false);
        if let Some(said) = said {
            self.network.proxy_variables = match said.value.as_str() {
                "auto" => ProxyVariables::Auto,
                "always" => ProxyVariables::Always,
                "never" => ProxyVariables::Never,
                _ => {
                    let known = "auto, always, never";
                    return Err(Problem::UnknownWord { what: key, text: said.value, known }.at(&said.origin));
                }
            };
        }
        let key = "sandbox.network.caCertificates";
        if let Some(said) = counting.scalar(key, Reach::Every, |v| v.ca_certificates.clone(), |_| true) {
            let value = match self.paths.filesystem(&said.value, &said.origin)? {
                PathPattern::Literal(path) => path,
                PathPattern::Glob(_) => {
                    let why = "one file is wanted";
                    return Err(Problem::BadGlob { text: said.value, why }.at(&said.origin));
                }
            };
            self.network.extra_ca = Some(Sourced { value, origin: said.origin });
        }
        Ok(())
    }

    fn sockets(&mut self) -> Result<(), PolicyError> {
        for (entry, counts) in
            self.counting.widening("sandbox.allowUnixSockets", Reach::Every, |v| &v.unix_sockets)
        {
            let pattern = self.paths.filesystem(&entry.value, &entry.origin)?;
            // A path that is no text cannot be said as a glob: nothing is opened for it.
            let text = match &pattern {
                PathPattern::Literal(path) => path.to_str().map(escaped),
                PathPattern::Glob(glob) => Some(glob.text.clone()),
            };
            if let Some(value) = text.filter(|_| counts) {
                self.network.unix_sockets.push(Sourced { value, origin: entry.origin.clone() });
            }
        }
        // Whoever may speak to these may run what they like, outside.
        const BROAD: &[&str] =
            &["docker.sock", "podman.sock", "containerd.sock", "dbus/system_bus_socket", "/bus"];
        let broad =
            self.network.unix_sockets.iter().find(|s| BROAD.iter().any(|name| s.value.ends_with(name)));
        if let Some(broad) = broad {
            let text = format!(
                "allowUnixSockets '{}' ({}) is dangerous: through that socket a command can leave the sandbox",
                broad.value, broad.origin
            );
            self.notice("broad-socket", text);
        }
        let all = self.counting.scalar(
            "sandbox.network.allowAllUnixSockets",
            Reach::Every,
            |v| v.all_unix_sockets.clone(),
            |value| *value,
        );
        if let Some(all) = all.as_ref().filter(|all| all.value) {
            let text = format!(
                "allowAllUnixSockets ({}) is dangerous: through sockets such as Docker's a command can leave the sandbox",
                all.origin
            );
            self.notice("broad-socket", text);
        }
        self.network.all_unix_sockets = all;
        Ok(())
    }
}
