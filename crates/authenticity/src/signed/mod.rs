//! DKIM (RFC 6376) and ARC (RFC 8617): what a message was signed by, and whether that holds.
//!
//! The library makes canonical and verifies (RFC 6376 §3.4), and this module decides what it gets to see: so many signatures, of such keys, over so many
//! names of fields. It asks no name server; the keys are found before it begins.

mod body;
mod keys;
mod names;
mod pick;
#[cfg(test)]
mod tests;
mod verify;

use mail::{ArcResult, DkimResult};

pub(crate) use keys::Keys;
pub(crate) use names::wanted;
pub(crate) use verify::{pending, verify};

/// Signatures that are looked at; of what stands below, nothing is said.
const SIGNATURES: usize = 10;
/// Links of a chain; no honest one is as long.
const LINKS: usize = 10;
/// Names in the `h=` of one signature.
const SIGNED_NAMES: usize = 100;
/// Bits of an RSA key (RFC 8301 §3.2).
const KEY_BITS: std::ops::RangeInclusive<usize> = 1024..=4096;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) dkim: Vec<DkimResult>,
    pub(crate) arc: ArcResult,
}
