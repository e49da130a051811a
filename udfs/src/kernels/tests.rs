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

#[test]
#[ignore = "scratch"]
#[expect(clippy::print_stderr, reason = "a measurement for people")]
fn scratch2() {
    for architecture in Architecture::ALL
        .into_iter()
        .filter(|a| std::env::var("ARCH").map_or(true, |v| v == a.name()))
    {
        let config = ForecasterConfig {
            architecture,
            features: 8,
            hidden_size: 64,
            targets: 3,
        };
        let weights = crate::models::init::initialise(&config, 1).unwrap();
        let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let forecaster = Forecaster::new(&config, vb).unwrap();
        let predictor = crate::models::Predictor::new(&forecaster).unwrap();
        for (rows, threads) in [(48, 1), (512, 1), (512, 2)] {
            let x: Vec<f32> = (0..rows * 120 * 8)
                .map(|i| (i as f32 * 0.7).sin())
                .collect();
            let d = shortest(|| {
                predictor.forecast(&x, 120, 60, threads).unwrap();
            });
            let steps = rows as f64 * 120.0 / d.as_secs_f64();
            let flop = match architecture {
                Architecture::Rnn => 2.0 * 64.0 * 72.0,
                Architecture::Lstm => 8.0 * 64.0 * 72.0,
                Architecture::Gru => 6.0 * 64.0 * 72.0,
                Architecture::Clstm => 8.0 * 64.0 * 128.0 + 2.0 * 64.0 * 5.0 * 72.0,
            };
            eprintln!(
                "{architecture} {rows} rows, {threads} threads: {:.2} M steps/s, {:.0} GFLOP/s",
                steps / 1e6,
                steps * flop / 1e9
            );
        }
    }
}
