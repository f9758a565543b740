//! What an HTTP request asks for, and how it goes on. Pure. Owns the agreement of its several names for a host, and
//! the headers that end at a proxy; must not decide whether a host is allowed.

use super::super::{Cause, Permit, Refusal, Target, asked, opening::HTTP_PORT};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Method, Version};

/// What a request to a proxy wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A tunnel.
    Connect(Target),
    /// This one answered.
    Forward(Target),
}

/// Whether a request on a permitted connection names only its target.
///
/// # Errors
/// What else it names, or why it cannot be told.
pub fn origin(parts: &Parts, permit: &Permit) -> Result<(), Cause> {
    let malformed = |why: &str| Err(Cause::Malformed(why.to_owned()));
    if parts.method == Method::CONNECT {
        return malformed("CONNECT would lead on to another host");
    }
    framing(&parts.headers).map_err(|why| Cause::Malformed(why.to_owned()))?;
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return malformed("the request has more than one Host header"),
        (Some(host), None) => agrees(host.as_bytes(), permit)?,
        (None, _) if parts.version >= Version::HTTP_11 => return malformed("the request has no Host header"),
        (None, _) => {}
    }
    match (parts.uri.scheme(), parts.uri.authority()) {
        (None, None) => Ok(()),
        (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP => {
            agrees(authority.as_str().as_bytes(), permit)
        }
        _ => malformed("the request is not for this server"),
    }
}

/// Whether a name in a request means the target; a port that is left out means the connection's.
fn agrees(authority: &[u8], permit: &Permit) -> Result<(), Cause> {
    match called(authority, permit) {
        Some(_) => Ok(()),
        None => Err(Cause::OtherName(Some(String::from_utf8_lossy(authority).into_owned()))),
    }
}

/// The target by the host that a name in a request has for it; `None` where that means another.
fn called(authority: &[u8], permit: &Permit) -> Option<Target> {
    let (host, port) = asked::authority(authority).ok()?;
    let wanted = permit.target.port;
    let means = port.is_none_or(|port| port == wanted) && permit.is_called(&host);
    means.then_some(Target { host, port: wanted })
}

/// What a request line asks for, where that can stand in no request: nobody who reads requests gets to see it.
pub fn odd_host(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let (method, url) = (words.next()?, words.next()?);
    if !method.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let scheme = url.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let authority = url.get(scheme..)?.split(|byte| matches!(byte, b'/' | b'?')).next()?;
    let odd = !authority.is_empty() && Authority::try_from(authority).is_err();
    if odd { asked::without_user(authority) } else { None }
}

/// Where a request line to a proxy wants to go, for telling that nobody could read the request.
pub fn wanted(bytes: &[u8]) -> Option<Target> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let url = line.split(|byte| *byte == b' ').nth(1)?.strip_prefix(b"http://")?;
    let authority = url.split(|byte| matches!(byte, b'/' | b'?')).next()?;
    let (host, port) = asked::authority(authority).ok()?;
    Some(Target { host, port: port.unwrap_or(HTTP_PORT) })
}

/// What a request to sbsh's own proxy wants.
///
/// # Errors
/// Why that is nothing.
pub fn proxy(parts: &Parts) -> Result<Wanted, Refusal> {
    let uri = &parts.uri;
    // It is logged: neither a password nor what a path or query may hide.
    let text = uri.authority().map_or("", |authority| authority.as_str());
    let text = asked::without_user(text.as_bytes()).unwrap_or_default();
    let malformed = |why: &str| Refusal::malformed(text, why);
    framing(&parts.headers).map_err(malformed)?;
    let named = |authority: &str, default: Option<u16>| {
        let (host, port) = asked::authority(authority.as_bytes())?;
        let port = port.or(default).ok_or_else(|| malformed("it has no port"))?;
        Ok(Target { host, port })
    };
    match (&parts.method, uri.scheme(), uri.authority()) {
        (&Method::CONNECT, None, Some(authority)) => Ok(Wanted::Connect(named(authority.as_str(), None)?)),
        (&Method::CONNECT, ..) => Err(malformed("CONNECT takes a host and a port")),
        (_, Some(scheme), Some(authority)) if *scheme == Scheme::HTTP => {
            Ok(Wanted::Forward(named(authority.as_str(), Some(HTTP_PORT))?))
        }
        (_, Some(_), _) => Err(malformed("this proxy takes http:// only, and CONNECT for all else")),
        _ => Err(malformed("this is sbsh's proxy and no server; it takes http://… requests and CONNECT")),
    }
}

/// Whether there is one way only to say where the request ends. (Different lengths hyper itself refuses.)
fn framing(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        _ if headers.contains_key(CONTENT_LENGTH) => Err("it has both Content-Length and Transfer-Encoding"),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err("it has a Transfer-Encoding other than chunked"),
    }
}

/// Makes a request ready to go on to the target. The protocol that it wants to change to, if it may.
pub fn prepare(parts: &mut Parts, permit: &Permit) -> Option<HeaderValue> {
    let upgrade = upgrade(&parts.headers);
    let trailers = has_word(&parts.headers, &TE, "trailers");
    clean(&mut parts.headers);
    // In one spelling; but a server on the loopback may tell `localhost` from its addresses.
    let said = parts.headers.get(HOST).and_then(|host| called(host.as_bytes(), permit));
    if let Ok(host) = HeaderValue::from_str(&authority(said.as_ref().unwrap_or(&permit.target))) {
        parts.headers.insert(HOST, host);
    }
    let mut connection = Vec::new();
    if let Some(protocol) = &upgrade {
        parts.headers.insert(UPGRADE, protocol.clone());
        connection.push("upgrade");
    }
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
        connection.push("TE");
    }
    if let Ok(words) = HeaderValue::from_str(&connection.join(", "))
        && !connection.is_empty()
    {
        parts.headers.insert(CONNECTION, words);
    }
    parts.version = Version::HTTP_11;
    upgrade
}

/// Where the request goes: the path alone, or for a proxy the whole.
pub fn address(uri: &Uri, target: &Target, absolute: bool) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !absolute {
        return Uri::from(path);
    }
    let whole = Uri::builder().scheme(Scheme::HTTP).authority(authority(target)).path_and_query(path.clone());
    whole.build().unwrap_or_else(|_| Uri::from(path))
}

/// Whether the answer to such a request is the request as it arrived (RFC 9110, 9.3.8; TRACK is IIS's word for it). With
/// `Max-Forwards: 0` the upstream proxy itself gives it.
pub fn comes_back(method: &Method) -> bool {
    ["TRACE", "TRACK"].iter().any(|word| method.as_str().eq_ignore_ascii_case(word))
}

/// A target as `Host` says it.
fn authority(target: &Target) -> String {
    if target.port == HTTP_PORT { target.host.to_string() } else { target.to_string() }
}

/// Leaves one way only to say where an answer ends, the one that was gone by (RFC 9112, 6.3).
pub fn one_end(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
}

/// Takes out the headers that are between neighbours (RFC 9110, 7.6.1), and those that `Connection` names.
pub fn clean(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = words(headers, &CONNECTION).filter_map(|word| word.parse().ok()).collect();
    for name in named.iter().filter(|name| **name != HOST && **name != CONTENT_LENGTH) {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authentication-info", "http2-settings"] {
        headers.remove(name);
    }
}

/// The protocol that a request asks to change to or an answer changes to, unless requests in it would go unjudged.
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else {
        return None;
    };
    let hides = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        ["h2", "h3", "http", "tls", "connect"].iter().any(|start| name.starts_with(start))
    };
    let judged = protocol.to_str().is_ok_and(|text| !text.split(',').any(hides));
    (judged && has_word(headers, &CONNECTION, "upgrade")).then(|| protocol.clone())
}

fn has_word(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The words of a header that is a list.
fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
}
