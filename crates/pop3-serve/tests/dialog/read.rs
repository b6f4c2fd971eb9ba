use std::collections::VecDeque;
use std::time::Duration;

use pop3_serve::{DeleteError, FetchError, LoginRefused, Params, Peer, Utf8Fallback};

/// One file: the circumstances, then what is said.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) peer: Peer,
    pub(crate) params: Params,
    pub(crate) own_expire: Option<u32>,
    pub(crate) user: String,
    pub(crate) password: Vec<u8>,
    pub(crate) refuse: VecDeque<LoginRefused>,
    pub(crate) mails: Vec<Mail>,
    pub(crate) fail_delete: Option<DeleteError>,
    pub(crate) fail_fetch: Vec<(usize, FetchError)>,
    pub(crate) fail_read: Vec<usize>,
    pub(crate) cuts: bool,
    /// In the order they are taken.
    pub(crate) turns: Vec<Turn>,
    pub(crate) deleted: Vec<u64>,
    pub(crate) paused: Duration,
}

#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) octets: Vec<u8>,
    pub(crate) uidl: Option<String>,
}

/// What the client says in one go, what it gets for it, and what happens then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) client: Vec<u8>,
    pub(crate) server: Vec<u8>,
    pub(crate) then: Then,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Then {
    #[default]
    Next,
    Wait(Duration),
    Tls,
    End(String),
}

impl Dialog {
    pub(crate) fn read(text: &str) -> Self {
        let mut dialog = Self {
            peer: Peer { tls: true, ..Peer::default() },
            params: Params { hostname: "mx.example.test".into(), ..Params::default() },
            own_expire: None,
            user: "alice".into(),
            password: b"secret".to_vec(),
            refuse: VecDeque::new(),
            mails: Vec::new(),
            fail_delete: None,
            fail_fetch: Vec::new(),
            fail_read: Vec::new(),
            cuts: true,
            turns: vec![Turn::default()],
            deleted: Vec::new(),
            paused: Duration::ZERO,
        };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            dialog.line(line);
        }
        dialog
    }

    fn line(&mut self, line: &str) {
        let (key, value) = match line.find([':', '|']) {
            Some(at) => (&line[..=at], line[at + 1..].strip_prefix(' ').unwrap_or(&line[at + 1..])),
            None => (line, ""),
        };
        match key {
            "C:" | "C|" | "S:" | "S|" => self.said(key, value),
            "wait:" => self.then(Then::Wait(seconds(value))),
            "tls" => self.then(Then::Tls),
            "end:" => self.then(Then::End(value.into())),
            "gone" => self.then(Then::Next),
            "deleted:" => self.deleted = value.split(' ').map(|number| number.parse().expect(line)).collect(),
            "paused:" => self.paused = seconds(value),
            key if key.starts_with("S*") => {
                let count: usize = key[2..key.len() - 1].parse().expect(line);
                for number in 1..=count {
                    self.said("S:", &value.replace('%', &number.to_string()));
                }
            }
            _ => self.circumstance(key, value),
        }
    }

    fn circumstance(&mut self, key: &str, value: &str) {
        match key {
            "peer:" => {
                let has = |word| value.split(' ').any(|part| part == word);
                self.peer = Peer {
                    tls: has("tls"),
                    tls_offered: has("stls"),
                    plain_login: has("plain-login"),
                    bare_lf: has("bare-lf"),
                };
            }
            "login:" => {
                let (user, password) = value.split_once(' ').expect("login: USER PASSWORD");
                (self.user, self.password) = (user.into(), octets(password));
            }
            "refuse:" => self.refuse.push_back(match value {
                "busy" => LoginRefused::Busy,
                "throttled" => LoginRefused::Throttled,
                "in-use" => LoginRefused::InUse,
                "exclusive" => LoginRefused::Exclusive,
                "unavailable" => LoginRefused::Unavailable,
                _ => panic!("refuse: {value}?"),
            }),
            "mail:" => self.mails.push(Mail { octets: octets(value), uidl: None }),
            "uidl:" => self.mails.last_mut().expect("uidl: after mail:").uidl = Some(value.into()),
            "mails:" => {
                for number in 1..=value.parse().expect("mails: N") {
                    let octets = format!("Subject: {number}\r\n\r\n.\r\n").into_bytes();
                    self.mails.push(Mail { octets, uidl: None });
                }
            }
            "expire:" => {
                let (days, user) = value.split_once(' ').unwrap_or((value, ""));
                self.params.expire = Some(days.parse().expect("expire: DAYS"));
                self.params.expire_differs = user == "USER";
            }
            "own-expire:" => self.own_expire = Some(value.parse().expect("own-expire: DAYS")),
            "utf8-fallback:" => self.params.utf8_fallback = Utf8Fallback::Refuse,
            "cuts:" => self.cuts = false,
            "fail:" => match value.split_once(' ') {
                None if value == "delete" => self.fail_delete = Some(DeleteError::NotDeleted),
                None => self.fail_delete = Some(DeleteError::Unsure),
                Some(("fetch", number)) => self.fail(FetchError::Unavailable, number),
                Some(("damaged", number)) => self.fail(FetchError::Damaged, number),
                Some((_, number)) => self.fail_read.push(number.parse().expect("fail: read N")),
            },
            _ => panic!("what is {key}?"),
        }
    }

    fn fail(&mut self, error: FetchError, number: &str) {
        self.fail_fetch.push((number.parse().expect("fail: WORD N"), error));
    }

    /// A client that speaks after the server begins a turn.
    fn said(&mut self, who: &str, value: &str) {
        let mut said = octets(value);
        if !who.ends_with('|') {
            said.extend_from_slice(b"\r\n");
        }
        let last = self.turns.last().expect("never empty");
        if who.starts_with('C') && !last.server.is_empty() {
            self.turns.push(Turn::default());
        }
        let turn = self.turns.last_mut().expect("never empty");
        if who.starts_with('C') { turn.client.extend(said) } else { turn.server.extend(said) }
    }

    fn then(&mut self, then: Then) {
        self.turns.last_mut().expect("never empty").then = then;
        self.turns.push(Turn::default());
    }

    /// The same with everything pipelined that nothing but the client's patience keeps apart.
    pub(crate) fn pipelined(&self) -> Vec<Turn> {
        let mut turns = vec![Turn::default()];
        for turn in &self.turns {
            let last = turns.last_mut().expect("never empty");
            last.client.extend_from_slice(&turn.client);
            last.server.extend_from_slice(&turn.server);
            last.then = turn.then.clone();
            if turn.then != Then::Next {
                turns.push(Turn::default());
            }
        }
        turns
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(
        text.strip_suffix('s').and_then(|text| text.parse().ok()).expect("seconds, such as 60s"),
    )
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        if first != b'\\' {
            octets.push(first);
            rest = more;
            continue;
        }
        let (&escape, mut more) = more.split_first().expect("something behind a backslash");
        octets.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => b'\0',
            b'\\' => b'\\',
            b'x' => {
                let (digits, behind) = more.split_at(2);
                more = behind;
                let digits = std::str::from_utf8(digits).expect("hex digits");
                u8::from_str_radix(digits, 16).expect("hex digits")
            }
            other => panic!("no escape: \\{}", char::from(other)),
        });
        rest = more;
    }
    octets
}
