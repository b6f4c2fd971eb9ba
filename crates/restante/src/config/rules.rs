//! `rules.toml`: compiled by the rules themselves, which know what it means; here its faults find their place among
//! those of the other files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::Table;
use jiff::tz::TimeZone;
use routing::rules::{self, Diagnostic, RuleSet, Surroundings};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Severity};
use super::reading::read_at_most;
use super::settings::Config;
use super::source::File;

/// Far past any list that somebody writes.
const LIST_MAX: u64 = 16 << 20;

/// Rules without a fault, whose tests all pass.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What is searched.
    pub set: Arc<RuleSet>,
    /// What was written.
    pub text: Arc<str>,
    /// Where that stood.
    pub origin: Origin,
}

/// Where rules come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `rules.toml`.
    #[default]
    File,
    /// The state folder, where those that were in force last are kept: `rules.toml` cannot be used.
    LastGood,
    /// There is no `rules.toml`, and there never was one.
    Nowhere,
}

/// The rules that were in force last, in a state folder.
pub(crate) fn last_good(state_dir: &Path) -> PathBuf {
    state_dir.join("rules.last-good.toml")
}

/// What a folder without a `rules.toml` means: nothing is wrong where there never was one, but who has lost hers must
/// not lose with it what it refuses and holds back.
pub(super) fn missing(state_dir: &Path) -> Fault {
    let kept = last_good(state_dir);
    if fs::metadata(&kept).is_ok_and(|kept| kept.len() > 0) {
        let kept = kept.display();
        return Fault::of_file(File::Rules, "rules.toml is not there, and there were rules before").hint(
            format!("put it back, or copy {kept} there; for no rules of yours at all make it an empty file"),
        );
    }
    let said = "rules.toml is not there: no rules of yours are searched, the default alone holds";
    Fault::of_file(File::Rules, said).warning()
}

/// Compiles the text, and runs the tests in it: with the rules come those that fail. `directory` is absent while that has faults of its own.
pub(super) fn compile(
    text: &str,
    dir: &Path,
    config: &Config,
    directory: Option<&Table>,
    faults: &mut Vec<Fault>,
) -> Option<(Rules, Vec<Fault>)> {
    let around = Surroundings {
        directory,
        spam_filter: config.asks_spam_filter(),
        virus_scanner: config.asks_virus_scanner(),
        block_lists: &config.dnsbl.lists,
        time_zone: TimeZone::system(),
        read_list: &|name| read_list(&dir.join(name)),
    };
    let (set, said) = RuleSet::compile(text, &around);
    faults.extend(said.into_iter().map(fault));
    let set = set?;
    // What a test expects of addresses cannot be told without the directory.
    let failures = directory.into_iter().flat_map(|_| set.run_tests()).filter_map(|test| test.failure);
    let failures: Vec<Fault> = failures.map(fault).collect();
    Some((Rules { set: Arc::new(set), text: text.into(), origin: Origin::File }, failures))
}

fn read_list(path: &Path) -> Result<String, String> {
    let octets = read_at_most(path, LIST_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => format!("{} is longer than 16 MiB", path.display()),
        _ => format!("cannot read {}: {error}", path.display()),
    })?;
    String::from_utf8(octets).map_err(|_| format!("cannot read {}: it is not UTF-8", path.display()))
}

fn fault(said: Diagnostic) -> Fault {
    let Diagnostic { severity, span, message, label, hint } = said;
    Fault {
        severity: match severity {
            rules::Severity::Error => Severity::Error,
            rules::Severity::Warning => Severity::Warning,
        },
        file: File::Rules,
        span,
        message,
        label,
        hint,
    }
}
