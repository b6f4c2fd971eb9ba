use std::time::{SystemTime, UNIX_EPOCH};

use mail::harmless;
use serde::Serialize;

use super::{Answer, Context, Failure, json, table};
use crate::control::verb::NoArgs;
use crate::control::verb::who::{Item, Who};
use crate::control::{self, Said};

/// Say who is collecting mail now
///
/// One line for each POP3 session that is logged in: the login as it was typed, which views it shows, from where, since
/// when, with which TLS, what it did so far, and what the client seems to be by the order of its commands. Exits with 1
/// when nobody is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    sessions: Vec<Item>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let daemon = control::daemon_of(&control::machine(&context.config)?)?;
    let is_there = daemon.is_some();
    let mut sessions = Vec::new();
    if let Some(client) = daemon {
        let mut asked = client.begin::<Who>(&NoArgs {})?;
        loop {
            match asked.hear()? {
                Said::Item(item, _) => sessions.push(item),
                Said::Progress(_) => {}
                Said::Answer(_) => break,
            }
        }
    }
    let answer = if sessions.is_empty() { Answer::No } else { Answer::Yes };
    if args.json {
        json::print(context, &Document { sessions })?;
        return Ok(answer);
    }
    match (is_there, sessions.is_empty()) {
        (false, _) => super::say("restante: no daemon runs: nobody is connected"),
        (true, true) => super::say("restante: nobody is logged in"),
        (true, false) => context.out.write_all(text(&sessions, wall_ms()).as_bytes())?,
    }
    Ok(answer)
}

fn text(sessions: &[Item], now_ms: u64) -> String {
    let head = ["login", "view", "from", "for", "tls", "fetched", "marked", "seems to be"].map(str::to_owned);
    let rows = sessions.iter().map(|session| {
        let fetched = match session.fetched {
            0 => "-".to_owned(),
            count => format!("{count} ({})", table::size(session.fetched_octets)),
        };
        [
            harmless(&session.login),
            session.views.join(", "),
            session.ip.clone().unwrap_or_else(|| "local".into()),
            table::time(now_ms.saturating_sub(session.since_ms) / 1000),
            session.tls.clone().unwrap_or_else(|| "-".into()),
            fetched,
            format!("{}/{}", session.marked, session.messages),
            session.client.clone().unwrap_or_else(|| "unknown".into()),
        ]
    });
    table::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_is_a_line_that_a_terminal_survives() {
        let item = |login: &str, fetched, client: Option<&str>| Item {
            login: login.into(),
            views: vec!["alice".into(), "sales/alice".into()],
            ip: Some("192.0.2.7".into()),
            since_ms: 1_000,
            tls: None,
            messages: 12,
            fetched,
            fetched_octets: fetched * 1024,
            tops: 0,
            marked: 1,
            client: client.map(str::to_owned),
        };
        let text = text(&[item("alice", 3, Some("fetchmail")), item("b\u{1b}ob", 0, None)], 62_000);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "login      view                from       for   tls  fetched      marked  seems to be"
        );
        assert_eq!(
            lines[1],
            "alice      alice, sales/alice  192.0.2.7  61 s  -    3 (3.0 KiB)  1/12    fetchmail"
        );
        assert!(lines[2].ends_with("-            1/12    unknown") && !text.contains('\u{1b}'), "{text}");
    }
}
