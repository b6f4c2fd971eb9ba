//! Whether it is from who it says: `spf`, `dkim`, `dmarc`, `arc`, `dmarc-policy`, `verified-domain`,
//! `trusted-forwarder`.
//!
//! An error that may pass (`temperror`) is no answer but "cannot tell now", unless a rule asks for that very word.

use mail::{AuthResult, DmarcPolicy, Known};

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::pattern::{Kind, Patterns, Slot, Text};
use super::super::phase::Phase;
use super::super::source::{Reader, Value, did_you_mean};
use super::evidence::known;
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] =
    &["spf", "dkim", "dmarc", "arc", "dmarc-policy", "verified-domain", "trusted-forwarder"];

#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// The method's result is one of these. Where it was not tried, it is none of any.
    Result(Method, Vec<AuthResult>),
    /// What the owner of the From domain asks for.
    Policy(Vec<DmarcPolicy>),
    /// A domain that answers for the message: of a signature that is right, of an SPF pass, or of DMARC's.
    VerifiedDomain(Patterns),
    /// It came by a forwarder whose word is taken.
    TrustedForwarder(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Spf,
    Dkim,
    Dmarc,
    Arc,
}

const POLICIES: [(&str, DmarcPolicy); 3] =
    [("none", DmarcPolicy::None), ("quarantine", DmarcPolicy::Quarantine), ("reject", DmarcPolicy::Reject)];

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let results = AuthResult::ALL.map(|result| (result.as_str(), result));
    let method = |method| move |words| Test::Result(method, words);
    let test = match key {
        "spf" => choices(key, value, &results, reader).map(method(Method::Spf)),
        "dkim" => choices(key, value, &results, reader).map(method(Method::Dkim)),
        "dmarc" => choices(key, value, &results, reader).map(method(Method::Dmarc)),
        "arc" => choices(key, value, &results, reader).map(method(Method::Arc)),
        "dmarc-policy" => choices(key, value, &POLICIES, reader).map(Test::Policy),
        "verified-domain" => reader.patterns(key, value, Kind::Domain).map(Test::VerifiedDomain),
        _ => reader.flag(key, value).map(Test::TrustedForwarder),
    };
    test.map(super::Test::Authentication)
}

/// One of a few words, or several.
fn choices<T: Copy>(
    key: &str,
    value: &Value<'_>,
    words: &[(&'static str, T)],
    reader: &mut Reader<'_>,
) -> Option<Vec<T>> {
    let names = || words.iter().map(|(word, _)| *word);
    let expected = format!("expected one or a list of: {}", names().collect::<Vec<_>>().join(", "));
    let texts = reader.strings(key, value, &expected);
    let all = texts.len();
    let mut found = Vec::with_capacity(all);
    for (text, span) in texts {
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => found.push(*meaning),
            None => {
                let message = format!("`{key}` is never \"{}\"", text.escape_debug());
                reader.say(
                    Diagnostic::error(span, message).label(&*expected).maybe(did_you_mean(text, names())),
                );
            }
        }
    }
    (all > 0 && found.len() == all).then_some(found)
}

impl Method {
    /// Every result of it; none where it was not tried.
    fn results(self, mail: &Evidence<'_>) -> Result<Vec<AuthResult>, Answer> {
        let facts = mail.facts;
        let one = |result: Option<AuthResult>| result.into_iter().collect();
        Ok(match self {
            Self::Spf => one(known(&facts.spf)?.as_ref().map(|spf| spf.result)),
            Self::Dmarc => one(known(&facts.dmarc)?.as_ref().map(|dmarc| dmarc.result)),
            Self::Arc => one(known(&facts.arc)?.as_ref().map(|arc| arc.result)),
            Self::Dkim => {
                let signatures = known(&facts.dkim)?;
                if signatures.is_empty() {
                    return Ok(vec![AuthResult::None]);
                }
                // One right signature is enough: what broke on another was a list's business.
                if signatures.iter().any(|signature| signature.result == AuthResult::Pass) {
                    return Ok(vec![AuthResult::Pass]);
                }
                signatures.iter().map(|signature| signature.result).collect()
            }
        })
    }

    fn ask(self, words: &[AuthResult], mail: &Evidence<'_>) -> Answer {
        let temporary = words.contains(&AuthResult::TempError);
        match self.results(mail) {
            Err(Answer::Unknown(_)) if temporary => Answer::Yes,
            Err(answer) => answer,
            Ok(results) if results.contains(&AuthResult::TempError) => match temporary {
                true => Answer::Yes,
                false => Answer::unknown(format!("{} had an error that may pass", self.name())),
            },
            Ok(results) => results.iter().any(|result| words.contains(result)).into(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Spf => "SPF",
            Self::Dkim => "DKIM",
            Self::Dmarc => "DMARC",
            Self::Arc => "ARC",
        }
    }

    fn saw(self, mail: &Evidence<'_>) -> String {
        match self.results(mail) {
            Ok(results) if results.is_empty() => "not tried".into(),
            Ok(results) => results.iter().map(|result| result.as_str()).collect::<Vec<_>>().join(", "),
            Err(answer) => open(&answer),
        }
    }
}

fn open(answer: &Answer) -> String {
    match answer {
        Answer::Unknown(doubt) => mail::shown(&doubt.why),
        Answer::NotYet | Answer::Yes | Answer::No => "not known yet".into(),
    }
}

/// The domains that answer for a message, and what to say when none of them is the one asked for.
fn verified<'f>(mail: &Evidence<'f>) -> (Vec<&'f str>, Answer) {
    let facts = mail.facts;
    let mut domains = Vec::new();
    let mut otherwise = Answer::No;
    let mut look = |result: Option<AuthResult>, domain: &'f str| match result {
        Some(AuthResult::Pass) => domains.push(domain),
        Some(AuthResult::TempError) => {
            let unknown =
                Answer::unknown(format!("what {} says had an error that may pass", mail::shown(domain)));
            otherwise = std::mem::replace(&mut otherwise, Answer::No).or(unknown);
        }
        Some(_) | None => {}
    };
    if let Known::Is(Some(spf)) = &facts.spf {
        look(Some(spf.result), &spf.domain);
    }
    if let Known::Is(dkim) = &facts.dkim {
        dkim.iter().for_each(|signature| look(Some(signature.result), &signature.domain));
    }
    if let Known::Is(Some(dmarc)) = &facts.dmarc {
        look(Some(dmarc.result), &dmarc.from);
    }
    let open = [known(&facts.spf).err(), known(&facts.dkim).err(), known(&facts.dmarc).err()];
    (domains, open.into_iter().flatten().fold(otherwise, Answer::or))
}

impl Test {
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Result(a, words), Self::Result(b, others)) => {
                a == b && others.iter().all(|word| words.contains(word))
            }
            (Self::Policy(words), Self::Policy(others)) => others.iter().all(|word| words.contains(word)),
            (Self::VerifiedDomain(a), Self::VerifiedDomain(b)) => a.covers(b),
            (Self::TrustedForwarder(a), Self::TrustedForwarder(b)) => a == b,
            (Self::Result(..) | Self::Policy(_) | Self::VerifiedDomain(_) | Self::TrustedForwarder(_), _) => {
                false
            }
        }
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        match self {
            Self::Result(Method::Spf, _) => Phase::Sender,
            Self::Result(Method::Dkim | Method::Dmarc | Method::Arc, _)
            | Self::Policy(_)
            | Self::VerifiedDomain(_)
            | Self::TrustedForwarder(_) => Phase::Content,
        }
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        match self {
            Self::Result(method, words) => method.ask(words, mail),
            Self::Policy(policies) => match known(&mail.facts.dmarc) {
                Ok(dmarc) => dmarc.as_ref().is_some_and(|dmarc| policies.contains(&dmarc.policy)).into(),
                Err(answer) => answer,
            },
            Self::VerifiedDomain(patterns) => {
                let (domains, otherwise) = verified(mail);
                match patterns.fit(&Slot::new(domains.into_iter().map(Text::domain), None)) {
                    true => Answer::Yes,
                    false => otherwise,
                }
            }
            Self::TrustedForwarder(wanted) => known(&mail.facts.trusted_forwarder)
                .map_or_else(|answer| answer, |trusted| (trusted == wanted).into()),
        }
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        match self {
            Self::Result(method, _) => method.saw(mail),
            Self::Policy(_) => match known(&mail.facts.dmarc) {
                Ok(Some(dmarc)) => {
                    let word = POLICIES.iter().find(|(_, policy)| *policy == dmarc.policy);
                    word.map_or("", |(word, _)| word).into()
                }
                Ok(None) => "not tried".into(),
                Err(answer) => open(&answer),
            },
            Self::VerifiedDomain(_) => match verified(mail) {
                (domains, Answer::No) if domains.is_empty() => "nothing".into(),
                (domains, otherwise) if domains.is_empty() => open(&otherwise),
                (domains, _) => mail::shown(domains.join(", ")),
            },
            Self::TrustedForwarder(_) => {
                known(&mail.facts.trusted_forwarder).map_or_else(|answer| open(&answer), ToString::to_string)
            }
        }
    }
}
