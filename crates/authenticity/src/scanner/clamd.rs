use mail::Virus;
use memchr::memchr;
use tokio::io::AsyncWriteExt;

use super::lane::Lane;
use super::stream::{Answer, both, connect};
use super::{Scan, ScanFault, ScannerSettings};

/// Octets of one chunk.
const CHUNK: usize = 64 << 10;
/// Octets of an answer.
const ANSWER: usize = 4 << 10;

/// The virus scanner of ClamAV, by its INSTREAM command. (clamd(8); the client library of that name reads an
/// answer of any length.)
#[derive(Debug)]
pub struct Clamd {
    lane: Lane,
}

impl Clamd {
    /// One that is asked as the settings say.
    pub fn new(settings: ScannerSettings) -> Self {
        Self { lane: Lane::new(settings) }
    }

    /// Whether a message has a virus in it.
    pub async fn scan(&self, message: &[u8]) -> Scan<Virus> {
        let asked = async {
            let (mut write, mut answer) = connect(&self.lane.settings.endpoint).await?;
            both(send(&mut write, message), read(&mut answer)).await
        };
        self.lane.scan("clamd", asked).await
    }
}

async fn send(stream: &mut (impl AsyncWriteExt + Unpin), message: &[u8]) -> std::io::Result<()> {
    stream.write_all(b"zINSTREAM\0").await?;
    for chunk in message.chunks(CHUNK) {
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(chunk).await?;
    }
    stream.write_all(&[0; 4]).await?;
    stream.flush().await
}

async fn read(answer: &mut Answer) -> Result<Virus, ScanFault> {
    loop {
        if let Some(end) = memchr(0, &answer.octets) {
            return judge(&answer.octets[..end]);
        }
        if !answer.more(ANSWER).await? {
            return Err(ScanFault::Cut);
        }
    }
}

fn judge(line: &[u8]) -> Result<Virus, ScanFault> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let verdict = line.strip_prefix("stream: ").unwrap_or(line);
    if verdict == "OK" {
        return Ok(Virus { name: None });
    }
    match (verdict.strip_suffix(" FOUND"), verdict.strip_suffix(" ERROR").or(verdict.strip_suffix("ERROR"))) {
        (Some(name), _) if !name.is_empty() => Ok(Virus { name: Some(mail::shown(name)) }),
        (_, Some(error)) => Err(ScanFault::Says(error.into())),
        (Some(_) | None, None) => Err(ScanFault::Garbage(line.into())),
    }
}
