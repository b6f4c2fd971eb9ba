//! Who collected what, and when, kept over a restart: whose claims lapse and whose silence is told hangs on it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use directory::{Pickup, Pickups};
use mail::{MailboxName, ViewName};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::known::replace;

const NAME: &str = "pickups";
/// How soon what is new is written down: a kill loses no more of it.
const SOON: Duration = Duration::from_secs(5);
/// What the writing may take of all time, where there is much to write: a hundredth.
const SHARE: u32 = 100;
/// How late at the latest, and how long after a disk that took nothing.
const LATE: Duration = Duration::from_secs(60);

/// What the last run knew. Without the file members seem to be away since they joined: no claim lapses before a week's
/// notice of that, in which one pickup puts it right. Of a silence nobody is told until it is known again what is usual.
pub(crate) fn recall(state_dir: &Path) -> Pickups {
    let pickups = Pickups::new();
    let text = fs::read_to_string(state_dir.join(NAME)).unwrap_or_default();
    for (mailbox, view, pickup) in text.lines().filter_map(read) {
        pickups.restore(mailbox, view, pickup);
    }
    // What was only read needs no writing.
    let _ = pickups.changed();
    pickups
}

/// Writes down what is new, soon and at the end.
pub(super) async fn keep(state_dir: PathBuf, pickups: Pickups, stop: CancellationToken) {
    let mut rest = SOON;
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_none();
        let (folder, pickups) = (state_dir.clone(), pickups.clone());
        // What there is is gathered there too: of twenty thousand views that takes a moment.
        match tokio::task::spawn_blocking(move || write(&folder, &pickups)).await {
            Ok((took, Ok(()))) => rest = (took * SHARE).clamp(SOON, LATE),
            Ok((_, Err(error))) => {
                warn!(%error, "who collected when is not written down");
                rest = LATE;
            }
            Err(_) => {}
        }
        if stopped {
            return;
        }
    }
}

/// How long it took.
fn write(state_dir: &Path, pickups: &Pickups) -> (Duration, io::Result<()>) {
    let began = Instant::now();
    let written = pickups.changed().map_or(Ok(()), |all| replace(state_dir, NAME, &text(&all)));
    (began.elapsed(), written)
}

/// `mailbox view last first every client`; a dash for what is not there.
fn text(all: &[(MailboxName, ViewName, Pickup)]) -> String {
    let mut text = String::new();
    for (mailbox, view, Pickup { last_ms, first_ms, every_ms, client }) in all {
        let view = if *view == ViewName::owner() { "-" } else { view.as_str() };
        let every = every_ms.map_or_else(|| "-".to_owned(), |every| every.to_string());
        let client = client.as_deref().unwrap_or("-");
        // A String takes all.
        let _ = writeln!(text, "{mailbox} {view} {last_ms} {first_ms} {every} {client}");
    }
    text
}

fn read(line: &str) -> Option<(MailboxName, ViewName, Pickup)> {
    let mut words = line.splitn(6, ' ');
    let mailbox = MailboxName::parse(words.next()?).ok()?;
    let view = words.next().map(|view| if view == "-" { "" } else { view })?;
    let view = ViewName::kept(view).ok()?;
    let (last_ms, first_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let every_ms = match words.next()? {
        "-" => None,
        every => Some(every.parse().ok()?),
    };
    let client = words.next().filter(|client| *client != "-").map(str::to_owned);
    Some((mailbox, view, Pickup { last_ms, first_ms, every_ms, client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let name = |text: &str| MailboxName::parse(text).expect("a name");
        let pickup = |every_ms, client: Option<&str>| {
            let client = client.map(str::to_owned);
            Pickup { last_ms: 7, first_ms: 3, every_ms, client }
        };
        let all = [
            (name("alice@other.example"), ViewName::owner(), pickup(None, None)),
            (
                name("sales"),
                ViewName::parse("bob").expect("a name"),
                pickup(Some(9), Some("fetchmail or so")),
            ),
        ];
        assert_eq!(text(&all).lines().filter_map(read).collect::<Vec<_>>(), all);
        assert!(read("sales bob 1 soon - -").is_none() && read("sales").is_none());
    }

    /// A process that is killed loses the pickups of a few seconds, and one that is stopped none.
    #[tokio::test(start_paused = true)]
    async fn what_is_new_is_written_within_seconds_and_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pickups, stop) = (Pickups::new(), CancellationToken::new());
        let keeping = tokio::spawn(keep(folder.path().into(), pickups.clone(), stop.clone()));
        let (sales, bob) =
            (MailboxName::parse("sales").expect("a name"), ViewName::parse("bob").expect("a name"));
        let known = || recall(folder.path()).last(&sales, &bob).map(|pickup| pickup.last_ms);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!folder.path().join(NAME).exists(), "nothing is new");
        pickups.note(&sales, &bob, 7, None);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(known(), Some(7));
        // However many come, few are written: each time stands for all before.
        let mut written = std::collections::BTreeSet::new();
        for ms in 100..160 {
            pickups.note(&sales, &bob, ms, None);
            tokio::time::sleep(Duration::from_secs(1)).await;
            written.extend(known());
        }
        assert!((10..=14).contains(&written.len()), "{written:?}");
        pickups.note(&sales, &bob, 200, None);
        stop.cancel();
        keeping.await.expect("ended");
        assert_eq!(known(), Some(200));
    }
}
