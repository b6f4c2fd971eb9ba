//! The log: the truth. Segments of records, appended by one committer, each batch durable by one
//! `fdatasync`.

pub(crate) mod change;
pub(crate) mod committer;
pub(crate) mod holes;
mod intake;
mod lsn;
pub(crate) mod metas;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod segments;
pub(crate) mod spares;
pub(crate) mod tail;

pub(crate) use intake::{Answer, Intake, Job};
pub(crate) use lsn::Lsn;
