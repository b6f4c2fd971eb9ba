use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// The form in which local parts and login names are compared: Unicode NFC of the default case
/// folding (UAX #15, Unicode §3.13 D144), so that `MÜLLER` is `müller` however it was composed.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Folding may undo composition and composing may yield a foldable character: NFC on both sides.
    text.nfc().default_case_fold().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn composed_and_decomposed_fold_to_one() {
        assert_eq!(fold("MÜLLER"), fold("mu\u{308}ller"));
        assert_eq!(fold("Straße"), fold("STRASSE"));
        assert_eq!(fold("A.Smith"), "a.smith");
    }

    #[test]
    fn folding_twice_is_folding_once() {
        for text in ["ΑΣ", "İx", "ŉ", "Å", "ﬁ"] {
            assert_eq!(fold(&fold(text)), fold(text));
        }
    }
}
