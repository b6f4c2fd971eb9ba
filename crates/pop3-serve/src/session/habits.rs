use super::argument::Command;
use super::program::Program;

/// What a client does, in the order in which it does it: what tells one program from another. Names and passwords are
/// not in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    before: Signs,
    after: Signs,
    /// The message that the last command fetched.
    fetched: Option<u64>,
    commands: u64,
    program: Program,
}

/// The first commands of a state, one octet each; what is done over and over stands once.
#[derive(Debug, Clone, Copy, Default)]
struct Signs {
    octets: [u8; 24],
    length: u8,
}

impl Signs {
    fn push(&mut self, sign: u8) -> bool {
        let length = usize::from(self.length);
        if self.as_slice().last() == Some(&sign) || length == self.octets.len() {
            return false;
        }
        self.octets[length] = sign;
        self.length += 1;
        true
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// TOP of so many lines is meant to be the whole message.
const WHOLE_LINES: &[u8] = b"9999";

impl Habits {
    /// A command came before the login.
    pub(super) fn before(&mut self, line: &[u8]) {
        let command = Command::new(line);
        let is = |word: &[u8]| command.keyword.eq_ignore_ascii_case(word);
        let sign = if is(b"CAPA") {
            b'C'
        } else if is(b"STLS") {
            b'S'
        } else if is(b"USER") {
            b'U'
        } else if is(b"PASS") {
            b'P'
        } else if is(b"AUTH") {
            match command.words() {
                (None, _) => b'?',
                (Some(name), None) if name.eq_ignore_ascii_case(b"PLAIN") => b'A',
                (Some(name), Some(_)) if name.eq_ignore_ascii_case(b"PLAIN") => b'a',
                (Some(_), _) => b'L',
            }
        } else {
            b'x'
        };
        self.commands += 1;
        self.before.push(sign);
    }

    /// A command came after it.
    pub(super) fn after(&mut self, line: &[u8]) {
        self.commands += 1;
        if usize::from(self.after.length) == self.after.octets.len() {
            return;
        }
        let command = Command::new(line);
        let is = |word: &[u8]| command.keyword.eq_ignore_ascii_case(word);
        let (first, second) = command.words();
        let fetched = self.fetched.take();
        let sign = if is(b"RETR") {
            let number = first.and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            self.fetched = number;
            if number.is_some() && number == fetched { b'z' } else { b'r' }
        } else if is(b"DELE") {
            b'd'
        } else if is(b"LIST") {
            if first.is_some() { b'n' } else { b'l' }
        } else if is(b"UIDL") {
            if first.is_some() { b'i' } else { b'u' }
        } else if is(b"TOP") {
            let is_long = second.is_some_and(|lines| lines.len() > WHOLE_LINES.len());
            if is_long { b'T' } else { b't' }
        } else if is(b"STAT") {
            b's'
        } else if is(b"QUIT") {
            b'Q'
        } else if is(b"NOOP") {
            b'N'
        } else if is(b"CAPA") {
            b'C'
        } else if is(b"LAST") {
            b'Y'
        } else {
            b'x'
        };
        if self.after.push(sign) {
            self.program = Program::of(self.before.as_slice(), self.after.as_slice());
        }
    }

    /// How many commands came.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// What does so.
    pub fn program(&self) -> Program {
        self.program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client is taken for that says this, the login first.
    fn seems(login: &str, then: &str) -> Program {
        let mut habits = Habits::default();
        login.split(", ").for_each(|line| habits.before(line.as_bytes()));
        then.split(", ").for_each(|line| habits.after(line.as_bytes()));
        habits.program()
    }

    /// As the dialogs of these programs are, and as they were seen on the wire.
    #[test]
    fn every_known_client_is_told_by_its_order() {
        const USER: &str = "USER a, PASS b";
        const CAPA_USER: &str = "CAPA, USER a, PASS b";
        const TLS: &str = "CAPA, STLS, CAPA, AUTH PLAIN";
        let rows = [
            (TLS, "STAT, LIST, UIDL, TOP 2 0, RETR 3, DELE 1, QUIT", Program::Thunderbird),
            (TLS, "STAT, LIST, UIDL, QUIT", Program::Thunderbird),
            ("CAPA, AUTH PLAIN", "STAT, LIST, UIDL, RETR 1", Program::Thunderbird),
            (
                "CAPA, STLS, CAPA, AUTH PLAIN AGE=",
                "STAT, UIDL 3, UIDL 2, LIST 3, TOP 3 409",
                Program::ThunderbirdAndroid,
            ),
            ("CAPA, AUTH PLAIN AGE=", "STAT, UIDL, LIST 1, TOP 1 409", Program::ThunderbirdAndroid),
            (CAPA_USER, "STAT, UIDL, LIST, RETR 2, DELE 1, QUIT", Program::Outlook),
            ("AUTH, USER a, PASS b", "STAT, LIST, RETR 1, QUIT", Program::OldOutlook),
            (USER, "UIDL, DELE 1, QUIT", Program::OldOutlook),
            (CAPA_USER, "STAT, LAST, LIST, TOP 1 99999999, DELE 1, QUIT", Program::Fetchmail),
            (CAPA_USER, "STAT, LAST, UIDL, QUIT", Program::Fetchmail),
            (CAPA_USER, "STAT, UIDL 4, UIDL 2, UIDL 3, LIST 3, RETR 3", Program::Fetchmail),
            (CAPA_USER, "STAT, UIDL, LIST 1, TOP 1 99999999, LIST 2", Program::Fetchmail),
            (CAPA_USER, "STAT, UIDL, QUIT", Program::Fetchmail),
            (USER, "UIDL, LIST, UIDL, LIST, RETR 1, RETR 2, QUIT", Program::Getmail),
            (USER, "UIDL, LIST, RETR 1, DELE 1, QUIT", Program::Getmail),
            (CAPA_USER, "STAT, LIST, UIDL, RETR 1, RETR 2, DELE 1, QUIT", Program::Mpop),
            (USER, "STAT, LIST, RETR 1, DELE 1, RETR 2, DELE 2, QUIT", Program::Poplib),
            (USER, "STAT, LIST, QUIT", Program::Poplib),
            (CAPA_USER, "STAT, LIST, TOP 3 0, RETR 3, DELE 3, NOOP, QUIT", Program::OsTicket),
            (CAPA_USER, "STAT, UIDL 1, TOP 1 0, RETR 1, QUIT", Program::FreeScout),
            ("CAPA, AUTH PLAIN", "STAT, NOOP, LIST 1, TOP 1 0, UIDL, RETR 1", Program::JakartaMail),
            (USER, "STAT, LIST, RETR 1, RETR 1, DELE 1, QUIT", Program::Zammad),
            (USER, "LIST, RETR 1, DELE 1, RETR 2, DELE 2, QUIT", Program::NetPop3),
            ("CAPA, AUTH LOGIN", "RETR 1, QUIT", Program::Curl),
            ("CAPA, AUTH PLAIN", "LIST, QUIT", Program::Curl),
            (USER, "STAT, RETR 1, DELE 1, QUIT", Program::Copier),
            ("capa, user a, pass b", "stat, list, uidl, quit", Program::Mpop),
        ];
        for (login, then, program) in rows {
            assert_eq!(seems(login, then), program, "{login}, {then}");
        }
        for (login, then) in [(USER, "STAT"), (USER, "QUIT"), (CAPA_USER, "NOOP, NOOP"), (TLS, "STAT, QUIT")]
        {
            assert_eq!(seems(login, then), Program::Unknown, "{login}, {then}");
        }
    }

    #[test]
    fn what_is_kept_of_a_client_is_bounded_and_every_command_counts() {
        let mut habits = Habits::default();
        for _ in 0..1000 {
            for line in [&b"STAT"[..], b"LIST", b"RETR 1", b"DELE 1"] {
                habits.after(line);
            }
        }
        assert_eq!((habits.commands(), usize::from(habits.after.length)), (4000, habits.after.octets.len()));
    }
}
