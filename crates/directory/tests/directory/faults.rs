//! Every fault, by where it points and what it says.

use directory::{Alias, Fault, Item, Password, Severity, Spec, Table};

use crate::{alias, mailbox, refuse, spec, with};

/// One line for each fault: `error alias 0 to 1: message (hint)`.
fn faults(spec: &Spec) -> Vec<String> {
    let (table, faults) = Table::build(spec);
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    assert_eq!(table.is_none(), errors > 0, "a table comes out exactly when nothing is wrong");
    faults.iter().map(line).collect()
}

fn line(fault: &Fault) -> String {
    let severity = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let item = match fault.item {
        Item::Directory => "directory".into(),
        Item::Domain(index) => format!("domain {index}"),
        Item::Mailbox(index) => format!("mailbox {index}"),
        Item::Alias(index) => format!("alias {index}"),
        Item::Refuse(index) => format!("refuse {index}"),
    };
    let hint = fault.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    format!("{severity} {item} {} {}: {}{hint}", fault.field.key, fault.field.index, fault.message)
}

#[track_caller]
fn check(spec: &Spec, expected: &[&str]) {
    assert_eq!(faults(spec), expected);
}

fn changed(change: impl FnOnce(&mut Spec)) -> Spec {
    let mut spec = spec();
    change(&mut spec);
    spec
}

#[test]
fn what_is_right_has_no_fault() {
    check(&spec(), &[]);
}

#[test]
fn host_and_separator() {
    check(
        &changed(|s| s.hostname = "mx..example".into()),
        &["error directory hostname 0: `mx..example` is not a host name"],
    );
    check(
        &changed(|s| s.hostname = "[192.0.2.1]".into()),
        &["error directory hostname 0: `[192.0.2.1]` is not a host name"],
    );
    for c in ['@', 'x', '%', '*', '\n', 'ü'] {
        let said = format!(
            "error directory detail-separator 0: `{}` cannot cut the detail off an address (one of +-_=.#~^/&, or an \
             empty text to switch details off)",
            c.escape_default()
        );
        check(&changed(|s| s.detail_separator = Some(c)), &[&said]);
    }
}

#[test]
fn domains() {
    check(
        &Spec::default(),
        &[
            "error directory domain 0: there is no domain to receive for (add [[domain]] with name = \"example.com\")",
        ],
    );
    check(
        &changed(|s| s.domains[0].aliases = vec!["exa mple".into(), "[192.0.2.1]".into(), String::new()]),
        &[
            "error domain 0 aliases 0: `exa mple` is not a domain name",
            "error domain 0 aliases 1: `[192.0.2.1]` is not a domain name",
            "error domain 0 aliases 2: `` is not a domain name",
        ],
    );
    check(
        &changed(|s| {
            s.domains[0].aliases.push("Example.COM".into());
            s.domains[1].aliases.push("xn--bcher-kva.example".into());
            s.domains[1].aliases.push("example.net".into());
        }),
        &[
            "error domain 0 aliases 1: `Example.COM` is named twice in this domain",
            "error domain 1 aliases 1: `xn--bcher-kva.example` is named twice in this domain",
            "error domain 1 aliases 2: `example.net` is already a name of the domain `example.com`",
        ],
    );
}

#[test]
fn catch_all_and_postmaster() {
    check(
        &changed(|s| s.domains[0].postmaster = None),
        &[
            "error domain 0  0: nobody is postmaster of `example.com` (name a mailbox with postmaster = \"…\" (or a \
         catch-all): RFC 5321 §4.5.1 asks every domain to take mail for postmaster)",
        ],
    );
    check(
        &changed(|s| {
            s.domains[0].postmaster = Some("rot".into());
            s.domains[0].catch_all = Some("somebody".into());
            s.domains[1].catch_all = Some("chief".into());
        }),
        &[
            "error domain 0 catch-all 0: there is no mailbox `somebody`",
            "error domain 0 postmaster 0: there is no mailbox `rot` (did you mean `root`?)",
            "error domain 1 catch-all 0: there is no mailbox `chief`",
        ],
    );
    check(
        &changed(|s| {
            s.mailboxes[0].receives = false;
        }),
        &[
            "error domain 0 postmaster 0: no mail can go to `root`: this mailbox has receives = false (let it receive, \
           or name another mailbox)",
        ],
    );
}

#[test]
fn mailbox_names() {
    let named = |names: &[&str]| {
        let boxes: Vec<_> = names.iter().map(|name| mailbox(name, &[])).collect();
        with(&boxes, &[], &[], None)
    };
    check(
        &named(&["", "a+b", ".a", "a..b", "a b@example.com"]),
        &[
            "error mailbox 2 name 0: `` cannot be a mailbox: a name cannot be empty",
            "error mailbox 3 name 0: `a+b` cannot be a mailbox: a name has letters, digits and . _ - ' only, and does not \
         begin with a dot",
            "error mailbox 4 name 0: `.a` cannot be a mailbox: a name has letters, digits and . _ - ' only, and does not \
         begin with a dot",
            "error mailbox 5 name 0: `a..b` cannot be a mailbox: it would be no address without quotes",
            "error mailbox 6 name 0: `a b@example.com` cannot be a mailbox: a name has letters, digits and . _ - ' only, \
         and does not begin with a dot",
        ],
    );
    check(
        &named(&["a@exmaple.com", "a@gmail.example", "a@", "a@b@c"]),
        &[
            "error mailbox 2 name 0: `a@exmaple.com` is in `exmaple.com`, which is not one of our domains (did you mean \
         `example.com`?)",
            "error mailbox 3 name 0: `a@gmail.example` is in `gmail.example`, which is not one of our domains (add a \
         [[domain]] with name = \"gmail.example\")",
            "error mailbox 4 name 0: `a@` cannot be a mailbox: `` is no domain",
            "error mailbox 5 name 0: `a@b@c` cannot be a mailbox: `b@c` is no domain",
        ],
    );
    check(
        &named(&["alice", "ALICE@Example.Net", "chief@bücher.example"]),
        &[
            "error mailbox 3 name 0: there is already a mailbox `alice`",
            "error mailbox 4 name 0: there is already a mailbox `chief@other.example`",
        ],
    );
}

#[test]
fn mailbox_addresses() {
    let mut quiet = mailbox("quiet", &["q"]);
    quiet.receives = false;
    let boxes = [
        mailbox("alice", &["a..b", "x@gmail.example", "x@", "press-*", "Alice@example.net"]),
        mailbox("bob", &["alice", "boss@other.example"]),
        mailbox("carol", &["boss@bücher.example"]),
        quiet,
    ];
    check(
        &with(&boxes, &[], &[], None),
        &[
            "error mailbox 2 addresses 0: `a..b` is not an address: the part before the @ has a character that is not \
         allowed there",
            "error mailbox 2 addresses 1: `x@gmail.example` is in `gmail.example`, which is not one of our domains (add a \
         [[domain]] with name = \"gmail.example\")",
            "error mailbox 2 addresses 2: `x@` is not an address: the domain is not well-formed",
            "error mailbox 2 addresses 3: `press-*` is a pattern, and a mailbox has exact addresses ([[alias]] address = \
         \"press-*\" with to = [\"alice\"])",
            "warning mailbox 2 addresses 4: `alice@example.com` is said twice of mailbox `alice`",
            "error mailbox 3 addresses 0: `alice@example.com` is already an address of mailbox `alice` (for both to get a \
         copy, make it an [[alias]] to both mailboxes)",
            "error mailbox 4 addresses 0: `boss@other.example` is already an address of mailbox `bob` (for both to get a \
         copy, make it an [[alias]] to both mailboxes)",
            "error mailbox 5 addresses 0: mailbox `quiet` has addresses and receives = false (remove one of the two)",
        ],
    );
    // The name of a mailbox further down is taken before the address of one above it.
    check(
        &with(&[mailbox("alice", &["bob"]), mailbox("bob", &[])], &[], &[], None),
        &[
            "error mailbox 3 name 0: `bob@example.com` is already an address of mailbox `alice` (for both to get a copy, \
         make it an [[alias]] to both mailboxes)",
        ],
    );
}

#[test]
fn passwords() {
    let good = directory::password::hash(&mail::Secret::from(&b"correct horse"[..]));
    let password =
        |name: Option<&str>, hash: &str| Password { name: name.map(Into::into), hash: hash.into() };
    let with_passwords = |passwords: Vec<Password>| {
        let mut alice = mailbox("alice", &[]);
        alice.passwords = passwords;
        with(&[alice], &[], &[], None)
    };
    check(&with_passwords(vec![password(None, &good), password(Some("phone"), &good)]), &[]);
    check(
        &with_passwords(vec![
            password(None, "hunter2"),
            password(Some("phone"), &good),
            password(None, &good),
            password(Some("phone"), &good),
            password(None, &good),
            password(Some(""), &good),
            password(Some("old"), "{SSHA}x"),
            password(Some("big"), &good.replace("m=19456", "m=4000000")),
            password(Some("weak"), &good.replace("m=19456", "m=4096")),
        ]),
        &[
            "error mailbox 2 password 0: this is no password hash (argon2id, bcrypt and SHA-512-crypt are read) \
             (`restante passwd alice` writes one)",
            "error mailbox 2 passwords 1: there is already a password `phone` in this mailbox",
            "error mailbox 2 password 0: a mailbox has one password without a name",
            "error mailbox 2 passwords 2: a password's name is a word such as \"phone\"",
            "error mailbox 2 passwords 3: {SSHA} hashes are not read (argon2id, bcrypt and SHA-512-crypt are) \
             (`restante passwd alice` writes one)",
            "error mailbox 2 passwords 4: this hash costs too much: at most m=262144 (256 MiB), t=16, p=8 (`restante \
             passwd alice` writes one with our parameters)",
            "warning mailbox 2 passwords 5: a password hash of `alice` is weaker than those we make (it is \
             strengthened at the next login (kept in the state folder); `restante passwd alice` does it here)",
        ],
    );
    let many = (0..17).map(|n| password(Some(&n.to_string()), &good)).collect();
    check(&with_passwords(many), &["error mailbox 2 passwords 16: `alice` has 17 passwords: at most 16"]);
}

#[test]
fn alias_addresses() {
    let to = ["root"];
    let aliases = [
        alias("x@gmail.example", &to),
        alias("a b@example.com", &to),
        alias("root@example.net", &to),
        alias("info@example.com", &to),
        alias("INFO", &to),
        alias("pr*@exmaple.com", &to),
        alias("*@*.org", &to),
        alias("a b*@example.com", &to),
        alias("*@", &to),
        alias("none@example.com", &[]),
    ];
    check(
        &with(&[], &aliases, &[], None),
        &[
            "error alias 0 address 0: `x@gmail.example` is in `gmail.example`, which is not one of our domains (add a \
         [[domain]] with name = \"gmail.example\")",
            "error alias 1 address 0: `a b@example.com` is not an address: the part before the @ has a character that is \
         not allowed there",
            "error alias 2 address 0: `root@example.net` is already an address of mailbox `root` (one address is one \
         mailbox's or one alias's: remove one of the two)",
            "error alias 4 address 0: `INFO` is already an alias to root (one address is one mailbox's or one alias's: \
         remove one of the two)",
            "error alias 5 address 0: `pr*@exmaple.com` is in `exmaple.com`, which is not one of our domains (did you mean \
         `example.com`?)",
            "error alias 6 address 0: `*@*.org` fits none of our domains",
            "error alias 7 address 0: `a b*@example.com` is not a pattern over addresses",
            "error alias 8 address 0: `*@` is not a pattern: `` is no domain",
            "error alias 9 to 0: `none@example.com` leads nowhere (to = [\"a mailbox\"]; to close an address use \
         [[refuse]])",
        ],
    );
}

#[test]
fn alias_targets() {
    let mut quiet = mailbox("quiet", &[]);
    quiet.receives = false;
    let to = [
        "rooot",
        "chief",
        "quiet",
        "sales@exmaple.com",
        "bob@gmail.example",
        "old@example.com",
        "infos@example.com",
        "x@y@z",
        "a%b@example.com",
        "zzz@example.com",
    ];
    let aliases = [alias("all@example.com", &to), alias("info@example.com", &["root"])];
    let spec = with(&[quiet], &aliases, &[refuse("old@example.com")], Some("root"));
    let sending = "let its owner collect here by POP3, or forward it where mail is sent from; see \"Sending\" in the \
                   README";
    check(
        &spec,
        &[
            "error alias 0 to 0: there is no mailbox `rooot` (did you mean `root`?)",
            "error alias 0 to 1: there is no mailbox `chief`",
            "error alias 0 to 2: no mail can go to `quiet`: this mailbox has receives = false (let it receive, or name \
         another mailbox)",
            &format!(
                "error alias 0 to 3: `sales@exmaple.com` is outside: restante receives and hands out mail, it sends none \
             (did you mean `example.com`? Otherwise {sending})"
            ),
            &format!(
                "error alias 0 to 4: `bob@gmail.example` is outside: restante receives and hands out mail, it sends none \
             ({sending})"
            ),
            "error alias 0 to 5: `old@example.com` is closed by [[refuse]]",
            "error alias 0 to 6: `infos@example.com` is nobody's address (did you mean `info@example.com`?)",
            "error alias 0 to 7: `x@y@z` is not an address: the domain is not well-formed",
            "error alias 0 to 8: `a%b@example.com` is nobody's address",
            "error alias 0 to 9: `zzz@example.com` is nobody's address",
        ],
    );
}

#[test]
fn alias_cycles() {
    let aliases = [
        alias("start@example.com", &["a@example.com"]),
        alias("a@example.com", &["b+x@example.com", "root"]),
        alias("b@example.com", &["glob-1@example.com"]),
        alias("glob-*@example.com", &["a@example.net"]),
        alias("self@example.com", &["self"]),
    ];
    check(
        &with(&[], &aliases, &[], None),
        &[
            "error alias 1 to 0: aliases go round in a circle: a@example.com -> b@example.com -> glob-*@example.com -> \
         a@example.com",
            "error alias 4 to 0: aliases go round in a circle: self@example.com -> self@example.com",
        ],
    );
}

#[test]
fn alias_chains() {
    let chain = |length: usize| -> Vec<Alias> {
        (0..length)
            .map(|n| {
                let next = if n + 1 == length { "root".into() } else { format!("a{}@example.com", n + 1) };
                alias(&format!("a{n}@example.com"), &[&next])
            })
            .collect()
    };
    check(&with(&[], &chain(32), &[], None), &[]);
    let said = "error alias 0 to 0: `a0@example.com` leads over more than 32 aliases";
    check(&with(&[], &chain(33), &[], None), &[said]);
    let mut backwards = chain(33);
    backwards.reverse();
    check(&with(&[], &backwards, &[], None), &[&said.replace("alias 0", "alias 32")]);
}

#[test]
fn overlapping_patterns() {
    let aliases = [
        alias("a*@example.com", &["root"]),
        alias("*b@example.com", &["root"]),
        alias("*long@example.com", &["root"]),
    ];
    let refused = [refuse("?b@example.com"), refuse("z*@other.example")];
    check(
        &with(&[], &aliases, &refused, None),
        &[
            "warning alias 0 address 0: `a*@example.com` and `?b@example.com` fit some addresses alike; `?b@example.com` \
         decides there: a refusal wins a tie",
            "warning alias 1 address 0: `*b@example.com` and `?b@example.com` fit some addresses alike; `?b@example.com` \
         decides there: a refusal wins a tie",
            "warning alias 2 address 0: `*long@example.com` and `a*@example.com` fit some addresses alike; \
         `*long@example.com` decides there: its literal part is longer",
        ],
    );
    let aliases = [alias("a*@example.com", &["root"]), alias("*b@example.com", &["root"])];
    check(
        &with(&[], &aliases, &[], None),
        &[
            "warning alias 1 address 0: `*b@example.com` and `a*@example.com` fit some addresses alike; `a*@example.com` \
         decides there: it stands first",
        ],
    );
}

#[test]
fn refused_addresses() {
    let text = |address: &str, text: &str| {
        let mut refuse = refuse(address);
        refuse.text = Some(text.into());
        refuse
    };
    let long = "x".repeat(401);
    let refused = [
        refuse("x@gmail.example"),
        refuse("old@example.com"),
        refuse("Old@Example.NET"),
        refuse("abuse@example.com"),
        text("a@example.com", "two\r\nlines"),
        text("b@example.com", ""),
        text("c@example.com", "geschloßen"),
        text("d*@example.com", &long),
    ];
    let said = "the text is sent in one SMTP reply: 1 to 400 printable ASCII characters";
    check(
        &with(&[], &[], &refused, None),
        &[
            "error refuse 0 address 0: `x@gmail.example` is in `gmail.example`, which is not one of our domains (add a \
         [[domain]] with name = \"gmail.example\")",
            "error refuse 2 address 0: `Old@Example.NET` is already refused",
            "warning refuse 3 address 0: `abuse@example.com` stays open: abuse is never refused (this [[refuse]] does \
         nothing: remove it)",
            &format!("error refuse 4 text 0: {said}"),
            &format!("error refuse 5 text 0: {said}"),
            &format!("error refuse 6 text 0: {said}"),
            &format!("error refuse 7 text 0: {said}"),
        ],
    );
}

#[test]
fn without_a_domain_the_rest_is_still_looked_at() {
    let mut spec =
        with(&[mailbox("alice", &["a"])], &[alias("x", &["y"]), alias("*", &["z"])], &[refuse("q")], None);
    spec.domains.clear();
    check(
        &spec,
        &[
            "error directory domain 0: there is no domain to receive for (add [[domain]] with name = \"example.com\")",
            "error mailbox 1 name 0: `chief@other.example` is in `other.example`, which is not one of our domains (add a \
         [[domain]] with name = \"other.example\")",
            "error alias 1 to 0: aliases go round in a circle: * -> *",
        ],
    );
}

#[test]
fn all_of_them_at_once() {
    let mut spec = with(&[mailbox("a+b", &[])], &[alias("x@example.com", &["y"])], &[refuse("@")], Some("z"));
    spec.detail_separator = Some('x');
    spec.domains[1].aliases.push("-".into());
    let places: Vec<_> = Table::build(&spec).1.iter().map(|fault| fault.field.key).collect();
    assert_eq!(places, ["detail-separator", "aliases", "name", "address", "catch-all", "to"]);
}
