//! Reading `rules.toml`: every key and value knows its place, and whatever is wrong is noted and passed.

mod fields;
mod lists;
mod nearest;
mod patterns;
mod reader;

use toml::Spanned;
use toml::de::DeValue;

pub(crate) use fields::Fields;
pub(crate) use nearest::did_you_mean;
pub use nearest::nearest;
pub(crate) use reader::Reader;

/// A value and its place.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;
