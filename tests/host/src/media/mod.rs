//! Pictures: reading sources, changing depth, writing results.

pub mod depth;
pub mod picture;
pub mod source;
pub mod write;
