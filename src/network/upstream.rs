//! Upstream proxies: which one, if any, leads to a target.
//!
//! Owns the reading of `HTTPS_PROXY` and its kin and of the proxy ports in settings. Must not read the environment
//! itself, nor connect to anything (that is `dial`), nor show a password in a message or in `Debug`.

use super::Target;
use crate::policy::Host;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The proxies to go through, by what is to be reached. The default is none: everything is dialled directly.
#[derive(Debug, Clone, Default)]
pub struct Upstreams {
    /// For port 80.
    http: Option<Upstream>,
    /// For port 443.
    https: Option<Upstream>,
    /// For plain HTTP requests to other ports.
    plain: Option<Upstream>,
    /// For whatever else.
    rest: Option<Upstream>,
    /// What is dialled directly all the same.
    except: Vec<Exception>,
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// HTTP: CONNECT and requests in absolute form.
    Http,
    /// SOCKS5.
    Socks,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    /// What it speaks.
    pub(super) kind: Kind,
    /// Where it is.
    pub(super) at: Target,
    /// Who we are to it.
    pub(super) login: Option<Login>,
}

/// Name and password; bytes, since percent-encoding may spell any.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// Without a colon for HTTP; 1 to 255 bytes for SOCKS.
    pub(super) user: Vec<u8>,
    /// Up to 255 bytes for SOCKS.
    pub(super) password: Vec<u8>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { " with a login" } else { "" };
        write!(to, "{:?} {}{login}", self.kind, self.at)
    }
}

impl Login {
    /// The value of `Proxy-Authorization` (RFC 7617).
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", base64(&[&self.user[..], b":", &self.password[..]].concat()))
    }
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    what: Direct,
    port: Option<u16>,
}

/// What an entry of `NO_PROXY` names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    All,
    /// The domain itself and what is below it.
    Domain(String),
    Net(IpNet),
}

impl Upstreams {
    /// From the values of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. An empty value is none.
    ///
    /// `HTTP_PROXY` is for plain HTTP, `HTTPS_PROXY` for port 443, each before `ALL_PROXY`. Other ports prefer
    /// `ALL_PROXY`, then `HTTPS_PROXY`, since what comes there untold is mostly TLS.
    ///
    /// # Errors
    /// A sentence that names the variable and says what is wrong with it, without its value, which may hold a password.
    pub fn from_environment(
        https: Option<&str>,
        http: Option<&str>,
        all: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Upstreams, String> {
        let https = read("HTTPS_PROXY", https)?;
        let http = read("HTTP_PROXY", http)?;
        let all = read("ALL_PROXY", all)?;
        let http = http.or_else(|| all.clone());
        Ok(Upstreams {
            plain: http.clone(),
            http,
            rest: all.clone().or_else(|| https.clone()),
            https: https.or(all),
            except: exceptions(no_proxy.unwrap_or_default()),
        })
    }

    /// From the ports in settings: proxies on 127.0.0.1. With both, HTTP is for ports 80 and 443 and SOCKS for the
    /// rest. Settings win over the environment: use these alone unless [`Upstreams::is_none`].
    pub fn from_ports(http: Option<u16>, socks: Option<u16>) -> Upstreams {
        let local = |kind, port: Option<u16>| {
            let host = Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
            port.map(|port| Upstream { kind, at: Target { host, port }, login: None })
        };
        let (http, socks) = (local(Kind::Http, http), local(Kind::Socks, socks));
        let web = http.clone().or_else(|| socks.clone());
        let rest = socks.or(http);
        Upstreams { http: web.clone(), https: web, plain: rest.clone(), rest, except: Vec::new() }
    }

    /// Whether there is no proxy at all.
    pub fn is_none(&self) -> bool {
        // `plain` never stands alone: it is either `http` or `rest`.
        self.http.is_none() && self.https.is_none() && self.rest.is_none()
    }

    /// The proxy that leads to a target; `plain` where plain HTTP is to be spoken.
    pub(super) fn to(&self, target: &Target, plain: bool) -> Option<&Upstream> {
        // The loopback that settings allow is this machine's, not the proxy's.
        if target.host.is_loopback() || self.except.iter().any(|exception| exception.matches(target)) {
            return None;
        }
        match target.port {
            80 => self.http.as_ref(),
            _ if plain => self.plain_to(target.port),
            443 => self.https.as_ref(),
            _ => self.rest.as_ref(),
        }
    }

    /// Plain HTTP to a port other than 80. On 443 it is unusual enough to go where 443 goes.
    fn plain_to(&self, port: u16) -> Option<&Upstream> {
        if port == 443 { self.https.as_ref() } else { self.plain.as_ref() }
    }
}

impl Exception {
    fn matches(&self, target: &Target) -> bool {
        self.port.is_none_or(|port| port == target.port)
            && match (&self.what, &target.host) {
                (Direct::All, _) => true,
                (Direct::Domain(domain), Host::Name(name)) => name
                    .strip_suffix(domain.as_str())
                    .is_some_and(|front| front.is_empty() || front.ends_with('.')),
                (Direct::Net(net), Host::Address(address)) => net.contains(address),
                _ => false,
            }
    }
}

/// Reads `NO_PROXY`. An entry that is no host is left out: it can equal none.
fn exceptions(text: &str) -> Vec<Exception> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter_map(exception).collect()
}

fn exception(text: &str) -> Option<Exception> {
    if text.is_empty() {
        return None;
    }
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(Exception { what: Direct::Net(net), port: None });
    }
    let (host, port) = split_port(text)?;
    if host == "*" {
        return Some(Exception { what: Direct::All, port });
    }
    let host = host.strip_prefix('*').unwrap_or(host);
    let host = host.strip_prefix('.').unwrap_or(host);
    let what = match Host::parse(host).ok()? {
        Host::Name(name) => Direct::Domain(name),
        Host::Address(address) => Direct::Net(address.into()),
    };
    Some(Exception { what, port })
}

/// Reads the value of one variable.
fn read(variable: &str, value: Option<&str>) -> Result<Option<Upstream>, String> {
    match value.map(str::trim) {
        None | Some("") => Ok(None),
        Some(url) => upstream(url).map(Some).map_err(|why| format!("{variable} is no proxy to use: {why}")),
    }
}

/// Reads `[scheme://][user[:password]@]host[:port][/]`.
fn upstream(url: &str) -> Result<Upstream, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (kind, default) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Kind::Http, 80),
        "socks5" | "socks5h" => (Kind::Socks, 1080),
        "https" => {
            return Err("TLS to the proxy itself is not supported; use http:// or socks5h://".to_owned());
        }
        _ => return Err("its scheme is none of http://, socks5:// and socks5h://".to_owned()),
    };
    let (rest, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains('@') {
        // Else half of a password would be taken for a host and port, and shown.
        return Err("'/', '?' and '#' in its login must be written %2F, %3F and %23".to_owned());
    }
    // A raw '@' in a password is common enough: the last one counts.
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    let login = login.filter(|text| !text.is_empty()).map(|text| login_for(kind, text)).transpose()?;
    let (host, port) = split_port(place).ok_or("its port is no number from 1 to 65535")?;
    let host = Host::parse(host).map_err(|why| format!("its host is none: {why}"))?;
    Ok(Upstream { kind, at: Target { host, port: port.unwrap_or(default) }, login })
}

/// Reads userinfo and checks that the protocol can carry it.
fn login_for(kind: Kind, text: &str) -> Result<Login, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let login = Login { user: percent_decoded(user), password: percent_decoded(password) };
    match kind {
        Kind::Http if login.user.contains(&b':') => Err("its user name contains a colon".to_owned()),
        Kind::Socks if login.user.is_empty() => Err("its user name is empty".to_owned()),
        Kind::Socks if login.user.len() > 255 || login.password.len() > 255 => {
            Err("its user name or password is longer than the 255 bytes that SOCKS5 can carry".to_owned())
        }
        _ => Ok(login),
    }
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port` and a bare v6 address; `None` if the port is none.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let bracket = text.find(']').unwrap_or(0);
    match text.rsplit_once(':') {
        Some((host, port)) if host.len() > bracket => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port != 0)?;
            Some((host, Some(port)))
        }
        _ => Some((text, None)),
    }
}

/// Decodes `%XX`; a percent sign that begins no such thing stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

/// Base64 with padding (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4usize {
            let digit = bits >> (18 - 6 * place) & 63;
            let digit = if place > chunk.len() { None } else { DIGITS.get(digit as usize) };
            out.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target { host: Host::parse(host).unwrap(), port }
    }

    fn way(upstreams: &Upstreams, host: &str, port: u16, plain: bool) -> String {
        upstreams
            .to(&target(host, port), plain)
            .map_or("direct".to_owned(), |upstream| format!("{upstream:?}"))
    }

    fn excepted(no_proxy: &str, host: &str, port: u16) -> bool {
        let upstreams = Upstreams::from_environment(None, None, Some("p:1"), Some(no_proxy)).unwrap();
        upstreams.to(&target(host, port), false).is_none()
    }

    #[test]
    fn each_variable_is_for_its_own_traffic_and_all_for_what_is_left() {
        let one = |https, http, all| Upstreams::from_environment(https, http, all, None).unwrap();
        let each = one(Some("s:1"), Some("h:2"), Some("socks5://a:3"));
        assert_eq!(way(&each, "x.com", 443, false), "Http s:1");
        assert_eq!(way(&each, "x.com", 80, false), "Http h:2");
        assert_eq!(way(&each, "x.com", 8080, true), "Http h:2");
        assert_eq!(way(&each, "x.com", 22, false), "Socks a:3");
        let all = one(None, None, Some("socks5h://a"));
        for (port, plain) in [(443, false), (80, true), (8080, true), (22, false)] {
            assert_eq!(way(&all, "x.com", port, plain), "Socks a:1080");
        }
        let https = one(Some("http://s/"), Some(""), None);
        assert_eq!(way(&https, "x.com", 443, false), "Http s:80");
        assert_eq!(way(&https, "x.com", 8443, false), "Http s:80");
        assert_eq!(way(&https, "x.com", 80, true), "direct");
        assert!(!https.is_none());
        assert!(one(Some(" "), None, None).is_none());
        assert!(Upstreams::default().is_none());
    }

    #[test]
    fn with_both_ports_set_http_is_for_the_web_and_socks_for_the_rest() {
        let both = Upstreams::from_ports(Some(1), Some(2));
        assert_eq!(way(&both, "x.com", 80, true), "Http 127.0.0.1:1");
        assert_eq!(way(&both, "x.com", 443, false), "Http 127.0.0.1:1");
        assert_eq!(way(&both, "x.com", 8080, true), "Socks 127.0.0.1:2");
        assert_eq!(way(&both, "x.com", 22, false), "Socks 127.0.0.1:2");
        assert_eq!(way(&Upstreams::from_ports(Some(1), None), "x.com", 22, false), "Http 127.0.0.1:1");
        assert_eq!(way(&Upstreams::from_ports(None, Some(2)), "x.com", 80, true), "Socks 127.0.0.1:2");
        assert!(Upstreams::from_ports(None, None).is_none());
    }

    #[test]
    fn logins_are_decoded() {
        let login = |url: &str| upstream(url).unwrap().login.map(|login| (login.user, login.password));
        let pair = |user: &[u8], password: &[u8]| Some((user.to_vec(), password.to_vec()));
        assert_eq!(login("http://u:p@h:1"), pair(b"u", b"p"));
        assert_eq!(login("u%40x:p%3a%00%ff@h"), pair(b"u@x", b"p:\0\xff"));
        assert_eq!(login("http://u:a@b:c@h"), pair(b"u", b"a@b:c"));
        assert_eq!(login("http://u:100%@h"), pair(b"u", b"100%"));
        assert_eq!(login("http://u:%zz%4@h"), pair(b"u", b"%zz%4"));
        assert_eq!(login("http://u@h"), pair(b"u", b""));
        assert_eq!(login("http://@h"), None);
        assert_eq!(login("http://h"), None);
    }

    #[test]
    fn places_are_read_with_and_without_ports() {
        let at = |url: &str| upstream(url).unwrap().at.to_string();
        assert_eq!(at("HTTP://Proxy.Corp:3128/path?x"), "proxy.corp:3128");
        assert_eq!(at("[::1]:3128"), "[::1]:3128");
        assert_eq!(at("http://[::1]"), "[::1]:80");
        assert_eq!(at("socks5://u:p@10.0.0.1"), "10.0.0.1:1080");
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_password() {
        let long = format!("socks5://{}:secret@h", "u".repeat(256));
        for (url, words) in [
            ("https://u:secret@h:1", "TLS to the proxy itself"),
            ("socks4://u:secret@h:1", "scheme"),
            ("http://u:secret@h:0", "port"),
            ("http://u:secret@h:", "port"),
            ("http://u:secret@h:+1", "port"),
            ("http://u:secret@h:65536", "port"),
            ("http://u:12/secret@h", "%2F"),
            ("http://u%3a:secret@h", "colon"),
            ("socks5://:secret@h", "user name is empty"),
            ("http://u:secret@", "host"),
            (&long, "255"),
        ] {
            let error = Upstreams::from_environment(None, None, Some(url), None).unwrap_err();
            assert!(error.starts_with("ALL_PROXY ") && error.contains(words), "{url}: {error}");
            assert!(!error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_login() {
        let upstreams = Upstreams::from_environment(Some("http://me:secret@h"), None, None, None).unwrap();
        let shown = format!("{upstreams:?}");
        assert!(shown.contains("h:80 with a login"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("me:"), "{shown}");
    }

    #[test]
    fn no_proxy_takes_domains_addresses_and_ranges() {
        for rule in ["example.com", ".example.com", "*.example.com", "a, Example.COM.", "a example.com b"] {
            assert!(excepted(rule, "example.com", 443), "{rule}");
            assert!(excepted(rule, "www.example.com", 443), "{rule}");
            assert!(!excepted(rule, "notexample.com", 443), "{rule}");
            assert!(!excepted(rule, "example.com.evil.net", 443), "{rule}");
        }
        assert!(excepted("*", "x.com", 1) && excepted("*", "2001:db8::1", 1));
        assert!(excepted("10.0.0.0/8", "10.1.2.3", 1) && !excepted("10.0.0.0/8", "11.1.2.3", 1));
        assert!(excepted("1.2.3.4", "1.2.3.4", 1) && !excepted("1.2.3.4", "1.2.3.5", 1));
        assert!(
            excepted("fd00::/8", "fd12::1", 1)
                && excepted("2001:db8::1", "2001:db8::1", 1)
                && excepted("[2001:db8::1]:5", "2001:db8::1", 5)
        );
        assert!(excepted("x.com:8080", "x.com", 8080) && !excepted("x.com:8080", "x.com", 443));
        assert!(
            !excepted("", "x.com", 1) && !excepted(",,", "x.com", 1) && !excepted("x.com:no", "x.com", 1)
        );
        assert!(!excepted("2.3.4", "1.2.3.4", 1), "an address has no domain above it");
    }

    #[test]
    fn the_loopback_is_never_behind_a_proxy() {
        let ports = Upstreams::from_ports(Some(1), Some(2));
        let all = Upstreams::from_environment(None, None, Some("p:1"), None).unwrap();
        for upstreams in [ports, all] {
            for host in ["localhost", "x.localhost", "127.0.0.1", "0x7f.1", "[::1]", "0.0.0.0"] {
                for (port, plain) in [(80, true), (443, false), (22, false), (8080, true)] {
                    assert_eq!(way(&upstreams, host, port, plain), "direct", "{host}:{port}");
                }
            }
            assert_ne!(way(&upstreams, "xlocalhost", 443, false), "direct");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
        let login = Login { user: b"Aladdin".to_vec(), password: b"open sesame".to_vec() };
        assert_eq!(login.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
