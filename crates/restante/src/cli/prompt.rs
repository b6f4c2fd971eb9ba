//! Asking the person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};

use mail::Secret;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Past any answer that somebody types.
const ANSWER_MAX: usize = 4096;

/// A question with its default in brackets; an empty answer is the default. Asks again until `fits` has
/// nothing against it.
pub(super) fn ask(
    question: &str,
    default: &str,
    fits: impl Fn(&str) -> Result<(), String>,
) -> io::Result<String> {
    loop {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        write!(io::stderr(), "{question}{shown}: ")?;
        let mut line = Vec::new();
        if io::stdin().lock().take(ANSWER_MAX as u64).read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let typed = String::from_utf8_lossy(&line);
        let answer = if typed.trim().is_empty() { default } else { typed.trim() };
        match fits(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(why) => super::say(&format!("  {why}")),
        }
    }
}

/// The first line of standard input, without its line end.
pub(super) fn piped_password() -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(ANSWER_MAX));
    if io::stdin().lock().take(ANSWER_MAX as u64).read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Secret::from(text.strip_suffix(b"\r").unwrap_or(text)))
}

/// A password that is typed without being shown.
pub(super) fn typed_password(question: &str) -> io::Result<Secret> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    write!(terminal, "{question}: ")?;
    let quiet = Quiet::new(&terminal)?;
    let password = read_keys(&mut &terminal);
    drop(quiet);
    writeln!(terminal)?;
    password
}

/// A terminal that shows nothing until this is dropped. Keys come one by one, also the one that would kill
/// us and leave the terminal so.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Quiet<'t> {
    fn new(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &now)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

fn read_keys(keys: &mut impl Read) -> io::Result<Secret> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    let mut typed = Zeroizing::new(Vec::with_capacity(ANSWER_MAX));
    let mut key = [0];
    loop {
        if keys.read(&mut key)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(Secret::from(typed.as_slice())),
            CTRL_C | CTRL_D => return Err(io::ErrorKind::Interrupted.into()),
            BACKSPACE | DELETE => {
                // The whole character goes: its continuation octets, then what begins it.
                while typed.pop().is_some_and(|octet| octet & 0xC0 == 0x80) {}
            }
            CTRL_U => typed.clear(),
            octet if typed.len() < ANSWER_MAX => typed.push(octet),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_edited_as_on_a_line() {
        for (keys, typed) in [
            ("abc\n", "abc"),
            ("abü\u{7f}c\r", "abc"),
            ("wrong\u{15}right\n", "right"),
            ("\u{8}\u{8}x\n", "x"),
        ] {
            let secret = read_keys(&mut keys.as_bytes()).expect("a line");
            assert_eq!(secret.expose(), typed.as_bytes(), "{keys:?}");
        }
        assert!(read_keys(&mut "abc\u{3}def\n".as_bytes()).is_err(), "Ctrl-C");
        assert!(read_keys(&mut "abc".as_bytes()).is_err(), "the terminal is gone");
    }
}
