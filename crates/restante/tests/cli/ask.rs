use std::io::Read;
use std::process::Stdio;

use crate::folder::Folder;

const DIRECTORY: &str = "\
[[domain]]
name = \"example.test\"
aliases = [\"example.net\"]
catch-all = \"office\"

[[domain]]
name = \"other.test\"
postmaster = \"office\"

[[mailbox]]
name = \"office\"

[[mailbox]]
name = \"alice\"
addresses = [\"a+b\"]

[[alias]]
address = \"team@other.test\"
to = [\"alice\", \"office\"]

[[alias]]
address = \"press-*@other.test\"
to = [\"alice\"]

[[refuse]]
address = \"old.shop@example.test\"
text = \"closed for good\"
";

#[test]
fn route_says_where_and_why() {
    let folder = Folder::of(DIRECTORY);
    for (address, code, ends) in [
        ("alice@example.net", 0, "delivered to alice\n"),
        ("ALICE+shop@example.test", 0, "delivered to alice\n"),
        ("<team@other.test>", 0, "delivered to alice, office\n"),
        ("whoever@example.test", 0, "delivered to office\n"),
        ("postmaster", 0, "delivered to office\n"),
        ("alice", 0, "delivered to alice\n"),
        ("<alice+shop>", 0, "delivered to alice\n"),
        ("sales", 0, "delivered to office\n"),
        ("old.shop", 1, "refused: 550 5.1.1 closed for good\n"),
        ("old.shop@example.test", 1, "refused: 550 5.1.1 closed for good\n"),
        ("whoever@other.test", 1, "refused: 550 5.1.1, nobody has this address\n"),
        ("alice@elsewhere.test", 1, "refused: 550 5.7.1, not a domain of ours\n"),
    ] {
        let run = folder.run(&format!("route {address}"));
        assert_eq!(run.code, code, "{address}: {run:?}");
        assert!(run.out.ends_with(ends) && run.out.lines().count() > 1, "{address}: {run:?}");
    }
    for address in ["a\u{7}b", "alice@", "a@b>x"] {
        assert_eq!(folder.run(&format!("route {address}")).code, 2, "{address}");
    }
}

#[test]
fn route_says_that_no_mail_comes_to_a_mailbox_of_that_name() {
    let bot = format!("{DIRECTORY}\n[[mailbox]]\nname = \"bot\"\nreceives = false\n");
    let folder = Folder::of(&bot);
    for address in ["bot", "bot+x@example.net"] {
        let run = folder.run(&format!("route {address}"));
        let reason = "mailbox bot has `receives = false`, and nobody else has it";
        assert!(run.out.contains(reason), "{address}: {run:?}");
    }
}

#[test]
fn lengths_of_time_are_said_alike() {
    let folder = Folder::of(DIRECTORY);
    for line in ["undo --login alice --last 2x", "trace --since 3dais alice"] {
        let run = folder.run(line);
        assert!(
            run.code == 2 && run.err.contains("length of time such as \"90 s\", \"10 min\""),
            "{line}: {run:?}"
        );
    }
    let help = folder.run("trace --help").out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("of several words all must fit one event"), "{help}");
}

#[test]
fn route_names_the_members_of_a_team() {
    let members = "members = [\"alice\", { login = \"bot\", robot = true }]\n";
    let team = format!(
        "{DIRECTORY}\n[[mailbox]]\nname = \"bot\"\nreceives = false\n\n[[mailbox]]\nname = \"sales\"\n{members}\n\
         [[alias]]\naddress = \"both@other.test\"\nto = [\"office\", \"sales\"]\n"
    );
    let folder = Folder::of(&team);
    for (address, ends) in [
        ("sales", "delivered to sales (collected by alice, bot (robot))\n"),
        ("sales+x@example.net", "delivered to sales (collected by alice, bot (robot))\n"),
        ("both@other.test", "delivered to office, sales (collected by alice, bot (robot))\n"),
        ("alice", "delivered to alice\n"),
    ] {
        let run = folder.run(&format!("route {address}"));
        assert!(run.code == 0 && run.out.ends_with(ends), "{address}: {run:?}");
    }
    assert_eq!(folder.run("passwd sales --generate").code, 0);
    let run = folder.run("route sales");
    assert!(run.out.ends_with("(collected by alice, bot (robot), sales itself)\n"), "{run:?}");
    let plain = folder.run("recipients").out;
    assert!(plain.lines().any(|line| line == "sales@example.net"), "{plain}");
    assert!(!plain.lines().any(|line| line.starts_with("bot@")), "{plain}");
}

#[test]
fn recipients_are_listed_in_the_order_that_decides() {
    let folder = Folder::of(DIRECTORY);
    let plain = folder.run("recipients").out;
    for line in [
        "alice@example.net",
        "!old.shop@example.test",
        "team@other.test",
        "press-*@other.test",
        "*@example.test",
    ] {
        assert!(plain.lines().any(|l| l == line), "{line} is not in\n{plain}");
    }
    let place = |line: &str| plain.lines().position(|l| l == line);
    assert!(place("!old.shop@example.test") < place("*@example.test"));
    assert_eq!(place("*@other.test"), None, "no catch-all there");
}

/// Searches a regexp table from the top, as Postfix does; Python knows these expressions.
#[test]
fn postfix_refuses_what_we_would_refuse() {
    let folder = Folder::of(DIRECTORY);
    let table = folder.run("recipients --format postfix").out;
    let script = "import re,sys\n\
        rows=[l.rstrip('\\n') for l in sys.stdin if l.startswith('/')]\n\
        rows=[re.fullmatch(r'/(.*)/ (.*)',r).groups() for r in rows]\n\
        for a in sys.argv[1:]:\n print(next((v for p,v in rows if re.search(p,a,re.I)),'none'))\n";
    let expected = [
        ("alice@example.net", "DUNNO"),
        ("Alice+shop@example.test", "DUNNO"),
        ("a+b@example.test", "DUNNO"),
        ("old.shop@example.test", "550 5.1.1 closed for good"),
        ("old.shop+x@example.test", "550 5.1.1 closed for good"),
        ("oldXshop@example.test", "DUNNO"),
        ("whoever@example.test", "DUNNO"),
        ("press-new@other.test", "DUNNO"),
        ("whoever@other.test", "550 5.1.1 nobody has this address"),
        ("postmaster@other.test", "DUNNO"),
        ("alice@elsewhere.test", "none"),
    ];
    let addresses = expected.map(|(address, _)| address);
    let Ok(mut python) = std::process::Command::new("python3")
        .arg("-c")
        .arg(script)
        .args(addresses)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: no python3 here");
        return;
    };
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), table.as_bytes()).unwrap();
    let output = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    let found: Vec<(&str, &str)> = addresses.into_iter().zip(output.lines()).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_fault_is_said_and_the_exit_code_tells() {
    let folder = Folder::of(
        "[[domain]]\nname = \"example.test\"\npostmaster = \"alcie\"\n\n[[mailbox]]\nname = \"alice\"\n",
    );
    for line in ["check", "route a@b", "recipients", "mailbox list", "passwd alice --generate"] {
        let run = folder.run(line);
        assert_eq!(run.code, 78, "{line}: {run:?}");
        assert!(
            run.err.contains("mailboxes.toml:3:14") && run.err.contains("did you mean `alice`?"),
            "{run:?}"
        );
        assert!(run.err.trim_end().lines().last().unwrap().starts_with("restante: 1 fault"), "{run:?}");
    }
    let run = Folder::new().run("check");
    assert_eq!(run.code, 78);
    assert!(run.err.contains("`restante init` makes it"), "{run:?}");
}

#[test]
fn secrets_that_others_can_read_are_faults() {
    let folder = Folder::ready();
    for (name, mode, code) in [
        ("mailboxes.toml", 0o644, 78),
        ("mailboxes.toml", 0o604, 78),
        ("mailboxes.toml", 0o640, 0),
        ("mailboxes.toml", 0o600, 0),
        ("tls.key", 0o644, 78),
        ("tls.key", 0o640, 0),
        ("tls.key", 0o400, 0),
        ("tls.crt", 0o644, 0),
        ("restante.toml", 0o644, 0),
    ] {
        folder.set_mode(name, mode);
        let run = folder.run("check");
        assert_eq!(run.code, code, "{name} {mode:o}: {run:?}");
        folder.set_mode(name, 0o600);
    }
}

#[test]
fn a_state_folder_that_serve_would_refuse_is_a_fault() {
    let folder = Folder::of(DIRECTORY);
    let state = folder.path("state");
    let text = folder.read("restante.toml");
    folder.write("restante.toml", &format!("state-dir = \"state\"\n{text}"));
    assert_eq!(folder.run("check").code, 0, "serve makes it");
    std::fs::create_dir(&state).unwrap();
    for (mode, code, said) in [
        (0o700, 0, ""),
        (0o750, 0, "its group can look into"),
        (0o701, 78, "others may look into"),
        (0o705, 78, "others may look into"),
        (0o770, 78, "others may look into"),
        (0o755, 78, "chmod 700"),
    ] {
        folder.set_mode("state", mode);
        let run = folder.run("check");
        assert!(run.code == code && run.err.contains(said), "{mode:o}: {run:?}");
    }
    std::fs::remove_dir(&state).unwrap();
    folder.write("state", "");
    let run = folder.run("check");
    assert!(run.code == 78 && run.err.contains("is no folder"), "{run:?}");
}

#[test]
fn wrong_use_is_2_and_a_reader_that_goes_away_is_no_fault() {
    let folder = Folder::of(DIRECTORY);
    for line in ["", "frobnicate", "check --now", "mailbox", "recipients --format sendmail"] {
        let run = folder.run(line);
        assert_eq!(run.code, 2, "{line}: {run:?}");
    }
    let version = folder.run("--version");
    assert_eq!((version.code, version.out), (0, format!("restante {}\n", env!("CARGO_PKG_VERSION"))));

    let addresses: Vec<String> = (0..5_000).map(|n| format!("\"somebody-{n}\"")).collect();
    let many = DIRECTORY.replace("\"a+b\"", &addresses.join(", "));
    folder.write("mailboxes.toml", &many);
    let mut child =
        folder.command("recipients").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn help_promises_what_there_is() {
    let folder = Folder::new();
    let help = folder.run("--help").out;
    assert!(help.contains("kept until it is called for") && !help.contains("rules route"), "{help}");
    let least = format!("{} characters", directory::password::CHARACTERS_MIN);
    let passwd = folder.run("passwd --help").out;
    assert!(passwd.split_whitespace().collect::<Vec<_>>().join(" ").contains(&least), "{passwd}");
    assert!(restante::config::shipped(restante::config::File::Mailboxes).contains(&least));
}

#[test]
fn completions_and_manual_pages_come_from_the_command_line() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = folder.run(&format!("completions {shell}"));
        assert!(run.code == 0 && run.out.contains("recipients"), "{shell}");
    }
    let man = folder.path("man");
    let run = folder.run(&format!("man {}", man.display()));
    assert_eq!(run.code, 0, "{run:?}");
    for page in ["restante.1", "restante-init.1", "restante-mailbox-add.1", "restante-passwd.1"] {
        assert!(std::fs::read_to_string(man.join(page)).unwrap().contains(".TH"), "{page}");
    }
}

#[test]
fn an_expired_certificate_is_told_and_served_all_the_same() {
    let folder = Folder::ready();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["mx.example.test".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    folder.write("tls.crt", &params.self_signed(&key).unwrap().pem());
    folder.write("tls.key", &key.serialize_pem());
    let run = folder.run("check");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.contains("tls.crt has expired on 2001-01-01"), "{run:?}");
    assert!(run.err.contains("restante.toml:"), "it says where: {run:?}");
    assert!(run.out.contains("no fault; 1 warning"), "{run:?}");
}
