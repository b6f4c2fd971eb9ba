use memchr::{memchr, memmem};

use super::excess::Excess;
use super::leaf::Collector;
use super::limits::ContentLimits;
use super::params::Params;
use super::section::Section;
use super::transfer::Transfer;

/// Fields of one name, and boundaries of one multipart, that are looked at: readers of two take one or the other.
const DOUBLES: usize = 4;
/// Octets of the name of a media type.
const MEDIA: usize = 127;

/// A part that holds no other, or a message inside of a message.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Its media type, in lower case: what it says, or what it is where it says nothing.
    pub(super) media: String,
    pub(super) types: Vec<Params>,
    pub(super) dispositions: Vec<Params>,
    pub(super) transfer: Transfer,
    pub(super) body: &'a [u8],
}

impl<'a> Part<'a> {
    /// What its header section says of it; `body` is all that follows.
    fn read(section: &Section<'a>, body: &'a [u8], limits: &ContentLimits, default: &str) -> (Self, bool) {
        let mut cut = false;
        let mut read = |name: &str| {
            let values = section.all(name).take(DOUBLES).map(|value| {
                cut |= value.len() > limits.content_field;
                Params::read(&value[..value.len().min(limits.content_field)])
            });
            values.collect::<Vec<_>>()
        };
        let (types, dispositions) = (read("Content-Type"), read("Content-Disposition"));
        let transfer = Transfer::named(section.all("Content-Transfer-Encoding").take(DOUBLES));
        let media = types.iter().map(|params| media(&params.main)).find(|media| !media.is_empty());
        let media = media.unwrap_or_else(|| default.to_owned());
        (Self { media, types, dispositions, transfer, body }, cut)
    }

    /// What it opens, if it is no part by itself.
    fn opens(&self) -> Option<Opens> {
        let is =
            |what: fn(&str) -> bool| what(&self.media) || self.types.iter().any(|params| what(&params.main));
        if is(|media| media.starts_with("multipart/")) {
            let of_field = |params: &Params| params.octets("boundary").into_iter().take(DOUBLES);
            let boundaries: Vec<_> = self.types.iter().take(2).flat_map(of_field).collect();
            return (!boundaries.is_empty()).then_some(Opens::Multipart(boundaries));
        }
        let message = matches!(self.media.as_str(), "message/rfc822" | "message/global" | "message/news");
        message.then_some(Opens::Message)
    }
}

/// `type/subtype` of a Content-Type's value; empty when there is none.
pub(super) fn media(main: &str) -> String {
    let Some((kind, sub)) = main.split_once('/') else {
        return if main == "text" { "text/plain".to_owned() } else { String::new() };
    };
    let sub = sub.trim_start().split([' ', '\t', ',']).next().unwrap_or_default();
    let media = format!("{}/{sub}", kind.trim());
    media.chars().filter(|c| !c.is_control()).take(MEDIA).collect()
}

enum Opens {
    Multipart(Vec<Vec<u8>>),
    Message,
}

/// What is open around a part.
enum Level {
    Multipart {
        boundaries: Vec<Vec<u8>>,
        digest: bool,
    },
    /// A message that begins at an octet, and its place among the attachments.
    Message {
        from: usize,
        place: Option<usize>,
    },
}

impl Level {
    /// Whether a line is a delimiter of this level (RFC 2046 §5.1.1), and whether it closes it.
    fn delimited(&self, line: &[u8]) -> Option<bool> {
        let Self::Multipart { boundaries, .. } = self else { return None };
        boundaries.iter().find_map(|boundary| {
            let rest = line.get(2..)?.strip_prefix(boundary.as_slice())?;
            let closes = rest.starts_with(b"--");
            (closes || rest.trim_ascii().is_empty()).then_some(closes)
        })
    }
}

/// A line that ends a part and may begin another.
struct Delimiter {
    /// Where the part before it ends.
    end: usize,
    /// Behind the line.
    next: usize,
    /// Its level's place in the stack.
    level: usize,
    closes: bool,
}

/// Finds the parts of a message, of the messages in it, and so on. It keeps a stack of its own, of bounded depth,
/// and passes over the octets once.
pub(super) struct Walk<'l> {
    limits: &'l ContentLimits,
    parts: usize,
    delimiters: usize,
    decoded: usize,
    pub(super) excess: Option<Excess>,
}

impl<'l> Walk<'l> {
    pub(super) fn new(limits: &'l ContentLimits) -> Self {
        Self { limits, parts: 0, delimiters: 0, decoded: 0, excess: None }
    }

    /// Shows every part to the collector.
    pub(super) fn message(&mut self, octets: &[u8], collector: &mut Collector<'_>) {
        let mut inner = Text { octets, depth: 0, inner: Vec::new() };
        inner.walk(self, collector);
        // Messages that came encoded, each behind the text it was found in.
        let mut waiting = inner.inner;
        while let Some((octets, depth)) = waiting.pop() {
            let mut text = Text { octets: &octets, depth, inner: Vec::new() };
            text.walk(self, collector);
            waiting.append(&mut text.inner);
        }
    }

    fn exceed(&mut self, excess: Excess) {
        self.excess.get_or_insert(excess);
    }

    /// Whether there is room for another part.
    fn another_part(&mut self) -> bool {
        self.parts += 1;
        if self.parts > self.limits.parts {
            self.exceed(Excess::Parts);
        }
        self.parts <= self.limits.parts
    }

    /// Whether there is room for another level.
    fn deeper(&mut self, depth: usize) -> bool {
        if depth >= self.limits.depth {
            self.exceed(Excess::Depth);
        }
        depth < self.limits.depth
    }

    /// The next line that is a delimiter of any open level, the innermost first.
    fn delimiter(&mut self, octets: &[u8], from: usize, stack: &[Level]) -> Option<Delimiter> {
        if !stack.iter().any(|level| matches!(level, Level::Multipart { .. })) {
            return None;
        }
        let first = octets[from..].starts_with(b"--").then_some(from);
        let others = memmem::find_iter(&octets[from..], b"\n--").map(|at| from + at + 1);
        for start in first.into_iter().chain(others) {
            self.delimiters += 1;
            if self.delimiters > self.limits.delimiters {
                self.exceed(Excess::Delimiters);
                return None;
            }
            let next = memchr(b'\n', &octets[start..]).map_or(octets.len(), |length| start + length + 1);
            let line = &octets[start..next];
            let level =
                stack.iter().enumerate().rev().find_map(|(level, open)| Some((level, open.delimited(line)?)));
            if let Some((level, closes)) = level {
                let before = &octets[from..start];
                let end = before.strip_suffix(b"\r\n").or(before.strip_suffix(b"\n")).unwrap_or(before);
                return Some(Delimiter { end: from + end.len(), next, level, closes });
            }
        }
        None
    }
}

/// One text that holds a message: all of it, or what an encoded part is decoded to.
struct Text<'a> {
    octets: &'a [u8],
    depth: usize,
    /// Encoded messages in it, decoded, with their depth.
    inner: Vec<(Vec<u8>, usize)>,
}

impl<'a> Text<'a> {
    fn walk(&mut self, walk: &mut Walk<'_>, collector: &mut Collector<'_>) {
        let mut stack = Vec::new();
        let mut begin = Some(0);
        while let Some(at) = begin.filter(|_| walk.another_part()) {
            begin = self.entity(at, &mut stack, walk, collector);
        }
        close(&mut stack, 0, self.octets.len(), collector);
    }

    /// Reads what begins at an octet; tells where the next one begins.
    fn entity(
        &mut self,
        at: usize,
        stack: &mut Vec<Level>,
        walk: &mut Walk<'_>,
        collector: &mut Collector<'_>,
    ) -> Option<usize> {
        let is_end = |line: &[u8]| stack.iter().any(|level: &Level| level.delimited(line).is_some());
        let section = Section::read(&self.octets[at..], walk.limits, is_end);
        let body = at + section.end;
        let digest = matches!(stack.last(), Some(Level::Multipart { digest: true, .. }));
        let default = if digest { "message/rfc822" } else { "text/plain" };
        let (mut part, cut) = Part::read(&section, &self.octets[body..], walk.limits, default);
        if section.excess || cut {
            walk.exceed(Excess::Header);
        }
        let depth = self.depth + stack.len();
        match part.opens().filter(|_| walk.deeper(depth)) {
            Some(Opens::Multipart(boundaries)) => {
                stack.push(Level::Multipart { boundaries, digest: part.media == "multipart/digest" });
                match walk.delimiter(self.octets, body, stack) {
                    Some(found) if found.level + 1 == stack.len() => {
                        collector.multipart(&part);
                        self.behind(found, stack, walk, collector)
                    }
                    found => {
                        // It has no parts: readers show what there is.
                        stack.pop();
                        self.leaf(part, body, found, stack, walk, collector)
                    }
                }
            }
            Some(Opens::Message) if part.transfer == Transfer::Plain => {
                part.body = &[];
                let place = collector.part(&part);
                stack.push(Level::Message { from: body, place });
                Some(body)
            }
            Some(Opens::Message) => {
                let found = walk.delimiter(self.octets, body, stack);
                let end = found.as_ref().map_or(self.octets.len(), |found| found.end);
                self.decode(&part, &self.octets[body..end], depth, walk);
                self.leaf(part, body, found, stack, walk, collector)
            }
            None => {
                let found = walk.delimiter(self.octets, body, stack);
                self.leaf(part, body, found, stack, walk, collector)
            }
        }
    }

    /// Shows a part that ends at a delimiter, or with the text.
    fn leaf(
        &mut self,
        mut part: Part<'a>,
        body: usize,
        found: Option<Delimiter>,
        stack: &mut Vec<Level>,
        walk: &mut Walk<'_>,
        collector: &mut Collector<'_>,
    ) -> Option<usize> {
        let end = found.as_ref().map_or(self.octets.len(), |found| found.end);
        part.body = &self.octets[body..end];
        collector.part(&part);
        self.behind(found?, stack, walk, collector)
    }

    /// Where the next part begins. A level that was closed stays open until one around it goes on: some readers
    /// take parts behind the closing line.
    fn behind(
        &mut self,
        mut found: Delimiter,
        stack: &mut Vec<Level>,
        walk: &mut Walk<'_>,
        collector: &mut Collector<'_>,
    ) -> Option<usize> {
        loop {
            close(stack, found.level + 1, found.end, collector);
            if !found.closes {
                return Some(found.next);
            }
            found = walk.delimiter(self.octets, found.next, stack)?;
        }
    }

    /// Keeps an encoded message to be taken apart later.
    fn decode(&mut self, part: &Part<'_>, body: &[u8], depth: usize, walk: &mut Walk<'_>) {
        let room = walk.limits.decoded.saturating_sub(walk.decoded);
        let decoded = part.transfer.decode(body, room);
        walk.decoded += decoded.head.len();
        if decoded.size > decoded.head.len() as u64 {
            walk.exceed(Excess::Decoded);
        }
        self.inner.push((decoded.head, depth + 1));
    }
}

/// Closes all levels from one on: the messages among them end here.
fn close(stack: &mut Vec<Level>, level: usize, end: usize, collector: &mut Collector<'_>) {
    for closed in stack.drain(level.min(stack.len())..) {
        if let Level::Message { from, place: Some(place) } = closed {
            collector.message_ends(place, end.saturating_sub(from) as u64);
        }
    }
}
