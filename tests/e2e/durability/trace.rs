use std::collections::HashMap;

/// One system call: where in the order of all it was entered, and where it returned.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// As strace prints them, from behind the bracket.
    pub(crate) arguments: String,
    /// What it returned; below zero for an error or none.
    pub(crate) result: i64,
    pub(crate) entered: usize,
    pub(crate) left: usize,
}

/// What strace saw. Its lines stand in the order in which the calls were entered and returned; a thread goes
/// on only after the line about it, so that this order is that of cause and effect.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) calls: Vec<Call>,
}

impl Call {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fdatasync" | "fsync") && self.result == 0
    }

    pub(crate) fn is_write(&self) -> bool {
        matches!(self.name.as_str(), "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2")
    }

    pub(crate) fn is_log_write(&self) -> bool {
        self.is_write() && self.path().ends_with(".seg")
    }

    pub(crate) fn is_send(&self) -> bool {
        let sends = matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg");
        sends && self.path().starts_with("socket:")
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.name.as_str(), "read" | "readv" | "recvfrom" | "recvmsg")
    }

    /// `12</a/path>`: all of it.
    pub(crate) fn descriptor(&self) -> &str {
        self.arguments.split_once('>').map_or("", |(descriptor, _)| descriptor)
    }

    /// What the first argument is a descriptor of.
    pub(crate) fn path(&self) -> &str {
        self.descriptor().split_once('<').map_or("", |(_, path)| path)
    }

    /// The text that was sent, from behind a mark on.
    pub(crate) fn text_after(&self, mark: &str) -> Option<&str> {
        self.arguments.split_once(mark).map(|(_, rest)| rest)
    }

    /// Where a positioned write began: its last argument, or the one before the flags.
    fn offset(&self) -> Option<u64> {
        let mut last = self.arguments.rsplit(", ");
        let flags = self.name == "pwritev2";
        let word = if flags { last.nth(1) } else { last.next() };
        word?.trim_end_matches(')').parse().ok()
    }
}

impl Trace {
    pub(crate) fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut open: HashMap<&str, Call> = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let Some((process, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let Some(mut call) = open.remove(process) else { continue };
                let (_, tail) = resumed.split_once(" resumed>").expect("resumed");
                call.arguments.push_str(tail);
                calls.push(returned(call, at));
            } else if let Some((name, arguments)) = rest.split_once('(') {
                let call = Call {
                    name: name.into(),
                    arguments: arguments.into(),
                    result: -1,
                    entered: at,
                    left: at,
                };
                match arguments.strip_suffix(" <unfinished ...>") {
                    Some(half) => drop(open.insert(process, Call { arguments: half.into(), ..call })),
                    None => calls.push(returned(call, at)),
                }
            }
        }
        calls.sort_by_key(|call| call.entered);
        Self { calls }
    }

    /// What was sent to clients and has this in it.
    pub(crate) fn sent(&self, text: &str) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.is_send() && call.arguments.contains(text))
    }

    /// The write of the octet at `offset` of a file, before this place in the order.
    pub(crate) fn covering(&self, file: &str, offset: u64, before: usize) -> Option<&Call> {
        let covers = |call: &&Call| {
            let (Some(start), Ok(octets)) = (call.offset(), u64::try_from(call.result)) else { return false };
            (start..start + octets).contains(&offset)
        };
        let writes = self.calls.iter().filter(|call| call.is_write() && call.path().ends_with(file));
        writes.filter(|call| call.left < before).rfind(|call| covers(call))
    }

    /// A sync of a file that began and ended between these places.
    pub(crate) fn sync_between(&self, file: &str, after: usize, before: usize) -> Option<&Call> {
        let within = |call: &&Call| call.entered > after && call.left < before;
        self.calls.iter().filter(|call| call.is_sync() && call.path().ends_with(file)).find(within)
    }

    /// The rename that gave a file its name, before this place.
    pub(crate) fn renamed_to(&self, file: &str, before: usize) -> Option<&Call> {
        let renames = self.calls.iter().filter(|call| call.name.starts_with("rename") && call.result == 0);
        renames.filter(|call| call.left < before).rfind(|call| call.arguments.contains(&format!("{file}\"")))
    }

    /// What happened around a call, for whoever has to find out why.
    pub(crate) fn around(&self, call: &Call) -> String {
        let near = self.calls.iter().filter(|one| one.left + 60 > call.entered && one.entered <= call.left);
        let line = |one: &Call| {
            let arguments: String = one.arguments.chars().take(140).collect();
            format!("{}-{} {}({arguments}\n", one.entered, one.left, one.name)
        };
        near.map(line).collect()
    }
}

fn returned(mut call: Call, at: usize) -> Call {
    call.left = at;
    if let Some((arguments, result)) = call.arguments.rsplit_once(" = ") {
        call.result = result.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(-1);
        call.arguments = arguments.trim_end().trim_end_matches(')').to_owned();
    }
    call
}
