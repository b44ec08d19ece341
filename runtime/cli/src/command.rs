//! What each command does.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod job;
pub(crate) mod models;
pub(crate) mod takes;
