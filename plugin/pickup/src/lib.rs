//! The Pickup OpenFX plugins: "Pickup" fills gaps, extends and repairs shots, "Pickup Generate" makes a shot from
//! text.
//!
//! ```text
//! plugin ─┬─ describe ── params (the table), texts, role, hosts (quirks by name)
//!         ├─ generate ─┐ the buttons
//!         ├─ render ───┴─▶ make ─▶ span, gap (what), clips / history (from what), request ─▶ worker ─▶ take
//!         │    └─ choice (in which order) ─▶ picture (a take's frame), source rows, slate
//!         └─ answers (identity, regions, frames, time)
//! values: what the parameters say, read at one moment
//! inquiry: what a job would cost, asked in the background
//! instance: the take that is shown, the job that runs, what is still to be saved (state, status)
//! footage: what frames look like, as `span` and `gap` see them; knows no host
//! ```
//!
//! Loading and describing start nothing and open nothing. Frames are made by a worker process; this library never
//! links ONNX Runtime. A render serves the take, else the source bit for bit, else a slate; it makes a take only if
//! the user asked for that, in a final render at full size.

mod answers;
mod background;
mod choice;
mod clips;
mod describe;
mod fault;
mod footage;
mod gap;
mod generate;
mod history;
mod hosts;
mod inquiry;
mod instance;
mod look;
mod make;
mod params;
mod picture;
mod plugin;
mod references;
mod render;
mod request;
mod role;
mod slate;
mod span;
mod state;
mod status;
mod texts;
mod values;
mod worker;

pickup_ofx::export_plugins!(plugin::Fill, plugin::Generate);
