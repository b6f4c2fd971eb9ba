use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};

use super::{Endpoint, ScanFault};

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

pub(super) type Stream = Box<dyn Socket>;

/// Octets that are asked for at once.
const PIECE: usize = 4 << 10;

/// Opens a connection, in both directions.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<(WriteHalf<Stream>, Answer), ScanFault> {
    let stream: Stream = match endpoint {
        Endpoint::Tcp(address) => Box::new(TcpStream::connect(address).await.map_err(ScanFault::Connect)?),
        Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(ScanFault::Connect)?),
    };
    let (read, write) = tokio::io::split(stream);
    Ok((write, Answer { read, octets: Vec::new() }))
}

/// Sends a question while its answer is read already. A scanner may answer, and hang up, before it has read all:
/// then the answer counts, and what could not be sent does not.
pub(super) async fn both<T>(
    sending: impl Future<Output = std::io::Result<()>>,
    reading: impl Future<Output = Result<T, ScanFault>>,
) -> Result<T, ScanFault> {
    tokio::pin!(reading);
    tokio::select! {
        answer = &mut reading => answer,
        sent = sending => match (sent, reading.await) {
            (_, Ok(answer)) => Ok(answer),
            (Err(error), Err(ScanFault::Cut | ScanFault::Broken(_))) => Err(ScanFault::Broken(error)),
            (Ok(()) | Err(_), Err(fault)) => Err(fault),
        },
    }
}

/// What a scanner has sent so far.
pub(super) struct Answer {
    read: ReadHalf<Stream>,
    pub(super) octets: Vec<u8>,
}

impl Answer {
    /// Waits for more; whether there was any before the end.
    pub(super) async fn more(&mut self, most: usize) -> Result<bool, ScanFault> {
        if self.octets.len() >= most {
            return Err(ScanFault::TooLong);
        }
        let room = PIECE.min(most - self.octets.len()) as u64;
        let read = (&mut self.read).take(room).read_buf(&mut self.octets).await.map_err(ScanFault::Broken)?;
        Ok(read > 0)
    }
}
