//! The verbs of the command line, run as the real binary in folders of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod ask;
mod edit;
mod folder;
mod given;
mod init;
mod json;
mod phases;
mod rules;
mod service;
