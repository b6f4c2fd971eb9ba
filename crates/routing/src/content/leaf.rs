use super::html;
use super::limits::ContentLimits;
use super::magic;
use super::name::tidy;
use super::params::percent_decoded;
use super::transfer::{Decoded, Transfer};
use super::walk::Part;
use super::{uuencode, word};
use crate::rules::Attachment;

/// Names of one part.
const NAMES: usize = 16;
/// Octets that most kinds of file are known by.
const FEW: usize = 1 << 10;
/// Octets that the others are known by: archives by what is in them, disk images.
const MANY: usize = 64 << 10;

/// What is found of the parts.
pub(super) struct Collector<'l> {
    limits: &'l ContentLimits,
    pub(super) attachments: Vec<Attachment>,
    /// Wanted or not.
    pub(super) body: Option<String>,
    /// Octets that may yet be decoded to search them.
    searched: usize,
}

impl<'l> Collector<'l> {
    pub(super) fn new(limits: &'l ContentLimits, body: bool) -> Self {
        Self { limits, attachments: Vec::new(), body: body.then(String::new), searched: limits.decoded }
    }

    /// A part, or a message in the message; tells the place of its first row.
    pub(super) fn part(&mut self, part: &Part<'_>) -> Option<usize> {
        let names = names(part);
        let text = part.media.starts_with("text/") || part.media.starts_with("multipart/");
        let (detected, size) = detect(part.transfer, part.body, text && names.is_empty());
        let place = self.attachments.len();
        let binary = detected.as_ref().is_some_and(|kind| !kind.starts_with("text/"));
        let listed = !text || binary || !names.is_empty();
        if listed {
            self.list(names, &part.media, detected.as_deref(), size);
        }
        if text {
            self.text(part);
        }
        listed.then_some(place)
    }

    /// A multipart is listed for its name alone.
    pub(super) fn multipart(&mut self, part: &Part<'_>) {
        let names = names(part);
        if !names.is_empty() {
            self.list(names, &part.media, None, 0);
        }
    }

    pub(super) fn message_ends(&mut self, place: usize, size: u64) {
        let Some(first) = self.attachments.get(place).cloned() else { return };
        // Its other names follow it.
        let same = |row: &&mut Attachment| row.content_type == first.content_type && row.size == 0;
        self.attachments[place..].iter_mut().take(NAMES).take_while(same).for_each(|row| row.size = size);
    }

    fn list(&mut self, names: Vec<String>, media: &str, detected: Option<&str>, size: u64) {
        let names = if names.is_empty() { vec![String::new()] } else { names };
        self.attachments.extend(names.into_iter().map(|name| Attachment {
            name,
            content_type: media.to_owned(),
            detected: detected.map(str::to_owned),
            size,
        }));
    }

    /// Files that stand in the text, and the text itself where it is wanted.
    fn text(&mut self, part: &Part<'_>) {
        let decoded;
        let octets = match part.transfer {
            Transfer::Plain => part.body,
            Transfer::Base64 | Transfer::QuotedPrintable => {
                decoded = part.transfer.decode(part.body, self.searched).head;
                self.searched -= decoded.len();
                &decoded
            }
        };
        for file in uuencode::find(octets, self.limits.parts) {
            if self.attachments.len() >= self.limits.parts * NAMES {
                break;
            }
            let name = tidy(&word::decode(file.name));
            let detected: Option<String> = magic::of(&file.head).map(Into::into);
            self.list(vec![name], "application/octet-stream", detected.as_deref(), file.size);
        }
        if let Some(body) = &mut self.body {
            let room = self.limits.text.saturating_sub(body.len());
            let text = text(part, cut(octets, room));
            if !body.is_empty() && !text.is_empty() {
                body.push('\n');
            }
            let end = text.floor_char_boundary(room.min(text.len()));
            body.push_str(&text[..end]);
        }
    }
}

/// At most so many octets, and no half character of UTF-8 at the end.
fn cut(octets: &[u8], most: usize) -> &[u8] {
    let Some(mut end) = (octets.len() > most).then_some(most) else { return octets };
    let within = |end: usize| octets[end] & 0xc0 == 0x80;
    while end > most.saturating_sub(3) && within(end) {
        end -= 1;
    }
    &octets[..end]
}

fn text(part: &Part<'_>, octets: &[u8]) -> String {
    let charset = part.types.iter().find_map(|params| params.first("charset"));
    let text = word::text_in(charset.unwrap_or_default().as_bytes(), octets);
    if part.media == "text/html" { html::text(&text) } else { text.into_owned() }
}

/// Every name that some reader gives a part, tidied and without doubles.
fn names(part: &Part<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut keep = |name: &str| {
        let name = tidy(name);
        if !name.is_empty() && names.len() < NAMES && !names.contains(&name) {
            names.push(name);
        }
    };
    for params in part.dispositions.iter().chain(&part.types) {
        for name in ["filename", "name"].iter().flat_map(|key| params.all(key)) {
            keep(&name);
            // Escapes of RFC 2231 where they do not belong, and a name that ends at a NUL.
            let octets =
                if name.contains('%') { percent_decoded(name.as_bytes()) } else { name.into_bytes() };
            let plain = word::text(&octets);
            keep(&plain);
            if let Some((before, _)) = plain.split_once('\0') {
                keep(before);
            }
        }
    }
    names
}

/// What the first octets say, and how many there are.
fn detect(transfer: Transfer, body: &[u8], few: bool) -> (Option<String>, u64) {
    let Decoded { head, size } = transfer.decode(body, FEW);
    let kind = magic::of(&head);
    if few || !kind.as_ref().is_none_or(magic::Kind::needs_more) {
        return (kind.map(Into::into), size);
    }
    let kind = magic::of(&transfer.decode(body, MANY).head);
    (kind.map(Into::into), size)
}
