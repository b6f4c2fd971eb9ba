use super::{Extension, always, no_argument};

/// RFC 2920: commands may be sent without waiting; replies leave when input is needed.
pub(super) const PIPELINING: Extension =
    Extension { keyword: "PIPELINING", offered: always, argument: no_argument, parameter: None };
