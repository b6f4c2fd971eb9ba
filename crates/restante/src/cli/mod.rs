//! The command line: one file per verb.

use std::process::ExitCode;

/// Reads the command line, does what it says, and answers with the exit code.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
