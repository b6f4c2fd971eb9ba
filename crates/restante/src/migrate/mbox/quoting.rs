use std::io::{self, Read};

use clap::ValueEnum;
use memchr::memchr;

/// How an mbox hides lines of a message that look like the beginning of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Quoting {
    /// One `>` before `From `, and before every line that is quoted already
    #[default]
    Mboxrd,
    /// `From ` becomes `>From `, and nothing else is quoted
    Mboxo,
    /// Lines stay as they are
    None,
}

const WORD: &[u8] = b"From ";
/// A line with more marks than that is no mail that was quoted.
const MARKS: usize = 4096;

/// Finds lines that are `From ` behind any number of `>`, however the octets are cut.
#[derive(Debug)]
enum Finder {
    /// The line may still be one: so many `>`, then so much of the word.
    Begin { marks: usize, word: usize },
    /// It is none.
    Rest,
}

impl Finder {
    const fn new() -> Self {
        Self::Begin { marks: 0, word: 0 }
    }

    /// Goes through `octets` and gives `out` what stands for them. `change` says how many marks stand in the
    /// place of those before a `From ` that was found.
    fn run<E>(
        &mut self,
        mut octets: &[u8],
        change: impl Fn(usize) -> usize,
        out: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = octets.first() {
            match *self {
                Self::Rest => {
                    let end = memchr(b'\n', octets).map_or(octets.len(), |at| at + 1);
                    out(&octets[..end])?;
                    if octets[end - 1] == b'\n' {
                        *self = Self::new();
                    }
                    octets = &octets[end..];
                }
                Self::Begin { marks, word: 0 } if *first == b'>' && marks < MARKS => {
                    *self = Self::Begin { marks: marks + 1, word: 0 };
                    octets = &octets[1..];
                }
                Self::Begin { marks, word } if WORD[word] == *first => {
                    octets = &octets[1..];
                    *self = Self::Begin { marks, word: word + 1 };
                    if word + 1 == WORD.len() {
                        *self = Self::Rest;
                        put(change(marks), WORD, out)?;
                    }
                }
                Self::Begin { .. } => self.give_up(out)?,
            }
        }
        Ok(())
    }

    /// It was no such line: what was held back goes out as it came.
    fn give_up<E>(&mut self, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match std::mem::replace(self, Self::Rest) {
            Self::Begin { marks, word } => put(marks, &WORD[..word], out),
            Self::Rest => Ok(()),
        }
    }
}

fn put<E>(marks: usize, word: &[u8], out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    const SOME: [u8; 64] = [b'>'; 64];
    for from in (0..marks).step_by(SOME.len()) {
        out(&SOME[..(marks - from).min(SOME.len())])?;
    }
    out(word)
}

/// Takes the quoting off what it reads.
pub(in crate::migrate) struct Unquoted<R> {
    source: R,
    quoting: Quoting,
    finder: Finder,
    raw: Vec<u8>,
    /// What is to be handed out, from `at`.
    ready: Vec<u8>,
    at: usize,
}

impl<R: Read> Unquoted<R> {
    /// Over the octets of one message.
    pub(in crate::migrate) fn new(source: R, quoting: Quoting) -> Self {
        let (raw, ready) = (vec![0; 32 << 10], Vec::new());
        Self { source, quoting, finder: Finder::new(), raw, ready, at: 0 }
    }

    /// Fills `ready` until there is something in it; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.at = 0;
        let quoting = self.quoting;
        let bare = move |marks: usize| match (quoting, marks) {
            (Quoting::Mboxrd, marks) => marks.saturating_sub(1),
            (Quoting::Mboxo, 1) => 0,
            (Quoting::Mboxo | Quoting::None, marks) => marks,
        };
        while self.ready.is_empty() {
            let length = self.source.read(&mut self.raw)?;
            let ready = &mut self.ready;
            let mut out = |run: &[u8]| {
                ready.extend_from_slice(run);
                Ok::<(), io::Error>(())
            };
            if length == 0 {
                self.finder.give_up(&mut out)?;
                return Ok(!self.ready.is_empty());
            }
            self.finder.run(&self.raw[..length], bare, &mut out)?;
        }
        Ok(true)
    }
}

impl<R: Read> Read for Unquoted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() && !self.fill()? {
            return Ok(0);
        }
        let length = buffer.len().min(self.ready.len() - self.at);
        buffer[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Puts mboxrd's quoting on what it is given.
#[derive(Debug)]
pub(super) struct Quoter(Finder);

impl Quoter {
    pub(super) fn new() -> Self {
        Self(Finder::new())
    }

    pub(super) fn write<E>(
        &mut self,
        octets: &[u8],
        out: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.run(octets, |marks| marks + 1, out)
    }

    pub(super) fn finish<E>(&mut self, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.0.give_up(out)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Hands out at most so many octets at once.
    struct Slow<'t>(&'t [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            (&mut self.0).take(length as u64).read(buffer)
        }
    }

    fn unquoted(text: &[u8], quoting: Quoting, cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        io::copy(&mut Unquoted::new(Slow(text, cut), quoting), &mut out).expect("read");
        out
    }

    fn quoted(text: &[u8], cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut take = |run: &[u8]| {
            out.extend_from_slice(run);
            Ok::<_, Infallible>(())
        };
        let mut quoter = Quoter::new();
        for part in text.chunks(cut) {
            let Ok(()) = quoter.write(part, &mut take);
        }
        let Ok(()) = quoter.finish(&mut take);
        out
    }

    const TEXT: &[u8] = b"From a\n>From b\n>>From c\nx From d\n From e\n>x\nFrom:\n>>\n>\nFro\n>From ";

    #[test]
    fn each_quoting_is_taken_off_as_it_was_put_on() {
        for cut in 1..TEXT.len() {
            let rd = b"From a\nFrom b\n>From c\nx From d\n From e\n>x\nFrom:\n>>\n>\nFro\nFrom ";
            assert_eq!(unquoted(TEXT, Quoting::Mboxrd, cut), rd);
            let o = b"From a\nFrom b\n>>From c\nx From d\n From e\n>x\nFrom:\n>>\n>\nFro\nFrom ";
            assert_eq!(unquoted(TEXT, Quoting::Mboxo, cut), o);
            assert_eq!(unquoted(TEXT, Quoting::None, cut), TEXT);
        }
    }

    #[test]
    fn what_is_quoted_comes_back_and_shows_no_beginning() {
        let hostile = [&b">".repeat(MARKS + 9)[..], b"From \n", &b">".repeat(100), b"From x"].concat();
        for text in [TEXT, b"", b"F", b"From ", b">>", &hostile] {
            for cut in [1, 2, 3, 7, 1000] {
                let mbox = quoted(text, cut);
                assert!(!mbox.starts_with(b"From ") && !mbox.windows(6).any(|run| run == b"\nFrom "));
                assert_eq!(unquoted(&mbox, Quoting::Mboxrd, cut), text, "{}", text.escape_ascii());
            }
        }
    }
}
