use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::Isa;
use crate::models::init::{sorted_variables, trainable};
use crate::models::likelihood::laplace_loss;
use crate::models::{Architecture, Forecaster, ForecasterConfig};

/// The shortest of some runs: on a shared machine the others measure the neighbours.
fn shortest(mut run: impl FnMut()) -> Duration {
    let started = Instant::now();
    let mut shortest = Duration::MAX;
    while started.elapsed() < Duration::from_secs(2) {
        let started = Instant::now();
        run();
        shortest = shortest.min(started.elapsed());
    }
    shortest
}

#[test]
#[ignore = "a measurement: run alone, with --ignored --nocapture"]
#[expect(clippy::print_stderr, reason = "a measurement for people")]
fn measure_training_steps() {
    let (features, hidden_size, targets) = (8, 64, 3);
    let (batch_size, seq_len) = (64, 120);
    for architecture in Architecture::ALL {
        let config = ForecasterConfig {
            architecture,
            features,
            hidden_size,
            targets,
        };
        let map = trainable(&config, 1).unwrap();
        let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let forecaster = Forecaster::new(&config, vb).unwrap();
        let normal = |width: usize| {
            Tensor::randn(0f32, 1.0, (batch_size, seq_len, width), &Device::Cpu).unwrap()
        };
        let (inputs, y) = (normal(features), normal(targets));
        let mask = y.ones_like().unwrap();
        let forward = shortest(|| {
            forecaster.forward(&inputs).unwrap();
        });
        let step = shortest(|| {
            let forecast = forecaster.forward(&inputs).unwrap();
            let loss = laplace_loss(&forecast, &y, &mask).unwrap();
            loss.backward().unwrap();
        });
        eprintln!("{architecture}: forward {forward:?}, training step {step:?}");
    }
    let _ = sorted_variables;
    let _ = Isa::best();
}

#[test]
#[ignore = "scratch"]
#[expect(clippy::print_stderr, reason = "a measurement for people")]
fn scratch() {
    use candle_core::Var;
    let n = |d: &[usize]| {
        Var::from_tensor(&Tensor::randn(0f32, 1.0, d, &Device::Cpu).unwrap()).unwrap()
    };
    let h = n(&[64, 120, 64]);
    let w = n(&[3, 64]);
    let b = n(&[3]);
    let p = |h: &Tensor| crate::models::recurrent::project(h, &w, &b).unwrap();
    eprintln!(
        "project fwd {:?}",
        shortest(|| {
            p(&h);
        })
    );
    eprintln!(
        "project fwd+bwd {:?}",
        shortest(|| {
            p(&h).backward().unwrap();
        })
    );
    let f = crate::models::Forecast {
        location: n(&[64, 120, 3]).as_tensor().clone(),
        log_scale: n(&[64, 120, 3]).as_tensor().clone(),
    };
    let y = n(&[64, 120, 3]);
    let m = y.ones_like().unwrap();
    eprintln!(
        "loss fwd {:?}",
        shortest(|| {
            laplace_loss(&f, &y, &m).unwrap();
        })
    );
    eprintln!(
        "loss fwd+bwd {:?}",
        shortest(|| {
            laplace_loss(&f, &y, &m).unwrap().backward().unwrap();
        })
    );
    eprintln!(
        "tanh {:?}",
        shortest(|| {
            h.tanh().unwrap();
        })
    );
    eprintln!(
        "zeros+add {:?}",
        shortest(|| {
            h.zeros_like().unwrap().add(&h).unwrap();
        })
    );
}
