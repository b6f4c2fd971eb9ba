//! `restante reload`.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Verb;
use crate::config::{Faults, Finding};
use crate::control::{Call, Code, Desk, Fault};

/// Reads the configuration again. A fault changes nothing.
#[derive(Debug)]
pub enum Reload {}

/// How it is to be told.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// Whether the text of a fault has colours.
    pub colour: bool,
}

/// What came of it, one by one: faults first, then what is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Something is wrong with the files.
    Fault {
        /// For programs.
        finding: Finding,
        /// For people, as `restante check` prints it.
        text: String,
    },
    /// Something is different now.
    Change(Change),
}

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What has happened to it.
    pub how: How,
    /// What kind of thing it is: `setting`, `domain`, `mailbox`, `alias`, `closed address`.
    pub what: String,
    /// Which: `alice`, `smtp.limits`.
    pub name: String,
    /// What about it, where that is known: a key such as `release.hold`, `alice joined`, `bob left`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// What has happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It is new.
    Added,
    /// It is not what it was.
    Changed,
    /// It is gone.
    Removed,
}

/// Whether the files are in force now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// False: nothing has changed.
    pub in_force: bool,
    /// Settings that are different and wait for a restart.
    pub restart: Vec<String>,
}

/// What the daemon did with what it read.
#[derive(Debug)]
pub enum Outcome {
    /// It is in force.
    InForce {
        /// What is wrong without stopping anything.
        warnings: Faults,
        /// What is different.
        changes: Vec<Change>,
        /// What is different and waits for a restart.
        restart: Vec<String>,
    },
    /// The files have faults.
    Faulty(Faults),
    /// Something else is wrong: a certificate that changed meanwhile.
    Failed(String),
}

impl Verb for Reload {
    const NAME: &'static str = "reload";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let (tell, told) = oneshot::channel();
        let stopping = |_| Fault::new(Code::Unavailable, "the daemon is stopping");
        desk.daemon()?.reload.send(tell).await.map_err(|_| stopping(()))?;
        match told.await.map_err(|_| stopping(()))? {
            Outcome::InForce { warnings, changes, restart } => {
                faults(&warnings, args, call).await?;
                for change in changes {
                    call.item(&Item::Change(change), &[]).await?;
                }
                Ok(Answer { in_force: true, restart })
            }
            Outcome::Faulty(found) => {
                faults(&found, args, call).await?;
                Ok(Answer::default())
            }
            Outcome::Failed(why) => Err(Fault::new(Code::Config, why)),
        }
    }
}

async fn faults(faults: &Faults, args: Args, call: &mut Call) -> Result<(), Fault> {
    let items: Vec<_> = faults.findings().zip(faults.texts(args.colour)).collect();
    for (finding, text) in items {
        call.item(&Item::Fault { finding, text }, &[]).await?;
    }
    Ok(())
}
