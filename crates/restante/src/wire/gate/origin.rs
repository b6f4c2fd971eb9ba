use std::net::IpAddr;

use net::Peer;

use super::Checkpoint;

/// Whose mail it is, and so how it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Of a machine of ours: LMTP, a Unix socket, a trusted network, this machine itself. Nobody judges it by where it
    /// comes from.
    Ours(Option<IpAddr>),
    /// Of a relay in front of us, which has judged it; believed is what it says under this name.
    Relay(Option<String>),
    /// Of somebody else.
    Stranger(IpAddr),
}

impl Origin {
    pub(super) fn of(gate: &Checkpoint, peer: &Peer) -> Self {
        let Some(ip) = peer.ip().map(|ip| ip.to_canonical()) else { return Self::Ours(None) };
        if let Some(relay) = gate.relays.iter().find(|relay| relay.networks.contains(ip)) {
            return Self::Relay(relay.authserv_id.clone());
        }
        let ours = gate.lmtp || peer.trusted || (ip.is_loopback() && !gate.authenticity.loopback);
        if ours { Self::Ours(Some(ip)) } else { Self::Stranger(ip) }
    }

    /// The address that rules go by. Of what stands behind a relay nothing is known.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ours(ip) => *ip,
            Self::Relay(_) => None,
            Self::Stranger(ip) => Some(*ip),
        }
    }
}
