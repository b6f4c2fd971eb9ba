/// Something that configuration has to say about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether it stops the load.
    pub severity: Severity,
    /// The table it is about.
    pub item: Item,
    /// The key, and the place in its list.
    pub field: Field,
    /// What is wrong, in one line.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Whether a fault stops the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It is only said.
    Warning,
}

/// A table of the [`Spec`](crate::Spec), by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// The whole.
    Directory,
    /// `[[domain]]`.
    Domain(usize),
    /// `[[mailbox]]`.
    Mailbox(usize),
    /// `[[alias]]`.
    Alias(usize),
    /// `[[refuse]]`.
    Refuse(usize),
}

/// A key of that table; `index` is the place in its list, 0 for a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As spelled in the file; empty for the table itself.
    pub key: &'static str,
    /// Which of its values.
    pub index: usize,
}

impl Fault {
    pub(crate) fn new(
        severity: Severity,
        item: Item,
        key: &'static str,
        index: usize,
        message: String,
    ) -> Self {
        Self { severity, item, field: Field { key, index }, message, hint: None }
    }
}
