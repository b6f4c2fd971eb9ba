use std::fmt;

/// What a client seems to be, by the order of its commands alone: a guess for people. What becomes of mail does not
/// depend on it, but for a message that a robot cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Program {
    /// It has not said enough, or what nobody else says.
    #[default]
    Unknown,
    /// Thunderbird.
    Thunderbird,
    /// K-9, and Thunderbird for Android.
    ThunderbirdAndroid,
    /// Outlook.
    Outlook,
    /// One that fetches in one session and deletes in another.
    OldOutlook,
    /// fetchmail.
    Fetchmail,
    /// getmail6.
    Getmail,
    /// mpop.
    Mpop,
    /// Python's poplib, which Odoo uses.
    Poplib,
    /// osTicket.
    OsTicket,
    /// FreeScout.
    FreeScout,
    /// Jakarta Mail.
    JakartaMail,
    /// Zammad.
    Zammad,
    /// Ruby's Net::POP3, which Discourse uses.
    NetPop3,
    /// curl.
    Curl,
    /// A copier or scanner.
    Copier,
}

/// How a login was made.
#[derive(Clone, Copy)]
struct Row {
    program: Program,
    /// Whether CAPA came before the login.
    capa: bool,
    /// The signs of what made the login: `P` USER and PASS, `A` and `a` SASL PLAIN without and with an initial
    /// response, `L` any other.
    login: &'static [u8],
    /// How the rest begins, in the signs of `Habits`.
    then: &'static [&'static [u8]],
}

const fn row(program: Program, capa: bool, login: &'static [u8], then: &'static [&'static [u8]]) -> Row {
    Row { program, capa, login, then }
}

/// The first that fits is the answer.
const KNOWN: [Row; 15] = [
    row(Program::ThunderbirdAndroid, true, b"a", &[b"si", b"su"]),
    row(Program::Fetchmail, true, b"PAaL", &[b"sY", b"suQ", b"sun", b"suT", b"slT", b"sT", b"sin"]),
    row(Program::FreeScout, true, b"P", &[b"sit", b"sir"]),
    row(Program::Outlook, true, b"P", &[b"sul"]),
    row(Program::Mpop, true, b"P", &[b"slu"]),
    row(Program::OsTicket, true, b"P", &[b"slt"]),
    row(Program::Thunderbird, true, b"A", &[b"slu"]),
    row(Program::JakartaMail, true, b"A", &[b"sN"]),
    row(Program::Curl, true, b"PAaL", &[b"r", b"lQ"]),
    row(Program::Getmail, false, b"P", &[b"ul"]),
    row(Program::OldOutlook, false, b"P", &[b"ud"]),
    row(Program::Copier, false, b"P", &[b"sr"]),
    row(Program::Zammad, false, b"P", &[b"slrz"]),
    row(Program::Poplib, false, b"P", &[b"slrd", b"slrQ", b"slQ"]),
    row(Program::NetPop3, false, b"P", &[b"lr", b"lQ"]),
];

impl Program {
    const ALL: [Self; 16] = [
        Self::Unknown,
        Self::Thunderbird,
        Self::ThunderbirdAndroid,
        Self::Outlook,
        Self::OldOutlook,
        Self::Fetchmail,
        Self::Getmail,
        Self::Mpop,
        Self::Poplib,
        Self::OsTicket,
        Self::FreeScout,
        Self::JakartaMail,
        Self::Zammad,
        Self::NetPop3,
        Self::Curl,
        Self::Copier,
    ];

    /// By the signs of what came before the login and after it.
    pub(super) fn of(before: &[u8], after: &[u8]) -> Self {
        // A bare AUTH is how clients from before CAPA ask for mechanisms.
        if before.contains(&b'?') && after.starts_with(b"sl") {
            return Self::OldOutlook;
        }
        let login = before.iter().rev().find(|sign| b"PAaL".contains(sign));
        let fits = |row: &&Row| {
            row.capa == before.contains(&b'C')
                && login.is_some_and(|login| row.login.contains(login))
                && row.then.iter().any(|then| after.starts_with(then))
        };
        KNOWN.iter().find(fits).map_or(Self::Unknown, |row| row.program)
    }

    /// Whether it may be built on Python's poplib: scripts do what they like, and look like this one or that.
    pub(crate) fn may_be_poplib(self) -> bool {
        match self {
            Self::Unknown | Self::Poplib | Self::NetPop3 | Self::OldOutlook | Self::Copier => true,
            Self::Thunderbird
            | Self::ThunderbirdAndroid
            | Self::Outlook
            | Self::Fetchmail
            | Self::Getmail
            | Self::Mpop
            | Self::OsTicket
            | Self::FreeScout
            | Self::JakartaMail
            | Self::Zammad
            | Self::Curl => false,
        }
    }

    /// As one octet.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The one of that number.
    pub(crate) fn numbered(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// Its name, when there is a guess.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Unknown => return None,
            Self::Thunderbird => "Thunderbird",
            Self::ThunderbirdAndroid => "K-9 or Thunderbird for Android",
            Self::Outlook => "Outlook",
            Self::OldOutlook => "an old Outlook",
            Self::Fetchmail => "fetchmail",
            Self::Getmail => "getmail6",
            Self::Mpop => "mpop",
            Self::Poplib => "Python poplib (Odoo)",
            Self::OsTicket => "osTicket",
            Self::FreeScout => "FreeScout",
            Self::JakartaMail => "Jakarta Mail",
            Self::Zammad => "Zammad",
            Self::NetPop3 => "Ruby Net::POP3 (Discourse)",
            Self::Curl => "curl",
            Self::Copier => "a copier",
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_and_a_name_of_its_own() {
        let mut names: Vec<String> = Program::ALL.iter().map(Program::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Program::ALL.len());
        for program in Program::ALL {
            assert_eq!(Program::numbered(program.number()), program);
        }
        assert_eq!(Program::numbered(255), Program::Unknown);
    }
}
