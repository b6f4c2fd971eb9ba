use directory::Team;
use serde::Serialize;

/// One who collects a team mailbox, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Member {
    login: String,
    /// A program that imports the mail.
    robot: bool,
}

/// In the order of the file.
pub(super) fn members(team: &Team) -> Vec<Member> {
    let member = |member: &directory::Member| Member { login: member.login.to_string(), robot: member.robot };
    team.members.iter().map(member).collect()
}

impl Member {
    /// For people: `alice`, `helpdesk (robot)`.
    pub(super) fn shown(&self) -> String {
        format!("{}{}", self.login, if self.robot { " (robot)" } else { "" })
    }
}
