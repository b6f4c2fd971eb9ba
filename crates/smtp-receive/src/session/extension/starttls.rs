use super::{Extension, no_argument};

/// RFC 3207 §4, §6: offered until TLS is on, demanded of nobody.
pub(super) const STARTTLS: Extension = Extension {
    keyword: "STARTTLS",
    offered: |params, secured| params.starttls && !secured,
    argument: no_argument,
    parameter: None,
};
