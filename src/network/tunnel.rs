//! Bytes between two connections. Owns the copying, its back pressure and what it counts; must not look at what passes.
//!
//! A connection has no buffer of its own: what has arrived is looked at in the kernel (`MSG_PEEK`) through one buffer
//! that all share, written on, and only what was written is taken out. So what cannot be written stays where the
//! sender's own flow control sees it, an idle or stalled connection costs nothing, and copying can stop anywhere.

use super::Tally;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is copied at a time.
const BUFFER: usize = 256 << 10;

/// What one direction may copy before the other connections have their turn.
const TURN: u64 = 1 << 20;

/// How long and how much is taken in after the last words.
const MOMENT: Duration = Duration::from_secs(1);
const IGNORED: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static UNSENT: Cell<usize> = const { Cell::new(0) };
    static PASSED: Cell<u64> = const { Cell::new(0) };
}

/// How many connections have not passed on all that their programs said; an idle one is among them until its program ends.
pub fn unsent() -> usize {
    UNSENT.get()
}

/// The bytes that all connections have passed so far.
pub fn passed() -> u64 {
    PASSED.get()
}

/// A connection to outside over which not all has gone. Cut off, it ends with a reset: an orderly end would make what the
/// server has look whole.
struct Unsent<'s>(&'s TcpStream, Cell<bool>);

impl<'s> Unsent<'s> {
    fn on(outside: &'s TcpStream) -> Unsent<'s> {
        UNSENT.set(UNSENT.get() + 1);
        Unsent(outside, Cell::new(true))
    }

    fn is_sent(&self) {
        if self.1.replace(false) {
            UNSENT.set(UNSENT.get().saturating_sub(1));
        }
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if self.1.get() {
            reset(self.0);
            self.is_sent();
        }
    }
}

/// Carries both directions until both have ended; `first` are bytes that were read from inside already.
///
/// # Errors
/// The first failure of either side; it is passed on to both as a reset.
pub async fn relay(inside: TcpStream, first: Vec<u8>, outside: TcpStream, tally: &Tally) -> io::Result<()> {
    relay_both(inside, first, outside, Vec::new(), tally).await
}

/// As [`relay`], where bytes from outside were read already too.
///
/// # Errors
/// As [`relay`].
pub async fn relay_both(
    inside: TcpStream,
    from_inside: Vec<u8>,
    outside: TcpStream,
    from_outside: Vec<u8>,
    tally: &Tally,
) -> io::Result<()> {
    let ended = {
        let unsent = Unsent::on(&outside);
        // Closing both says the second end.
        let first = Cell::new(true);
        let end = |to: &TcpStream| {
            if first.replace(false) {
                finish(to)
            }
        };
        let mut out = pin!(carry(&inside, from_inside, &outside, &tally.sent, end));
        let mut back = pin!(carry(&outside, from_outside, &inside, &tally.received, end));
        let (mut out_ended, mut back_ended) = (false, false);
        poll_fn(|cx| {
            if !out_ended && let Poll::Ready(ended) = out.as_mut().poll(cx) {
                ended?;
                out_ended = true;
                unsent.is_sent();
            }
            if !back_ended && let Poll::Ready(ended) = back.as_mut().poll(cx) {
                ended?;
                back_ended = true;
            }
            if out_ended && back_ended { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    };
    if ended.is_err() {
        reset(&inside);
        reset(&outside);
    }
    ended
}

/// Carries one direction until it ends, and passes its end on. May be dropped at any time: no byte is lost, and none
/// comes twice.
///
/// # Errors
/// The failure of either side.
pub async fn one_way(from: &TcpStream, to: &TcpStream, count: &Cell<u64>) -> io::Result<()> {
    carry(from, Vec::new(), to, count, finish).await
}

/// Writes everything, and counts it.
///
/// # Errors
/// The failure of the other side.
pub async fn write_all(to: &TcpStream, mut bytes: &[u8], count: &Cell<u64>) -> io::Result<()> {
    // A connection that was just made has room, but the runtime has not heard so from the kernel yet.
    if !bytes.is_empty()
        && let Ok(written) = send(to.as_raw_fd(), bytes, AT_ONCE)
    {
        bytes = bytes.get(written..).unwrap_or_default();
        add(count, written);
    }
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                add(count, written);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the connection with a reset when it is dropped.
pub fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger(); // where it fails there is no connection any more
}

/// Says that nothing more comes.
pub fn finish(stream: &TcpStream) {
    let _ = shutdown(stream.as_raw_fd(), Shutdown::Write); // where it fails there is no connection any more
}

/// Says that nothing more comes, and takes in for a moment what is still on its way: closing with unread bytes would
/// be a reset, which can overtake the last words.
pub async fn hang_up(stream: TcpStream) {
    finish(&stream);
    let mut ignored = Vec::with_capacity(4096);
    let mut left = IGNORED;
    let _ = timeout(MOMENT, async {
        while left > 0 && stream.readable().await.is_ok() {
            ignored.clear();
            match stream.try_read_buf(&mut ignored) {
                Ok(0) => break,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    })
    .await;
}

/// One direction, `first` before all else.
async fn carry(
    from: &TcpStream,
    first: Vec<u8>,
    to: &TcpStream,
    count: &Cell<u64>,
    end: impl Fn(&TcpStream),
) -> io::Result<()> {
    write_all(to, &first, count).await?;
    drop(first);
    poll_fn(|cx| turn(cx, from, to, count)).await?;
    end(to);
    Ok(())
}

/// Copies what there is, until one side has to be waited for or others should have their turn.
fn turn(cx: &mut Context<'_>, from: &TcpStream, to: &TcpStream, count: &Cell<u64>) -> Poll<io::Result<()>> {
    let start = count.get();
    loop {
        if count.get().saturating_sub(start) >= TURN {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Room first: nothing is looked at that could not be written.
        ready!(to.poll_write_ready(cx))?;
        ready!(from.poll_read_ready(cx))?;
        match SCRATCH.with_borrow_mut(|scratch| pass(scratch, from, to)) {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(passed) => add(count, passed),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// Passes on what has arrived, as far as it can be written; 0 at the end.
fn pass(scratch: &mut Vec<u8>, from: &TcpStream, to: &TcpStream) -> io::Result<usize> {
    scratch.resize(BUFFER, 0);
    let seen = from.try_io(Interest::READABLE, || receive(from, scratch, MsgFlags::MSG_PEEK))?;
    let Some(bytes) = scratch.get(..seen).filter(|bytes| !bytes.is_empty()) else {
        return Ok(0);
    };
    let written = to.try_write(bytes)?;
    if written == seen && seen < BUFFER {
        is_empty(from);
    }
    let mut taken = 0;
    while taken < written {
        let rest = scratch.get_mut(taken..written).unwrap_or_default();
        match receive(from, rest, TAKE) {
            Ok(0) => break,
            Ok(more) => taken += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// After a read that got less than it had room for: nothing is left. Without this the next one would ask the kernel only
/// to hear so.
pub fn is_empty(from: &TcpStream) {
    let _ = from.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
}

/// Takes bytes out; Linux need not copy them for that.
const TAKE: MsgFlags = if cfg!(target_os = "linux") { MsgFlags::MSG_TRUNC } else { MsgFlags::empty() };

/// Without waiting, and without a signal where nobody listens any more.
#[cfg(target_os = "linux")]
const AT_ONCE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);
/// Without waiting. The library sets SO_NOSIGPIPE on its sockets where there is no flag for it.
#[cfg(not(target_os = "linux"))]
const AT_ONCE: MsgFlags = MsgFlags::MSG_DONTWAIT;

fn receive(from: &TcpStream, to: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
    Ok(recv(from.as_raw_fd(), to, flags)?)
}

fn add(count: &Cell<u64>, bytes: usize) {
    PASSED.set(PASSED.get().wrapping_add(bytes as u64));
    count.set(count.get().saturating_add(bytes as u64));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pair, run};
    use super::*;
    use std::rc::Rc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::spawn_local;

    /// The program's end, the server's end, and the relay between them.
    async fn relayed(
        first: &[u8],
    ) -> (TcpStream, TcpStream, Rc<Tally>, tokio::task::JoinHandle<io::Result<()>>) {
        let (program, inside) = pair().await;
        let (server, outside) = pair().await;
        let tally = Rc::new(Tally::default());
        let (counted, first) = (tally.clone(), first.to_vec());
        let relay = spawn_local(async move { relay(inside, first, outside, &counted).await });
        (program, server, tally, relay)
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    #[test]
    fn both_directions_pass_unchanged_and_are_counted() {
        run(async {
            let (program, server, tally, relay) = relayed(b"first ").await;
            let (mut program_reads, mut program_writes) = program.into_split();
            let (mut server_reads, mut server_writes) = server.into_split();
            let (sent, received) = (pattern(3_000_001), pattern(2_500_003));
            let (out, back) = (sent.clone(), received.clone());
            spawn_local(async move {
                program_writes.write_all(&out).await.unwrap();
            });
            spawn_local(async move {
                server_writes.write_all(&back).await.unwrap();
            });
            let (mut at_server, mut at_program) = (Vec::new(), Vec::new());
            tokio::try_join!(
                server_reads.read_to_end(&mut at_server),
                program_reads.read_to_end(&mut at_program)
            )
            .unwrap();
            assert!(at_server == [&b"first "[..], &sent].concat() && at_program == received);
            relay.await.unwrap().unwrap();
            assert_eq!((tally.sent.get(), tally.received.get()), (3_000_007, 2_500_003));
        });
    }

    #[test]
    fn one_end_may_close_before_the_other() {
        run(async {
            let (mut program, mut server, _, relay) = relayed(b"").await;
            program.write_all(b"question").await.unwrap();
            program.shutdown().await.unwrap();
            let mut question = String::new();
            server.read_to_string(&mut question).await.unwrap();
            assert_eq!(question, "question");
            server.write_all(b"answer").await.unwrap();
            drop(server);
            let mut answer = String::new();
            program.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "answer");
            relay.await.unwrap().unwrap();
        });
    }

    #[test]
    fn what_is_cut_off_before_all_was_sent_does_not_look_whole() {
        run(async {
            for ends in [false, true] {
                let (mut program, mut server, tally, relay) = relayed(b"").await;
                program.write_all(b"half").await.unwrap();
                let mut half = [0; 4];
                server.read_exact(&mut half).await.unwrap();
                assert_eq!((unsent(), passed() >= 4, tally.sent.get()), (1, true, 4));
                if ends {
                    program.shutdown().await.unwrap();
                    assert_eq!(server.read(&mut half).await.unwrap(), 0);
                    assert_eq!(unsent(), 0);
                }
                // As at the end of the gateway.
                relay.abort();
                assert!(relay.await.unwrap_err().is_cancelled());
                let end = server.write_all(b"x").await.and(server.read(&mut half).await.map(drop));
                assert!(ends || end.unwrap_err().kind() == ErrorKind::ConnectionReset);
                assert_eq!(unsent(), 0);
            }
        });
    }

    #[test]
    fn a_reset_is_passed_on_either_way() {
        run(async {
            for from_server in [true, false] {
                let (program, server, _, relay) = relayed(b"").await;
                let (dying, mut other) = if from_server { (server, program) } else { (program, server) };
                reset(&dying);
                drop(dying);
                let error = other.read_u8().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert!(relay.await.unwrap().is_err());
            }
        });
    }

    #[test]
    fn what_is_not_read_is_not_taken() {
        run(async {
            let (mut program, server, tally, relay) = relayed(b"").await;
            let sent = Cell::new(0);
            // Until nobody takes any more: both kernels' buffers are full, and there is none of ours.
            loop {
                let before = sent.get();
                let chunk = pattern(1 << 20);
                let _ = tokio::time::timeout(
                    std::time::Duration::from_millis(300),
                    write_all(&program, &chunk, &sent),
                )
                .await;
                if sent.get() == before {
                    break;
                }
            }
            let passed = tally.sent.get();
            assert!(passed < sent.get(), "{passed} of {}", sent.get());
            tokio::spawn(async move {
                let mut server = server;
                let mut rest = Vec::new();
                server.read_to_end(&mut rest).await.unwrap();
                server.write_all(&(rest.len() as u64).to_be_bytes()).await.unwrap();
            });
            program.shutdown().await.unwrap();
            assert_eq!(program.read_u64().await.unwrap(), sent.get());
            relay.await.unwrap().unwrap();
            assert_eq!(tally.sent.get(), sent.get());
        });
    }

    #[test]
    fn a_direction_may_be_dropped_and_taken_up_again() {
        run(async {
            let (mut program, inside) = pair().await;
            let (server, outside) = pair().await;
            let sent = pattern(4_000_000);
            let expected = sent.clone();
            spawn_local(async move {
                let (_, mut server) = server.into_split();
                server.write_all(&sent).await.unwrap();
            });
            let copy = async {
                let count = Cell::new(0);
                let mut dropped = 0;
                loop {
                    let mut copying = pin!(one_way(&outside, &inside, &count));
                    let mut polls = 0;
                    let ended = poll_fn(|cx| match copying.as_mut().poll(cx) {
                        Poll::Ready(ended) => Poll::Ready(Some(ended)),
                        Poll::Pending if polls == 1 => Poll::Ready(None),
                        Poll::Pending => {
                            polls += 1;
                            Poll::Pending
                        }
                    })
                    .await;
                    dropped += 1;
                    if let Some(ended) = ended {
                        ended.unwrap();
                        return dropped;
                    }
                }
            };
            let mut received = Vec::new();
            let (dropped, _) = tokio::join!(copy, program.read_to_end(&mut received));
            assert!(received == expected);
            assert!(dropped > 2, "it was never dropped");
        });
    }
}
