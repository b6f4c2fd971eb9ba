//! Reading names and addresses, and saying what is wrong with them.

use mail::{Address, AddressError, Domain, LocalPart};

use super::Builder;

/// An address of ours: its domain's place and its folded local part.
pub(super) type Ours = (usize, Box<str>);

/// What is wrong, and what would be right.
pub(super) type Words = (String, Option<String>);

/// Why a text is no address of ours.
pub(super) enum NotOurs {
    /// No address at all.
    Malformed(AddressError),
    /// Well-formed, in a domain that we do not receive for.
    Foreign(Domain),
}

impl Builder<'_> {
    /// Reads an address; a bare local part belongs to the domain `home`.
    pub(super) fn address(&self, text: &str, home: usize) -> Result<Ours, NotOurs> {
        match Address::parse(text) {
            Ok(address) => match self.table.domain_names.get(address.domain.folded().as_str()) {
                Some(domain) => Ok((*domain, address.local.folded().into())),
                None => Err(NotOurs::Foreign(address.domain)),
            },
            Err(AddressError::NoAt) => {
                let local = LocalPart::parse(text).map_err(NotOurs::Malformed)?;
                Ok((home, local.folded().into()))
            }
            Err(error) => Err(NotOurs::Malformed(error)),
        }
    }

    /// Words for a domain that is not ours, with the nearest that is.
    pub(super) fn foreign(&self, text: &str, domain: &str) -> (String, String) {
        let message = format!("`{text}` is in `{domain}`, which is not one of our domains");
        let ours = self.table.domains.iter().flat_map(|d| d.names.iter().map(String::as_str));
        let hint = nearest(domain, ours)
            .map_or_else(|| format!("add a [[domain]] with name = \"{domain}\""), |near| did_you_mean(&near));
        (message, hint)
    }
}

impl NotOurs {
    /// Message and hint for an address that must be ours; none where nobody knows that it is not.
    pub(super) fn words(&self, text: &str, builder: &Builder<'_>) -> Option<Words> {
        match self {
            Self::Malformed(error) => Some((format!("`{text}` is not an address: {error}"), None)),
            Self::Foreign(_) if builder.unsure.domains => None,
            Self::Foreign(domain) => {
                let (message, hint) = builder.foreign(text, domain.as_str());
                Some((message, Some(hint)))
            }
        }
    }
}

pub(super) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// The candidate that a slip of the fingers would turn into `text`: at most one edit in three characters.
pub(super) fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    let text = mail::fold(text);
    let most = (text.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&text, &mail::fold(candidate)), candidate))
        .filter(|(edits, _)| *edits <= most)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let near = |text| nearest(text, ["alice", "bob", "office"].into_iter());
        assert_eq!(near("alcie").as_deref(), Some("alice"));
        assert_eq!(near("OFICE").as_deref(), Some("office"));
        assert_eq!(near("bb").as_deref(), Some("bob"));
        assert_eq!(near("carol"), None);
        assert_eq!(near(""), None);
    }
}
