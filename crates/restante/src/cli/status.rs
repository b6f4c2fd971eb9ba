use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::failure::counted;
use super::{Answer, Context, Failure, json, table};
use crate::config::{self, Config, Origin};
use crate::control::report::{Filled, Reason, Report, State, Suspended, degraded, failed};
use crate::control::verb::{NoArgs, status::Status};
use crate::control::{self, Code};
use crate::wire;

/// How long a daemon may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// Say how the appliance is: in one word, and why
///
/// Exits with 0 when the word is ok, and with 1 when it is degraded or failed, so that it serves as a health
/// check. Without a running daemon it shows what can be seen from outside; the store is not opened.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let config = control::machine(&context.config)?;
    let at_rest = |why| at_rest(&context.config, &config, why);
    let (report, is_there) = match control::daemon_of(&config) {
        Ok(Some(client)) => match client.patience(PATIENCE)?.ask::<Status>(&NoArgs {}, |_| {}) {
            Err(fault) if fault.code == Code::Gone => (at_rest(silent()), true),
            answer => (answer?, true),
        },
        Ok(None) => (at_rest(absent(&config)), false),
        Err(Failure::Told(fault)) if fault.code == Code::Unavailable => (at_rest(silent()), true),
        Err(failure) => return Err(failure),
    };
    match args.json {
        true => json::print(context, &report)?,
        false => context.out.write_all(text(&report, is_there).as_bytes())?,
    }
    Ok(if report.health.state == State::Ok { Answer::Yes } else { Answer::No })
}

fn silent() -> Reason {
    failed(
        "the daemon does not answer",
        "see journalctl -u restante; systemctl restart restante loses no mail",
    )
}

fn absent(config: &Config) -> Reason {
    match control::holder(&config.state_dir.join("store")) {
        Some(pid) => failed(
            format!(
                "process {pid} has the store and does not answer: it is starting or stopping, or at work on it"
            ),
            "try again in a moment; journalctl -u restante says what it does",
        ),
        None => failed(
            "the daemon is not running: no mail is taken or handed out",
            "systemctl start restante; journalctl -u restante says why it ended",
        ),
    }
}

/// What can be seen from outside, and whether it could start.
fn at_rest(config_dir: &Path, config: &Config, why: Reason) -> Report {
    let mut report = Report::at_rest(config_dir, config, why);
    report.pid = control::holder(&config.state_dir.join("store"));
    if let Err(faults) = config::load(config_dir) {
        let count = counted(faults.errors(), "fault");
        let todo = "`restante check` shows what to correct";
        report.health.reasons.push(match wire::fall_back(config_dir, faults) {
            Ok(_) => degraded(
                format!("{count} about rules.toml: the daemon would start with the last good rules"),
                todo,
            ),
            Err(_) => failed(format!("{count} in the configuration: the daemon would not start"), todo),
        });
    }
    report
}

fn text(report: &Report, is_there: bool) -> String {
    let mut rows = table::Rows::default();
    rows.row("health", report.health.state.word());
    for reason in &report.health.reasons {
        rows.row("", &reason.text);
        rows.row("", &format!("  {}", reason.todo));
    }
    rows.row("restante", &process(report, is_there));
    rows.row("folders", &format!("{}, {}", report.config_dir, report.state_dir));
    if !report.waiting_for_restart.is_empty() {
        rows.row("at a restart", &report.waiting_for_restart.join(", "));
    }
    rows.some("rules", report.rules.map(rules).into_iter());
    let listeners = report.listeners.iter().map(|it| format!("{} {}", it.service, it.address));
    rows.some("listening", listeners);
    let sessions = report.sessions.iter().map(|it| format!("{} {} of {}", it.service, it.open, it.limit));
    rows.some("sessions", sessions);
    mail(report, &mut rows);
    rows.some("old mail", report.suspended.iter().map(suspended));
    machine(report, &mut rows);
    rows.text()
}

/// Which rules are in force.
fn rules(origin: Origin) -> String {
    match origin {
        Origin::File => "those of rules.toml",
        Origin::LastGood => "the last good ones: rules.toml cannot be used",
        Origin::Nowhere => "none of yours, the default alone: there is no rules.toml",
    }
    .into()
}

/// Who has the store is there, also where the system does not say which process that is.
fn process(report: &Report, is_there: bool) -> String {
    match (report.pid, report.uptime_seconds) {
        (Some(pid), Some(seconds)) => {
            format!("{}, process {pid}, up for {}", report.version, table::time(seconds))
        }
        (Some(pid), None) => format!("{}, process {pid}, does not answer", report.version),
        (None, _) if is_there => format!("{}, does not answer", report.version),
        (None, _) => format!("{}, not running", report.version),
    }
}

fn mail(report: &Report, rows: &mut table::Rows) {
    if let Some(queue) = &report.queue {
        let size = table::size(queue.octets);
        let held = if queue.held > 0 { format!(", {} held", queue.held) } else { String::new() };
        let oldest = queue.oldest_seconds.map(|age| format!(", the oldest for {}", table::time(age)));
        let messages = messages(queue.messages);
        rows.row("queue", &format!("{messages}, {size}{held}{}", oldest.unwrap_or_default()));
    }
    let Some(mailboxes) = &report.mailboxes else { return };
    let (all, size) = (messages(mailboxes.messages), table::size(mailboxes.octets));
    rows.row("mailboxes", &format!("{} configured, {all}, {size}", mailboxes.configured));
    let filled = |it: &Filled| format!("{}, {}", messages(it.messages), table::size(it.octets));
    let percent = |it: &Filled| it.percent.unwrap_or_default();
    let fullest =
        mailboxes.fullest.iter().map(|it| format!("{} {} % ({})", it.name, percent(it), filled(it)));
    rows.some("  fullest", fullest);
    for it in &mailboxes.unconfigured {
        rows.row("  not in file", &format!("{} ({})", it.name, filled(it)));
    }
    let more = mailboxes.unconfigured_count.saturating_sub(mailboxes.unconfigured.len() as u64);
    if more > 0 {
        rows.row("", &format!("and {more} more that mailboxes.toml does not name"));
    }
}

/// Until when nothing goes for its time, and why.
fn suspended(it: &Suspended) -> String {
    let why = match it.doubted {
        true => "the clock was over a day from where it was expected: look at it",
        false => "nothing is known of the clock in the first day of running",
    };
    let until = it.until.parse().map_or_else(|_| it.until.clone(), |until: Timestamp| table::at(until));
    format!("nothing goes for its time before {until}: {why}")
}

fn messages(number: u64) -> String {
    count(number, "message")
}

fn count(number: u64, word: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), word)
}

fn machine(report: &Report, rows: &mut table::Rows) {
    if let Some(disk) = &report.disk {
        let (free, total, least) =
            (table::size(disk.free), table::size(disk.total), table::size(disk.min_free));
        rows.row("disk", &format!("{free} of {total} free; mail is taken down to {least}"));
        if let Some(inodes) = disk.inodes {
            rows.row("", &format!("{inodes} more files fit; mail is taken down to {}", disk.min_inodes));
        }
    }
    if let Some(store) = &report.store {
        let (log, index) = (table::size(store.log_octets), table::size(store.index_octets));
        let segments = format!("{}, {}", count(store.segments, "segment"), count(store.spares, "spare"));
        rows.row("store", &format!("{segments}, {log}; index {index}"));
        if let Some(dead) = store.dead_octets.filter(|dead| *dead > 0) {
            rows.row("", &format!("{} deleted since room was last made", table::size(dead)));
        }
        if let (Some(durable), Some(applied), Some(lag)) = (&store.durable, &store.applied, store.lag_octets)
        {
            let waiting = if lag > 0 { format!(", {} behind", table::size(lag)) } else { String::new() };
            rows.row("", &format!("durable to {durable}, index to {applied}{waiting}"));
        }
        if let Some(age) = store.checkpoint_age_seconds {
            let whole = if store.is_checkpointed { ", which holds everything" } else { "" };
            rows.row("", &format!("last checkpoint {} ago{whole}", table::time(age)));
        }
    }
    if let Some(certificate) = &report.certificate {
        rows.row("certificate", &format!("until {} ({} days)", certificate.expires, certificate.days));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_hangs_is_not_one_that_is_not_running() {
        let mut report = Report::at_rest(Path::new("etc"), &Config::default(), silent());
        assert!(process(&report, true).ends_with(", does not answer"));
        assert!(process(&report, false).ends_with(", not running"));
        report.pid = Some(7);
        assert!(process(&report, true).ends_with(", process 7, does not answer"));
        assert_eq!((count(1, "segment"), count(2, "segment")), ("1 segment".into(), "2 segments".into()));
    }
}
