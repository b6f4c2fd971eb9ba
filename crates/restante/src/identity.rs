//! Who we are on this machine: the service's user and groups, and becoming it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{DumpableBehavior, Gid, Resource, Uid, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The system user that the daemon runs as, made by `systemd-sysusers` or a package.
const SERVICE: &str = "restante";

/// A user of the system's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
}

/// The user `restante` of `/etc/passwd`, when there is one.
pub fn service_user() -> Option<User> {
    user_in(&fs::read_to_string("/etc/passwd").ok()?)
}

/// What a user is called in `/etc/passwd`; its number where that does not say.
pub fn user_name(uid: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("user {uid}"))
}

/// The groups that the user `restante` is in.
pub fn groups_of_service() -> Vec<u32> {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    service_user().map(|user| user.gid).into_iter().chain(groups_in(&groups)).collect()
}

/// Nobody reads our memory, which has passwords in it for moments: no core files, no tracing by others.
pub fn keep_memory_to_ourselves() {
    // A kernel that does not know this is no reason not to serve.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Lets the process have as many open files as it is allowed to ask for: a shell gives 1,024, which is fewer
/// than connections and segments may need.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer we serve fewer at a time.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Whether we may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// As root, becomes the service for good: the owner of the state folder, or the user `restante` where there
/// is none yet. What is read then is what the service can read, and what is written is not out of its reach.
/// Anybody else stays who they are.
///
/// To be called before the first thread is started: the kernel changes the calling thread only.
pub fn become_service(state_dir: &Path) -> io::Result<()> {
    let owner = fs::metadata(state_dir).ok().map(|found| User { uid: found.uid(), gid: found.gid() });
    let Some(user) = owner.or_else(service_user).filter(|user| user.uid != 0 && is_root()) else {
        return Ok(());
    };
    let is_service = service_user().is_some_and(|service| service.uid == user.uid);
    let more = if is_service { groups_of_service() } else { Vec::new() };
    let groups: Vec<Gid> = std::iter::once(user.gid).chain(more).map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// `name:password:uid:gid:…`
fn user_in(passwd: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == SERVICE).then_some(User { uid, gid })
    })
}

/// `name:password:gid:member,member`
fn groups_in(group: &str) -> Vec<u32> {
    let is_ours = |line: &&str| {
        let members = line.rsplit(':').next().unwrap_or_default();
        line.split(':').next() == Some(SERVICE) || members.split(',').any(|member| member == SERVICE)
    };
    group.lines().filter(is_ours).filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_name_user_and_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nrestante:x:990:991::/:/usr/sbin/nologin\n";
        assert_eq!(user_in(passwd), Some(User { uid: 990, gid: 991 }));
        assert_eq!(user_in("restante2:x:1:1::/:/x\n"), None);
        let group = "root:x:0:\nrestante:x:991:\nssl-cert:x:105:postgres,restante\nother:x:7:restanteur\n";
        assert_eq!(groups_in(group), [991, 105]);
    }
}
