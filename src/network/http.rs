//! HTTP: requests of programs inside, each judged by itself, carried by hyper.
//!
//! Owns what a request asks for (its target and its Host) and which headers go on. Every request is read and written
//! anew, so nothing that two servers could read differently passes.

use super::transparent::carry;
use super::{Cause, Gate, Permit, Refusal, Target, Way, tunnel};
use crate::policy::Host;
use crate::policy::host::parse_host_port;
use crate::system::visible::visible;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

const REASON: &[u8] = b"Blocked by sbsh";

/// Serves plain HTTP that was meant for one target; `outside` is a connection to it that stands already.
pub async fn origin<G: Gate>(
    gate: Rc<G>,
    inside: TcpStream,
    first: Vec<u8>,
    permit: Rc<Permit>,
    outside: Option<TcpStream>,
) {
    let line = match outside {
        // Dialled before it was clear that this is HTTP: a tunnel through a proxy is as good as the server.
        Some(stream) => {
            connect(stream, false, None).await.ok().map(|sender| Line { permit: Rc::clone(&permit), sender })
        }
        None => None,
    };
    serve(gate, inside, first, Role::Origin(permit), line).await;
}

/// Serves a program that was told of the proxy.
pub async fn proxy<G: Gate>(gate: Rc<G>, inside: TcpStream, first: Vec<u8>) {
    serve(gate, inside, first, Role::Proxy, None).await;
}

/// The answer to a refused connection that talks HTTP, where no request was read.
pub fn raw(refusal: &Refusal) -> String {
    let body = text(refusal);
    format!(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        refusal.status(),
        String::from_utf8_lossy(REASON),
        body.len()
    )
}

fn text(refusal: &Refusal) -> String {
    match refusal.advice() {
        Some(advice) => format!("sbsh: {}; {advice}\n", refusal.what()),
        None => format!("sbsh: {}\n", refusal.what()),
    }
}

enum Role {
    Origin(Rc<Permit>),
    Proxy,
}

/// A connection outside that serves one request after the other.
struct Line {
    permit: Rc<Permit>,
    sender: Sender,
}

struct Sender {
    requests: client::SendRequest<Counted<Incoming>>,
    absolute: bool,
    authorization: Option<String>,
}

struct Service<G> {
    gate: Rc<G>,
    role: Role,
    line: RefCell<Option<Line>>,
}

type Answer = Response<Either<Counted<Incoming>, Full<Bytes>>>;

async fn serve<G: Gate>(gate: Rc<G>, inside: TcpStream, first: Vec<u8>, role: Role, line: Option<Line>) {
    let service = Rc::new(Service { gate, role, line: RefCell::new(line) });
    let stream = TokioIo::new(Prefixed { first, stream: inside });
    let answer = service_fn(move |request| {
        let service = Rc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut builder = server::Builder::new();
    builder.preserve_header_case(true).half_close(true);
    let _ = builder.serve_connection(stream, answer).with_upgrades().await;
}

impl<G: Gate> Service<G> {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let done = match (&self.role, request.method()) {
            (Role::Proxy, &Method::CONNECT) => self.tunnel(request).await,
            _ => self.pass(request).await,
        };
        done.unwrap_or_else(|refusal| refused(&refusal))
    }

    /// CONNECT: the tunnel's first bytes are looked at as those of any connection.
    async fn tunnel(&self, mut request: Request<Incoming>) -> Result<Answer, Refusal> {
        let authority = request.uri().authority().map(|a| a.as_str().to_owned()).unwrap_or_default();
        let target = self.read_target(&authority, None)?;
        let permit = self.gate.permit(target, Way::Connect).await?;
        // Dialled before the answer, which says whether it was possible. An upstream proxy wants plain HTTP as requests.
        let outside = if permit.target.port == 80 { None } else { Some(self.gate.dial(&permit).await?) };
        let upgrade = hyper::upgrade::on(&mut request);
        let gate = Rc::clone(&self.gate);
        spawn_local(async move {
            if let Some((inside, first)) = inside(upgrade).await {
                carry(gate, inside, first, permit, outside).await;
            }
        });
        Ok(Response::new(Either::Right(Full::default())))
    }

    /// Any other request.
    async fn pass(&self, mut request: Request<Incoming>) -> Result<Answer, Refusal> {
        let target = self.judge(&request)?;
        let mut line = self.line(&target).await?;
        let permit = Rc::clone(&line.permit);
        let wants_upgrade = request.headers().contains_key(header::UPGRADE);
        let inside_upgrade = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
        let outward = outward(request, &line, wants_upgrade).map_err(|why| self.malformed(&target, why))?;
        let unreachable = |error: hyper::Error| {
            let cause = Cause::Unreachable(visible(error.to_string().as_bytes()).to_string());
            self.gate.refuse(&target, Way::Http, cause)
        };
        let mut response = line.sender.requests.send_request(outward).await.map_err(unreachable)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let outside_upgrade = hyper::upgrade::on(&mut response);
            if let Some(inside_upgrade) = inside_upgrade {
                spawn_local(join(inside_upgrade, outside_upgrade, Rc::clone(&permit)));
            }
        } else {
            *self.line.borrow_mut() = Some(line);
        }
        strip(response.headers_mut(), wants_upgrade);
        let counted = |body| Either::Left(Counted { body, permit, sent: false });
        Ok(response.map(counted))
    }

    /// What a request is for. Host, absolute form and the connection's own target must agree.
    fn judge(&self, request: &Request<Incoming>) -> Result<Target, Refusal> {
        let uri = request.uri();
        let named = match uri.authority() {
            Some(authority) => {
                let shown = uri.to_string();
                if uri.scheme_str().is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
                    let target = self.read_target(authority.as_str(), Some(443))?;
                    return Err(self.malformed(&target, "only http:// is proxied; use CONNECT for the rest"));
                }
                if authority.as_str().contains('@') {
                    return Err(self.no_target(&shown, "userinfo stands in it"));
                }
                Some(self.read_target(authority.as_str(), Some(80))?)
            }
            None => None,
        };
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return Err(self.no_target("Host", "there are several Host headers")),
            (Some(host), None) => {
                let text = host.to_str().map_err(|_| self.no_target("Host", "the Host header is no text"))?;
                Some(text.to_owned())
            }
            (None, None) => None,
        };
        match (&self.role, named, host) {
            // The absolute form decides (RFC 9112, 3.2.2), and the Host that goes on is made from it.
            (Role::Proxy, Some(target), _) => Ok(target),
            (Role::Proxy, None, _) => {
                Err(self.no_target(&uri.to_string(), "this is a proxy: it wants a whole URL or CONNECT"))
            }
            (Role::Origin(permit), named, host) => {
                let own = &permit.target;
                if named.is_some_and(|named| named != *own) {
                    return Err(self.other(own, &uri.to_string()));
                }
                match host {
                    Some(text) => {
                        let (host, port) = parse_host_port(&text, Some(own.port))
                            .map_err(|error| self.no_target(&text, error.0))?;
                        let implied =
                            !text.trim_end_matches(']').contains(':') || matches!(host, Host::Address(_));
                        if host != own.host || port != own.port && !implied {
                            return Err(self.other(own, &text));
                        }
                    }
                    // HTTP/1.0 needs no Host: the server has only its own to serve.
                    None if request.version() <= Version::HTTP_10 => {}
                    None => return Err(self.no_target("Host", "there is no Host header")),
                }
                Ok(own.clone())
            }
        }
    }

    fn read_target(&self, text: &str, port: Option<u16>) -> Result<Target, Refusal> {
        let read = parse_host_port(text, port).map_err(|error| self.no_target(text, error.0));
        read.map(|(host, port)| Target { host, port })
    }

    fn no_target(&self, text: &str, why: &str) -> Refusal {
        Refusal {
            target: visible(text.as_bytes()).to_string(),
            host: None,
            cause: Cause::Malformed(why.into()),
        }
    }

    fn malformed(&self, target: &Target, why: &str) -> Refusal {
        self.gate.refuse(target, Way::Http, Cause::Malformed(why.into()))
    }

    fn other(&self, own: &Target, named: &str) -> Refusal {
        let cause = Cause::OtherName(Some(visible(named.as_bytes()).to_string()));
        self.gate.refuse(own, Way::Http, cause)
    }

    /// The connection for a target: the one that stands, if it is to there; each request needs permission all the same.
    async fn line(&self, target: &Target) -> Result<Line, Refusal> {
        let standing = self.line.borrow_mut().take().filter(|line| line.permit.target == *target);
        let permit = match &self.role {
            Role::Origin(permit) => Rc::clone(permit),
            Role::Proxy => self.gate.permit(target.clone(), Way::Http).await?,
        };
        if let Some(mut line) = standing
            && line.sender.requests.ready().await.is_ok()
        {
            line.permit = permit;
            return Ok(line);
        }
        let dialled = self.gate.dial_http(&permit).await?;
        let unreachable =
            |error: hyper::Error| self.gate.refuse(target, Way::Http, Cause::Unreachable(error.to_string()));
        let sender =
            connect(dialled.stream, dialled.absolute, dialled.authorization).await.map_err(unreachable)?;
        Ok(Line { permit, sender })
    }
}

async fn connect(stream: TcpStream, absolute: bool, authorization: Option<String>) -> hyper::Result<Sender> {
    let mut builder = client::Builder::new();
    builder.preserve_header_case(true);
    let (requests, connection) = builder.handshake(TokioIo::new(stream)).await?;
    spawn_local(connection.with_upgrades());
    Ok(Sender { requests, absolute, authorization })
}

fn refused(refusal: &Refusal) -> Answer {
    let mut response = Response::new(Either::Right(Full::from(text(refusal))));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    if refusal.status() == 403
        && let Ok(reason) = ReasonPhrase::try_from(REASON)
    {
        response.extensions_mut().insert(reason);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // What follows a refused request on the same connection is not trusted to be in step.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The request as it goes on.
fn outward(
    request: Request<Incoming>,
    line: &Line,
    upgrade: bool,
) -> Result<Request<Counted<Incoming>>, &'static str> {
    let (mut parts, body) = request.into_parts();
    let target = &line.permit.target;
    let authority = if target.port == 80 { target.host.to_string() } else { target.to_string() };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let uri = if line.sender.absolute { format!("http://{authority}{path}") } else { path };
    parts.uri = uri.parse::<Uri>().map_err(|_| "its path cannot be read")?;
    parts.version = Version::HTTP_11;
    strip(&mut parts.headers, upgrade);
    // hyper answers `Expect: 100-continue` itself.
    parts.headers.remove(header::EXPECT);
    let host = HeaderValue::from_str(&authority).map_err(|_| "its host cannot be written")?;
    parts.headers.insert(header::HOST, host);
    if let Some(authorization) = &line.sender.authorization {
        let mut value =
            HeaderValue::from_str(authorization).map_err(|_| "the upstream's password cannot be sent")?;
        value.set_sensitive(true);
        parts.headers.insert(header::PROXY_AUTHORIZATION, value);
    }
    let body = Counted { body, permit: Rc::clone(&line.permit), sent: true };
    Ok(Request::from_parts(parts, body))
}

/// Takes away what belongs to one connection (RFC 9110, 7.6.1).
fn strip(headers: &mut HeaderMap, upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !(upgrade && *name == header::UPGRADE) && *name != header::HOST)
        .collect();
    named.iter().for_each(|name| {
        headers.remove(name);
    });
    for name in ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"] {
        headers.remove(name);
    }
    if upgrade && headers.contains_key(header::UPGRADE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(header::UPGRADE);
    }
}

/// The program's side of an upgraded connection, with what was read beyond the request.
async fn inside(upgrade: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgrade.await.ok()?.downcast::<TokioIo<Prefixed>>().ok()?;
    let Prefixed { mut first, stream } = parts.io.into_inner();
    // hyper has read from `first` before it read on.
    let mut read = parts.read_buf.to_vec();
    read.append(&mut first);
    Some((stream, read))
}

/// Joins both sides of an upgraded connection (a websocket).
async fn join(inward: OnUpgrade, outward: OnUpgrade, permit: Rc<Permit>) {
    let outside = async {
        let upgraded: Upgraded = outward.await.ok()?;
        upgraded.downcast::<TokioIo<TcpStream>>().ok()
    };
    let (Some((inside, first)), Some(outside)) = tokio::join!(self::inside(inward), outside) else { return };
    let early = outside.read_buf;
    let outside = outside.io.into_inner();
    if !early.is_empty() {
        let mut inside = inside;
        if tokio::io::AsyncWriteExt::write_all(&mut inside, &early).await.is_ok() {
            let _ = tunnel::relay(inside, first, outside, &permit.tally).await;
        }
        return;
    }
    let _ = tunnel::relay(inside, first, outside, &permit.tally).await;
}

/// A body whose bytes are counted; it keeps the permit until it has passed.
struct Counted<B> {
    body: B,
    permit: Rc<Permit>,
    sent: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            let tally = &self.permit.tally;
            let count = if self.sent { &tally.sent } else { &tally.received };
            count.set(count.get().saturating_add(data.len() as u64));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// A stream of which some was read already.
struct Prefixed {
    first: Vec<u8>,
    stream: TcpStream,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        let taken: Vec<u8> = self.first.drain(..length).collect();
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
