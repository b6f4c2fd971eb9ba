use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::seen::Seen;
use crate::control::report::State;

/// All of it as OpenMetrics text. Names and meanings stay as they are once they are told; more may come.
pub(super) fn text(seen: Seen) -> String {
    let mut registry = Registry::with_prefix("restante");
    registry.register_collector(Box::new(seen));
    let mut page = String::new();
    // A string takes everything.
    let _ = text::encode(&mut page, &registry);
    page
}

impl Collector for Seen {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let to = &mut to;
        self.appliance(to)?;
        self.mail(to)?;
        self.machine(to)?;
        self.pickups(to)
    }
}

impl Seen {
    fn appliance(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let report = &self.report;
        let health = match report.health.state {
            State::Ok => 0,
            State::Degraded => 1,
            State::Failed => 2,
        };
        gauges(
            to,
            "build",
            "1, with the version of the program",
            [([("version", report.version.as_str())], 1)],
        )?;
        gauge(to, "health", "0: ok, 1: degraded, 2: failed; `restante status` says why", Some(health))?;
        let reasons = report.health.reasons.len() as u64;
        gauge(to, "health_reasons", "Things that somebody should look at", Some(reasons))?;
        gauge(to, "uptime_seconds", "Since it began to serve", report.uptime_seconds)?;
        let open = report.sessions.iter().map(|it| ([("service", it.service.as_str())], it.open));
        gauges(to, "connections", "Connections now, by service", open)?;
        let limits = report.sessions.iter().map(|it| ([("service", it.service.as_str())], it.limit));
        gauges(to, "connections_limit", "Connections at most", limits)?;
        let events = self.events.iter().map(|(event, count)| ([("event", *event)], *count));
        counters(
            to,
            "events",
            "Messages by what became of them since the start, in the words of the trace",
            events,
        )?;
        counter(
            to,
            "trace_lost",
            "Lines of the trace, events and what was known of mail, that found no room",
            self.lost,
        )
    }

    fn mail(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let report = &self.report;
        if let Some(queue) = &report.queue {
            gauge(to, "queue_messages", "Messages accepted and not delivered", Some(queue.messages))?;
            gauge(to, "queue_bytes", "Their octets", Some(queue.octets))?;
            gauge(to, "queue_held", "How many of the first thousand are held", Some(queue.held))?;
            let oldest = queue.oldest_seconds.unwrap_or(0);
            gauge(to, "queue_oldest_seconds", "Age of the oldest that is not held; 0: none", Some(oldest))?;
        }
        if let Some(mailboxes) = &report.mailboxes {
            gauge(to, "mailboxes", "Mailboxes of mailboxes.toml", Some(mailboxes.configured))?;
            let unconfigured = mailboxes.unconfigured_count;
            gauge(
                to,
                "mailboxes_unconfigured",
                "Mailboxes with mail that it does not name",
                Some(unconfigured),
            )?;
            gauge(to, "stored_messages", "Messages in all mailboxes", Some(mailboxes.messages))?;
            gauge(to, "stored_bytes", "Their octets", Some(mailboxes.octets))?;
        }
        Ok(())
    }

    fn machine(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let report = &self.report;
        if let Some(disk) = &report.disk {
            let takes = u64::from(disk.refused.is_none());
            gauge(
                to,
                "takes_mail",
                "1: mail is taken, 0: it is not; `restante status` says why",
                Some(takes),
            )?;
            gauge(to, "disk_bytes", "Octets of the state folder's file system", Some(disk.total))?;
            gauge(to, "disk_free_bytes", "Octets of it that can still be written", Some(disk.free))?;
            gauge(
                to,
                "disk_min_free_bytes",
                "Octets of it below which no mail is taken",
                Some(disk.min_free),
            )?;
            gauge(to, "disk_free_files", "Files that can still be made", disk.inodes)?;
        }
        if let Some(store) = &report.store {
            gauge(to, "log_bytes", "Octets of the log, spare segments with it", Some(store.log_octets))?;
            gauge(to, "log_dead_bytes", "Octets of it that are dead and not freed", store.dead_octets)?;
            gauge(to, "index_bytes", "Octets of the index", Some(store.index_octets))?;
            gauge(to, "index_lag_bytes", "Octets of the log that wait for the index", store.lag_octets)?;
        }
        let days = report.certificate.as_ref().map(|certificate| certificate.days);
        let days = days.map(|days| ([("", ""); 0], days));
        family(to, "certificate_days", "Whole days until the certificate ends", days, ConstGauge::<i64>::new)
    }

    fn pickups(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let last = self.pickups.iter().map(|(mailbox, view, pickup)| {
            ([("mailbox", mailbox.as_str()), ("view", view.as_str())], pickup.last_ms / 1000)
        });
        let help = "When a view was collected last, in seconds since 1970; the owner's has no name";
        gauges(to, "last_pickup_seconds", help, last)?;
        let silent = self.silent.iter();
        let silent =
            silent.map(|(mailbox, view)| ([("mailbox", mailbox.as_str()), ("view", view.as_str())], 1));
        let help = "1: the watchdog misses a pickup, of a robot or, without the name of a view, of anybody";
        gauges(to, "uncollected", help, silent)?;
        let help = "How often very much old mail was deleted at once, since the start";
        counter(to, "mass_deletions", help, self.mass_deletions)
    }
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: Option<u64>) -> Result<(), Error> {
    gauges(to, name, help, value.map(|value| ([("", ""); 0], value)))
}

fn gauges<L: EncodeLabelSet>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> Result<(), Error> {
    family(to, name, help, values, ConstGauge::<u64>::new)
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), Error> {
    counters(to, name, help, [([("", ""); 0], value)])
}

fn counters<L: EncodeLabelSet>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> Result<(), Error> {
    family(to, name, help, values, ConstCounter::<u64>::new)
}

/// One name with all its values; without a value it is not there at all.
fn family<L: EncodeLabelSet, N, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, N)>,
    metric: impl Fn(N) -> M,
) -> Result<(), Error> {
    let values = values.into_iter().map(|(labels, value)| (labels, metric(value)));
    let values: Vec<(L, M)> = values.collect();
    let Some((_, first)) = values.first() else { return Ok(()) };
    let mut family = to.encode_descriptor(name, help, None, first.metric_type())?;
    for (labels, metric) in &values {
        metric.encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_figure_once_and_escapes_names() {
        let mut seen = Seen { mass_deletions: 2, lost: 7, ..Seen::default() };
        seen.report.version = "1.2\"3".into();
        seen.events.insert("accepted", 41);
        let silent =
            (mail::MailboxName::parse("sales").expect("a name"), mail::ViewName::parse("desk").expect("one"));
        seen.silent.push(silent);
        let page = text(seen);
        for line in [
            "restante_build{version=\"1.2\\\"3\"} 1",
            "restante_health 0",
            "restante_events_total{event=\"accepted\"} 41",
            "restante_trace_lost_total 7",
            "restante_mass_deletions_total 2",
            "restante_uncollected{mailbox=\"sales\",view=\"desk\"} 1",
        ] {
            assert_eq!(page.lines().filter(|it| *it == line).count(), 1, "{line} in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
        assert!(!page.contains("disk"), "what is not known is not there");
    }
}
