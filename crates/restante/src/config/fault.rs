use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::source::{File, Source};

/// Whether it stops the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It does.
    Error,
    /// It is only said.
    Warning,
}

/// Something that is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether it stops the load.
    pub severity: Severity,
    /// Which file.
    pub file: File,
    /// The octets it is about; none: the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong, in one line.
    pub message: String,
    /// What was expected, put under the place; empty for none.
    pub label: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn error(file: File, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file,
            span: Some(span),
            message: message.into(),
            label: String::new(),
            hint: None,
        }
    }

    pub(super) fn of_file(file: File, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(file, 0..0, message) }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// What three files have to say about themselves, in the order of files and lines. It prints every one as
/// `file:line:col`, the line itself with a mark under the place, what was expected, and a hint.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    sources: BTreeMap<File, Source>,
    list: Vec<Fault>,
}

impl Faults {
    /// How many stop the load.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|fault| fault.severity == Severity::Error).count()
    }

    /// How many are only said.
    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// Only what `keep` keeps.
    #[must_use]
    pub fn filter(mut self, keep: impl Fn(&Fault) -> bool) -> Self {
        self.list.retain(keep);
        self
    }

    /// All of them as text; `colour` for terminals.
    pub fn render(&self, colour: bool) -> String {
        self.texts(colour).collect::<Vec<_>>().join("\n\n")
    }

    /// Each of them as text.
    pub fn texts(&self, colour: bool) -> impl Iterator<Item = String> {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        self.list.iter().map(move |fault| self.render_one(fault, &renderer))
    }

    /// Each as one line, for logs: `path:line:col: what is wrong (hint)`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.findings().map(|finding| finding.to_string())
    }

    /// Tells the log of each, as loudly as it is grave.
    pub(crate) fn log(&self) {
        for finding in self.findings() {
            match finding.severity {
                Severity::Error => tracing::error!("{finding}"),
                Severity::Warning => tracing::warn!("{finding}"),
            }
        }
    }

    /// Each as a program reads it.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.list.iter().map(|fault| {
            let source = self.sources.get(&fault.file);
            let place = match (source, &fault.span) {
                (Some(source), Some(span)) => {
                    let before = source.shown.get(..span.start).unwrap_or_default();
                    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                    Some((before.matches('\n').count() + 1, column))
                }
                (None, _) | (_, None) => None,
            };
            Finding {
                severity: fault.severity,
                path: source.map_or_else(|| fault.file.name().into(), |s| s.path.display().to_string()),
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                message: fault.message.clone(),
                hint: fault.hint.clone(),
            }
        })
    }

    fn render_one(&self, fault: &Fault, renderer: &Renderer) -> String {
        let level = match fault.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let source = self.sources.get(&fault.file);
        let path = source.map_or_else(|| fault.file.name().into(), |s| s.path.display().to_string());
        let title = level.primary_title(fault.message.as_str());
        let group = match (source, &fault.span) {
            (Some(source), Some(span)) => title.element(
                Snippet::source(source.shown.as_str())
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(span.clone()).label(fault.label.as_str())),
            ),
            (None, _) | (_, None) => title.element(Origin::path(path)),
        };
        let group = match &fault.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        };
        renderer.render(&[group])
    }

    pub(super) fn add_source(&mut self, file: File, path: PathBuf, text: &str) {
        self.sources.insert(file, Source::new(path, text));
    }

    /// The same beside another text of one file: `place` puts each of its faults where it is there, or takes it out.
    pub(super) fn of_another(
        mut self,
        file: File,
        path: PathBuf,
        text: &str,
        mut place: impl FnMut(&Fault) -> Option<Fault>,
    ) -> Self {
        self.add_source(file, path, text);
        let moved = |fault: Fault| if fault.file == file { place(&fault) } else { Some(fault) };
        self.list = std::mem::take(&mut self.list).into_iter().filter_map(moved).collect();
        self
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.list.extend(faults);
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_by_key(|fault| (fault.file, fault.span.as_ref().map_or(0, |span| span.start)));
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}
