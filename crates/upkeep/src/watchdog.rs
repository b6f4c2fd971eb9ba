use std::collections::{BTreeMap, BTreeSet};

use mail::{MailboxName, ViewName};
use queue::{Maildrop, Store, StoreError, Usage};
use tracing::{info, warn};

use crate::caretaker::{Means, Watchdog};
use crate::concerns::Concern;
use crate::eras::At;
use crate::memo::{Memo, ViewOf};
use crate::words::{between, ms};

/// Watches for pickups that stay away.
#[derive(Default)]
pub(crate) struct Watch {
    /// Of a mailbox whether it holds something that nobody has collected: by the last pickup and how much it holds, in
    /// messages and octets.
    looked: BTreeMap<MailboxName, ((u64, u64, u64), bool)>,
    standing: Vec<Concern>,
}

impl Watch {
    /// What is wrong now.
    pub(crate) fn standing(&self) -> &[Concern] {
        &self.standing
    }

    /// Tells of whoever has begun to stay away, by a clock that is believed.
    pub(crate) async fn look<S: Store>(
        &mut self,
        means: &Means<S>,
        memo: &mut Memo,
        watchdog: &Watchdog,
        now: (&At, u64),
    ) {
        let mut silent: BTreeMap<ViewOf, String> = BTreeMap::new();
        let names = means.directory.mailbox_names();
        self.looked.retain(|name, _| names.binary_search(name).is_ok());
        for mailbox in names.into_iter().filter(|name| !watchdog.ignore.contains(name)) {
            silent.extend(robots(means, watchdog, &mailbox, now));
            if let Some(text) = self.uncollected(means, watchdog, &mailbox, now).await {
                silent.insert((mailbox, ViewName::owner()), text);
            }
        }
        for (seat, text) in &silent {
            if !memo.silent.contains(seat) {
                warn!(mailbox = %seat.0, view = seat.1.as_str(), "{text}");
                means.concerns.note(format!("{text}."));
            }
        }
        for (mailbox, view) in memo.silent.iter().filter(|seat| !silent.contains_key(seat)) {
            info!(%mailbox, view = view.as_str(), "it is collected again, or has nothing to collect");
        }
        let todo = "see that whoever collects it still does: `restante trace` shows the last pickups; [watchdog] \
                    sets after how long this is said";
        let concern = |(seat, text): (&ViewOf, &String)| Concern {
            text: text.clone(),
            todo: todo.into(),
            silent: Some(seat.clone()),
        };
        self.standing = silent.iter().map(concern).collect();
        memo.silent = silent.into_keys().collect::<BTreeSet<_>>();
    }

    /// A mailbox that was collected regularly, is not any more, and has mail that nobody has seen.
    async fn uncollected<S: Store>(
        &mut self,
        means: &Means<S>,
        watchdog: &Watchdog,
        mailbox: &MailboxName,
        (at, now_ms): (&At, u64),
    ) -> Option<String> {
        let pickup = means.pickups.any(mailbox)?;
        let limit = limit(watchdog.mailbox?, 3, pickup.every_ms?);
        let Usage { messages, octets, .. } = means.store.usage(mailbox);
        let last_ms = at.since(pickup.last_ms);
        if now_ms.saturating_sub(last_ms) <= limit || messages == 0 {
            return None;
        }
        let key = (pickup.last_ms, messages, octets);
        let is_new = match self.looked.get(mailbox) {
            Some((known, is_new)) if *known == key => *is_new,
            _ => {
                let is_new = came_after(&means.store, mailbox, pickup.last_ms).await.ok()?;
                self.looked.insert(mailbox.clone(), (key, is_new));
                is_new
            }
        };
        let time = between(last_ms, now_ms);
        is_new.then(|| {
            format!("{} was not collected by anyone for {time}", means.directory.home_address(mailbox))
        })
    }
}

/// Whether the newest message came after an instant.
async fn came_after<S: Store>(store: &S, mailbox: &MailboxName, ms: u64) -> Result<bool, StoreError> {
    let maildrop = store.open(mailbox, &ViewName::owner()).await?;
    let Some(last) = maildrop.len().checked_sub(1) else { return Ok(false) };
    Ok(maildrop.envelope(last).await?.trace.received_ms > ms)
}

/// Robots of a team that used to come often.
fn robots<S>(
    means: &Means<S>,
    watchdog: &Watchdog,
    mailbox: &MailboxName,
    (at, now_ms): (&At, u64),
) -> Vec<(ViewOf, String)> {
    let team = means.directory.team(mailbox);
    let members = team.iter().flat_map(|team| &team.members).filter(|member| member.robot);
    let silent = members.filter_map(|member| {
        let pickup = means.pickups.last(mailbox, &member.view)?;
        let limit = limit(watchdog.robot?, 10, pickup.every_ms?);
        let last_ms = at.since(pickup.last_ms);
        let away = now_ms.saturating_sub(last_ms);
        let time = between(last_ms, now_ms);
        let text =
            format!("the poller of {} stopped: it has not collected {mailbox} for {time}", member.login);
        (away > limit).then(|| ((mailbox.clone(), member.view.clone()), text))
    });
    silent.collect()
}

fn limit(least: std::time::Duration, times: u64, every_ms: u64) -> u64 {
    ms(least).max(every_ms.saturating_mul(times))
}
