//! Figures for a monitoring system that comes and asks: `GET /metrics` in the OpenMetrics text format 1.0, and
//! `GET /healthz` for whoever wants one word. Off unless `[metrics]` says where; nothing here changes anything.

mod page;
mod seen;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use net::{Conn, ConnError, Handler, Permit, Refused};
use tokio::time::Instant;

use self::seen::Seen;
use crate::control::Desk;
use crate::control::report::{Report, State};

/// Octets of a request's header, and its fields.
const HEADER: usize = 8 << 10;
const FIELDS: usize = 64;
/// How long a peer may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who answers. Before there is a desk it says that we start.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    desk: Arc<OnceLock<Arc<Desk>>>,
}

impl Metrics {
    /// From now on there is something to tell.
    pub(crate) fn open(&self, desk: Arc<Desk>) {
        // There is one start, and it is told once.
        let _ = self.desk.set(desk);
    }

    async fn answer(&self, asked: &Asked) -> Answer {
        let Some(desk) = self.desk.get() else { return Answer::text(503, "starting\n") };
        match (asked.is_read, asked.path.as_str()) {
            (false, _) => Answer::text(405, "GET is all that is answered here\n"),
            (true, "/metrics") => match Seen::now(desk).await {
                Ok(seen) => Answer { code: 200, kind: OPEN_METRICS, body: page::text(seen) },
                Err(fault) => Answer::text(503, format!("{fault}\n")),
            },
            (true, "/healthz") => match Report::of(desk).await {
                Ok(report) if report.health.state == State::Failed => {
                    Answer::text(503, format!("{}\n", report.line()))
                }
                Ok(report) => Answer::text(200, format!("{}\n", report.line())),
                Err(fault) => Answer::text(503, format!("failed: {fault}\n")),
            },
            (true, _) => Answer::text(404, "/metrics and /healthz are all that there is\n"),
        }
    }
}

impl Handler for Metrics {
    async fn handle(self, mut conn: Conn, _permit: Permit) {
        let answer = match ask(&mut conn).await {
            Ok(Some(asked)) => {
                let answer = self.answer(&asked).await;
                (answer.header(), if asked.is_head { String::new() } else { answer.body })
            }
            Ok(None) => {
                let answer = Answer::text(400, "this is no request that we can read\n");
                (answer.header(), answer.body)
            }
            Err(_) => return,
        };
        let (header, body) = answer;
        conn.queue(header.as_bytes());
        conn.queue(body.as_bytes());
        conn.linger(PATIENCE).await;
        conn.close(PATIENCE).await;
    }

    fn refusal(&self, _why: Refused) -> &'static [u8] {
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    }
}

struct Asked {
    path: String,
    is_read: bool,
    is_head: bool,
}

/// The request; none where it cannot be read. What comes behind its header is not looked at.
async fn ask(conn: &mut Conn) -> Result<Option<Asked>, ConnError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(conn.input()) {
            Ok(httparse::Status::Complete(_)) => {
                let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
                let path = target.split('?').next().unwrap_or_default().to_owned();
                let is_head = method == "HEAD";
                return Ok(Some(Asked { path, is_read: is_head || method == "GET", is_head }));
            }
            Ok(httparse::Status::Partial) if conn.input().len() < HEADER => {}
            Ok(httparse::Status::Partial) | Err(_) => return Ok(None),
        }
        if conn.fill(deadline).await? == 0 {
            return Ok(None);
        }
    }
}

struct Answer {
    code: u16,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(code: u16, body: impl Into<String>) -> Self {
        Self { code, kind: TEXT, body: body.into() }
    }

    /// One answer to a connection.
    fn header(&self) -> String {
        let reason = match self.code {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Service Unavailable",
        };
        let Self { code, kind, body } = self;
        let allow = if *code == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        format!(
            "HTTP/1.1 {code} {reason}\r\n{allow}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
    }
}
