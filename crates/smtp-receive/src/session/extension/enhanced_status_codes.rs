use super::{Extension, always, no_argument};

/// RFC 2034 §3, §4: every 2xx, 4xx and 5xx but those to EHLO and HELO bears a code of RFC 3463.
pub(super) const ENHANCED_STATUS_CODES: Extension =
    Extension { keyword: "ENHANCEDSTATUSCODES", offered: always, argument: no_argument, parameter: None };
