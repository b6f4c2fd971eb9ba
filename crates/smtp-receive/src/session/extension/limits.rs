use super::{Extension, always};

/// What the grammar of the extension can say: six digits. More than that may be taken all the same.
const MOST: u32 = 999_999;

/// RFC 9422 §3, §4.1, §4.2: what a client should know before it runs into it.
pub(super) const LIMITS: Extension = Extension {
    keyword: "LIMITS",
    offered: always,
    argument: |params| {
        let recipients = format!("RCPTMAX={}", params.recipients);
        // No limit is announced by saying nothing.
        Some(if params.mails == u32::MAX {
            recipients
        } else {
            format!("MAILMAX={} {recipients}", params.mails.min(MOST))
        })
    },
    parameter: None,
};
