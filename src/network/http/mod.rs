//! HTTP/1 between a program and servers. Owns the two roles: in front of one server, where each request must be for
//! it, and as a proxy, where each request is decided on anew. Must not know which hosts are allowed.

mod request;
mod upstream;
mod wire;

#[cfg(target_os = "linux")]
use super::peers::gone;
use super::{Cause, Gate, HttpLine, Permit, Refusal, Way, tunnel};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, PROXY_AUTHORIZATION, UPGRADE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use request::Wanted;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;
use upstream::{Rest, Upstream};
use wire::Wire;

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// How long nothing of a request may have gone on before it counts as whole, where nobody waits for its answer.
const QUIET: Duration = Duration::from_secs(2);

/// Headers of a request or an answer.
const MOST_HEADERS: usize = 1000;

/// The reason phrase of a refusal.
const BLOCKED: ReasonPhrase = ReasonPhrase::from_static(b"Blocked by sbsh");

/// The server failed where it is too late to say so, or where a program knows better than we whether to try again.
#[derive(Debug, thiserror::Error)]
#[error("the server ended the connection")]
struct Torn;

/// For whom requests are answered.
enum Role {
    /// Programs that believe to talk to this server.
    Origin(Rc<Permit>),
    /// Programs that were told of a proxy; the program's end of the connection.
    Proxy(SocketAddr),
}

/// A tunnel that a program asked the proxy for, and got.
#[derive(Debug)]
pub struct Connected {
    /// What was permitted.
    pub permit: Rc<Permit>,
    /// The program's connection.
    pub inside: TcpStream,
    /// What it has said already.
    pub first: Vec<u8>,
    /// The server's connection.
    pub outside: TcpStream,
}

/// What becomes of the connection when its last request is answered.
enum Next {
    Connected { permit: Rc<Permit>, outside: TcpStream },
    Upgraded { permit: Rc<Permit>, rest: Rest },
}

/// What is shared by the requests of one connection.
struct Exchange<G> {
    gate: Rc<G>,
    role: Role,
    /// A connection that was dialled before it was known to be for HTTP.
    dialled: Cell<Option<TcpStream>>,
    kept: RefCell<Option<Upstream>>,
    /// The last request went to a server, by this permit.
    asked: RefCell<Option<Rc<Permit>>>,
    next: RefCell<Option<Next>>,
}

/// Answers the requests on an allowed connection to one server.
pub async fn origin<G: Gate>(
    gate: Rc<G>,
    permit: Rc<Permit>,
    inside: TcpStream,
    first: Vec<u8>,
    dialled: Option<TcpStream>,
) {
    converse(gate, Role::Origin(permit), inside, first, dialled).await;
}

/// Answers requests as a proxy; the tunnel, if it comes to one.
pub async fn proxy<G: Gate>(
    gate: Rc<G>,
    inside: TcpStream,
    from: SocketAddr,
    first: Vec<u8>,
) -> Option<Connected> {
    if let Some(host) = request::odd_host(&first) {
        // hyper answers it, but nobody else would hear of it.
        gate.record(Refusal::malformed(host, "it has characters that no host has"));
    }
    converse(gate, Role::Proxy(from), inside, first, None).await
}

async fn converse<G: Gate>(
    gate: Rc<G>,
    role: Role,
    inside: TcpStream,
    first: Vec<u8>,
    dialled: Option<TcpStream>,
) -> Option<Connected> {
    let wanted = match &role {
        Role::Origin(permit) => Some((permit.target.clone(), permit.way)),
        Role::Proxy(_) => request::wanted(&first).map(|target| (target, Way::Http)),
    };
    let exchange = Rc::new(Exchange {
        gate,
        role,
        dialled: Cell::new(dialled),
        kept: RefCell::default(),
        asked: RefCell::default(),
        next: RefCell::default(),
    });
    let service = service_fn(|request| {
        let exchange = exchange.clone();
        Box::pin(async move { exchange.answer(request).await })
    });
    let inside = Rc::new(inside);
    let watched = Rc::clone(&inside);
    let mut abandoned = Box::pin(async { exchange.abandoned(&watched).await });
    let mut connection = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(MOST_HEADERS)
        .half_close(true)
        .header_read_timeout(None)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Wire::inside(first, inside)), service);
    let ended = poll_fn(|cx| match connection.poll_without_shutdown(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => abandoned.as_mut().poll(cx).map(|()| None),
    });
    let ended = ended.await;
    drop(abandoned);
    drop(watched);
    let ended = ended?;
    if let (Some(error), Some((target, way))) =
        (ended.as_ref().err().filter(|error| error.is_parse()), wanted)
    {
        // hyper has answered it, but nobody else would hear of it.
        exchange.gate.refuse(&target, way, Cause::Malformed(format!("the request cannot be read: {error}")));
    }
    let parts = connection.into_parts();
    let (inside, first) = parts.io.into_inner().into_parts(&parts.read_buf)?;
    exchange.kept.take();
    match exchange.next.take() {
        Some(Next::Connected { permit, outside }) if ended.is_ok() => {
            return Some(Connected { permit, inside, first, outside });
        }
        Some(Next::Upgraded { permit, rest }) if ended.is_ok() => {
            if let Ok((outside, read)) = rest.await {
                let _ = tunnel::relay_both(inside, first, outside, read, &permit.tally).await;
            }
        }
        // Where an answer broke off, an orderly end would make it look whole.
        _ if ended.is_err_and(|error| error.is_user() || error.is_body_write_aborted()) => {
            tunnel::reset(&inside)
        }
        _ => tunnel::hang_up(inside).await,
    }
    None
}

impl<G: Gate> Exchange<G> {
    /// Waits until nobody waits for an answer any more, and all that was asked has gone to the server.
    async fn abandoned(&self, inside: &TcpStream) {
        gone(inside).await;
        let passed = || self.asked.borrow().as_ref().map(|permit| permit.tally.sent.get());
        loop {
            let before = passed();
            sleep(QUIET).await;
            if before.is_some() && before == passed() {
                tunnel::reset(inside);
                return;
            }
        }
    }

    /// Answers one request.
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Torn> {
        self.asked.take();
        let (parts, body) = request.into_parts();
        let permit = match self.permit(&parts).await {
            Ok(permit) => permit,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if parts.method == Method::CONNECT {
            return Ok(match self.gate.dial(&permit).await {
                Ok(outside) => {
                    self.next.replace(Some(Next::Connected { permit, outside }));
                    Response::new(Either::Right(Full::default()))
                }
                Err(refusal) => refused(&refusal),
            });
        }
        self.forward(parts, body, permit).await
    }

    /// Has the request decided on.
    async fn permit(&self, parts: &Parts) -> Result<Rc<Permit>, Refusal> {
        match &self.role {
            Role::Origin(permit) => request::origin(parts, permit)
                .map(|()| permit.clone())
                .map_err(|cause| self.gate.refuse(&permit.target, Way::Http, cause)),
            Role::Proxy(from) => match request::proxy(parts).map_err(|refusal| self.gate.record(refusal))? {
                Wanted::Connect(target) => self.gate.permit(target, Way::Connect, *from).await,
                Wanted::Forward(target) => self.gate.permit(target, Way::Http, *from).await,
            },
        }
    }

    /// Sends a permitted request on and brings its answer.
    async fn forward(&self, mut parts: Parts, body: Incoming, permit: Rc<Permit>) -> Result<Answer, Torn> {
        let wants = request::prepare(&mut parts, &permit);
        let asked = parts.uri.clone();
        let mut request = Request::from_parts(parts, body);
        let (mut upstream, response) = loop {
            let mut upstream = match self.upstream(&permit).await {
                Ok(upstream) => upstream,
                Err(refusal) => return Ok(refused(&refusal)),
            };
            if upstream.authorization.is_some() && request::comes_back(request.method()) {
                let cause =
                    Cause::Malformed("it would bring back what the upstream proxy is told".to_owned());
                return Ok(refused(&self.gate.refuse(&permit.target, permit.way, cause)));
            }
            *request.uri_mut() = request::address(&asked, &permit.target, upstream.absolute);
            request.headers_mut().remove(PROXY_AUTHORIZATION);
            if let Some(authorization) = &upstream.authorization {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            self.asked.replace(Some(Rc::clone(&permit)));
            match upstream.sender.try_send_request(request).await {
                Ok(response) => break (upstream, response),
                Err(mut failed) if upstream.used => match failed.take_message() {
                    // Nothing of it was sent: the server had closed the kept connection.
                    Some(again) => request = again,
                    None => return Err(Torn),
                },
                Err(failed) => {
                    let cause = Cause::Unreachable(format!("it gave no answer ({})", failed.error()));
                    return Ok(refused(&self.gate.refuse(&permit.target, permit.way, cause)));
                }
            }
        };
        let (mut head, body) = response.into_parts();
        let becomes = request::upgrade(&head.headers);
        request::one_end(&mut head.headers);
        request::clean(&mut head.headers);
        head.version = Version::HTTP_11;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(_), Some(protocol)) = (wants, becomes) else {
                let cause =
                    Cause::Malformed("the server changed to a protocol that cannot be judged".to_owned());
                return Ok(refused(&self.gate.refuse(&permit.target, permit.way, cause)));
            };
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(UPGRADE, protocol);
            self.next.replace(Some(Next::Upgraded { permit, rest: upstream.rest }));
        } else {
            upstream.used = true;
            self.kept.replace(Some(upstream));
        }
        Ok(Response::from_parts(head, Either::Left(body)))
    }

    /// The connection for a request: the kept one where it leads to the same target, or a new one.
    async fn upstream(&self, permit: &Rc<Permit>) -> Result<Upstream, Refusal> {
        let kept = self.kept.take();
        if let Some(mut kept) = kept
            && kept.serves(permit).await
        {
            return Ok(kept);
        }
        let line = match self.dialled.take() {
            Some(stream) => HttpLine { stream, absolute: false, authorization: None },
            None => self.gate.dial_http(permit).await?,
        };
        Upstream::open(line, permit).await.map_err(|error| {
            let cause = Cause::Unreachable(error.to_string());
            self.gate.refuse(&permit.target, permit.way, cause)
        })
    }
}

/// A refusal as an answer, after which the connection ends.
fn refused(refusal: &Refusal) -> Answer {
    let mut answer = Response::new(Either::Right(Full::from(refusal.body())));
    *answer.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    if answer.status() == StatusCode::FORBIDDEN {
        answer.extensions_mut().insert(BLOCKED);
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Elsewhere it cannot be told.
#[cfg(not(target_os = "linux"))]
async fn gone(_: &TcpStream) {
    std::future::pending().await
}

#[cfg(test)]
mod tests;
