use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memmem};

/// Octets of the longest reference to a character, about.
const REFERENCE: usize = 40;

/// Elements whose text no reader shows.
const HIDDEN: [&str; 2] = ["script", "style"];

/// Elements inside of a word: all others part one from the next.
const INLINE: [&str; 18] = [
    "a", "b", "big", "em", "font", "i", "ins", "mark", "o:p", "s", "small", "span", "strong", "sub", "sup",
    "tt", "u", "wbr",
];

/// The words of a page, as far as a program sees them that draws nothing. What browsers show is kept rather than
/// dropped where both would do.
pub(super) fn text(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        words(&mut out, &rest[..at]);
        let mark = &rest[at..];
        rest = if mark.starts_with('&') { reference(&mut out, mark) } else { tag(&mut out, mark) };
    }
    words(&mut out, rest);
    out.truncate(out.trim_end().len());
    out
}

/// White space is one space.
fn words(out: &mut String, text: &str) {
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else {
            space(out);
        }
    }
}

fn space(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Passes over a comment, a tag or a hidden element; tells what is behind it.
fn tag<'a>(out: &mut String, mark: &'a str) -> &'a str {
    if mark.starts_with("<!--") {
        // `<!-->` is a whole one.
        return memmem::find(&mark.as_bytes()[2..], b"-->").map_or("", |end| &mark[end + 5..]);
    }
    let begins = mark[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    if !begins {
        out.push('<');
        return &mark[1..];
    }
    let name = mark[1..].trim_start_matches('/');
    let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(name.len())];
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    if !INLINE.iter().any(is) {
        space(out);
    }
    let behind = &mark[tag_end(mark.as_bytes())..];
    match HIDDEN.iter().find(|hidden| is(hidden)).filter(|_| !mark.starts_with("</")) {
        Some(hidden) => closing(behind, hidden),
        None => behind,
    }
}

/// Where a tag ends: a `>` in the quotes of a value is none.
fn tag_end(tag: &[u8]) -> usize {
    let mut at = 0;
    while let Some(octet) = tag.get(at) {
        at += 1;
        match octet {
            b'>' => return at,
            b'=' => {
                at += tag[at..].iter().take_while(|octet| octet.is_ascii_whitespace()).count();
                if let Some(quote @ (b'"' | b'\'')) = tag.get(at) {
                    at += memchr(*quote, &tag[at + 1..]).map_or(tag.len() - at, |end| end + 2);
                }
            }
            _ => {}
        }
    }
    tag.len()
}

/// What is behind the begin of a hidden element's closing tag.
fn closing<'a>(text: &'a str, name: &str) -> &'a str {
    let found = memmem::find_iter(text.as_bytes(), b"</")
        .find(|at| text.get(at + 2..at + 2 + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)));
    found.map_or("", |at| &text[at..])
}

/// A reference to a character, with its semicolon or without (a number alone); tells what is behind it.
fn reference<'a>(out: &mut String, mark: &'a str) -> &'a str {
    let octets = mark.as_bytes();
    let inside = octets[1..].iter().take(REFERENCE);
    let name = inside.take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'#').count();
    let mut decoded = String::new();
    let behind = if name > 0 && octets.get(name + 1) == Some(&b';') {
        add_html_token(&mut decoded, &octets[..name + 2], false);
        &mark[name + 2..]
    } else if mark.starts_with("&#") {
        let digits = octets[2..].iter().take(8).take_while(|octet| octet.is_ascii_digit()).count();
        add_html_token(&mut decoded, format!("{};", &mark[..2 + digits]).as_bytes(), false);
        &mark[2 + digits..]
    } else {
        out.push('&');
        return &mark[1..];
    };
    words(out, &decoded);
    behind
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn words_are_left_of_a_page() {
        for (page, words) in [
            ("<p>Hello, <b>w</b>orld</p><p>again</p>", "Hello, world again"),
            ("a<br>b<div>c</div><td>d", "a b c d"),
            ("V<span style=\"x > y\">i</span><!-- x -->a<i></i>gra", "Viagra"),
            ("a &amp; b &lt;c&gt; &#65;&#x42; &#67 &uuml;&nbsp;d", "a & b <c> AB C ü d"),
            ("<style>x</style>a<SCRIPT src='>'>if (a</b) x</Script>b", "a b"),
            ("<title>t</title>\r\n\r\n  b", "t b"),
            ("1 < 2 & 3 &nope; &; &", "1 < 2 & 3 &nope; &; &"),
            ("a&#; &#x; &#xffffffff; b", "a&#; &#x; \u{fffd} b"),
            ("<!-->a<!--->b<!-- > -- x --->c", "abc"),
            ("a<!-- never closed", "a"),
            ("a<b never closed", "a"),
            ("a<style>never closed", "a"),
            ("ü<ü>&ü;", "ü<ü>&ü;"),
            ("", ""),
        ] {
            assert_eq!(text(page), words, "{page}");
        }
    }
}
