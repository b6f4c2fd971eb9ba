//! Rules over the fixtures in `tests/rules/`: each folder has a `rules.toml` and, in `cases.toml`, mail with what
//! comes out; each folder under `bad/` has a broken `rules.toml` with all that is said of it.

mod bad;
mod case;
mod explained;
mod fixtures;
mod house;
mod property;
mod reach;
mod saw;
mod taken_out;
