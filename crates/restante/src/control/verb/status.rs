//! `restante status`.

use serde::{Deserialize, Serialize};

use super::{NoArgs, Nothing, Verb};
use crate::control::{Call, Desk, Fault};

/// How the appliance is.
#[derive(Debug)]
pub enum Status {}

/// The daemon, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the program.
    pub version: String,
    /// Of the process.
    pub pid: u32,
    /// Since it began to serve.
    pub uptime_seconds: u64,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    type Args = NoArgs;
    type Item = Nothing;
    type Answer = Answer;

    async fn serve(desk: &Desk, _args: NoArgs, _call: &mut Call) -> Result<Answer, Fault> {
        Ok(Answer {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_seconds: desk.daemon()?.since.elapsed().as_secs(),
        })
    }
}
