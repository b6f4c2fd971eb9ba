/// The known word that a mistyped one most likely is, as in `rules.toml`; none when nothing is near.
pub(super) fn nearest<'w>(typed: &str, known: &[&'w str]) -> Option<&'w str> {
    routing::rules::nearest(typed, known.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_seen_and_other_words_are_not() {
        let known = ["listen", "listen-tls", "catch-all", "name"];
        for (typed, meant) in [
            ("catchall", Some("catch-all")),
            ("catch_all", Some("catch-all")),
            ("Listen", Some("listen")),
            ("lsiten", Some("listen")),
            ("listen-tsl", Some("listen-tls")),
            ("port", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, &known), meant, "{typed}");
        }
        assert_eq!(nearest("anything", &[]), None);
    }
}
