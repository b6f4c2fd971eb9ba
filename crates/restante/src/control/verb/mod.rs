//! The verbs of the control socket: one verb, one file, one row of [`VERBS`].

pub mod delete_mail;
pub mod export;
pub mod freeze;
mod head;
pub mod import;
pub mod quarantine;
pub mod reload;
pub mod status;
pub mod stored;
pub mod team;
pub mod undo;
pub mod usage;
pub mod who;

use std::future::Future;
use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, not_ours};
use super::desk::Desk;
use super::fault::Fault;

/// What the daemon can be asked for. The types are what both ends agree on; only the daemon's end serves.
pub trait Verb: Sized + 'static {
    /// What it is called on the wire, and on the command line.
    const NAME: &'static str;
    /// What it is told. New fields get a default, so that an older client can still ask.
    type Args: Serialize + DeserializeOwned + Send;
    /// What is streamed, in either direction, one at a time; [`Nothing`] for a verb that only answers.
    type Item: Serialize + DeserializeOwned + Send + Sync;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Does it. The future may be dropped at any await: the caller has gone, or the daemon stops.
    fn serve(
        desk: &Desk,
        args: Self::Args,
        call: &mut Call,
    ) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

/// No arguments.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct NoArgs {}

/// The item of a verb that streams nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Nothing {}

type Serving<'c> = Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send + 'c>>;

/// How a verb is found by its name.
pub(super) struct Row {
    name: &'static str,
    serve: for<'c> fn(&'c Desk, Value, &'c mut Call) -> Serving<'c>,
}

const VERBS: [Row; 15] = [
    row::<delete_mail::DeleteMail>(),
    row::<export::Export>(),
    row::<freeze::Freeze>(),
    row::<import::Import>(),
    row::<quarantine::delete::Delete>(),
    row::<quarantine::list::List>(),
    row::<quarantine::release::Release>(),
    row::<quarantine::show::Show>(),
    row::<reload::Reload>(),
    row::<status::Status>(),
    row::<stored::Stored>(),
    row::<team::Team>(),
    row::<undo::Undo>(),
    row::<usage::Usage>(),
    row::<who::Who>(),
];

const fn row<V: Verb>() -> Row {
    Row { name: V::NAME, serve: serve::<V> }
}

fn serve<'c, V: Verb>(desk: &'c Desk, args: Value, call: &'c mut Call) -> Serving<'c> {
    Box::pin(async move {
        let args = serde_json::from_value(args).map_err(|error| not_ours("arguments", &error))?;
        let answer = V::serve(desk, args, call).await?;
        serde_json::to_value(answer).map_err(|error| Fault::internal(error.to_string()))
    })
}

/// Reads what the caller wants, and does it.
pub(super) async fn attend(desk: &Desk, call: &mut Call) -> Result<Value, Fault> {
    let (verb, args) = call.request().await?;
    let row = VERBS.iter().find(|row| row.name == verb).ok_or_else(|| Fault::unknown_verb(&verb))?;
    (row.serve)(desk, args, call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_stand_once() {
        let mut names: Vec<_> = VERBS.iter().map(|row| row.name).collect();
        assert!(
            names.iter().all(|name| name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-'))
        );
        names.dedup();
        assert!(names.is_sorted() && names.len() == VERBS.len());
    }
}
