//! What `restante team` shows: who has what of a mailbox that several views show.

use serde::{Deserialize, Serialize};
use upkeep::Overview;

use super::{Nothing, Verb};
use crate::control::{Call, Code, Desk, Fault};
use crate::wire::wall_ms;

/// Who has what.
#[derive(Debug)]
pub enum Team {}

/// Of which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// One mailbox alone; none: every team.
    pub mailbox: Option<String>,
}

impl Verb for Team {
    const NAME: &'static str = "team";
    type Args = Args;
    type Item = Overview;
    type Answer = Option<Nothing>;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Option<Nothing>, Fault> {
        let directory = desk.directory()?;
        let mailboxes = match &args.mailbox {
            None => directory.teams().into_iter().map(|(name, _)| name).collect(),
            Some(text) => {
                let fault = |text: String| Fault::new(Code::NotFound, text);
                let known = directory.mailbox_named(text);
                let known = known.ok_or_else(|| fault(format!("there is no mailbox `{text}`")))?;
                if directory.team(&known).is_none() && directory.devices(&known).is_empty() {
                    let hint = format!(
                        "`restante team` lists the teams; `restante mailbox list` says how much each mailbox holds, and \
                         `restante trace {known}` who fetched what"
                    );
                    return Err(fault(format!("`{known}` has neither members nor devices")).hint(hint));
                }
                vec![known]
            }
        };
        for mailbox in mailboxes {
            let (store, pickups, notebooks) = (&desk.store, &desk.pickups, &desk.notebooks);
            let found = upkeep::overview(store, directory, pickups, notebooks, &mailbox, wall_ms()).await?;
            // A reload may have taken it away meanwhile.
            if let Some(overview) = found {
                call.item(&overview, &[]).await?;
            }
        }
        Ok(None)
    }
}
