/// What a condition says of a message: yes, no, or neither. `all`, `any` and `not` go by Kleene's strong logic of
/// three values, with one more for what only a later phase can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Nobody can tell now.
    Unknown(Doubt),
    /// A later phase will tell. Whatever is unknown beside it may not matter then, so it weighs more.
    NotYet,
}

/// Why nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) why: String,
    /// Asking again later would not help: a sender told to come back would come back in vain.
    pub(crate) lasting: bool,
}

impl Answer {
    /// Nobody can tell now; later somebody may.
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Doubt { why: why.into(), lasting: false })
    }

    /// Nobody can tell, now or later.
    pub(crate) fn unknowable(why: impl Into<String>) -> Self {
        Self::Unknown(Doubt { why: why.into(), lasting: true })
    }

    /// Yes only if both are.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (a, b) => Self::neither(a, b).unwrap_or(Self::Yes),
        }
    }

    /// No only if both are.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (a, b) => Self::neither(a, b).unwrap_or(Self::No),
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            open @ (Self::Unknown(_) | Self::NotYet) => open,
        }
    }

    /// What keeps two answers from being yes or no.
    fn neither(a: Self, b: Self) -> Option<Self> {
        match (a, b) {
            (Self::NotYet, _) | (_, Self::NotYet) => Some(Self::NotYet),
            // One that may be known later decides whether asking again helps.
            (Self::Unknown(a), Self::Unknown(b)) => {
                Some(Self::Unknown(if a.lasting && !b.lasting { b } else { a }))
            }
            (Self::Unknown(doubt), Self::Yes | Self::No) | (Self::Yes | Self::No, Self::Unknown(doubt)) => {
                Some(Self::Unknown(doubt))
            }
            (Self::Yes | Self::No, Self::Yes | Self::No) => None,
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn what_decides_wins_over_what_does_not() {
        let all = [Answer::Yes, Answer::No, Answer::unknown("x"), Answer::NotYet];
        type Join = fn(Answer, Answer) -> Answer;
        let and: (Join, _) = (Answer::and, ["ynuw", "nnnn", "unuw", "wnww"]);
        let or: (Join, _) = (Answer::or, ["yyyy", "ynuw", "yuuw", "ywww"]);
        for (join, rows) in [and, or] {
            for (a, row) in all.iter().zip(rows) {
                for (b, want) in all.iter().zip(row.chars()) {
                    let got = match join(a.clone(), b.clone()) {
                        Answer::Yes => 'y',
                        Answer::No => 'n',
                        Answer::Unknown(_) => 'u',
                        Answer::NotYet => 'w',
                    };
                    assert_eq!(got, want, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_doubt_that_may_pass_outweighs_one_that_lasts() {
        for joined in [
            Answer::unknowable("bomb").and(Answer::unknown("dns")),
            Answer::unknown("dns").or(Answer::unknowable("bomb")),
        ] {
            assert_eq!(joined, Answer::unknown("dns"));
        }
    }
}
