//! The store of plates and takes: content-addressed, mapped, checked.
//!
//! ```text
//! <store>/plates/<aa>/<id>.plate         one known frame or reference, named by its content
//! <store>/takes/<aa>/<id>/take.json      the record: what was asked, how it was answered
//! <store>/takes/<aa>/<id>/frames.bin     the frames, mapped as they are
//! <store>/takes/<aa>/<id>/note.txt       what a user noted for it, if anything
//! <store>/tmp/                           what is being written; renamed when complete
//! <store>/locks/                         who is making which take
//! ```
//!
//! Pixels are half floats, red green blue alpha, top row first, as they are in the timeline's
//! encoding. Everything is written aside and renamed, so a name in the store is either complete
//! or absent; files are never changed after that, but a note, which is written anew. Several processes may use one store.

mod aside;
mod convert;
mod fault;
mod files;
mod format;
mod gc;
mod location;
mod lock;
mod map;
mod note;
mod part;
mod plate;
mod store;
mod take;
mod writer;

pub use convert::{
    PlateBuffer, half_from_f32, half_from_u8, half_from_u16, plate_from_rgba_f32, plate_from_rgba8,
    plate_from_rgba16, u8_from_half, u16_from_half,
};
pub use gc::{Collected, Usage};
pub use location::{STORE_VARIABLE, locate};
pub use lock::TakeLock;
pub use part::{Placed, Placement, Region};
pub use plate::{Plate, PlateImage};
pub use store::{Store, TakeEntry};
pub use take::Take;
pub use writer::TakeWriter;

// Files hold little-endian halves and are mapped as they are.
const _: () = assert!(cfg!(target_endian = "little"), "the store is read in place on little-endian machines");
