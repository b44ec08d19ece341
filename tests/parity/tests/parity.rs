//! The bounds that the pipeline has to keep. Tests named `acceptance…` print `accept: what | measured | bound`.

use anyhow::Result;
use pickup_parity::{
    COMPONENT_BOUND, CONTROL_BOUND, Case, Model, Run, SMALLER_BOUND, SUBJECTS, Subject, Variation,
    component_errors,
};

type Look<'a> = dyn FnMut(&'static Subject, &'static Run, &mut Model, &Case) -> Result<()> + 'a;

/// Every case of every model, with the model open.
fn each_case(look: &mut Look<'_>) -> Result<()> {
    for subject in &SUBJECTS {
        let mut model = Model::open(subject)?;
        assert!(subject.runs.len() >= 2);
        for run in subject.runs {
            let case = Case::read(&model, run)?;
            look(subject, run, &mut model, &case)?;
        }
    }
    Ok(())
}

/// Every one of `variations` must stay below `bound`.
fn is_noticed(model: &mut Model, case: &Case, variations: &[Variation], bound: f64) -> Result<()> {
    for variation in variations {
        let psnr = case.psnr(model, *variation)?;
        println!("accept: {}, {variation:?}, PSNR | {psnr:.1} dB | < {bound} dB", case.title());
        assert!(psnr < bound, "{}, {variation:?}: {psnr} dB", case.title());
    }
    Ok(())
}

#[test]
fn acceptance_components_against_diffusers() {
    for subject in &SUBJECTS {
        let mut model = Model::open(subject).unwrap();
        let components = component_errors(&mut model).unwrap();
        for component in &components {
            println!(
                "accept: {}, max abs error | {:.1e} | ≤ {COMPONENT_BOUND:.0e}",
                component.name, component.error
            );
        }
        // A VAE in steps is run in steps of several sizes.
        let least = if model.package.manifest().graphs.is_stepped() { 10 } else { 4 };
        assert!(components.len() >= least);
        assert!(components.iter().all(|component| component.error <= COMPONENT_BOUND), "{components:?}");
    }
}

#[test]
fn acceptance_pipeline_against_diffusers() {
    each_case(&mut |subject, _, model, case| {
        let (psnr, bound) = (case.psnr(model, Variation::None)?, subject.pipeline_bound);
        println!("accept: {}, PSNR | {psnr:.1} dB | ≥ {bound} dB", case.title());
        assert!(psnr >= bound, "{}: {psnr} dB", case.title());
        Ok(())
    })
    .unwrap();
}

#[test]
fn acceptance_controls_are_noticed() {
    each_case(&mut |_, run, model, case| {
        assert!(run.controls.len() >= 2);
        is_noticed(model, case, run.controls, CONTROL_BOUND)
    })
    .unwrap();
}

/// Smaller mistakes stay far from the bound too.
#[test]
fn smaller_mistakes_are_noticed() {
    each_case(&mut |_, run, model, case| is_noticed(model, case, run.smaller, SMALLER_BOUND)).unwrap();
}
