//! The variables that tell programs inside of the proxy. Pure.
//!
//! Owns their names and spellings. Must not decide whether they are set: that is `network.proxyVariables` and the way
//! the boundary carries connections.

/// What the caller's own proxy is named by, often with a password. It is honoured outside, after the decision; inside it
/// would name a place that cannot be reached.
pub const CALLERS: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    // Not read here; they say the same to some programs.
    "FTP_PROXY",
    "ftp_proxy",
    "GRPC_PROXY",
    "grpc_proxy",
    "RSYNC_PROXY",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "DOCKER_HTTP_PROXY",
    "DOCKER_HTTPS_PROXY",
    "CLOUDSDK_PROXY_TYPE",
    "CLOUDSDK_PROXY_ADDRESS",
    "CLOUDSDK_PROXY_PORT",
    "CLOUDSDK_PROXY_USERNAME",
    "CLOUDSDK_PROXY_PASSWORD",
    "SOCKS_PROXY",
    "socks_proxy",
    "WS_PROXY",
    "ws_proxy",
    "WSS_PROXY",
    "wss_proxy",
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_HTTPS_PROXY",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "CARGO_HTTP_PROXY",
    "PIP_PROXY",
];

/// All variables for a proxy on these ports of the loopback. `helper` is the command, in shell words, that connects its
/// standard input and output to the host and port that follow it.
///
/// Without a proxy for the loopback itself: what listens inside is reached inside.
pub fn variables(http_port: u16, socks_port: u16, helper: &str) -> Vec<(&'static str, String)> {
    let address = format!("127.0.0.1:{http_port}");
    let http = format!("http://{address}");
    // socks5h: the proxy gets the name, so that it is judged by the name.
    let socks = format!("socks5h://127.0.0.1:{socks_port}");
    // ssh puts the host and the port for its own signs.
    let command = format!("{} %h %p", helper.replace('%', "%%"));
    let mut all = Vec::new();
    for names in [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"], ["FTP_PROXY", "ftp_proxy"]] {
        all.extend(names.map(|name| (name, http.clone())));
    }
    all.extend(["GRPC_PROXY", "grpc_proxy"].map(|name| (name, http.clone())));
    all.extend(["ALL_PROXY", "all_proxy"].map(|name| (name, socks.clone())));
    all.extend(["NO_PROXY", "no_proxy"].map(|name| (name, "localhost,127.0.0.1,::1".to_owned())));
    all.extend(["npm_config_proxy", "npm_config_https_proxy"].map(|name| (name, http.clone())));
    all.extend(["DOCKER_HTTP_PROXY", "DOCKER_HTTPS_PROXY"].map(|name| (name, http.clone())));
    all.push(("GIT_SSH_COMMAND", format!("ssh -o ProxyCommand={}", quoted(&command))));
    all.push(("JAVA_TOOL_OPTIONS", java(http_port)));
    all.push(("CLOUDSDK_PROXY_TYPE", "http".to_owned()));
    all.push(("CLOUDSDK_PROXY_ADDRESS", "127.0.0.1".to_owned()));
    all.push(("CLOUDSDK_PROXY_PORT", http_port.to_string()));
    all.push(("RSYNC_PROXY", address));
    all
}

/// One word for the shell that git starts for ssh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Java knows no variable of the usual kind.
fn java(port: u16) -> String {
    let of = |scheme: &str| format!("-D{scheme}.proxyHost=127.0.0.1 -D{scheme}.proxyPort={port}");
    // The JVM splits these options at blanks only.
    format!("{} {} -Dhttp.nonProxyHosts=localhost|127.*|[::1]", of("http"), of("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_told_in_its_own_words() {
        let all = variables(3128, 1080, "/usr/bin/sbsh --connect");
        let of = |name: &str| {
            let mut found = all.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_str());
            let value = found.next().unwrap();
            assert_eq!(found.next(), None, "{name} is there twice");
            value
        };
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "GRPC_PROXY"] {
            assert_eq!(of(name), "http://127.0.0.1:3128");
            assert_eq!(of(&name.to_lowercase()), "http://127.0.0.1:3128");
        }
        for name in ["npm_config_proxy", "npm_config_https_proxy", "DOCKER_HTTP_PROXY", "DOCKER_HTTPS_PROXY"]
        {
            assert_eq!(of(name), "http://127.0.0.1:3128");
        }
        for (name, value) in [
            ("ALL_PROXY", "socks5h://127.0.0.1:1080"),
            ("all_proxy", "socks5h://127.0.0.1:1080"),
            ("NO_PROXY", "localhost,127.0.0.1,::1"),
            ("no_proxy", "localhost,127.0.0.1,::1"),
            ("GIT_SSH_COMMAND", "ssh -o ProxyCommand='/usr/bin/sbsh --connect %h %p'"),
            ("CLOUDSDK_PROXY_TYPE", "http"),
            ("CLOUDSDK_PROXY_ADDRESS", "127.0.0.1"),
            ("CLOUDSDK_PROXY_PORT", "3128"),
            ("RSYNC_PROXY", "127.0.0.1:3128"),
            (
                "JAVA_TOOL_OPTIONS",
                "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=3128 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128 \
                 -Dhttp.nonProxyHosts=localhost|127.*|[::1]",
            ),
        ] {
            assert_eq!(of(name), value, "{name}");
        }
        // Whatever of it the caller has set is removed, also where variables are not wanted.
        let others = ["GIT_SSH_COMMAND", "JAVA_TOOL_OPTIONS"];
        assert!(all.iter().all(|(set, _)| CALLERS.contains(set) || others.contains(set)));
    }

    #[test]
    fn a_helper_with_quotes_stays_one_word() {
        let all = variables(1, 2, "'/a b%h/sbsh' --connect");
        let git = &all.iter().find(|(name, _)| *name == "GIT_SSH_COMMAND").unwrap().1;
        let words = shlex::split(git).unwrap();
        assert_eq!(words, ["ssh", "-o", "ProxyCommand='/a b%%h/sbsh' --connect %h %p"]);
    }
}
