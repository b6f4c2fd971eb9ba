use std::net::IpAddr;

use authenticity::Verifier;
use mail::{IprevResult, ReversePath, SpfResult};
use tokio_util::task::AbortOnDropHandle;

/// What name servers say of a sender.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) iprev: IprevResult,
    pub(super) spf: SpfResult,
}

/// Name servers are being asked about one transaction, while the client goes on. Dropped, nobody asks any more.
pub(super) enum Asking {
    /// Nobody is asked about this sender.
    Nothing,
    Under(AbortOnDropHandle<Said>),
    Done(Box<Said>),
}

impl Asking {
    pub(super) fn begin(verifier: &Verifier, ip: IpAddr, helo: &str, sender: &ReversePath) -> Self {
        let (verifier, helo, sender) = (verifier.clone(), helo.to_owned(), sender.clone());
        let asked = tokio::spawn(async move {
            let (iprev, spf) = tokio::join!(verifier.connected(ip), verifier.sender(ip, &helo, &sender));
            Said { iprev, spf }
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
