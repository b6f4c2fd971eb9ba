use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::Secret;
use zeroize::Zeroizing;

use super::{Before, Command, Context, Credentials, Fault, No, Refusal, Responses};

/// The mechanisms that CAPA and a bare AUTH name (RFC 2595 §9).
pub(in crate::session) const MECHANISMS: [&str; 2] = ["PLAIN", "LOGIN"];

/// What the next line of the client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Exchange {
    /// The one message of PLAIN (RFC 4616 §2).
    Plain,
    /// LOGIN's user name.
    LoginUser,
    /// LOGIN's password.
    LoginPassword(String),
}

/// What follows a SASL message.
#[derive(Debug)]
pub(in crate::session) enum Next {
    /// Another one.
    Exchange(Exchange),
    /// The end.
    Login(Credentials),
}

/// AUTH [mechanism [initial response]] (RFC 5034 §4, §5). Bare, it lists the mechanisms, as clients from
/// before CAPA expect.
pub(super) fn run(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<Before, No> {
    let (mechanism, initial) = command.words();
    let Some(mechanism) = mechanism else {
        context.responses.ok(format_args!("mechanisms"));
        MECHANISMS.iter().for_each(|name| context.responses.line(format_args!("{name}")));
        context.responses.end();
        return Ok(Before::Stay);
    };
    let exchange = if mechanism.eq_ignore_ascii_case(b"PLAIN") {
        Exchange::Plain
    } else if mechanism.eq_ignore_ascii_case(b"LOGIN") {
        Exchange::LoginUser
    } else {
        return Err(Refusal::Mechanism.into());
    };
    let next = match initial {
        // RFC 5034 §4: a lone `=` is an initial response of no octets.
        Some(b"=") => exchange.take(b"")?,
        Some(response) => exchange.take(response)?,
        None => Next::Exchange(exchange),
    };
    Ok(match next {
        Next::Exchange(exchange) => {
            exchange.challenge(&mut context.responses);
            Before::Exchange(exchange)
        }
        Next::Login(credentials) => Before::Login(credentials),
    })
}

impl Exchange {
    /// Asks for its message.
    pub(in crate::session) fn challenge(&self, responses: &mut Responses<'_>) {
        responses.challenge(match self {
            Self::Plain => "",
            // "Username:" and "Password:", the two words that every client of LOGIN waits for.
            Self::LoginUser => "VXNlcm5hbWU6",
            Self::LoginPassword(_) => "UGFzc3dvcmQ6",
        });
    }

    /// Takes its message, in base64, or the `*` that gives it up.
    pub(in crate::session) fn take(self, response: &[u8]) -> Result<Next, No> {
        if response == b"*" {
            return Err(Refusal::Cancelled.into());
        }
        let message = Zeroizing::new(STANDARD.decode(response).map_err(|_| Fault::Sasl)?);
        match self {
            Self::Plain => plain(&message).map(Next::Login),
            Self::LoginUser => Ok(Next::Exchange(Self::LoginPassword(user(&message)?))),
            Self::LoginPassword(user) => Ok(Next::Login(Credentials { user, password: password(&message)? })),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd`. Nobody may act for somebody else here, so a first name is either
/// absent or the second one again.
fn plain(message: &[u8]) -> Result<Credentials, No> {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(acting), Some(name), Some(secret), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::Sasl.into());
    };
    let credentials = Credentials { user: user(name)?, password: password(secret)? };
    if acting.is_empty() || acting == name { Ok(credentials) } else { Err(Refusal::Denied.into()) }
}

fn user(octets: &[u8]) -> Result<String, Fault> {
    let name = std::str::from_utf8(octets).map_err(|_| Fault::Sasl)?;
    if name.is_empty() || name.chars().any(char::is_control) { Err(Fault::Sasl) } else { Ok(name.to_owned()) }
}

fn password(octets: &[u8]) -> Result<Secret, Fault> {
    if octets.is_empty() || octets.contains(&0) { Err(Fault::Sasl) } else { Ok(Secret::from(octets)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(message: &[u8]) -> Result<(String, Vec<u8>), No> {
        match Exchange::Plain.take(STANDARD.encode(message).as_bytes())? {
            Next::Login(credentials) => {
                Ok((credentials.user.clone(), credentials.password.expose().to_vec()))
            }
            Next::Exchange(exchange) => panic!("{exchange:?}"),
        }
    }

    /// RFC 5034 §4.
    #[test]
    fn plain_messages() {
        let alice = Ok(("alice".to_owned(), b"secret".to_vec()));
        assert_eq!(login(b"\0alice\0secret"), alice);
        assert_eq!(login(b"alice\0alice\0secret"), alice);
        assert_eq!(login(b"bob\0alice\0secret"), Err(Refusal::Denied.into()));
        for malformed in
            [&b""[..], b"\0", b"\0\0", b"\0alice\0", b"\0\0secret", b"\0a\0b\0c", b"alice\0secret"]
        {
            assert_eq!(login(malformed), Err(Fault::Sasl.into()), "{malformed:?}");
        }
        assert_eq!(login(b"\0\xff\0secret"), Err(Fault::Sasl.into()));
        assert_eq!(login(b"\0a\nb\0secret"), Err(Fault::Sasl.into()));
        let long = [b"\0alice\0", "ü".repeat(128).as_bytes()].concat();
        assert_eq!(login(&long).map(|(_, password)| password.len()), Ok(256));
    }

    /// RFC 5034 §4.
    #[test]
    fn what_is_no_base64_is_a_fault() {
        for response in [&b"a"[..], b"%%%%", b"AGFsaWNlAHNlY3JldA", b"AGFsaWNlAHNlY3Jl dA==", b"**"] {
            assert!(matches!(Exchange::Plain.take(response), Err(No::Fault(Fault::Sasl))), "{response:?}");
        }
        assert!(matches!(Exchange::Plain.take(b"*"), Err(No::Refusal(Refusal::Cancelled))));
    }
}
