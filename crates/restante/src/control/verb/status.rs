//! `restante status`.

use super::{NoArgs, Nothing, Verb};
use crate::control::report::Report;
use crate::control::{Call, Desk, Fault};

/// How the running daemon is. Without one the command line looks for itself: who asks how things are must not
/// open the store, and keep a daemon that starts from it.
#[derive(Debug)]
pub enum Status {}

impl Verb for Status {
    const NAME: &'static str = "status";
    type Args = NoArgs;
    type Item = Nothing;
    type Answer = Report;

    async fn serve(desk: &Desk, _args: NoArgs, _call: &mut Call) -> Result<Report, Fault> {
        Report::of(desk).await
    }
}
