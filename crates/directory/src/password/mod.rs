//! Passwords as they are made and kept. What the configuration may hold of them is read by `Stored`.

mod stored;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use mail::Secret;

pub(crate) use stored::{HashFault, Stored};

/// Fewest characters of a password that a person chooses.
pub const CHARACTERS_MIN: usize = 12;
/// Most octets of any password: what a login sends past this is not even hashed.
pub const OCTETS_MAX: usize = 256;

/// argon2id's memory in KiB, passes and lanes: the least that OWASP's cheat sheet on password storage names.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_OCTETS: usize = 16;

/// No `i`, `l`, `o`, `0` and `1`: what a person reads from paper and types on a phone.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP: usize = 6;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Under [`CHARACTERS_MIN`].
    #[error("a password has at least {CHARACTERS_MIN} characters")]
    Short,
    /// Over [`OCTETS_MAX`].
    #[error("a password has at most {OCTETS_MAX} octets")]
    Long,
    /// A line break or another control character: no client could send it.
    #[error("a password has no control characters")]
    Control,
}

/// Whether a password is fit to be set; logins with older ones go on.
pub fn check_strength(secret: &Secret) -> Result<(), Unfit> {
    let octets = secret.expose();
    if octets.len() > OCTETS_MAX {
        return Err(Unfit::Long);
    }
    if octets.iter().any(u8::is_ascii_control) {
        return Err(Unfit::Control);
    }
    // What is not UTF-8 has one character an octet.
    let characters = std::str::from_utf8(octets).map_or(octets.len(), |text| text.chars().count());
    if characters < CHARACTERS_MIN { Err(Unfit::Short) } else { Ok(()) }
}

/// The PHC string of a password: argon2id with a salt of its own. Takes some 20 MiB and a tenth of a second.
pub fn hash(secret: &Secret) -> String {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are within argon2's bounds");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut salt = [0; SALT_OCTETS];
    random(&mut salt);
    let phc: PasswordHash = argon2
        .hash_password_with_salt(secret.expose(), &salt)
        .expect("the salt has a length that argon2 takes");
    phc.to_string()
}

/// A password that is easy to read and type: 24 letters and digits in groups of six, 118 bits.
pub fn generate() -> String {
    let mut password = String::with_capacity(GROUPS * (GROUP + 1));
    let mut octets = [0_u8; 1];
    let mut characters = 0;
    while characters < GROUPS * GROUP {
        random(&mut octets);
        // One of 32 in five bits; the one past the alphabet is thrown again, so that all are as likely.
        let Some(letter) = ALPHABET.get(usize::from(octets[0] & 31)) else { continue };
        if characters > 0 && characters % GROUP == 0 {
            password.push('-');
        }
        password.push(char::from(*letter));
        characters += 1;
    }
    password
}

/// Fills with what nobody can guess.
pub(crate) fn random(octets: &mut [u8]) {
    getrandom::fill(octets).expect("a kernel that has booted has random octets");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_says_its_parameters_and_opens_for_its_password_alone() {
        let secret = Secret::from(&b"correct horse battery"[..]);
        let phc = hash(&secret);
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let stored = Stored::parse(&phc).expect("our own");
        assert!(stored.opens(&secret));
        assert!(!stored.opens(&Secret::from(&b"correct horse batterz"[..])));
        assert!(!stored.is_weak());
        assert_ne!(phc, hash(&secret), "each hash has a salt of its own");
    }

    #[test]
    fn generated_passwords_are_fit_and_differ() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        assert_eq!(one.len(), GROUPS * GROUP + GROUPS - 1);
        assert!(
            one.split('-').all(|group| group.len() == GROUP && group.bytes().all(|b| ALPHABET.contains(&b)))
        );
        assert_eq!(check_strength(&Secret::from(one.as_bytes())), Ok(()));
        let bits = f64::from(u32::try_from(GROUPS * GROUP).unwrap()) * 31_f64.log2();
        assert!(bits >= 100.0, "{bits}");
    }

    #[test]
    fn strength_counts_characters_below_and_octets_above() {
        let check = |text: &str| check_strength(&Secret::from(text.as_bytes()));
        assert_eq!(check("elevenchars"), Err(Unfit::Short));
        assert_eq!(check("twelve chars"), Ok(()));
        assert_eq!(check("äöüäöüäöüäö"), Err(Unfit::Short), "22 octets, 11 characters");
        assert_eq!(check(&"x".repeat(256)), Ok(()));
        assert_eq!(check(&"x".repeat(257)), Err(Unfit::Long));
        assert_eq!(check("twelve chars\n"), Err(Unfit::Control));
        assert_eq!(Unfit::Short.to_string(), "a password has at least 12 characters");
        assert_eq!(Unfit::Long.to_string(), "a password has at most 256 octets");
    }
}
