//! What both servers share of the network: listening, buffered connections, TLS, and the limits that
//! keep one peer from taking what belongs to all.
//!
//! It knows no protocol, no mail and no configuration. Read [`Conn`] first.

mod alarm;
mod conn;
mod limits;
mod listener;
mod login_budget;
mod network;
mod probes;
mod reserve;
mod tls;
mod validity;
mod window;

pub use conn::{Conn, ConnError, Io, Peer};
pub use limits::{Gate, GateParams, Permit, Refused};
pub use listener::{Bound, Handler, ListenAddress, accept};
pub use login_budget::{LoginBudget, LoginBudgetParams};
pub use network::Networks;
pub use probes::{ProbeLimits, Probing};
pub use tls::{Tls, TlsError, TlsInfo};
pub use validity::Validity;
