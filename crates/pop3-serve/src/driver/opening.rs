use std::sync::Arc;

use directory::Part;
use queue::{Maildrop, Store, StoreError};

/// How often all is opened anew before what came in between is let be: what is deleted of both just then may be listed
/// once more, under the name that it has in the other.
const TRIES: usize = 4;

/// What a login shows: each part with its maildrop, in the order of the parts.
type Parts<S> = Vec<(Part, Arc<<S as Store>::Maildrop>)>;

/// Opens what a login shows, all as it was at one instant: mail that reaches two of them together, or is deleted of both
/// together, is in both lists or in neither. Else its copy in the one would be listed under another name once it is gone
/// from the other, and be fetched twice.
///
/// A view that the login collects and that has not joined yet is left out: it has never listed anything, and her own
/// mail does not wait for it.
pub(super) async fn open_all<S: Store>(store: &S, parts: Vec<Part>) -> Result<Parts<S>, StoreError> {
    let mut parts = parts.into_iter();
    let Some(own) = parts.next() else { return Ok(Vec::new()) };
    let mut others = collected(store, parts.collect()).await?;
    let mut tries = 1;
    loop {
        // Her own comes last: what was missed all the same shows in hers, which stands for both, or in neither.
        let maildrop = Arc::new(store.open(&own.mailbox, &own.view).await?);
        if others.is_empty() || tries == TRIES {
            return Ok(std::iter::once((own, maildrop)).chain(others).collect());
        }
        let again = collected(store, others.iter().map(|(part, _)| part.clone()).collect()).await?;
        // Those that are what they were had not changed when hers was opened.
        let stamps = |opened: &Parts<S>| opened.iter().map(|(_, drop)| drop.stamp()).collect::<Vec<_>>();
        if stamps(&again) == stamps(&others) {
            return Ok(std::iter::once((own, maildrop)).chain(others).collect());
        }
        others = again;
        tries += 1;
    }
}

async fn collected<S: Store>(store: &S, parts: Vec<Part>) -> Result<Parts<S>, StoreError> {
    let mut opened = Vec::with_capacity(parts.len());
    // The first stand for the later ones, as her own does.
    for part in parts.into_iter().rev() {
        match store.open(&part.mailbox, &part.view).await {
            Ok(maildrop) => opened.push((part, Arc::new(maildrop))),
            Err(StoreError::NoView) => {}
            Err(error) => return Err(error),
        }
    }
    opened.reverse();
    Ok(opened)
}
