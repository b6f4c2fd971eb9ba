//! A team mailbox is held against a specification that knows nothing of how it is made: who shall get what, what may
//! go when, and what is the same for everybody. Once in process, over the engines and with a clock that is moved: whole
//! lives that follow from a seed. Once through the binary, under `kill -9`. And with twenty members who poll at once.
//! `daily/` shows one promise after the other by the binary: its logins, its verbs, its log and its mail.
//!
//! `RESTANTE_SEEDS=from..to` are the lives in process (0..60), `RESTANTE_KILLS` says how often the binary is killed
//! (3), `RESTANTE_SOAK` makes the large mailbox larger.

mod binary;
mod chance;
mod client;
mod crowd;
mod daily;
mod lives;
mod spec;
mod world;
