/// The known word that a mistyped one most likely is; none when nothing is near.
pub fn nearest<'w>(typed: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let plain = |word: &str| word.to_lowercase().replace(['_', ' ', '-'], "");
    let (distance, word) = known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&plain(typed), &plain(word)), word))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.len() / 5).then_some(word)
}

/// The hint that names it.
pub(crate) fn did_you_mean<'w>(typed: &str, known: impl IntoIterator<Item = &'w str>) -> Option<String> {
    nearest(typed, known).map(|meant| format!("did you mean `{meant}`?"))
}
