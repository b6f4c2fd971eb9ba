use std::str::FromStr;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params};
use mail::Secret;
use sha_crypt::ShaCrypt;

use super::{LANES, MEMORY_KIB, PASSES};

/// A password hash that we can verify against. Its cost is bounded: what would hold a login up for seconds
/// or take the machine's memory is no hash to us.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Argon2(Box<PasswordHash>),
    /// bcrypt in the `$2b$` form. Whoever made it cut the password after 72 octets, and so do we.
    Bcrypt(Box<str>),
    /// SHA-512-crypt in the `$6$` form.
    Sha512(Box<sha_crypt::PasswordHash>),
}

/// Why a text is no hash to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashFault {
    /// Perhaps the password itself, so it is not repeated.
    #[error("this is no password hash (argon2id, bcrypt and SHA-512-crypt are read)")]
    Unreadable,
    #[error("{{{0}}} hashes are not read (argon2id, bcrypt and SHA-512-crypt are)")]
    Scheme(String),
    #[error("this hash costs too much: at most {0}")]
    Costly(&'static str),
}

/// The marks that Dovecot puts before a hash and that say nothing new.
const SCHEMES: [&str; 4] = ["ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "CRYPT"];

/// Two logins are hashed at a time: twice this much memory.
const MEMORY_MAX_KIB: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 8;
/// About a second.
const BCRYPT_COST_MAX: u32 = 14;
const ROUNDS_MAX: u32 = 1_000_000;
const ROUNDS_MIN: u32 = sha_crypt::Params::ROUNDS_MIN;
/// The base 64 digits of SHA-512-crypt's digest.
const SHA512_DIGEST: usize = 86;

impl Stored {
    pub(crate) fn parse(text: &str) -> Result<Self, HashFault> {
        let hash = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((scheme, hash)) if SCHEMES.contains(&scheme.to_ascii_uppercase().as_str()) => hash,
            Some((scheme, _)) => return Err(HashFault::Scheme(scheme.into())),
            None => text,
        };
        match hash.split('$').nth(1) {
            Some("argon2id" | "argon2i" | "argon2d") => argon2(hash),
            Some("2a" | "2b" | "2y") => bcrypt(hash),
            Some("6") => sha512(hash),
            _ => Err(HashFault::Unreadable),
        }
    }

    /// Whether this is the password. Takes as long as the hash asks for, and compares in constant time.
    pub(crate) fn opens(&self, secret: &Secret) -> bool {
        match self {
            Self::Argon2(phc) => Argon2::default().verify_password(secret.expose(), &**phc).is_ok(),
            Self::Bcrypt(hash) => bcrypt::verify(secret.expose(), hash).unwrap_or(false),
            Self::Sha512(hash) => {
                ShaCrypt::SHA512.verify_password(secret.expose(), hash.as_password_hash_ref()).is_ok()
            }
        }
    }

    /// Whether a hash of today is stronger: another scheme, less memory, or less work over it.
    pub(crate) fn is_weak(&self) -> bool {
        let Self::Argon2(phc) = self else { return true };
        let Ok(params) = Params::try_from(&**phc) else { return true };
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        Algorithm::try_from(phc.algorithm.as_str()) != Ok(Algorithm::Argon2id)
            || phc.version != Some(argon2::Version::V0x13.into())
            || params.m_cost() < MEMORY_KIB
            || work < u64::from(MEMORY_KIB) * u64::from(PASSES)
            || params.p_cost() < LANES
    }
}

fn argon2(hash: &str) -> Result<Stored, HashFault> {
    let phc = PasswordHash::new(hash).map_err(|_| HashFault::Unreadable)?;
    let params = Params::try_from(&phc).map_err(|_| HashFault::Unreadable)?;
    if phc.salt.is_none() || phc.hash.is_none() {
        return Err(HashFault::Unreadable);
    }
    if params.m_cost() > MEMORY_MAX_KIB || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
        return Err(HashFault::Costly("m=262144 (256 MiB), t=16, p=8"));
    }
    Ok(Stored::Argon2(Box::new(phc)))
}

fn bcrypt(hash: &str) -> Result<Stored, HashFault> {
    let parts = bcrypt::HashParts::from_str(hash).map_err(|_| HashFault::Unreadable)?;
    if hash.len() != 60 || !hash.is_ascii() {
        return Err(HashFault::Unreadable);
    }
    if parts.get_cost() > BCRYPT_COST_MAX {
        return Err(HashFault::Costly("a bcrypt cost of 14"));
    }
    Ok(Stored::Bcrypt(hash.into()))
}

fn sha512(hash: &str) -> Result<Stored, HashFault> {
    let fields: Vec<&str> = hash.split('$').skip(2).collect();
    let (salt, digest) = match fields[..] {
        [rounds, salt, digest] => {
            let rounds = rounds.strip_prefix("rounds=").and_then(|rounds| rounds.parse::<u32>().ok());
            match rounds {
                Some(ROUNDS_MIN..=ROUNDS_MAX) => {}
                Some(rounds) if rounds > ROUNDS_MAX => return Err(HashFault::Costly("rounds=1000000")),
                Some(_) | None => return Err(HashFault::Unreadable),
            }
            (salt, digest)
        }
        [salt, digest] => (salt, digest),
        _ => return Err(HashFault::Unreadable),
    };
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b"./".contains(&b);
    if salt.len() > 16 || digest.len() != SHA512_DIGEST || !digest.bytes().all(is_digit) {
        return Err(HashFault::Unreadable);
    }
    let read = sha_crypt::PasswordHash::new(hash).map_err(|_| HashFault::Unreadable)?;
    Ok(Stored::Sha512(Box::new(read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What glibc's crypt(3) makes of "Hello world!".
    const SHA512: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    const SHA512_ROUNDS: &str = "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.";

    fn secret(text: &str) -> Secret {
        Secret::from(text.as_bytes())
    }

    #[test]
    fn foreign_hashes_open_and_are_weak() {
        let bcrypt = bcrypt::hash("hunter2hunter2", 4).expect("a cost that bcrypt takes");
        for (hash, password) in [
            (SHA512.to_owned(), "Hello world!"),
            (format!("{{SHA512-CRYPT}}{SHA512_ROUNDS}"), "Hello world!"),
            (bcrypt.clone(), "hunter2hunter2"),
            (format!("{{blf-crypt}}{}", bcrypt.replacen("$2b$", "$2y$", 1)), "hunter2hunter2"),
        ] {
            let stored = Stored::parse(&hash).unwrap_or_else(|fault| panic!("{hash}: {fault}"));
            assert!(stored.opens(&secret(password)), "{hash}");
            assert!(!stored.opens(&secret("Hello world")), "{hash}");
            assert!(stored.is_weak(), "{hash}");
        }
    }

    #[test]
    fn weak_is_less_memory_or_less_work() {
        let weak = |params: &str| {
            let phc = format!("$argon2id$v=19${params}$c29tZXNhbHRzb21lc2FsdA${}", "A".repeat(43));
            Stored::parse(&phc).expect("readable").is_weak()
        };
        assert!(!weak("m=19456,t=2,p=1"));
        assert!(!weak("m=47104,t=1,p=1"));
        assert!(weak("m=19456,t=1,p=1"));
        assert!(weak("m=12288,t=3,p=1"));
        let other = format!("$argon2i$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA${}", "A".repeat(43));
        assert!(Stored::parse(&other).expect("readable").is_weak());
        let old = format!("$argon2id$v=16$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA${}", "A".repeat(43));
        assert!(Stored::parse(&old).expect("readable").is_weak());
    }

    #[test]
    fn what_is_no_hash_is_told_without_repeating_it() {
        for text in [
            "",
            "hunter2",
            "$",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=19456,t=2$x",
            "$2b$04$short",
            "$6$salt$short",
            "$6$rounds=10$salt$x",
            "$1$salt$digest",
            "{PLAIN",
            "$6$rounds=x$y",
        ] {
            let fault = Stored::parse(text).expect_err(text);
            assert_eq!(fault, HashFault::Unreadable, "{text}");
        }
        assert_eq!(
            HashFault::Unreadable.to_string(),
            "this is no password hash (argon2id, bcrypt and SHA-512-crypt are read)"
        );
        assert_eq!(
            Stored::parse("{SSHA}abc").expect_err("a scheme we do not read").to_string(),
            "{SSHA} hashes are not read (argon2id, bcrypt and SHA-512-crypt are)"
        );
    }

    #[test]
    fn what_would_take_the_machine_is_no_hash() {
        let salt_and_digest = format!("c29tZXNhbHRzb21lc2FsdA${}", "A".repeat(43));
        for hash in [
            format!("$argon2id$v=19$m=4194304,t=2,p=1${salt_and_digest}"),
            format!("$argon2id$v=19$m=19456,t=1000,p=1${salt_and_digest}"),
            SHA512_ROUNDS.replacen("10000", "999999999", 1),
            bcrypt::hash("x", 4).expect("a cost that bcrypt takes").replacen("$04$", "$31$", 1),
        ] {
            let fault = Stored::parse(&hash).expect_err(&hash);
            assert!(matches!(fault, HashFault::Costly(_)), "{hash}: {fault}");
        }
    }
}
