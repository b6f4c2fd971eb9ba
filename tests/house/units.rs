//! The systemd units fit the program and its default configuration, and are as tight as they claim. What needs
//! systemd-analyze says so where there is none.

mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use toml::Table;

/// Highest exposure that `systemd-analyze security` may find; the rest is that this is a mail server on the
/// open network.
const EXPOSURE: f64 = 1.5;

const SOCKETS: [&str; 3] = ["smtp", "pop3", "pop3s"];

/// Settings of a unit, whatever their section; a key may come more than once.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in tree::read(&tree::root().join("systemd").join(name)).lines() {
        if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            settings.entry(key.into()).or_default().push(value.into());
        }
    }
    settings
}

fn one<'a>(settings: &'a BTreeMap<String, Vec<String>>, key: &str) -> &'a str {
    match settings.get(key).map(Vec::as_slice) {
        Some([only]) => only,
        other => panic!("{key}: {other:?}"),
    }
}

fn defaults() -> Table {
    tree::read(&tree::root().join("etc/restante/restante.toml")).parse().expect("TOML")
}

fn seconds(text: &str) -> u64 {
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    number.parse().expect("seconds")
}

/// systemd-analyze over a copy of the units in which the program exists; `None` where there is no such tool.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [
        tree::files(&tree::root().join("systemd"), "service"),
        tree::files(&tree::root().join("systemd"), "socket"),
    ]
    .concat()
    {
        let text = tree::read(&path).replace("/usr/bin/restante", "/bin/true");
        fs::write(folder.path().join(path.file_name().expect("a name")), text).expect("a copy");
    }
    let output = Command::new("systemd-analyze")
        .current_dir(folder.path())
        .env("SYSTEMD_COLORS", "0")
        .env("LC_ALL", "C")
        .args(arguments)
        .output();
    output.ok()
}

fn skip(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {what} needs systemd-analyze (Debian: apt-get install systemd)"
    );
}

#[test]
fn the_service_runs_what_exists() {
    let service = unit("restante.service");
    assert_eq!(one(&service, "ExecStart"), "/usr/bin/restante serve --config /etc/restante");
    assert!(tree::root().join("crates/restante/src/cli/serve.rs").exists(), "the verb exists");
    assert_eq!(one(&service, "User"), "restante");
    let users = tree::read(&tree::root().join("systemd/sysusers.d/restante.conf"));
    assert!(users.contains("\nu restante "));
    // A reload that must not restart, a watchdog and a readiness that somebody sends.
    assert_eq!(one(&service, "ExecReload"), "/usr/bin/restante reload --config /etc/restante");
    assert!(tree::root().join("crates/restante/src/cli/reload.rs").exists(), "the verb exists");
    assert_eq!(one(&service, "Type"), "notify");
    assert!(one(&service, "WatchdogSec").parse::<u32>().is_ok_and(|seconds| seconds >= 10));
}

#[test]
fn the_folders_are_those_of_the_default_configuration() {
    let service = unit("restante.service");
    let state = format!("/var/lib/{}", one(&service, "StateDirectory"));
    assert_eq!(defaults()["state-dir"].as_str(), Some(state.as_str()));
    assert_eq!(one(&service, "StateDirectoryMode"), "0700");
    let tmpfiles = tree::read(&tree::root().join("systemd/tmpfiles.d/restante.conf"));
    for line in [
        "d /etc/restante 0750 root restante -",
        "z /etc/restante/*.toml 0640 root restante -",
        "d /var/lib/restante 0700 restante restante -",
    ] {
        assert!(tmpfiles.lines().any(|it| it == line), "{line}");
    }
    let text = tree::read(&tree::root().join("etc/restante/restante.toml"));
    assert!(text.contains(&format!("unix:/run/{}/lmtp.sock", one(&service, "RuntimeDirectory"))));
}

#[test]
fn the_service_is_given_longer_to_stop_than_messages_in_flight() {
    let stop = defaults()["smtp"]["limits"]["stop-time"].as_str().map(seconds).expect("a time");
    assert!(seconds(one(&unit("restante.service"), "TimeoutStopSec")) >= stop + 10);
}

#[test]
fn each_port_of_the_default_configuration_has_its_socket() {
    let (service, defaults) = (unit("restante.service"), defaults());
    let wanted = |table: &str, key: &str| defaults[table][key][0].as_str().expect("an address").to_owned();
    let listens = [wanted("smtp", "listen"), wanted("pop3", "listen"), wanted("pop3", "listen-tls")];
    let names: Vec<String> = SOCKETS.iter().map(|name| format!("restante-{name}.socket")).collect();
    assert_eq!(one(&service, "Sockets"), names.join(" "));
    assert_eq!(one(&service, "Also"), names.join(" "));
    let wiring: String = tree::files(&tree::root().join("crates/restante/src"), "rs")
        .iter()
        .map(|path| tree::read(path))
        .filter(|text| text.contains("manager::"))
        .collect();
    for ((name, file), listen) in SOCKETS.iter().zip(&names).zip(listens) {
        let socket = unit(file);
        assert_eq!(one(&socket, "FileDescriptorName"), *name);
        assert_eq!(one(&socket, "Service"), "restante.service");
        assert_eq!(format!("[::]:{}", one(&socket, "ListenStream")), listen, "{file}");
        assert_eq!(one(&socket, "BindIPv6Only"), "both");
        assert!(wiring.contains(&format!("\"{name}\"")), "the program knows the name {name}");
        // Where the server speaks first, a client that waits for it would wait for ever.
        assert_eq!(socket.contains_key("DeferAcceptSec"), *name == "pop3s", "{file}");
    }
}

#[test]
fn the_units_are_well_formed() {
    let mut arguments = vec!["verify", "--man=no", "./restante.service"];
    let sockets: Vec<String> = SOCKETS.iter().map(|name| format!("./restante-{name}.socket")).collect();
    arguments.extend(sockets.iter().map(String::as_str));
    let Some(output) = analyze(&arguments) else { return skip("verify") };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_service_is_confined() {
    let arguments = ["security", "--offline=true", "--no-pager", "./restante.service"];
    let Some(output) = analyze(&arguments) else { return skip("security") };
    let said = String::from_utf8_lossy(&output.stdout);
    let (_, level) = said.split_once("exposure level for restante.service: ").expect("a level");
    let level: f64 = level.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(level <= EXPOSURE, "{level}");
}
