//! The server outside: a few threads of the bench that each serve one connection at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Threads that accept. No thread is started for a connection: that would cost more than a connection does.
const THREADS: usize = 4;
const PIECE: usize = 256 * 1024;

/// The first byte of a connection. None can be taken for the beginning of TLS or HTTP.
#[derive(Debug, Clone, Copy)]
pub enum Wish {
    /// One byte back.
    Echo = 1,
    /// One byte back, and the connection stays.
    Hold = 2,
    /// So many bytes follow; their number back.
    Take = 3,
    /// So many bytes back.
    Give = 4,
}

/// Where it listens, and what it holds.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    /// Listens on a free port of an address.
    ///
    /// # Errors
    /// What the calls give.
    pub fn start(address: &str) -> io::Result<Server> {
        let listener = Arc::new(TcpListener::bind((address, 0))?);
        let SocketAddr::V4(at) = listener.local_addr()? else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let held = Arc::<Mutex<Vec<TcpStream>>>::default();
        for _ in 0..THREADS {
            let (listener, held) = (Arc::clone(&listener), Arc::clone(&held));
            thread::Builder::new().stack_size(1 << 20).spawn(move || {
                let mut buffer = vec![0; PIECE];
                loop {
                    // A client that fails says so itself.
                    if let Ok((stream, _)) = listener.accept() {
                        let _ = serve(stream, &held, &mut buffer);
                    }
                }
            })?;
        }
        Ok(Server { port: at.port(), held })
    }

    /// Lets go of what it holds: how many connections that were.
    pub fn release(&self) -> usize {
        self.held.lock().map_or(0, |mut held| held.drain(..).count())
    }
}

fn serve(mut stream: TcpStream, held: &Mutex<Vec<TcpStream>>, buffer: &mut [u8]) -> io::Result<()> {
    let mut wish = [0];
    stream.read_exact(&mut wish)?;
    let [wish] = wish;
    let number = |stream: &mut TcpStream| {
        let mut number = [0; 8];
        stream.read_exact(&mut number).map(|()| u64::from_be_bytes(number))
    };
    if wish == Wish::Take as u8 {
        let count = number(&mut stream)?;
        let mut arrived = 0;
        while arrived < count {
            match stream.read(buffer)? {
                0 => break,
                length => arrived += length as u64,
            }
        }
        return stream.write_all(&arrived.to_be_bytes());
    }
    if wish == Wish::Give as u8 {
        let count = number(&mut stream)?;
        return send(&mut stream, count);
    }
    stream.write_all(&[wish])?;
    if wish == Wish::Hold as u8 {
        if let Ok(mut held) = held.lock() {
            held.push(stream);
        }
        return Ok(());
    }
    // The client ends it.
    stream.read(&mut [0]).map(drop)
}

/// Writes so many bytes.
///
/// # Errors
/// What write(2) gives.
pub fn send(stream: &mut TcpStream, count: u64) -> io::Result<()> {
    let piece = vec![0x5a; PIECE];
    let mut left = count;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.write_all(piece.get(..length).unwrap_or_default())?;
        left -= length as u64;
    }
    Ok(())
}
