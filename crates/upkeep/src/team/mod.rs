//! What teams and devices need: views that join and leave, and mail that goes when everyone has it.
//!
//! What becomes of a team's mail, with the word for it here, in the JSON of `restante team` and on the command line:
//!
//! | state | here | JSON | said |
//! |---|---|---|---|
//! | somebody has a claim on it | wanted (`Verdict::Wanted`) | `held_back`, `holds_back` | still wanted |
//! | nobody wants it, and nobody who counts has had it | `Verdict::Unread` | `unread` | unread |
//! | nobody decides, or the team lets nothing go | `Verdict::Kept` | `held_back` | still wanted, keeps everything |
//! | everyone had it, and it is in its hold | released (`Held`) | `released`, `goes` | let go |
//! | it was released, and is wanted again | recalled | `held_back` | still wanted |
//! | its hold is over | in the trash | `trash` | in the trash |
//! | its trash is over, or its mailbox has none | gone | | |
//!
//! `claim` and `presence` decide and know no store; `joining` and `releaser` carry out, and `held` is what the releaser
//! remembers.

pub(crate) mod claim;
pub(crate) mod held;
pub(crate) mod joining;
pub(crate) mod presence;
pub(crate) mod releaser;
#[cfg(test)]
mod tests;
