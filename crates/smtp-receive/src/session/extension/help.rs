use super::{Extension, always, no_argument};

/// RFC 5321 §4.1.1.1: a command that nobody must have is announced when it is there.
pub(super) const HELP: Extension =
    Extension { keyword: "HELP", offered: always, argument: no_argument, parameter: None };
