use directory::Known;

use crate::{alias, directory, mailbox, refuse, with};

#[test]
fn an_upstream_learns_all_that_it_must_know() {
    let spec = with(
        &[mailbox("alice", &["\"a b\"@example.com"])],
        &[alias("info@other.example", &["alice"]), alias("press-*@example.com", &["alice"])],
        &[refuse("alice@example.com"), refuse("postmaster@example.com"), refuse("press-old-*@example.com")],
        Some("root"),
    );
    let mut rows = Vec::new();
    for known in directory(&spec).recipients() {
        rows.push(match known {
            Known::Separator(c) => format!("separator {c}"),
            Known::Refused { address, text } => format!("refused {address} {text}"),
            Known::Address(address) => format!("address {address}"),
            Known::Glob { pattern, refused } => format!("glob {pattern} {refused:?}"),
            Known::CatchAll(domain) => format!("catch-all {domain}"),
        });
    }
    let expected = "separator +
refused alice@example.com this address is closed
refused alice@example.net this address is closed
address \"a b\"@example.com
address \"a b\"@example.net
address abuse@bücher.example
address abuse@example.com
address abuse@example.net
address abuse@other.example
address chief@bücher.example
address chief@other.example
address info@bücher.example
address info@other.example
address postmaster@[192.0.2.25]
address postmaster@[IPv6:2001:db8::25]
address postmaster@bücher.example
address postmaster@example.com
address postmaster@example.net
address postmaster@mx.example.com
address postmaster@other.example
address root@example.com
address root@example.net
glob press-old-*@example.com Some(\"this address is closed\")
glob press-*@example.com None
glob press-old-*@example.net Some(\"this address is closed\")
glob press-*@example.net None
catch-all example.com
catch-all example.net";
    assert_eq!(rows.join("\n"), expected);
}
