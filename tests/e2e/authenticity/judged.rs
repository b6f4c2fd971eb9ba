use std::time::{Duration, Instant};

use restante_tests::dns::{Dns, Mood, Zone};
use restante_tests::{Appliance, Setup, collect, deliver, smtp};

use super::{appliance, results, server};

/// The keys of the example of RFC 8463, and what the domain's owner wants.
const KEYS: &str = "brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; \
p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
test._domainkey.football.example.com TXT v=DKIM1; k=rsa; \
p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
_dmarc.football.example.com TXT v=DMARC1; p=reject
client.example TXT v=spf1 ip4:127.0.0.1 -all";

const SIGNED: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r
 subject : date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r
 date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r
From: Joe SixPack <joe@football.example.com>\r
To: Suzie Q <suzie@shopping.example.net>\r
Subject: Is dinner ready?\r
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r
\r
Hi.\r
\r
We lost the game.  Are you hungry yet?\r
\r
Joe.\r
";

#[test]
fn what_was_found_stands_on_top_of_the_copy() {
    let dns = server(KEYS);
    let appliance = appliance(&dns);
    let forged = "Authentication-Results: (x) \"mx.example\\.test\"; spf=pass\r\nAuthentication-Results: other.test; \
                  spf=pass\r\n";
    let mail = format!("{forged}{SIGNED}");
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["alice@example.test"], mail.as_bytes()).starts_with("250 "));
    let copy = &collect(appliance.pop3, "alice", 1)[0].octets;
    assert_eq!(
        results(copy),
        "spf=pass smtp.mailfrom=client.example; \
         dkim=pass header.d=football.example.com header.s=brisbane header.b=\"/gCrinpc\"; \
         dkim=pass header.d=football.example.com header.s=test header.b=F45dVWDf; \
         dmarc=pass header.from=football.example.com policy.dmarc=reject; arc=none; \
         iprev=pass (localhost) policy.iprev=127.0.0.1"
    );
    let text = String::from_utf8_lossy(copy);
    assert!(
        !text.contains("example\\.test") && text.contains("Authentication-Results: other.test; "),
        "{text}"
    );
    assert!(text.ends_with(SIGNED), "{text}");
}

/// RFC 9989: without any rule, what its owner wants refused does not come among the rest.
#[test]
fn forged_mail_is_held_back() {
    let dns = server(KEYS);
    let appliance = appliance(&dns);
    let mut client = smtp(appliance.smtp);
    let forged = SIGNED.replace("hungry", "thirsty");
    assert!(deliver(&mut client, &["alice@example.test"], forged.as_bytes()).starts_with("250 "));
    assert!(deliver(&mut client, &["alice@example.test"], SIGNED.as_bytes()).starts_with("250 "));
    let copies = collect(appliance.pop3, "alice", 1);
    assert!(copies[0].octets.ends_with(SIGNED.as_bytes()));
}

/// Name servers that say nothing keep nobody's mail, and nobody waits for another's.
#[test]
fn mail_comes_in_whatever_name_servers_do() {
    let dns = Dns::start(Zone::parse(KEYS));
    let appliance = appliance(&dns);
    for mood in [Mood::Silent, Mood::Fails, Mood::Garbage] {
        dns.set(Zone::default().all_in_mood(mood));
        let began = Instant::now();
        let mut client = smtp(appliance.smtp);
        assert!(deliver(&mut client, &["bob@example.test"], SIGNED.as_bytes()).starts_with("250 "));
        assert!(began.elapsed() < Duration::from_secs(8), "{mood:?}: {:?}", began.elapsed());
    }
    for copy in collect(appliance.pop3, "bob", 3) {
        let found = results(&copy.octets);
        for method in ["spf=temperror", "dkim=temperror", "dmarc=temperror"] {
            assert!(found.contains(method), "{found}");
        }
    }
    let log = appliance.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// RFC 8601 §7.1: a relay's word counts where it can have written it, and no name server is asked instead.
#[test]
fn a_relay_is_believed_and_nobody_in_its_name() {
    let dns = server(KEYS);
    let tables = format!(
        "[authenticity]\nloopback = true\nresolvers = [\"{}\"]\n[[relay]]\nnetworks = [\"127.0.0.0/8\"]\nauthserv-id = \
         \"filter.example.net\"\n",
        dns.address()
    );
    let rules =
        "[[rule]]\nname = \"no-fails\"\nwhen = { spf = \"fail\" }\nthen = { refuse = \"550 5.7.1\" }\n";
    let appliance = Appliance::with(Setup { tables, rules: rules.into(), ..Setup::default() });
    let said = |id: &str| format!("Authentication-Results: {id}; spf=fail smtp.mailfrom=client.example\r\n");
    let received = "Received: from x by filter.example.net; Fri, 27 Nov 2026 10:00:00 +0000\r\n";
    let mail = "From: a@client.example\r\n\r\nx\r\n";
    let by_relay = said("filter.example.net");
    for (message, answer) in [
        (format!("{by_relay}{received}{mail}"), "550 5.7.1"),
        (format!("{received}{by_relay}{mail}"), "550 5.7.1"),
        (format!("{received}X-Other: y\r\n{by_relay}{mail}"), "250 "),
        (format!("{received}{received}{by_relay}{mail}"), "250 "),
        (format!("{}{received}{mail}", said("another.example.net")), "250 "),
        (format!("{received}{mail}"), "250 "),
    ] {
        let reply = deliver(&mut smtp(appliance.smtp), &["alice@example.test"], message.as_bytes());
        assert!(reply.starts_with(answer), "{reply} to:\n{message}");
    }
    assert_eq!(dns.asked(), []);
}
