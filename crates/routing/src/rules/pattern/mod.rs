//! Patterns over text: whole-value globs without regard to case, and `/regex/` for who wants more.

mod glob;
mod literals;
mod regex;
mod set;
mod text;

pub(crate) use glob::{Glob, is_glob};
pub(crate) use literals::{Gathered, Literals, Slot};
pub(crate) use regex::Bad;
pub(crate) use set::{Kind, Patterns, Set, Wanted, regex_of};
pub(crate) use text::{Text, fold_domain};

/// Most octets of one pattern.
pub(crate) const PATTERN_MAX: usize = 4096;
