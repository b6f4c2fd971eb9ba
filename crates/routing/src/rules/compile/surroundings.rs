use directory::Table;
use jiff::tz::TimeZone;

/// What is around a file of rules, as far as rules can name it.
pub struct Surroundings<'a> {
    /// Who there is; none while the directory has faults of its own: then names are not checked.
    pub directory: Option<&'a Table>,
    /// Whether a spam filter is asked.
    pub spam_filter: bool,
    /// Whether a virus scanner is asked.
    pub virus_scanner: bool,
    /// The zones of the DNS block lists that are asked.
    pub block_lists: &'a [String],
    /// The machine's own: what `hours` are meant in.
    pub time_zone: TimeZone,
    /// Gives the text of a file that a list names, by its path as written; otherwise why it cannot, in one line.
    pub read_list: &'a dyn Fn(&str) -> Result<String, String>,
}
