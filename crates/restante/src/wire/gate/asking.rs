use std::net::IpAddr;

use authenticity::Verifier;
use mail::{IprevResult, Known, ReversePath, SpfResult};
use tokio_util::task::AbortOnDropHandle;

use super::lists::Lists;

/// What name servers say of a sender; nothing of what they were not asked.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) iprev: Option<IprevResult>,
    pub(super) spf: Option<SpfResult>,
    pub(super) listed: Known<Vec<String>>,
}

/// Name servers are being asked about one transaction, while the client goes on. Dropped, nobody asks any more.
pub(super) enum Asking {
    /// Nobody is asked about this sender.
    Nothing,
    Under(AbortOnDropHandle<Said>),
    Done(Box<Said>),
}

impl Asking {
    /// Nobody at all may be there to be asked.
    pub(super) fn begin(
        verifier: Option<&Verifier>,
        lists: Option<&Lists>,
        ip: IpAddr,
        helo: &str,
        sender: &ReversePath,
    ) -> Self {
        if verifier.is_none() && lists.is_none() {
            return Self::Nothing;
        }
        let (verifier, lists) = (verifier.cloned(), lists.cloned());
        let (helo, sender) = (helo.to_owned(), sender.clone());
        let asked = tokio::spawn(async move {
            let who = async {
                let verifier = verifier.as_ref()?;
                Some(tokio::join!(verifier.connected(ip), verifier.sender(ip, &helo, &sender)))
            };
            let listed = async {
                match &lists {
                    Some(lists) => lists.naming(ip).await,
                    None => Known::Is(Vec::new()),
                }
            };
            let (who, listed) = tokio::join!(who, listed);
            let (iprev, spf) = who.unzip();
            Said { iprev, spf, listed }
        });
        Self::Under(AbortOnDropHandle::new(asked))
    }

    /// What was said, as soon as it was.
    pub(super) async fn said(&mut self) -> Option<&Said> {
        if let Self::Under(asked) = self {
            *self = match asked.await {
                Ok(said) => Self::Done(Box::new(said)),
                Err(_) => Self::Nothing,
            };
        }
        match self {
            Self::Done(said) => Some(said),
            Self::Nothing | Self::Under(_) => None,
        }
    }
}
