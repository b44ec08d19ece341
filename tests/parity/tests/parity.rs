//! The bounds that the pipeline has to keep. Tests named `acceptance…` print `accept: what | measured | bound`.

use pickup_parity::{
    COMPONENT_BOUND, CONTROL_BOUND, Case, Model, PIPELINE_BOUND, Variation, component_errors,
};

#[test]
fn acceptance_components_against_diffusers() {
    let components = component_errors(&mut Model::open().unwrap()).unwrap();
    for component in &components {
        println!(
            "accept: {}, max abs error | {:.1e} | ≤ {COMPONENT_BOUND:.0e}",
            component.name, component.error
        );
    }
    assert!(components.len() >= 10);
    assert!(components.iter().all(|component| component.error <= COMPONENT_BOUND), "{components:?}");
}

#[test]
fn acceptance_pipeline_against_diffusers() {
    let mut model = Model::open().unwrap();
    for case in Case::ALL.map(|name| Case::read(name).unwrap()) {
        let psnr = case.psnr(&mut model, Variation::None).unwrap();
        println!("accept: {}, PSNR | {psnr:.1} dB | ≥ {PIPELINE_BOUND} dB", case.title());
        assert!(psnr >= PIPELINE_BOUND, "{}: {psnr} dB", case.title());
    }
}

#[test]
fn acceptance_controls_are_noticed() {
    let mut model = Model::open().unwrap();
    for case in Case::ALL.map(|name| Case::read(name).unwrap()) {
        for variation in [Variation::MaskInverted, Variation::GuidanceDropped] {
            let psnr = case.psnr(&mut model, variation).unwrap();
            println!("accept: {}, {variation:?}, PSNR | {psnr:.1} dB | < {CONTROL_BOUND} dB", case.title());
            assert!(psnr < CONTROL_BOUND, "{}, {variation:?}: {psnr} dB", case.title());
        }
    }
}

/// Smaller mistakes stay far from the bound too.
#[test]
fn smaller_mistakes_are_noticed() {
    let mut model = Model::open().unwrap();
    for case in Case::ALL.map(|name| Case::read(name).unwrap()) {
        let order = case.psnr(&mut model, Variation::FirstOrder).unwrap();
        println!("{}, first order: {order:.1} dB", case.title());
        assert!(order < PIPELINE_BOUND - 20.0, "{order} dB");
        if case.references() > 1 {
            let reversed = case.psnr(&mut model, Variation::ReferencesReversed).unwrap();
            println!("{}, references reversed: {reversed:.1} dB", case.title());
            assert!(reversed < PIPELINE_BOUND - 20.0, "{reversed} dB");
        }
    }
}
