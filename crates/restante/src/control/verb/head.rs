use queue::{Maildrop as _, Message as _};
use queue_sled::SledMaildrop;
use routing::content::{ContentLimits, Want};
use routing::rules::Content;

use crate::control::Fault;

/// Octets of a message that are looked at: its header section.
const LOOK: u64 = 128 << 10;

/// Who a message says it is from, and what it is about.
pub(super) async fn head(maildrop: &SledMaildrop, index: usize) -> Result<(String, String), Fault> {
    let mut message = maildrop.message(index, 0..LOOK).await?;
    let mut octets = Vec::new();
    while let Some(chunk) = message.chunk().await? {
        octets.extend_from_slice(&chunk);
    }
    // The header section alone: a body that breaks a parser stays where it is.
    let end = memchr::memmem::find(&octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    let read = Content::read(&octets[..end], &ContentLimits::default(), Want { body: false });
    let value = |name: &str| {
        read.content
            .headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    Ok((value("from"), value("subject")))
}
