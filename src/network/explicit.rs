//! Programs that were told of a proxy: HTTP and SOCKS on the same doors. Owns only telling them apart.

use super::{Gate, http, socks};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How long a program may take to say its first byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves one connection to its end.
pub async fn serve<G: Gate>(gate: Rc<G>, mut inside: TcpStream) {
    match tokio::time::timeout(PATIENCE, inside.read_u8()).await {
        Ok(Ok(version @ (4 | 5))) => socks::serve(gate, inside, version).await,
        Ok(Ok(first)) => http::proxy(gate, inside, vec![first]).await,
        Ok(Err(_)) | Err(_) => {}
    }
}
