//! The rules that were in force last, in the state folder: a start with a `rules.toml` that has faults goes on with
//! them, for mail that comes meanwhile should not meet none.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing::warn;

use crate::config::{self, Faults, File, Loaded, Origin, Rules, Severity};

/// Keeps rules that are in force now.
pub(super) fn keep(state_dir: &Path, rules: &Rules) {
    let path = config::last_good(state_dir);
    // Where there are none, none are kept: a folder that never had any does not miss them.
    if rules.origin == Origin::Nowhere && !path.exists() {
        return;
    }
    if fs::read_to_string(&path).is_ok_and(|kept| kept == *rules.text) {
        return;
    }
    if let Err(error) = write(&path, &rules.text) {
        warn!(%error, path = %path.display(), "the rules in force are not kept for the next start");
    }
}

/// Renamed into place, so that it is whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

/// A configuration that is sound but for its rules, with the rules that were in force last. Otherwise the faults
/// come back.
pub(crate) fn fall_back(config_dir: &Path, faults: Faults) -> Result<(Loaded, Faults), Faults> {
    let about_rules =
        |fault: &config::Fault| fault.file == File::Rules || fault.severity == Severity::Warning;
    if !faults.iter().all(about_rules) {
        return Err(faults);
    }
    let kept = config::machine(config_dir).ok().map(|config| config::last_good(&config.state_dir));
    let kept = kept.and_then(|path| Some((fs::read_to_string(&path).ok()?, path)));
    let Some((text, path)) = kept else { return Err(faults) };
    match config::load_with_rules(config_dir, text, &path) {
        Ok(mut loaded) => {
            loaded.rules.origin = Origin::LastGood;
            Ok((loaded, faults))
        }
        // The mailboxes that they name may be gone.
        Err(_) => Err(faults),
    }
}
