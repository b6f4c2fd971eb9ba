use crate::Table;
use crate::resolve::RESERVED;
use crate::table::{GlobOutcome, at};

/// One thing that an upstream must know to refuse unknown addresses itself. Every name of a domain has rows
/// of its own, as spelled in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Cuts the detail off a local part whose whole is not listed; absent when details are off.
    Separator(char),
    /// A closed address.
    Refused {
        /// In folded form.
        address: String,
        /// What the sender is told.
        text: String,
    },
    /// An address that is somebody's.
    Address(String),
    /// Addresses that fit a pattern, longest literal first: the first pattern that fits decides.
    Glob {
        /// With `*` and `?`.
        pattern: String,
        /// Closed, with this text, instead of somebody's.
        refused: Option<String>,
    },
    /// A domain in which the rest has a catch-all.
    CatchAll(String),
}

impl Table {
    pub(crate) fn recipients(&self) -> Vec<Known> {
        let mut exact: Vec<Known> = self.separator.map(Known::Separator).into_iter().collect();
        let (mut globs, mut catch_all) = (Vec::new(), Vec::new());
        exact.extend(self.hostname.iter().map(|host| Known::Address(format!("postmaster@{host}"))));
        exact.extend(self.literals.iter().map(|ip| Known::Address(format!("postmaster@{}", literal(*ip)))));
        for domain in &self.domains {
            for name in &domain.names {
                for (local, said) in &domain.exact {
                    let address = at(local, name);
                    match &said.refused {
                        Some(text) if !RESERVED.contains(&&**local) => {
                            exact.push(Known::Refused { address, text: text.to_string() });
                        }
                        Some(_) | None if said.target.is_some() => exact.push(Known::Address(address)),
                        Some(_) | None => {}
                    }
                }
                exact.extend(RESERVED.map(|local| Known::Address(format!("{local}@{name}"))));
                for row in &domain.globs {
                    let pattern = format!("{}@{name}", row.pattern);
                    let refused = match &row.outcome {
                        GlobOutcome::Refused(text) => Some(text.to_string()),
                        GlobOutcome::Alias(_) => None,
                    };
                    globs.push(Known::Glob { pattern, refused });
                }
                catch_all.extend(domain.catch_all.as_ref().map(|_| Known::CatchAll(name.clone())));
            }
        }
        exact.sort();
        exact.dedup();
        exact.extend(globs);
        exact.extend(catch_all);
        exact
    }
}

fn literal(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(ip) => format!("[{ip}]"),
        std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}
