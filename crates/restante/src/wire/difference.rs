//! What a reload brings: what is different from what was in force, and what of it only a start can change.

use std::collections::BTreeMap;

use directory::Spec;

use super::{details, params};
use crate::config::Config;
use crate::control::verb::reload::{Change, How};

/// Everything that is different.
pub(super) fn changes(old: (&Config, &Spec), new: (&Config, &Spec)) -> Vec<Change> {
    let settings = settings(old.0, new.0).into_iter().map(|name| change(How::Changed, "setting", name));
    let (old, new) = (old.1, new.1);
    let mut found: Vec<Change> = settings.collect();
    found.extend(things("domain", &old.domains, &new.domains, |it| it.name.clone(), details::domain));
    found.extend(things("mailbox", &old.mailboxes, &new.mailboxes, |it| it.name.clone(), details::mailbox));
    found.extend(things("alias", &old.aliases, &new.aliases, |it| it.address.clone(), details::alias));
    found.extend(things(
        "closed address",
        &old.refused,
        &new.refused,
        |it| it.address.clone(),
        |_, _| Vec::new(),
    ));
    found
}

/// Whether the rules are others.
pub(super) fn rules(old: &str, new: &str) -> Option<Change> {
    (old != new).then(|| change(How::Changed, "rules", "rules.toml"))
}

/// The tables of `restante.toml` that say something else now.
fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let smtp =
        |config: &Config| (config.smtp.listen.clone(), config.smtp.bare_newline, config.smtp.one_refuses_all);
    let pop3 = |config: &Config| {
        let listen = (config.pop3.listen.clone(), config.pop3.listen_tls.clone());
        (listen, config.pop3.plain_on_loopback, config.pop3.plain_on_trusted, config.pop3.utf8_fallback)
    };
    let rows = [
        ("hostname", old.hostname == new.hostname),
        ("state-dir", old.state_dir == new.state_dir),
        ("trusted", old.trusted == new.trusted),
        ("addresses", old.addresses == new.addresses),
        ("smtp", smtp(old) == smtp(new)),
        ("smtp.limits", old.smtp.limits == new.smtp.limits),
        ("lmtp", old.lmtp == new.lmtp),
        ("pop3", pop3(old) == pop3(new)),
        ("pop3.limits", old.pop3.limits == new.pop3.limits),
        ("login", old.login == new.login),
        ("tls", old.tls == new.tls),
        ("limits", old.limits == new.limits),
        ("directory", old.detail_separator == new.detail_separator),
        ("authenticity", old.authenticity == new.authenticity),
        ("rspamd", old.rspamd == new.rspamd),
        ("clamav", old.clamav == new.clamav),
        ("dnsbl", old.dnsbl == new.dnsbl),
        ("greylist", old.greylist == new.greylist),
        ("quarantine", old.quarantine == new.quarantine),
        ("guard", old.guard == new.guard),
        ("watchdog", old.watchdog == new.watchdog),
        ("store", old.store == new.store),
        ("log", old.log == new.log),
        ("trace", old.trace == new.trace),
        ("metrics", old.metrics == new.metrics),
        ("relay", old.relays == new.relays),
    ];
    different(&rows)
}

/// The settings that are different and take effect at a start only.
pub(super) fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    let smtp_gate = |config: &Config| {
        let limits = &config.smtp.limits;
        (
            limits.connections,
            limits.connections_per_address,
            limits.connections_per_network,
            limits.connections_per_minute,
        )
    };
    let bans = |config: &Config| {
        let limits = &config.smtp.limits;
        (limits.unknown_recipients_per_day, limits.ban_time)
    };
    let pop3_gate = |config: &Config| {
        let limits = &config.pop3.limits;
        (
            limits.connections,
            limits.connections_per_address,
            limits.connections_per_network,
            limits.connections_per_minute,
        )
    };
    let free = |config: &Config| {
        let params = params::store(config);
        (params.min_free, params.min_inodes)
    };
    let rows = [
        ("state-dir", old.state_dir == new.state_dir),
        ("trusted", old.trusted == new.trusted),
        ("smtp.listen", old.smtp.listen == new.smtp.listen),
        ("lmtp.listen", old.lmtp.listen == new.lmtp.listen),
        ("pop3.listen", old.pop3.listen == new.pop3.listen),
        ("pop3.listen-tls", old.pop3.listen_tls == new.pop3.listen_tls),
        ("metrics.listen", old.metrics.listen == new.metrics.listen),
        ("the connections of smtp.limits", smtp_gate(old) == smtp_gate(new)),
        ("the bans of smtp.limits", bans(old) == bans(new)),
        ("the connections of pop3.limits", pop3_gate(old) == pop3_gate(new)),
        ("login", params::login_budget(old) == params::login_budget(new)),
        ("tls as a whole", old.tls.is_some() == new.tls.is_some()),
        ("min-free-disk or min-free-inodes of limits", free(old) == free(new)),
        ("store", old.store == new.store),
        ("log", old.log == new.log),
        ("trace", old.trace == new.trace),
        ("relay", old.relays == new.relays),
    ];
    different(&rows)
}

fn different(rows: &[(&'static str, bool)]) -> Vec<&'static str> {
    rows.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect()
}

fn change(how: How, what: &str, name: impl Into<String>) -> Change {
    Change { how, what: what.into(), name: name.into(), details: Vec::new() }
}

/// Compares two lists of things that have names; a name that is there twice is a fault elsewhere.
fn things<T: PartialEq>(
    what: &str,
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> String,
    details: impl Fn(&T, &T) -> Vec<String>,
) -> Vec<Change> {
    let [before, after] = [old, new].map(|list| {
        let numbered = list.iter().enumerate().map(|(at, it)| (name(it), at));
        numbered.collect::<BTreeMap<String, usize>>()
    });
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone: Vec<Change> = gone.map(|name| change(How::Removed, what, name)).collect();
    let there = after.iter().filter_map(|(name, at)| match before.get(name) {
        None => Some(change(How::Added, what, name)),
        Some(was) if old[*was] != new[*at] => {
            let details = details(&old[*was], &new[*at]);
            Some(Change { details, ..change(How::Changed, what, name) })
        }
        Some(_) => None,
    });
    there.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_change_and_go() {
        let old = [("alice", 1), ("bob", 1), ("carol", 1)];
        let new = [("dave", 1), ("bob", 2), ("carol", 1)];
        let details = |old: &(&str, u8), new: &(&str, u8)| vec![format!("{} {}", old.1, new.1)];
        let found = things("mailbox", &old, &new, |it| it.0.to_owned(), details);
        assert_eq!(found[0].details, ["1 2"]);
        assert!(found[1].details.is_empty());
        let found: Vec<_> = found.iter().map(|change| (change.how, change.name.as_str())).collect();
        assert_eq!(found, [(How::Changed, "bob"), (How::Added, "dave"), (How::Removed, "alice")]);
    }

    #[test]
    fn a_limit_of_connections_waits_and_one_of_recipients_does_not() {
        let old = Config::default();
        let mut new = old.clone();
        new.smtp.limits.recipients += 1;
        assert_eq!((settings(&old, &new), waiting(&old, &new)), (vec!["smtp.limits"], vec![]));
        new.smtp.limits.connections += 1;
        assert_eq!(waiting(&old, &new), ["the connections of smtp.limits"]);
        new.smtp.limits.ban_time *= 2;
        assert_eq!(waiting(&old, &new), ["the connections of smtp.limits", "the bans of smtp.limits"]);
        assert_eq!(changes((&old, &Spec::default()), (&old, &Spec::default())), []);
    }
}
