//! What stands on one line of the protocol, and the octets behind it. No socket is known here.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::fault::{Code, Fault};

/// The version of the protocol. Another number means that the two cannot talk at all: what can be added
/// without harm (a verb, a field that may be absent) does not change it.
pub const VERSION: u64 = 1;
/// The longest line, without its end.
pub const LINE_MAX: usize = 64 << 10;
/// The most octets behind one line; a message is as many frames as it needs.
pub const OCTETS_MAX: usize = 1 << 20;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// What is asked for: the first line of a connection, and the only one of its kind.
    Request {
        /// The verb's name.
        verb: String,
        /// What it is to do, in the verb's own terms.
        args: Value,
    },
    /// One thing of many, in either direction, in the verb's own terms.
    Item(Value),
    /// The client has no more items.
    End,
    /// How far the verb has come.
    Progress(Progress),
    /// What the verb found: the last line.
    Result(Value),
    /// Why it did not: the last line.
    Error(Fault),
}

/// How far long work has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is counted: `messages`, `octets`.
    pub what: String,
    /// How many are done.
    pub done: u64,
    /// Of how many, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// A line as serde sees it: beside `v` and `octets` it has exactly one of the others (`args` belongs to `verb`).
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    item: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    #[serde(skip_serializing_if = "is_zero")]
    octets: usize,
}

/// A `null` that is there is a value, not an absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Frame {
    /// The line with its end, for as many octets behind it; fails when that does not fit.
    pub fn encode(&self, octets: usize) -> Result<Vec<u8>, Fault> {
        let mut line = Line { v: VERSION, octets, ..Line::default() };
        match self.clone() {
            Self::Request { verb, args } => (line.verb, line.args) = (Some(verb), Some(args)),
            Self::Item(item) => line.item = Some(item),
            Self::End => line.end = Some(true),
            Self::Progress(progress) => line.progress = Some(progress),
            Self::Result(result) => line.result = Some(result),
            Self::Error(fault) => line.error = Some(fault),
        }
        let mut text = serde_json::to_vec(&line).map_err(|error| Fault::internal(error.to_string()))?;
        if text.len() > LINE_MAX || octets > OCTETS_MAX {
            return Err(Fault::internal(format!("a line of {} octets with {octets} behind it", text.len())));
        }
        text.push(b'\n');
        Ok(text)
    }

    /// Reads a line without its end, and says how many octets are behind it.
    pub fn decode(line: &[u8]) -> Result<(Self, usize), Fault> {
        let malformed =
            |why: String| Fault::new(Code::Malformed, format!("not a line of the protocol: {why}"));
        let object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
        // First of all: what another version has on its lines nobody knows.
        match object.get("v").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => return Err(Fault::version(other)),
            None => return Err(malformed("`v` is missing, such as {\"v\":1,\"verb\":\"status\"}".into())),
        }
        let line: Line =
            serde_json::from_value(object.into()).map_err(|error| malformed(error.to_string()))?;
        let octets = line.octets;
        if octets > OCTETS_MAX {
            return Err(malformed(format!("{octets} octets in one frame, more than {OCTETS_MAX}")));
        }
        let frame = line.frame().ok_or_else(|| {
            malformed("it needs exactly one of verb, item, end, progress, result, error".into())
        })?;
        Ok((frame, octets))
    }
}

impl Line {
    fn frame(self) -> Option<Frame> {
        let args = self.args;
        let args_belong = args.is_none() || self.verb.is_some();
        let found = [
            self.verb.map(|verb| Frame::Request { verb, args: args.unwrap_or_else(|| Map::new().into()) }),
            self.item.map(Frame::Item),
            self.end.filter(|end| *end).map(|_| Frame::End),
            self.progress.map(Frame::Progress),
            self.result.map(Frame::Result),
            self.error.map(Frame::Error),
        ];
        let mut found = found.into_iter().flatten();
        let frame = found.next().filter(|_| args_belong)?;
        found.next().is_none().then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_frame_comes_back() {
        let fault = Fault::new(Code::Data, "no such mailbox").hint("`restante mailbox list`");
        let progress = Progress { what: "messages".into(), done: 3, of: Some(7) };
        for frame in [
            Frame::Request { verb: "status".into(), args: json!({}) },
            Frame::Item(json!({"uid": 7})),
            Frame::Item(Value::Null),
            Frame::End,
            Frame::Progress(progress),
            Frame::Result(Value::Null),
            Frame::Error(fault),
        ] {
            let mut line = frame.encode(9).expect("short");
            assert_eq!(line.pop(), Some(b'\n'));
            assert!(!line.contains(&b'\n'));
            assert_eq!(Frame::decode(&line).expect("a frame"), (frame, 9));
        }
    }

    #[test]
    fn the_lines_are_the_documented_ones() {
        let request = Frame::Request { verb: "status".into(), args: json!({}) };
        let line = String::from_utf8(request.encode(0).expect("short")).expect("text");
        assert_eq!(line, "{\"v\":1,\"verb\":\"status\",\"args\":{}}\n");
        let (bare, octets) = Frame::decode(b"{\"v\":1,\"verb\":\"status\"}").expect("args may be absent");
        assert_eq!((bare, octets), (request, 0));
        let newer = b"{\"v\":1,\"result\":{\"a\":1},\"later\":true}";
        assert_eq!(Frame::decode(newer).expect("more may stand there").0, Frame::Result(json!({"a": 1})));
    }

    #[test]
    fn what_is_no_line_is_told_why() {
        for (line, code) in [
            (&b""[..], Code::Malformed),
            (b"status", Code::Malformed),
            (b"[1]", Code::Malformed),
            (b"{}", Code::Malformed),
            (b"{\"v\":1}", Code::Malformed),
            (b"{\"v\":\"1\",\"verb\":\"status\"}", Code::Malformed),
            (b"{\"v\":2,\"ask\":\"status\"}", Code::Version),
            (b"{\"v\":1,\"verb\":\"status\",\"end\":true}", Code::Malformed),
            (b"{\"v\":1,\"end\":false}", Code::Malformed),
            (b"{\"v\":1,\"end\":true,\"args\":{}}", Code::Malformed),
            (b"{\"v\":1,\"verb\":7}", Code::Malformed),
            (b"{\"v\":1,\"item\":1,\"octets\":1048577}", Code::Malformed),
            (b"{\"v\":1,\"item\":1,\"octets\":-1}", Code::Malformed),
            (b"{\"v\":1,\"item\":\"\xff\"}", Code::Malformed),
        ] {
            let fault = Frame::decode(line).expect_err("no frame");
            assert_eq!(fault.code, code, "{}: {fault}", String::from_utf8_lossy(line));
        }
        let long = Frame::Item(Value::String("x".repeat(LINE_MAX)));
        assert!(long.encode(0).is_err() && Frame::End.encode(OCTETS_MAX + 1).is_err());
    }
}
