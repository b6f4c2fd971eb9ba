use super::{Extension, always, no_argument};

/// RFC 3030 §2: BDAT, beside DATA. BINARYMIME is not offered: POP3 could not hand such mail out.
pub(super) const CHUNKING: Extension =
    Extension { keyword: "CHUNKING", offered: always, argument: no_argument, parameter: None };
