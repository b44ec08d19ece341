use super::*;

fn shifted(steps: usize, shift: f64) -> Levels {
    Levels::Shifted { steps, shift }
}

/// The last step of any walk lands on the model's clean latent, whatever came before.
#[test]
fn the_last_step_is_the_prediction() {
    for (order, steps) in [(1, 1), (1, 5), (2, 2), (2, 9), (3, 3), (3, 12)] {
        let clean = Array5::from_shape_fn((1, 2, 2, 3, 3), |(_, c, t, y, x)| (c + t * y + x) as f32 / 7.0);
        let mut latent = clean.mapv(|value| 0.3 - value * value);
        let mut sampler = UniPc::new(&shifted(steps, 3.0), order, 1000).unwrap();
        for index in 0..steps {
            let sigma = sampler.sigmas()[index];
            let velocity = (&latent - &clean) / sigma;
            latent = sampler.step(&velocity, &latent).unwrap();
        }
        assert!((&latent - &clean).iter().all(|error| error.abs() < 1e-5), "order {order}, {steps} steps");
    }
}

/// `order` steps of a smooth flow, halved: the error falls with the order.
#[test]
fn higher_orders_converge_faster() {
    // dx/dσ = v with x(σ) = e^(−σ) · noise has a closed form, and its clean latent x − σ v is smooth.
    let error = |order: usize, steps: usize| {
        let mut sampler = UniPc::new(&shifted(steps, 1.0), order, 1_000_000).unwrap();
        let mut latent = Array5::from_elem((1, 1, 1, 1, 1), (-sampler.sigmas()[0]).exp());
        let mut worst = 0.0_f32;
        for index in 0..steps {
            let velocity = latent.mapv(|x| -x);
            latent = sampler.step(&velocity, &latent).unwrap();
            // The last level is 0, where only the first order is used.
            if index + 2 < steps {
                worst = worst.max((latent[[0; 5]] - (-sampler.sigmas()[index + 1]).exp()).abs());
            }
        }
        worst
    };
    assert!(error(2, 20) < 0.2 * error(1, 20), "{} {}", error(2, 20), error(1, 20));
    assert!(error(2, 20) < 2e-3);
}

#[test]
fn refuses_what_cannot_be() {
    assert!(UniPc::new(&shifted(0, 3.0), 2, 1000).is_err());
    assert!(UniPc::new(&shifted(4, 3.0), 0, 1000).is_err());
    assert!(UniPc::new(&shifted(4, 3.0), 4, 1000).is_err());
    assert!(UniPc::new(&shifted(4, 0.0), 2, 1000).is_err());
    assert!(UniPc::new(&shifted(4, 3.0), 2, 0).is_err());
    let mut sampler = UniPc::new(&shifted(2, 3.0), 2, 1000).unwrap();
    let small = Array5::zeros((1, 1, 1, 1, 1));
    let large = Array5::zeros((1, 1, 1, 1, 2));
    assert!(sampler.step(&small, &large).is_err(), "velocity and latent differ");
    sampler.step(&small, &small).unwrap();
    assert!(sampler.step(&large, &large).is_err(), "the shape changed");
    sampler.step(&small, &small).unwrap();
    assert!(sampler.step(&small, &small).is_err(), "there is no third step");
}
