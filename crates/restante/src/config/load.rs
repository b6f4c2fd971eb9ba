use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use directory::{Item, Spec, Table};
use toml::Spanned;
use toml::de::DeTable;

use super::again::Again;
use super::care;
use super::fault::{Fault, Faults, Severity};
use super::machine::{self, Places};
use super::mailboxes::{self, Mailboxes};
use super::permission::{STATE_DIR_OPEN, exposure_of, service_groups};
use super::reading::read_at_most;
use super::rules::{self, Origin, Rules};
use super::section::{Notes, Section, brackets};
use super::settings::Config;
use super::source::File;
use super::tls;
use crate::control;

/// Configuration without a fault.
#[derive(Debug)]
pub struct Loaded {
    /// `restante.toml`.
    pub config: Config,
    /// `mailboxes.toml` as written, with the limits of `restante.toml` filled in where it has none.
    pub spec: Spec,
    /// The same, checked.
    pub table: Table,
    /// `rules.toml`.
    pub rules: Rules,
    /// What is wrong without stopping anything.
    pub warnings: Faults,
}

/// The text of the three files; `rules.toml` may be absent.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The folder they are in.
    pub dir: PathBuf,
    /// `restante.toml`.
    pub restante: String,
    /// `mailboxes.toml`.
    pub mailboxes: String,
    /// `rules.toml`.
    pub rules: String,
}

/// Reads and checks the three files of a folder, and the files that they name. Everything that is wrong
/// is in the error, warnings too.
pub fn load(dir: &Path) -> Result<Loaded, Faults> {
    let texts = Texts::read(dir)?;
    let mut checked = Checked::new(&texts);
    checked.look_at_files(dir);
    if is_missing(&dir.join(File::Rules.name())) {
        checked.faults.push(rules::missing(&checked.config.state_dir));
        checked.rules.iter_mut().for_each(|rules| rules.origin = Origin::Nowhere);
    }
    checked.into_result()
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The same with the text of another file in the place of `rules.toml`.
pub fn load_with_rules(dir: &Path, rules: String, path: &Path) -> Result<Loaded, Faults> {
    Checked::with_rules(dir, rules, path)?.into_result()
}

/// The same for rules that are only tried: tests of theirs that fail are told apart, and keep them from nothing.
pub fn try_rules(dir: &Path, rules: String, path: &Path) -> Result<(Loaded, Faults), Faults> {
    let mut checked = Checked::with_rules(dir, rules, path)?;
    let mut failed = checked.faults.clone().filter(|_| false);
    failed.extend(std::mem::take(&mut checked.failed));
    Ok((checked.into_result()?, failed))
}

/// How many faults `rules.toml` has, for a verb that looks at the other two alone.
pub fn faults_of_rules(dir: &Path) -> usize {
    load(dir).map_or_else(|faults| faults.filter(|fault| fault.file == File::Rules).errors(), |_| 0)
}

/// What `restante.toml` says, for a verb that must work whatever else is wrong: a fault is only what keeps the
/// state folder from being known.
pub fn machine(dir: &Path) -> Result<Config, Faults> {
    let mut faults = Faults::default();
    let path = dir.join(File::Restante.name());
    let text = read(dir, File::Restante).map_err(|fault| {
        let mut unread = Faults::default();
        unread.add_source(File::Restante, path.clone(), "");
        unread.push(fault);
        unread
    })?;
    faults.add_source(File::Restante, path, &text);
    let texts = Texts { dir: dir.into(), restante: text, mailboxes: String::new(), rules: String::new() };
    let Some((config, places)) = machine_of(&texts, &mut faults) else { return Err(faults) };
    let about_state =
        |fault: &Fault| !places.state_dir.is_empty() && fault.span == Some(places.state_dir.clone());
    let faults = faults.filter(|fault| fault.severity == Severity::Error && about_state(fault));
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

fn machine_of(texts: &Texts, faults: &mut Faults) -> Option<(Config, Places)> {
    parsed(texts, File::Restante, faults, |table, notes| {
        let mut top = Section::top(table, notes);
        let found = machine::read(&mut top, &texts.dir);
        top.finish();
        found
    })
}

/// Checks texts without looking at any file: for what is about to be written.
pub fn check(texts: &Texts) -> Result<Loaded, Faults> {
    Checked::new(texts).into_result()
}

/// Checks a text of `mailboxes.toml` that is about to be written in the place of the one that is there.
pub(super) fn check_before_write(texts: &Texts) -> Result<Loaded, Faults> {
    let mut checked = Checked::new(texts);
    let groups = service_groups(&texts.dir, &checked.config.state_dir);
    checked.faults.extend(exposed_passwords(&texts.dir, &checked.spec, &groups));
    checked.into_result()
}

impl Texts {
    /// Reads the three files.
    pub fn read(dir: &Path) -> Result<Self, Faults> {
        Self::read_these(dir, &File::ALL)
    }

    /// Reads some of the files; the others are as if they were empty.
    pub(super) fn read_these(dir: &Path, files: &[File]) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let [restante, mailboxes, rules] = File::ALL.map(|file| {
            if !files.contains(&file) {
                return String::new();
            }
            read(dir, file).unwrap_or_else(|fault| {
                faults.add_source(file, dir.join(file.name()), "");
                faults.push(fault);
                String::new()
            })
        });
        if faults.is_empty() { Ok(Self { dir: dir.into(), restante, mailboxes, rules }) } else { Err(faults) }
    }

    fn of(&self, file: File) -> &str {
        match file {
            File::Restante => &self.restante,
            File::Mailboxes => &self.mailboxes,
            File::Rules => &self.rules,
        }
    }
}

/// Far past any file that somebody edits; what is longer was named by mistake.
const FILE_MAX: u64 = 64 << 20;

fn read(dir: &Path, file: File) -> Result<String, Fault> {
    let path = dir.join(file.name());
    let fault = |message: String| Fault::of_file(file, message);
    let octets = match read_at_most(&path, FILE_MAX) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(fault(format!("{} is longer than 64 MiB", file.name())));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && file == File::Rules => Vec::new(),
        Err(error) => {
            let fault = fault(format!("cannot read {}: {error}", path.display()));
            return Err(match error.kind() {
                io::ErrorKind::NotFound => fault.hint(where_to_get(dir)),
                io::ErrorKind::PermissionDenied => fault.hint(
                    "its group is the service's and can read it (chmod u=rw,g=r,o=); or run this as root",
                ),
                _ => fault,
            });
        }
    };
    String::from_utf8(octets).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        fault(format!("{} is not UTF-8 (line {line})", file.name())).hint("save it as UTF-8")
    })
}

/// What helps whoever lacks a file: `init` makes all three, and only where there is none of them.
fn where_to_get(dir: &Path) -> &'static str {
    match File::ALL.iter().any(|file| !is_missing(&dir.join(file.name()))) {
        true => {
            "put it back from a copy of this folder; `restante init --config DIR` makes a new one in another folder"
        }
        false => "`restante init` makes it; `--config DIR` names another folder",
    }
}

/// The fault of a `mailboxes.toml` that holds password hashes and can be read by others.
fn exposed_passwords(dir: &Path, spec: &Spec, service_groups: &[u32]) -> Option<Fault> {
    let path = dir.join(File::Mailboxes.name());
    spec.mailboxes.iter().find(|mailbox| !mailbox.passwords.is_empty())?;
    let exposed = exposure_of(&fs::metadata(&path).ok()?, service_groups)?;
    let message =
        format!("{} holds passwords and can be read by {}", File::Mailboxes.name(), tls::readers(exposed));
    Some(Fault::of_file(File::Mailboxes, message).hint(tls::cure(&path)))
}

/// What would keep `serve` from its state folder; one that is not there is made at the start.
fn state_dir(path: &Path, places: &Places) -> Option<Fault> {
    let (folder, place) = (path.display(), places.state_dir.clone());
    let Ok(found) = fs::metadata(path) else { return unmakeable(path, place) };
    let cure = format!("chmod 700 {folder}");
    if !found.is_dir() {
        return Some(Fault::error(File::Restante, place, format!("{folder} is no folder")));
    }
    if found.mode() & STATE_DIR_OPEN != 0 {
        let message = format!("others may look into the state folder {folder} or write there");
        return Some(Fault::error(File::Restante, place, message).hint(cure));
    }
    let message = format!("its group can look into the state folder {folder}");
    (found.mode() & 0o070 != 0).then(|| Fault::error(File::Restante, place, message).hint(cure).warning())
}

/// Why a folder that is not there could not be made.
fn unmakeable(path: &Path, place: Range<usize>) -> Option<Fault> {
    let folder = path.display();
    let fault =
        |message: String, hint: &str| Some(Fault::error(File::Restante, place.clone(), message).hint(hint));
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        let message = format!("the state folder {folder} is a link to nothing");
        return fault(message, "make the folder that it leads to, or remove the link");
    }
    // Only the folder itself is made: a path with a slip in it would otherwise take mail somewhere else.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    match fs::metadata(parent) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => fault(
            format!("the state folder {folder} cannot be made: {} is no folder", parent.display()),
            "a folder above it must be there",
        ),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(_) => fault(
            format!("the state folder {folder} cannot be made: {} is not there", parent.display()),
            "make that first, or correct `state-dir`",
        ),
    }
}

/// The path of a socket is a matter of the kernel's, and shorter than that of a file.
fn control_socket(state_dir: &Path, places: &Places) -> Option<Fault> {
    let path = control::socket(state_dir);
    let message = format!("the state folder's path is too long for the control socket, {}", path.display());
    let fault = Fault::error(File::Restante, places.state_dir.clone(), message);
    (!control::fits(&path)).then(|| {
        fault.hint(format!("a shorter one: a socket's path has at most {} octets", control::PATH_MAX))
    })
}

/// Everything that is known of the texts.
struct Checked {
    config: Config,
    spec: Spec,
    table: Option<Table>,
    rules: Option<Rules>,
    /// Tests of the rules that fail.
    failed: Vec<Fault>,
    places: Places,
    faults: Faults,
}

impl Checked {
    fn new(texts: &Texts) -> Self {
        let mut faults = Faults::default();
        for file in File::ALL {
            faults.add_source(file, texts.dir.join(file.name()), texts.of(file));
        }
        let (config, places) = machine_of(texts, &mut faults).unwrap_or_default();
        let mailboxes = parsed(texts, File::Mailboxes, &mut faults, |table, notes| {
            let mut top = Section::top(table, notes);
            let found = mailboxes::read(&mut top, &config.limits);
            top.finish();
            found
        });
        let (spec, table) = match mailboxes {
            Some(found) => directory(found, &config, &places, &mut faults),
            None => (Spec::default(), None),
        };
        if let Some(table) = &table {
            faults.extend(care::ignored(&config.watchdog.ignore, &places.ignored, &spec, table));
        }
        let mut said = Vec::new();
        let compiled = rules::compile(texts.of(File::Rules), &texts.dir, &config, table.as_ref(), &mut said);
        faults.extend(said);
        let (rules, failed) = compiled.unzip();
        Self { config, spec, table, rules, failed: failed.unwrap_or_default(), places, faults }
    }

    fn with_rules(dir: &Path, rules: String, path: &Path) -> Result<Self, Faults> {
        let texts = Texts { rules, ..Texts::read_these(dir, &[File::Restante, File::Mailboxes])? };
        let mut checked = Self::new(&texts);
        // What is wrong with it is told of the file that it stands in.
        checked.faults.add_source(File::Rules, path.into(), &texts.rules);
        checked.look_at_files(dir);
        Ok(checked)
    }

    /// What can only be seen on the disk.
    fn look_at_files(&mut self, dir: &Path) {
        let groups = service_groups(dir, &self.config.state_dir);
        self.faults.extend(exposed_passwords(dir, &self.spec, &groups));
        self.faults.extend(state_dir(&self.config.state_dir, &self.places));
        self.faults.extend(control_socket(&self.config.state_dir, &self.places));
        if let Some(pair) = &self.config.tls {
            self.faults.extend(tls::check(pair, &self.places, &groups));
        }
    }

    fn into_result(mut self) -> Result<Loaded, Faults> {
        self.faults.extend(self.failed);
        self.faults.sort();
        match (self.table, self.rules) {
            (Some(table), Some(rules)) if self.faults.errors() == 0 => {
                Ok(Loaded { config: self.config, spec: self.spec, table, rules, warnings: self.faults })
            }
            (Some(_) | None, _) => Err(self.faults),
        }
    }
}

/// Reads one file's TOML, or says what is wrong with it as TOML.
fn parsed<R>(
    texts: &Texts,
    file: File,
    faults: &mut Faults,
    read: impl FnOnce(&Spanned<DeTable<'_>>, &mut Notes) -> R,
) -> Option<R> {
    let (table, errors) = DeTable::parse_recoverable(texts.of(file));
    if !errors.is_empty() {
        let mut repeated = None;
        for error in errors {
            let span = error.span().unwrap_or_default();
            // The keys of a table that is there twice are not faults of their own.
            let between = repeated.and_then(|header| texts.of(file).get(header..span.start));
            if between.is_some_and(|text| !text.contains("\n[")) && error.message() == "duplicate key" {
                continue;
            }
            let hint = twice(texts.of(file), file, span.clone());
            repeated = hint.is_some().then_some(span.start);
            let again = Again::find(texts.of(file), &span).filter(|_| error.message() == "duplicate key");
            let message = format!(
                "no TOML: {}{}",
                error.message(),
                again.as_ref().map(Again::words).unwrap_or_default()
            );
            let hint = hint.or_else(|| again.map(Again::hint));
            faults.push(Fault { hint, ..Fault::error(file, span, message) });
        }
        return None;
    }
    let mut notes = Notes::new(file);
    let result = read(&table, &mut notes);
    faults.extend(notes.faults);
    Some(result)
}

/// What to write when the key at a place is a table's that may be repeated, in the brackets of one that may not.
fn twice(text: &str, file: File, key: Range<usize>) -> Option<String> {
    let tables: &[&str] = match file {
        File::Restante => &["relay"],
        File::Mailboxes => &["domain", "mailbox", "alias", "refuse", "passwords", "members"],
        File::Rules => &[],
    };
    let name = text.get(key.clone())?;
    let line = text[..key.start].rfind('\n').map_or(0, |at| at + 1);
    let header = text[line..].lines().next()?.trim_start().strip_prefix('[')?;
    let (header, _) = header.split_once(']')?;
    (tables.contains(&name) && !header.starts_with('[')).then(|| brackets(header))
}

/// Lets the directory check what the file means, and puts its faults to their places.
fn directory(
    found: Mailboxes,
    config: &Config,
    machine: &Places,
    faults: &mut Faults,
) -> (Spec, Option<Table>) {
    let Mailboxes { mut spec, places } = found;
    spec.detail_separator = config.detail_separator;
    spec.hostname.clone_from(&config.hostname);
    spec.literals = machine::literals(config);
    spec.quarantine = Some(config.quarantine.keep);
    let (table, said) = Table::build(&spec);
    for fault in said {
        let (file, span) = match (fault.item, fault.field.key) {
            (Item::Directory, "hostname") => (File::Restante, Some(machine.hostname.clone())),
            (Item::Directory, "detail-separator") => (File::Restante, Some(machine.detail_separator.clone())),
            (item, key) => (File::Mailboxes, places.find(item, key, fault.field.index)),
        };
        faults.push(Fault {
            severity: match fault.severity {
                directory::Severity::Error => Severity::Error,
                directory::Severity::Warning => Severity::Warning,
            },
            file,
            span,
            message: fault.message,
            label: String::new(),
            hint: fault.hint,
        });
    }
    (spec, table)
}
