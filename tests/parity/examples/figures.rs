//! Prints all figures as JSON: `cargo run -p pickup-parity --example figures`.

use pickup_parity::{
    COMPONENT_BOUND, CONTROL_BOUND, Case, Model, PIPELINE_BOUND, Variation, component_errors,
};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let mut model = Model::open()?;
    let components = component_errors(&mut model)?;
    let mut runs = Vec::new();
    for case in Case::ALL {
        let case = Case::read(case)?;
        for variation in [Variation::None, Variation::MaskInverted, Variation::GuidanceDropped] {
            let psnr = case.psnr(&mut model, variation)?;
            runs.push(json!({"case": case.title(), "variation": format!("{variation:?}"), "psnr_db": psnr}));
        }
    }
    let bounds =
        json!({"component": COMPONENT_BOUND, "pipeline_db": PIPELINE_BOUND, "control_db": CONTROL_BOUND});
    println!("{:#}", json!({"components": components, "pipeline": runs, "bounds": bounds}));
    Ok(())
}
