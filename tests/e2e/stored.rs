//! What is in the store, past POP3.

use mail::{MailboxName, ViewName};
use queue::{Maildrop, Message, Store};
use queue_sled::{Params, SledStore};
use restante_tests::Appliance;

/// What is kept in a mailbox of the store of an appliance that has stopped.
pub(crate) fn stored(appliance: &Appliance, mailbox: &MailboxName) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let path = appliance.state_dir().join("store");
        let (store, _) = SledStore::open(&path, Params::default()).expect("opened");
        let maildrop = store.open(mailbox, &ViewName::owner()).await.expect("opened");
        let mut messages = Vec::new();
        for index in 0..maildrop.len() {
            let mut message = maildrop.message(index, 0..u64::MAX).await.expect("opened");
            let mut octets = Vec::new();
            while let Some(chunk) = message.chunk().await.expect("readable") {
                octets.extend_from_slice(&chunk);
            }
            messages.push(String::from_utf8_lossy(&octets).into_owned());
        }
        drop(maildrop);
        store.close().await.expect("closed");
        messages
    })
}
