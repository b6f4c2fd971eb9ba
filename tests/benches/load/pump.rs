//! The limit of the loopback: one thread that writes, one that reads.

use std::io::{self, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::pop3::Buffer;

/// What one write takes: as much as the server's own send buffer holds.
pub(crate) const WRITE: usize = 64 << 10;

/// Octets a second through a plain connection, read as the POP3 client reads.
pub(crate) fn slice(time: Duration, buffer: &mut Buffer) -> io::Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut reader = TcpStream::connect(listener.local_addr()?)?;
    let (mut writer, _) = listener.accept()?;
    writer.set_nodelay(true)?;
    thread::scope(|scope| {
        let start = Instant::now();
        let pump = scope.spawn(move || {
            let chunk = vec![b'x'; WRITE];
            while start.elapsed() < time {
                writer.write_all(&chunk)?;
            }
            Ok::<_, Error>(())
        });
        let mut octets = 0;
        loop {
            match reader.read(buffer.octets())? {
                0 => break,
                read => octets += read as u64,
            }
        }
        let rate = octets as f64 / start.elapsed().as_secs_f64();
        pump.join().map_err(|_| Error::other("the pump died"))??;
        Ok(rate)
    })
}
