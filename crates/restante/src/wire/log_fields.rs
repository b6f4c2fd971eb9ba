use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Writes the fields of a line as the library does, octet for octet. Nearly all values are plain words and numbers,
/// which go out here as they are, in their quotes: to paint each name and to look at each character for what must be
/// escaped is most of what a line costs.
pub(super) struct Fields;

impl<'w> MakeVisitor<Writer<'w>> for Fields {
    type Visitor = Visitor<'w>;

    fn make_visitor(&self, target: Writer<'w>) -> Visitor<'w> {
        let coloured = target.has_ansi_escapes();
        Visitor { library: DefaultVisitor::new(target, true), coloured, begun: false, result: Ok(()) }
    }
}

/// See [`Fields`].
pub(super) struct Visitor<'w> {
    library: DefaultVisitor<'w>,
    coloured: bool,
    /// The library has written the first field: the next ones begin with a blank.
    begun: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    /// Whether the library is not needed for a field of a plain value. It is for the message, in which a terminal must
    /// find nothing to obey, and it knows which fields are no fields.
    fn is_simple(&mut self, field: &Field) -> bool {
        let name = field.name();
        if name.starts_with("log.") {
            return false;
        }
        std::mem::replace(&mut self.begun, true)
            && !self.coloured
            && name != "message"
            && !name.starts_with("r#")
    }

    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let to = self.library.writer();
        self.result = self
            .result
            .and_then(|()| to.write_str(" "))
            .and_then(|()| to.write_str(field.name()))
            .and_then(|()| to.write_str("="))
            .and_then(|()| to.write_fmt(value));
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
        if !self.is_simple(field) {
            self.library.record_str(field, value);
        } else if value.bytes().all(is_plain) {
            self.write(field, format_args!("\"{value}\""));
        } else {
            self.write(field, format_args!("{value:?}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.is_simple(field);
        self.library.record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.is_simple(field) {
            self.write(field, format_args!("{value:?}"));
        } else {
            self.library.record_debug(field, value);
        }
    }
}

impl VisitOutput<fmt::Result> for Visitor<'_> {
    fn finish(self) -> fmt::Result {
        self.result.and(self.library.finish())
    }
}

impl VisitFmt for Visitor<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        self.library.writer()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{Subscriber, error, info};
    use tracing_subscriber::fmt::FormatFields;
    use tracing_subscriber::fmt::format::DefaultFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn subscriber<F>(fields: F, ansi: bool, lines: &Lines) -> impl Subscriber + Send + Sync + use<F>
    where
        F: for<'w> FormatFields<'w> + Send + Sync + 'static,
    {
        let lines = lines.clone();
        let writer = move || lines.clone();
        tracing_subscriber::fmt()
            .with_writer(writer)
            .without_time()
            .with_ansi(ansi)
            .fmt_fields(fields)
            .finish()
    }

    /// Every kind of value, in the first place and further on.
    fn log() {
        let (plain, none) = ("<alice@example.test>", "");
        let hostile = "a\"b\\c\x1b[2J\r\n\u{202e}ü\0";
        let failure = io::Error::other("disk\x1b[2J");
        info!("message");
        info!(plain, "message");
        info!(hostile, none, plain, size = 4096, status = "queued", "message");
        info!(%plain, ?plain, yes = true, less = -1, much = u64::MAX, "message {}", hostile);
        info!(shown = %hostile, debug = ?hostile, some = ?Some(hostile), part = 0.5);
        info!(plain, hostile);
        info!(r#type = plain, a.b = plain, r#move = 7, "raw");
        error!(error = %failure, "{}", "a message of its own\x1b[2J");
        error!(error = &failure as &(dyn Error + 'static), plain, "message");
        error!(plain, error = &failure as &(dyn Error + 'static));
        info!(log.target = plain, plain, "message");
        info!(log.target = plain, plain, hostile);
    }

    #[test]
    fn lines_are_what_the_library_makes_of_them() {
        for ansi in [false, true] {
            let (ours, theirs) = (Lines::default(), Lines::default());
            tracing::subscriber::with_default(subscriber(Fields, ansi, &ours), log);
            tracing::subscriber::with_default(subscriber(DefaultFields::new(), ansi, &theirs), log);
            let text =
                |lines: &Lines| String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
            assert!(text(&theirs).lines().count() >= 12, "all of them were logged");
            for (ours, theirs) in text(&ours).lines().zip(text(&theirs).lines()) {
                assert_eq!(ours, theirs);
            }
            assert_eq!(text(&ours), text(&theirs));
        }
    }
}
