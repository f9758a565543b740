//! The channel between the front and the first process inside: small messages over one stream socket.
//!
//! Owns the encoding. What arrives is checked as hostile bytes on both sides: lengths are bounded, unknown tags end
//! the channel.

use crate::system::sockets;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// From the front to the first process inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The front received this signal; deliver it to the shell unless the whole group received it.
    Signal(i32),
    /// Stop everything inside: a question is to be asked on the terminal, and nothing inside may answer it or draw
    /// over it.
    Freeze,
    /// The question was answered.
    Thaw,
}

const FREEZE: i32 = -1;
const THAW: i32 = -2;

/// From the first process inside to the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The inner shell was started.
    Started,
    /// It was stopped by this signal.
    Stopped(i32),
    /// Everything inside is stopped, as ordered.
    Frozen,
    /// And goes on again, as ordered.
    Thawed,
    /// It ended.
    Ended {
        /// By a signal; `code` is its number then, else the exit status.
        signaled: bool,
        /// Status or signal.
        code: i32,
        /// Some of what it started is still there.
        jobs: bool,
        /// Where the descriptors that were opened anew inside now stand.
        positions: Vec<(i32, i64)>,
    },
    /// It could not be started; the text says why.
    Failed(String),
}

/// Longest payload of one message.
const LIMIT: usize = 64 * 1024;

/// Sends an order.
///
/// # Errors
/// EPIPE when the other side is gone.
pub fn send_order(stream: &UnixStream, order: Order) -> io::Result<()> {
    let number = match order {
        Order::Signal(number) => number,
        Order::Freeze => FREEZE,
        Order::Thaw => THAW,
    };
    sockets::write_all(stream, &number.to_le_bytes())
}

/// Receives an order; `None` at the end.
///
/// # Errors
/// What read(2) gives.
pub fn receive_order(mut stream: &UnixStream) -> io::Result<Option<Order>> {
    let mut bytes = [0; 4];
    match stream.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(match i32::from_le_bytes(bytes) {
            FREEZE => Order::Freeze,
            THAW => Order::Thaw,
            number => Order::Signal(number),
        })),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends news.
///
/// # Errors
/// EPIPE when the front is gone.
pub fn send_news(stream: &UnixStream, news: &News) -> io::Result<()> {
    let (tag, payload) = match news {
        News::Started => (b's', Vec::new()),
        News::Frozen => (b'z', Vec::new()),
        News::Thawed => (b'w', Vec::new()),
        News::Stopped(signal) => (b't', signal.to_le_bytes().to_vec()),
        News::Ended { signaled, code, jobs, positions } => {
            let mut payload = vec![u8::from(*signaled), u8::from(*jobs)];
            payload.extend(code.to_le_bytes());
            for (number, position) in positions {
                payload.extend(number.to_le_bytes());
                payload.extend(position.to_le_bytes());
            }
            (b'e', payload)
        }
        News::Failed(text) => (b'f', text.as_bytes().iter().copied().take(LIMIT).collect()),
    };
    let mut message = vec![tag];
    message.extend(u32::try_from(payload.len()).unwrap_or(0).to_le_bytes());
    message.extend(payload);
    sockets::write_all(stream, &message)
}

/// Receives news; `None` at the end.
///
/// # Errors
/// What read(2) gives; `InvalidData` for anything that is not news.
pub fn receive_news(mut stream: &UnixStream) -> io::Result<Option<News>> {
    let mut head = [0; 5];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [tag, a, b, c, d] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    parse(tag, &payload).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(tag: u8, payload: &[u8]) -> Option<News> {
    match (tag, payload) {
        (b's', []) => Some(News::Started),
        (b'z', []) => Some(News::Frozen),
        (b'w', []) => Some(News::Thawed),
        (b't', bytes) => Some(News::Stopped(i32::from_le_bytes(bytes.try_into().ok()?))),
        (b'e', [signaled, jobs, rest @ ..]) => {
            let (code, rest) = rest.split_first_chunk::<4>()?;
            let entries = rest.chunks_exact(12);
            if !entries.remainder().is_empty() {
                return None;
            }
            let positions = entries
                .map(|entry| {
                    let (number, position) = entry.split_first_chunk::<4>()?;
                    Some((i32::from_le_bytes(*number), i64::from_le_bytes(position.try_into().ok()?)))
                })
                .collect::<Option<Vec<_>>>()?;
            Some(News::Ended {
                signaled: *signaled == 1,
                code: i32::from_le_bytes(*code),
                jobs: *jobs == 1,
                positions,
            })
        }
        (b'f', text) => Some(News::Failed(String::from_utf8_lossy(text).into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn news_arrives_as_it_was_sent() {
        let (a, b) = UnixStream::pair().unwrap();
        let all = [
            News::Started,
            News::Stopped(20),
            News::Frozen,
            News::Thawed,
            News::Ended { signaled: true, code: 9, jobs: true, positions: vec![(0, 12), (7, 1 << 40)] },
            News::Failed("no such shell".into()),
        ];
        for news in &all {
            send_news(&a, news).unwrap();
            assert_eq!(receive_news(&b).unwrap().as_ref(), Some(news));
        }
        drop(a);
        assert_eq!(receive_news(&b).unwrap(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_and_never_panic(tag: u8, payload: Vec<u8>) {
            if let Some(news) = parse(tag, &payload) {
                let matching = matches!((tag, news), (b's', News::Started) | (b'z', News::Frozen) | (b'w', News::Thawed) | (b't', News::Stopped(_))
                    | (b'e', News::Ended { .. }) | (b'f', News::Failed(_)));
                prop_assert!(matching);
            }
        }
    }
}
