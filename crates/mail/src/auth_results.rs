use serde::{Deserialize, Serialize};

/// What authentication methods found of one message (RFC 8601 §2.7). A method that was not tried is absent:
/// mail that comes through a relay of ours is not judged by the relay's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthResults {
    /// Whether the client's network may send for the sender's domain (RFC 7208).
    pub spf: Option<SpfResult>,
    /// Each signature that was looked at, in the order of the fields (RFC 6376); none of an unsigned message.
    pub dkim: Vec<DkimResult>,
    /// Whether what was verified agrees with the From field (RFC 9989).
    pub dmarc: Option<DmarcResult>,
    /// The chain of results of those who passed the message on (RFC 8617).
    pub arc: Option<ArcResult>,
    /// Whether the client's address has a name that leads back to it (RFC 8601 §3).
    pub iprev: Option<IprevResult>,
}

/// The words of RFC 8601 §2.7, of all methods together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthResult {
    /// Nothing to judge by: no record, no signature, no chain.
    None,
    /// As it should be.
    Pass,
    /// Forged, or broken on the way.
    Fail,
    /// SPF: probably forged.
    SoftFail,
    /// The domain says nothing, or nothing that could be believed.
    Neutral,
    /// DKIM: the signature is right and not good enough for us, such as a key that is too short.
    Policy,
    /// Nobody could tell just now.
    TempError,
    /// What the domain has published cannot be understood.
    PermError,
}

impl AuthResult {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Pass,
        Self::Fail,
        Self::SoftFail,
        Self::Neutral,
        Self::Policy,
        Self::TempError,
        Self::PermError,
    ];

    /// As the field and the rules write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// SPF's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfResult {
    /// The answer.
    pub result: AuthResult,
    /// Whether MAIL FROM was judged, or the HELO name because the reverse-path was null (RFC 7208 §2.4).
    pub of_helo: bool,
    /// The domain that was asked.
    pub domain: String,
    /// Why, where the answer is an error.
    pub reason: Option<String>,
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimResult {
    /// Whether it is right.
    pub result: AuthResult,
    /// Who signed: `d=`.
    pub domain: String,
    /// By which key: `s=`.
    pub selector: String,
    /// The first octets of `b=`, to tell signatures apart (RFC 6008).
    pub signature: String,
    /// Why it is not right.
    pub reason: Option<String>,
}

/// DMARC's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DmarcResult {
    /// The answer.
    pub result: AuthResult,
    /// The domain of the From field.
    pub from: String,
    /// What its owner asks for where the result is a fail.
    pub policy: DmarcPolicy,
    /// Why, where the answer is an error.
    pub reason: Option<String>,
}

/// What a domain's owner wants done with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DmarcPolicy {
    /// Nothing; also where there is no record.
    None,
    /// Suspect it.
    Quarantine,
    /// Refuse it.
    Reject,
}

/// The chain's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcResult {
    /// Whether every link holds.
    pub result: AuthResult,
    /// Who added the newest link: `d=` of its seal.
    pub sealer: Option<String>,
}

/// The answer of the reverse lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IprevResult {
    /// Whether a name of the address leads back to it.
    pub result: AuthResult,
    /// That name.
    pub name: Option<String>,
}
