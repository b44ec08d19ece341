//! Prints all figures as JSON: `cargo run -p pickup-parity --example figures`.

use pickup_parity::{
    COMPONENT_BOUND, CONTROL_BOUND, Case, Model, SUBJECTS, Subject, Variation, component_errors,
};
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let subjects: Vec<_> = SUBJECTS.iter().map(figures).collect::<Result<_, _>>()?;
    println!(
        "{:#}",
        json!({"subjects": subjects, "component_bound": COMPONENT_BOUND, "control_db": CONTROL_BOUND})
    );
    Ok(())
}

fn figures(subject: &'static Subject) -> anyhow::Result<Value> {
    let mut model = Model::open(subject)?;
    let components = component_errors(&mut model)?;
    let mut runs = Vec::new();
    for run in subject.runs {
        let case = Case::read(&model, run)?;
        for variation in [Variation::None].iter().chain(run.controls) {
            let psnr = case.psnr(&mut model, *variation)?;
            runs.push(json!({"case": case.title(), "variation": format!("{variation:?}"), "psnr_db": psnr}));
        }
    }
    let bound = subject.pipeline_bound;
    Ok(json!({"family": subject.family, "components": components, "pipeline": runs, "pipeline_db": bound}))
}
