use std::net::IpAddr;

use mail::{AuthResult, IprevResult};

use crate::dns::{Answer, Budget, DnsFault};

/// Most names of one address that are asked about (RFC 8601 §3, §7.4).
const NAMES: usize = 5;

/// Whether an address has a name that leads back to it (RFC 8601 §3). An address without a name is a permanent
/// error: nothing can be told, today or later.
pub(crate) async fn judge(budget: &Budget, ip: IpAddr) -> IprevResult {
    let with = |result, name| IprevResult { result, name };
    let names = match budget.ptr(ip).await {
        Ok(Answer::Found(names)) => names,
        Ok(Answer::NoData | Answer::NoName) => return with(AuthResult::PermError, None),
        Err(DnsFault::Timeout | DnsFault::Failed(_) | DnsFault::TooMany) => {
            return with(AuthResult::TempError, None);
        }
    };
    let mut nobody_could_tell = false;
    for name in names.into_iter().take(NAMES) {
        let back = match ip {
            IpAddr::V4(ip) => budget.a(&name).await.map(|answer| answer.found().contains(&ip)),
            IpAddr::V6(ip) => budget.aaaa(&name).await.map(|answer| answer.found().contains(&ip)),
        };
        match back {
            Ok(true) => return with(AuthResult::Pass, Some(name)),
            Ok(false) => {}
            Err(_) => nobody_could_tell = true,
        }
    }
    with(if nobody_could_tell { AuthResult::TempError } else { AuthResult::Fail }, None)
}
