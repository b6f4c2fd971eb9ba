//! Who may read a file with secrets in it: its owner and the service, nobody else.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bits of a state folder's mode that nobody serves with: its group may not write there, and others may
/// do nothing.
pub const STATE_DIR_OPEN: u32 = 0o027;

/// Who could read or change a file and should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Everybody on the machine.
    Others,
    /// The members of a group that is not the service's.
    Group(u32),
}

/// Whether a file with this mode and group is open to anybody but its owner and the groups of the service.
pub fn exposure(mode: u32, group: u32, service_groups: &[u32]) -> Option<Exposure> {
    if mode & 0o006 != 0 {
        return Some(Exposure::Others);
    }
    (mode & 0o060 != 0 && !service_groups.contains(&group)).then_some(Exposure::Group(group))
}

/// The same of a file that is there.
pub fn exposure_of(metadata: &Metadata, service_groups: &[u32]) -> Option<Exposure> {
    exposure(metadata.mode(), metadata.gid(), service_groups)
}

/// The groups that count as the service's: the process's own, the one of the configuration folder, the one
/// of the state folder, and those of the system user `restante`, so that root checks what the service
/// will meet.
pub fn service_groups(config_dir: &Path, state_dir: &Path) -> Vec<u32> {
    let mut groups = vec![rustix::process::getegid().as_raw(), rustix::process::getgid().as_raw()];
    groups.extend(
        [config_dir, state_dir].into_iter().filter_map(|dir| fs::metadata(dir).ok()).map(|m| m.gid()),
    );
    groups.extend(crate::identity::groups_of_service());
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_the_service_may_read() {
        for (mode, group, found) in [
            (0o600, 7, None),
            (0o400, 7, None),
            (0o640, 1, None),
            (0o660, 1, None),
            (0o100_640, 1, None),
            (0o640, 7, Some(Exposure::Group(7))),
            (0o620, 7, Some(Exposure::Group(7))),
            (0o610, 7, None),
            (0o644, 1, Some(Exposure::Others)),
            (0o604, 7, Some(Exposure::Others)),
            (0o602, 1, Some(Exposure::Others)),
            (0o601, 1, None),
        ] {
            assert_eq!(exposure(mode, group, &[1, 2]), found, "{mode:o}");
        }
    }
}
