//! Reads dialog files; their format is told in tests/dialogs/smtp/README.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use smtp_receive::{BareNewline, Params};

/// One dialog file.
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) params: Params,
    /// What is different in the world of this dialog.
    pub(crate) world: Vec<String>,
    pub(crate) acts: Vec<Act>,
    /// The messages stored in the end, as [`crate::player::render`] writes them.
    pub(crate) stored: Vec<String>,
}

/// One line of the dialog proper.
pub(crate) enum Act {
    /// The client sends.
    Send(Vec<u8>),
    /// The server does: `S: 250 ok`, `P: 1s`, `T:` or `X:`.
    Expect(String),
    /// Time passes.
    Wait(Duration),
    /// The service is told to stop.
    Stop,
}

/// All dialogs of the folder.
pub(crate) fn all() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/smtp");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dlg"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Script {
    let text = fs::read_to_string(path).expect("readable");
    let mut params = Params { hostname: "mx.example.test".into(), ..Params::default() };
    if text.contains("\nparam: service = lmtp\n") {
        params = Params { hostname: params.hostname, ..Params::lmtp() };
    }
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut script = Script { name, params, world: vec![], acts: vec![], stored: vec![] };
    for (number, line) in text.lines().enumerate() {
        line_of(&mut script, line).unwrap_or_else(|| panic!("{}:{}: {line}", path.display(), number + 1));
    }
    assert!(text.starts_with("# "), "{}: a dialog begins with what it shows", path.display());
    script
}

fn line_of(script: &mut Script, line: &str) -> Option<()> {
    if line.is_empty() || line.starts_with('#') {
        return Some(());
    }
    let (key, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match key {
        "param:" => param(&mut script.params, rest)?,
        "world:" => script.world.push(rest.into()),
        "C:" => script.acts.push(Act::Send([unescape(rest)?, b"\r\n".to_vec()].concat())),
        "C-" => script.acts.push(Act::Send(unescape(rest)?)),
        "C*" => {
            let (times, text) = rest.split_once(' ')?;
            script.acts.push(Act::Send(unescape(text)?.repeat(times.parse().ok()?)));
        }
        "S:" | "P:" | "T:" | "X:" => script.acts.push(Act::Expect(line.trim_end().into())),
        "W:" => script.acts.push(Act::Wait(Duration::from_secs(rest.strip_suffix('s')?.parse().ok()?))),
        "STOP:" => script.acts.push(Act::Stop),
        "M:" | "D:" | "D-" | "D*" => script.stored.push(line.into()),
        _ => return None,
    }
    Some(())
}

fn param(params: &mut Params, text: &str) -> Option<()> {
    let (key, value) = text.split_once(" = ")?;
    match key {
        "service" => {}
        "starttls" => params.starttls = value.parse().ok()?,
        "bare-newline" if value == "normalize" => params.bare_newline = BareNewline::Normalize,
        "bare-newline" if value == "refuse" => params.bare_newline = BareNewline::Refuse,
        "message-size" => params.message_size = value.parse().ok()?,
        "recipients" => params.recipients = value.parse().ok()?,
        "mails" => params.mails = value.parse().ok()?,
        "received" => params.received = value.parse().ok()?,
        "text-line" => params.text_line = value.parse().ok()?,
        "errors-soft" => params.errors.soft = value.parse().ok()?,
        "errors-hard" => params.errors.hard = value.parse().ok()?,
        "junk-commands" => params.errors.junk_commands = value.parse().ok()?,
        "unknown-commands" => params.errors.unknown_commands = value.parse().ok()?,
        "greeting" => params.patience.greeting = Duration::from_secs(value.strip_suffix('s')?.parse().ok()?),
        _ => return None,
    }
    Some(())
}

/// `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = vec![];
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mut used = 2;
        out.push(match *rest.as_bytes().get(at + 1)? {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => b'\0',
            b'\\' => b'\\',
            b'x' => {
                used = 4;
                u8::from_str_radix(rest.get(at + 2..at + 4)?, 16).ok()?
            }
            _ => return None,
        });
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}
