use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use proptest::prelude::*;

use crate::network::init::{sorted_variables, trainable};
use crate::network::likelihood::laplace_loss;
use crate::network::{
    Architecture, ClassifierConfig, ClassifierPredictor, Forecaster, ForecasterConfig, Gru, Lstm,
    NetworkConfig, Predictor, Rnn,
};
use anomalog_kernels::{
    Execution, Isa, LayerTensors, gru_sequence, linear, lstm_sequence, pooled_convolution,
    rnn_sequence,
};

/// A kernel agrees with its plain twin if no element differs by more than this times the largest
/// element of the tensor, or times 1 if that is smaller. Seven decimal digits, summed in other
/// orders over some hundred terms and a few steps, and approximated activations.
const TOLERANCE: f32 = 2e-5;

fn executions() -> Vec<Execution> {
    Isa::available()
        .flat_map(|isa| [1, 2].map(|threads| Execution { isa, threads }))
        .collect()
}

/// Numbers from −`range` to `range` that look random and are the same every time.
fn scattered(dims: &[usize], seed: usize, range: f32) -> Var {
    let len: usize = dims.iter().product();
    let values: Vec<f32> = (0..len)
        .map(|i| {
            let mixed = (i + 1).wrapping_mul(0x9E37_79B9) ^ seed.wrapping_mul(0x85EB_CA6B);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D) & 0xFF_FFFF;
            range * (mixed as f32 / 8_388_608.0 - 1.0)
        })
        .collect();
    Var::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}

fn assert_close(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let expected = values(expected);
    let largest = expected.iter().fold(1.0f32, |max, v| max.max(v.abs()));
    for (index, (found, expected)) in values(found).iter().zip(&expected).enumerate() {
        assert!(
            (found - expected).abs() <= TOLERANCE * largest,
            "{what}[{index}]: found {found}, its twin has {expected}, the largest is {largest}"
        );
    }
}

/// The output and the gradients of `variables` when the output's gradient is `seed`-scattered.
fn differentiate(output: &Tensor, variables: &[Var]) -> Vec<Tensor> {
    let d_output = scattered(output.dims(), 99, 1.0);
    let loss = (output * d_output.as_tensor()).unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    let of = |variable: &Var| gradients.get(variable).unwrap().clone();
    std::iter::once(output.clone())
        .chain(variables.iter().map(of))
        .collect()
}

/// Compares a kernel with its plain twin, output and gradients, on every way to run it; the
/// number of threads must not change a bit.
fn assert_twins(
    what: &str,
    variables: &[Var],
    fused: impl Fn(Execution) -> Result<Tensor>,
    reference: impl Fn() -> Result<Tensor>,
) {
    let expected = differentiate(&reference().unwrap(), variables);
    let mut one_thread: Vec<Vec<u32>> = Vec::new();
    for execution in executions() {
        let found = differentiate(&fused(execution).unwrap(), variables);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{what}, {execution:?}, tensor {index}");
            assert_close(&what, found, expected);
        }
        let found: Vec<Vec<u32>> = found.iter().map(bits).collect();
        if execution.threads == 1 {
            one_thread = found;
        } else {
            assert!(one_thread == found, "{what}: {execution:?} changes bits");
        }
    }
}

/// Inputs and the parameters of a recurrent layer.
fn layer(gates: usize, [batch_size, seq_len, features, hidden]: [usize; 4]) -> Vec<Var> {
    let rows = gates * hidden;
    vec![
        scattered(&[batch_size, seq_len, features], 1, 2.0),
        scattered(&[rows, features], 2, 0.5),
        scattered(&[rows, hidden], 3, 1.5 / (hidden as f32).sqrt()),
        scattered(&[rows], 4, 0.5),
        scattered(&[rows], 5, 0.5),
    ]
}

fn layer_tensors(variables: &[Var]) -> LayerTensors<'_> {
    LayerTensors {
        weight_ih: &variables[1],
        weight_hh: &variables[2],
        bias_ih: &variables[3],
        bias_hh: &variables[4],
    }
}

/// The same parameters as the models take them.
fn layer_builder(variables: &[Var]) -> VarBuilder<'static> {
    let map = VarMap::new();
    let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
    for (name, variable) in names.iter().zip(&variables[1..]) {
        let mut variables = map.data().lock().unwrap();
        variables.insert((*name).to_owned(), variable.clone());
    }
    VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)
}

/// Shapes of every kind of tail: rows, steps, features and units below, at and above a tile.
fn shapes() -> impl Strategy<Value = [usize; 4]> {
    let batch_size = prop_oneof![Just(1), Just(32), Just(33), 1usize..70];
    let hidden = prop_oneof![Just(1), Just(8), Just(16), 1usize..40];
    (batch_size, 1usize..10, 1usize..12, hidden).prop_map(|(b, t, f, h)| [b, t, f, h])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recurrent_kernels_are_their_plain_twins(shape in shapes()) {
        let [_, _, features, hidden] = shape;
        let v = layer(1, shape);
        let plain = Rnn::new(features, hidden, &layer_builder(&v)).unwrap();
        assert_twins(
            "rnn",
            &v,
            |execution| rnn_sequence(&v[0], layer_tensors(&v), execution),
            || plain.forward_reference(&v[0]),
        );
        let v = layer(4, shape);
        let plain = Lstm::new(features, hidden, &layer_builder(&v)).unwrap();
        assert_twins(
            "lstm",
            &v,
            |execution| lstm_sequence(&v[0], layer_tensors(&v), execution),
            || plain.forward_reference(&v[0]),
        );
        let v = layer(3, shape);
        let plain = Gru::new(features, hidden, &layer_builder(&v)).unwrap();
        assert_twins(
            "gru",
            &v,
            |execution| gru_sequence(&v[0], layer_tensors(&v), execution),
            || plain.forward_reference(&v[0]),
        );
    }

    #[test]
    fn convolutions_and_linear_maps_are_their_plain_twins(shape in shapes()) {
        let [batch_size, seq_len, features, hidden] = shape;
        let v = [
            scattered(&[batch_size, seq_len, features], 6, 2.0),
            scattered(&[hidden, features, 5], 7, 0.5),
            scattered(&[hidden], 8, 0.5),
        ];
        assert_twins(
            "convolution",
            &v,
            |execution| pooled_convolution(&v[0], &v[1], &v[2], execution),
            || crate::network::pooled_convolution_reference(&v[0], &v[1], &v[2]),
        );
        let v = [v[0].clone(), scattered(&[hidden, features], 9, 0.5), v[2].clone()];
        assert_twins(
            "linear",
            &v,
            |execution| linear(&v[0], &v[1], &v[2], execution),
            || crate::network::recurrent::project(&v[0], &v[1], &v[2]),
        );
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch(
        [batch_size, seq_len, features, hidden] in shapes(),
        architecture in prop::sample::select(Architecture::ALL.to_vec()),
        threads in 1usize..4,
    ) {
        let config = ForecasterConfig { architecture, features, hidden_size: hidden, targets: 3 };
        let forecaster = restless(&config);
        let inputs = scattered(&[batch_size, seq_len, features], 10, 2.0);
        let row_len = seq_len * features;
        let numbers = values(&inputs);
        for isa in Isa::available() {
            let predictor = Predictor::with_isa(&forecaster, isa).unwrap();
            let batch = predictor.forecast(&numbers, seq_len, 0, threads).unwrap();
            let mut reversed: Vec<f32> = Vec::new();
            for row in numbers.chunks(row_len).rev() {
                reversed.extend(row);
            }
            let reversed = predictor.forecast(&reversed, seq_len, 0, 1).unwrap();
            let forecasts = batch.location.chunks(3 * seq_len);
            let reversed = reversed.location.chunks(3 * seq_len).rev();
            for ((row, forecast), reversed) in numbers.chunks(row_len).zip(forecasts).zip(reversed)
            {
                let alone = predictor.forecast(row, seq_len, 0, 1).unwrap();
                prop_assert!(same_bits(&alone.location, forecast), "{}", isa);
                prop_assert!(same_bits(reversed, forecast), "{}", isa);
                let later = predictor.forecast(row, seq_len, seq_len - 1, 1).unwrap();
                prop_assert!(same_bits(&later.location, &forecast[3 * (seq_len - 1)..]));
            }
        }
    }

    #[test]
    fn a_window_has_the_same_odds_in_any_batch(
        [batch_size, seq_len, features, hidden] in shapes(),
        architecture in prop::sample::select(Architecture::ALL.to_vec()),
        threads in 1usize..4,
    ) {
        // Long enough for the pooling of `clstm`.
        let seq_len = seq_len + 15;
        let config = ClassifierConfig { architecture, features, hidden_size: hidden, dense_size: 5 };
        let classifier = restless(&config);
        let inputs = scattered(&[batch_size, seq_len, features], 13, 2.0);
        let logits = classifier.forward_reference(&inputs).unwrap();
        let plain: Vec<f32> = values(&logits).chunks(2).map(|of| of[1] - of[0]).collect();
        let numbers = values(&inputs);
        for isa in Isa::available() {
            let packed = ClassifierPredictor::with_isa(&classifier, isa).unwrap();
            let batch = packed.log_odds(&numbers, seq_len, threads).unwrap();
            let windows = numbers.chunks(seq_len * features);
            for ((window, found), plain) in windows.zip(&batch).zip(&plain) {
                let alone = packed.log_odds(window, seq_len, 1).unwrap();
                prop_assert!(same_bits(&alone, &[*found]), "{}", isa);
                let largest = plain.abs().max(1.0);
                prop_assert!((found - plain).abs() <= TOLERANCE * largest, "{found} {plain}");
            }
        }
    }

    #[test]
    fn scoring_and_training_forecast_the_same_bits(
        [batch_size, seq_len, features, hidden] in shapes(),
        architecture in prop::sample::select(Architecture::ALL.to_vec()),
    ) {
        let config = ForecasterConfig { architecture, features, hidden_size: hidden, targets: 2 };
        let forecaster = restless(&config);
        let inputs = scattered(&[batch_size, seq_len, features], 11, 2.0);
        let trained = forecaster.forward(&inputs).unwrap();
        let scored = Predictor::new(&forecaster).unwrap();
        let scored = scored.forecast(&values(&inputs), seq_len, 0, 2).unwrap();
        prop_assert!(same_bits(&values(&trained.location), &scored.location));
        prop_assert!(same_bits(&values(&trained.log_scale), &scored.log_scale));
    }
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// A network of which no weight is zero.
fn restless<C: NetworkConfig>(config: &C) -> C::Network {
    let map = trainable(config, 5).unwrap();
    for (index, (_, variable)) in sorted_variables(&map).into_iter().enumerate() {
        let values = scattered(variable.dims(), 20 + index, 0.5);
        variable.set(&values).unwrap();
    }
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    config.network(vb).unwrap()
}

#[test]
fn equal_steps_share_the_gradient_of_their_maximum() {
    let v = [
        Var::ones((2, 7, 3), DType::F32, &Device::Cpu).unwrap(),
        scattered(&[9, 3, 5], 14, 0.5),
        scattered(&[9], 15, 0.5),
    ];
    assert_twins(
        "constant inputs",
        &v,
        |execution| pooled_convolution(&v[0], &v[1], &v[2], execution),
        || crate::network::pooled_convolution_reference(&v[0], &v[1], &v[2]),
    );
}

#[test]
fn instruction_sets_agree() {
    for architecture in Architecture::ALL {
        let config = ForecasterConfig {
            architecture,
            features: 7,
            hidden_size: 48,
            targets: 3,
        };
        let forecaster = restless(&config);
        let inputs = values(&scattered(&[5, 60, 7], 12, 2.0));
        let forecasts: Vec<(Isa, Vec<f32>)> = Isa::available()
            .map(|isa| {
                let predictor = Predictor::with_isa(&forecaster, isa).unwrap();
                (isa, predictor.forecast(&inputs, 60, 0, 1).unwrap().location)
            })
            .collect();
        for (isa, forecast) in &forecasts {
            let (_, portable) = forecasts.last().unwrap();
            let shape = [5, 60, 3];
            let tensor = |v: &Vec<f32>| Tensor::from_vec(v.clone(), &shape, &Device::Cpu).unwrap();
            let what = format!("{architecture}, {isa}");
            assert_close(&what, &tensor(forecast), &tensor(portable));
            // Same operations in the same order, only more lanes.
            if forecasts.len() == 3 && *isa == Isa::Avx2 {
                assert!(same_bits(forecast, &forecasts[0].1), "{what}");
            }
        }
    }
}

#[test]
fn nan_reaches_its_row_from_its_step_on_and_no_other() {
    for architecture in Architecture::ALL {
        let config = ForecasterConfig {
            architecture,
            features: 2,
            hidden_size: 8,
            targets: 1,
        };
        let predictor = Predictor::new(&restless(&config)).unwrap();
        let mut inputs = values(&scattered(&[3, 6, 2], 13, 2.0));
        let clean = predictor.forecast(&inputs, 6, 0, 1).unwrap().location;
        inputs[(6 + 2) * 2 + 1] = f32::NAN;
        let found = predictor.forecast(&inputs, 6, 0, 1).unwrap().location;
        for (index, (found, clean)) in found.iter().zip(&clean).enumerate() {
            let is_hit = (6 + 2..6 + 6).contains(&index);
            assert_eq!(found.is_nan(), is_hit, "{architecture} at {index}");
            assert!(is_hit || found.to_bits() == clean.to_bits());
        }
    }
}

#[test]
fn wrong_inputs_of_a_predictor_are_named() {
    let config = ForecasterConfig {
        architecture: Architecture::Gru,
        features: 2,
        hidden_size: 4,
        targets: 1,
    };
    let predictor = Predictor::new(&restless(&config)).unwrap();
    let message = |inputs: &[f32], skip| {
        let error = predictor.forecast(inputs, 3, skip, 1).unwrap_err();
        error.to_string().lines().next().unwrap().to_owned()
    };
    assert_eq!(
        message(&[0.0; 7], 0),
        "expected rows of 3 steps of 2 features, found 7 numbers"
    );
    assert_eq!(
        message(&[0.0; 6], 3),
        "expected `skip` less than `seq_len`, found 3 of 3 steps"
    );
    let nothing = predictor.forecast(&[], 3, 0, 2).unwrap();
    assert!(nothing.location.is_empty() && nothing.log_scale.is_empty());
}

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

/// Multiply-adds of one step of one row, counted twice, without the head.
fn flops(config: &ForecasterConfig) -> f64 {
    let (features, hidden) = (config.features as f64, config.hidden_size as f64);
    let gates = |gates: f64, width: f64| 2.0 * gates * hidden * (hidden + width);
    match config.architecture {
        Architecture::Rnn => gates(1.0, features),
        Architecture::Gru => gates(3.0, features),
        Architecture::Lstm => gates(4.0, features),
        Architecture::Clstm => gates(4.0, hidden) + 2.0 * 5.0 * hidden * (features + hidden),
    }
}

#[test]
#[ignore = "a measurement: run alone, with --ignored --nocapture"]
fn measure_kernels() {
    let (features, hidden_size, targets) = (8, 64, 3);
    let seq_len = 120;
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

        let predictor = Predictor::new(&forecaster).unwrap();
        for (batch_size, threads) in [(5, 1), (64, 1), (512, 1), (512, 2)] {
            let inputs = values(&scattered(&[batch_size, seq_len, features], 30, 2.0));
            let time = shortest(|| {
                predictor.forecast(&inputs, seq_len, 60, threads).unwrap();
            });
            let steps = (batch_size * seq_len) as f64 / time.as_secs_f64();
            eprintln!(
                "{architecture}: {batch_size} rows, {threads} threads: {:.2} M steps/s, \
                 {:.1} GFLOP/s",
                steps / 1e6,
                steps * flops(&config) / 1e9
            );
        }

        let inputs = scattered(&[64, seq_len, features], 31, 2.0);
        let inputs = inputs.as_detached_tensor();
        let y = scattered(&[64, seq_len, targets], 32, 2.0).as_detached_tensor();
        let mask = y.ones_like().unwrap();
        let step = shortest(|| {
            let forecast = forecaster.forward(&inputs).unwrap();
            let loss = laplace_loss(&forecast, &y, &mask).unwrap();
            loss.backward().unwrap();
        });
        eprintln!("{architecture}: training step of 64 × {seq_len}: {step:?}");
    }
}
