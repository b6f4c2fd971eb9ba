//! restante: mail in by SMTP, kept in a durable queue, out by POP3.

use std::process::ExitCode;

/// What a session frees, another thread has often allocated: the committer, the applier and the trace end what it
/// began. The C library's arenas make both wait for a lock then.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    restante::cli::run()
}
