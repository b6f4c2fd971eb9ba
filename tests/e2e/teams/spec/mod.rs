//! The specification. Whatever cannot be told from outside is a band: what *may* have happened from the moment it was
//! asked for, and what *surely* has once that was answered. What is shown must be between the two.

mod book;
mod checks;
mod release;

pub(crate) use book::{Book, DAY, Due, From, Member, Ms, Rule, TEAM, Whose};
pub(crate) use checks::{Opens, Shown};
pub(crate) use release::Fate;
