//! The machine that the figures belong to.

use std::fs;
use std::path::Path;

/// One line: processor, memory, kernel, file system, commit.
pub(crate) fn line(folder: &Path) -> String {
    let (kind, device) = mount(folder);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory =
        field("/proc/meminfo", "MemTotal:").and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) >> 20;
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        processor.split('\n').find_map(|line| line.strip_prefix("model name")).unwrap_or("processor");
    let processor = processor.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = std::env::var("BENCH_COMMIT").unwrap_or_else(|_| "unknown".into());
    format!(
        "commit {commit}; {cores} cores, {processor}; {memory} GiB; Linux {}; {kind} on {device}",
        kernel.trim()
    )
}

/// Whether a sync of this folder's files reaches no disk at all.
pub(crate) fn in_memory(folder: &Path) -> bool {
    mount(folder).0 == "tmpfs"
}

fn mount(folder: &Path) -> (String, String) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut best = (0, "unknown".to_owned(), "unknown".to_owned());
    for line in mounts.split('\n') {
        let mut words = line.split(' ');
        let (Some(device), Some(place), Some(kind)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if folder.starts_with(place) && place.len() >= best.0 {
            best = (place.len(), kind.to_owned(), device.to_owned());
        }
    }
    (best.1, best.2)
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.split('\n').find_map(|line| line.strip_prefix(name))?.split_whitespace().next().map(str::to_owned)
}
