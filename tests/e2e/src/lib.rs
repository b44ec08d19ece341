//! Whole jobs through the release bundle: what the tests in `tests/` are built of.
//!
//! Nothing of Pickup is linked. A test describes a timeline ([`Scene`]), lets the test host play it
//! through the bundle's C entry points ([`Bench::play`]) or runs the command line ([`Bench::pickup`]),
//! and looks at what came: reports, rendered bytes, exit codes, and the files of the store.
//!
//! Tests named `acceptance_…` print the figures that they assert ([`figure`]).

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test cannot set up fails it, with a message")]

mod bench;
mod command;
mod footage;
mod places;
mod play;
mod scene;
mod store;
mod user;
#[cfg(unix)]
mod worker;

pub use bench::{Bench, Setup};
pub use command::Answer;
pub use footage::{Footage, difference, picture};
pub use places::{
    bundle, bundled, command_line, copy_folder, library, media, test_host, tiny_first_frame_package,
    tiny_package, tiny_whole_frames_package,
};
pub use play::Played;
pub use scene::{FILL, GENERATE, Scene};
pub use store::{StoreFiles, StoredTake};
pub use user::User;
#[cfg(unix)]
pub use worker::Worker;

/// Prints an acceptance figure: what, what was measured, what it must be.
pub fn figure(what: &str, measured: impl std::fmt::Display, bound: impl std::fmt::Display) {
    println!("accept: {what} | {measured} | {bound}");
}

/// The middle one of some numbers; of an even count the upper of the two.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    assert!(!numbers.is_empty(), "a median of nothing");
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
