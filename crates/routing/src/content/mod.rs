//! What a message says, taken apart for the rules.
//!
//! Whoever writes a message wants rules to see something else than its reader: so every name that some reader
//! makes of a part counts, and what cannot be looked at whole is marked. Nothing here trusts that a pre-scan has
//! been there: nesting has a stack of its own, every bound is in [`ContentLimits`], and the parser of mail that
//! helps gets single fields and texts, never a message.

mod excess;
mod html;
mod leaf;
mod limits;
mod magic;
mod name;
mod params;
mod people;
mod section;
#[cfg(test)]
mod tests;
mod transfer;
mod uuencode;
mod walk;
mod word;
mod zip;

pub use excess::Excess;
pub use limits::ContentLimits;

use crate::rules::Content;
use leaf::Collector;
use params::Params;
use section::Section;
use walk::Walk;

/// What somebody wants to know of a message beyond its header and its attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// The text.
    pub body: bool,
}

/// A message that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What it says. What is too complex says at least what was found in it.
    pub content: Content,
    /// Why it is too complex, if it is.
    pub excess: Option<Excess>,
}

impl Content {
    /// Takes a message apart. Work and memory are bounded, but for a large message both are large: not on a thread
    /// that others wait for.
    pub fn read(octets: &[u8], limits: &ContentLimits, want: Want) -> Read {
        let section = Section::read(octets, limits, |_| false);
        let mut collector = Collector::new(limits, want.body);
        let mut walk = Walk::new(limits);
        walk.message(octets, &mut collector);
        let media = section.all("Content-Type").map(|value| {
            let cut = &value[..value.len().min(limits.content_field)];
            walk::media(&Params::read(cut).main)
        });
        let content_type = media.into_iter().find(|media| !media.is_empty());
        let content = Content {
            size: octets.len() as u64,
            headers: section
                .fields
                .iter()
                .map(|field| (lower(field.name), word::value(field.value)))
                .collect(),
            from: people::read(section.all("From")),
            to: people::read(section.all("To")),
            cc: people::read(section.all("Cc")),
            attachments: collector.attachments,
            content_type: content_type.unwrap_or_else(|| "text/plain".to_owned()),
            too_complex: walk.excess.is_some(),
            header_only: false,
            body: collector.body,
        };
        Read { content, excess: walk.excess }
    }
}

/// What the first field of each of these names says in a header section. Nothing else of it is taken apart, least of all
/// addresses, which cost the most: this is for a thread that others wait for, too.
pub fn fields<const N: usize>(
    octets: &[u8],
    limits: &ContentLimits,
    names: [&str; N],
) -> [Option<String>; N] {
    let section = Section::read(octets, limits, |_| false);
    names.map(|name| section.all(name).next().map(word::value))
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}
