mod attacks;
mod corpora;
mod names;
mod random;
mod structure;
mod texts;

use super::{ContentLimits, Read, Want};
use crate::rules::{Attachment, Content};

fn read(text: impl AsRef<[u8]>) -> Read {
    Content::read(text.as_ref(), &ContentLimits::default(), Want { body: true })
}

fn attachments(text: impl AsRef<[u8]>) -> Vec<Attachment> {
    read(text).content.attachments
}

fn names(text: impl AsRef<[u8]>) -> Vec<String> {
    attachments(text).into_iter().map(|attachment| attachment.name).collect()
}

fn body(text: impl AsRef<[u8]>) -> String {
    read(text).content.body.expect("wanted")
}

/// A message with a part of its own for each text, by a boundary.
fn multipart(boundary: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
    format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n{parts}--{boundary}--\r\n")
}
