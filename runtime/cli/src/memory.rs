//! Memory in words: what is open when, and how much each phase holds.

use pickup_core::{MemoryPlan, PhaseBytes};

use crate::console::{bytes, table};

/// The plan, and beside it what a run then held, if it ran.
pub(crate) fn text(plan: &MemoryPlan, held: Option<PhaseBytes>) -> String {
    let held = held.filter(|held| held.peak() > 0);
    let number = |bytes_: u64| if bytes_ > 0 { bytes(bytes_) } else { "-".to_owned() };
    let row = |name: &str, planned: u64, held: Option<u64>| {
        let mut row = vec![name.to_owned(), number(planned)];
        row.extend(held.map(number));
        row
    };
    let heads = row_of(&["memory", "planned"], held.map(|_| "held"));
    let held_each = held.map(PhaseBytes::each);
    let phases =
        plan.phases.each().into_iter().enumerate().map(|(index, (phase, planned))| {
            row(phase.label(), planned, held_each.map(|held| held[index].1))
        });
    let mut rows: Vec<_> = std::iter::once(heads).chain(phases).collect();
    rows.push(row("at the peak", plan.peak(), held.map(PhaseBytes::peak)));
    format!("{}\n{}", table(&rows), order(plan))
}

fn row_of(names: &[&str], last: Option<&str>) -> Vec<String> {
    names.iter().copied().chain(last).map(str::to_owned).collect()
}

/// What is open when.
fn order(plan: &MemoryPlan) -> String {
    let mut text = match plan.in_turn {
        true => "Text encoder, VAE encoder, transformer and VAE decoder are opened one after another.",
        false => "All but the text encoder stay open together.",
    }
    .to_owned();
    if let Some(side) = plan.tile {
        text += &format!(" Frames are decoded in tiles of {side} pixels.");
    }
    if !plan.measured {
        text += " The model was not measured: this may be off by a factor of two.";
    }
    text
}
