use serde::Serialize;

use super::{Context, Failure};
use crate::config::Finding;
use crate::control::{Code, Fault};

/// Prints one document, on one line.
pub(super) fn print(context: &mut Context<'_>, document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(writeln!(context.out, "{text}")?)
}

/// What stands in the place of a verb's document when it fails.
#[derive(Debug, Serialize)]
pub(super) struct Failed {
    error: Told,
}

#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    fault: Fault,
    exit: u8,
    faults: Vec<Finding>,
}

impl Failed {
    /// That of a verb whose own document says more of the faults.
    pub(super) fn of_configuration(text: String, faults: Vec<Finding>) -> Self {
        let code = Code::Config;
        Self { error: Told { fault: Fault::new(code, text), exit: code.exit(), faults } }
    }
}

impl From<&Failure> for Failed {
    fn from(failure: &Failure) -> Self {
        let code = match failure {
            Failure::Told(fault) => fault.code,
            Failure::Config(_) | Failure::Unsound(..) | Failure::InUse(..) | Failure::Refused(_) => {
                Code::Config
            }
            Failure::NotThere(_) => Code::NotFound,
            Failure::Usage(_) => Code::Usage,
            Failure::Data(_) => Code::Data,
            Failure::Exists(_) => Code::Exists,
            Failure::Unavailable(_) => Code::Unavailable,
            Failure::Denied(_) => Code::Permission,
            Failure::Io(..) | Failure::Input(_) | Failure::Output(_) => Code::Io,
        };
        let fault = match failure {
            Failure::Told(fault) => fault.clone(),
            other => Fault::new(code, other.to_string()),
        };
        let faults = match failure {
            Failure::Config(faults) | Failure::Unsound(faults, _) | Failure::InUse(_, faults) => {
                faults.findings().collect()
            }
            Failure::Usage(_)
            | Failure::Data(_)
            | Failure::NotThere(_)
            | Failure::Exists(_)
            | Failure::Refused(_)
            | Failure::Unavailable(_)
            | Failure::Denied(_)
            | Failure::Told(_)
            | Failure::Io(..)
            | Failure::Input(_)
            | Failure::Output(_) => Vec::new(),
        };
        Self { error: Told { fault, exit: failure.code(), faults } }
    }
}
