//! restante: mail in by SMTP, kept in a durable queue, out by POP3.

use std::process::ExitCode;

fn main() -> ExitCode {
    restante::cli::run()
}
