use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::{DnsError, Error, ResolverCache, Txt};

use super::KEY_BITS;
use crate::dns::{Answer, Budget};

/// Octets of a key record.
const RECORD: usize = 4 << 10;

/// The keys of one message, by their names. Whoever asks for another gets the answer that there is none: nothing that
/// the library wants to know later reaches a name server.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    found: HashMap<Box<str>, Key>,
}

/// One key.
#[derive(Clone)]
struct Key {
    txt: Txt,
    /// Why the key is not good enough, although it is one.
    unfit: Option<String>,
}

impl Keys {
    /// Asks for all of them at once.
    pub(crate) async fn find(budget: &Budget, names: Vec<String>) -> Self {
        let answers = budget.texts(names).await.into_iter();
        Self { found: answers.map(|(name, answer)| (name.into_boxed_str(), key(answer))).collect() }
    }

    /// Why a signature by this key is not good enough for us.
    pub(super) fn unfit(&self, name: &str) -> Option<&str> {
        self.found.get(name)?.unfit.as_deref()
    }

    /// Why there is no key, and whether that is for now or for good.
    pub(super) fn missing(&self, name: &str) -> Option<(mail::AuthResult, String)> {
        use mail::AuthResult::{PermError, TempError};
        match self.found.get(name).map(|key| &key.txt) {
            None => Some((PermError, "too many keys".into())),
            Some(Txt::Error(error @ Error::Dns(DnsError::Resolver(_)))) => {
                Some((TempError, error.to_string()))
            }
            Some(Txt::Error(Error::Dns(DnsError::RecordNotFound(_)))) => {
                Some((PermError, "there is no key".into()))
            }
            Some(Txt::Error(error)) => Some((PermError, error.to_string())),
            Some(_) => None,
        }
    }
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let none = || Txt::Error(Error::Dns(DnsError::InvalidRecordType));
        Some(match self.found.get(name) {
            Some(Key { unfit: Some(_), .. }) => Txt::Error(Error::Dkim(DkimError::UnsupportedKeyType)),
            Some(Key { txt, unfit: None }) => txt.clone(),
            None => none(),
        })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

fn key(answer: Result<Answer<Vec<u8>>, crate::DnsFault>) -> Key {
    let error = |error| Key { txt: Txt::Error(error), unfit: None };
    let texts = match answer {
        Ok(answer) => answer.into_found(),
        Err(fault) => return error(Error::Dns(DnsError::Resolver(fault.to_string()))),
    };
    let none = mail_auth::hickory_resolver::proto::op::ResponseCode::NXDomain;
    let mut why = Error::Dns(DnsError::RecordNotFound(none));
    // Several keys of one name are undefined (RFC 6376 §3.6.2.2): the first that is one.
    for text in texts.iter().filter(|text| text.len() <= RECORD) {
        match DomainKey::parse(text) {
            Ok(key) => {
                let unfit = unfit(&key);
                return Key { txt: Txt::DomainKey(key.into()), unfit };
            }
            Err(error) => why = error,
        }
    }
    error(why)
}

fn unfit(key: &DomainKey) -> Option<String> {
    // An Ed25519 key has no number of bits here, and one length.
    let bits = key.p.public_key_bits();
    let fits = bits == usize::MAX || bits == 256 || KEY_BITS.contains(&bits);
    (!fits).then(|| format!("a key of {bits} bits"))
}
