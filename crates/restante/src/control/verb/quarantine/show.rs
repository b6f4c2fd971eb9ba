use serde::{Deserialize, Serialize};

use super::super::Verb;
use super::{Which, chosen};
use crate::control::{Call, Code, Desk, Fault, OCTETS_MAX};

/// Hands out one message, as it would be served.
#[derive(Debug)]
pub enum Show {}

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// What the list calls it.
    pub uid: String,
}

/// A piece of it, with its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {}

/// That was all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Octets of all of it.
    pub octets: u64,
}

impl Verb for Show {
    const NAME: &'static str = "quarantine-show";
    type Args = Args;
    type Item = Part;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let chosen = chosen(desk, &Which::These(vec![args.uid])).await?;
        let Some((held, places)) = chosen.first() else {
            return Err(Fault::new(Code::NotFound, "nothing is called so"));
        };
        let octets = super::whole(&held.maildrop, places[0]).await?;
        for piece in octets.chunks(OCTETS_MAX) {
            call.item(&Part {}, piece).await?;
        }
        Ok(Answer { octets: octets.len() as u64 })
    }
}
