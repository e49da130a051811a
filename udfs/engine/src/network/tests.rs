use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::loss::cross_entropy;

use super::init::{initialise, sorted_variables, trainable};
use super::likelihood::laplace_loss;
use super::{
    Architecture, Classifier, ClassifierConfig, ClassifierPredictor, Forecast, Forecaster,
    ForecasterConfig, NetworkConfig,
};

/// A number agrees with `PyTorch`'s if they differ by no more than this, absolutely where the
/// recorded number lies within ±1 and relatively to it beyond.
const TOLERANCE: f32 = 1e-5;

/// Sizes of the recorded cases, as in `tests/reference/generate.py`.
const RECORDED: (usize, usize, usize) = (5, 8, 3);

fn config(architecture: Architecture) -> ForecasterConfig {
    let (features, hidden_size, targets) = RECORDED;
    ForecasterConfig {
        architecture,
        features,
        hidden_size,
        targets,
    }
}

fn recorded(architecture: Architecture) -> HashMap<String, Tensor> {
    record(&format!("{architecture}.safetensors"))
}

fn record(file: &str) -> HashMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    candle_core::safetensors::load(path.join(file), &Device::Cpu).unwrap()
}

fn with_prefix(tensors: &HashMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())))
        .collect()
}

/// The forecaster with the recorded weights, as variables.
fn recorded_forecaster(
    architecture: Architecture,
    record: &HashMap<String, Tensor>,
) -> (candle_nn::VarMap, Forecaster) {
    let mut map = trainable(&config(architecture), 0).unwrap();
    map.set(with_prefix(record, "weight.").into_iter()).unwrap();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let forecaster = Forecaster::new(&config(architecture), vb).unwrap();
    (map, forecaster)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_agrees(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    for (index, (found, expected)) in values(found).iter().zip(values(expected)).enumerate() {
        let allowed = TOLERANCE * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= allowed,
            "{what}[{index}]: found {found}, PyTorch has {expected}"
        );
    }
}

fn seeded(architecture: Architecture, seed: u64) -> Forecaster {
    let vb = VarBuilder::from_tensors(
        initialise(&config(architecture), seed).unwrap(),
        DType::F32,
        &Device::Cpu,
    );
    Forecaster::new(&config(architecture), vb).unwrap()
}

fn bits(forecast: &Forecast) -> Vec<u32> {
    values(&forecast.location)
        .into_iter()
        .chain(values(&forecast.log_scale))
        .map(f32::to_bits)
        .collect()
}

#[test]
fn forecasts_agree_with_pytorch() {
    for architecture in Architecture::ALL {
        let record = recorded(architecture);
        let (_, forecaster) = recorded_forecaster(architecture, &record);
        let forecast = forecaster.forward(&record["inputs"]).unwrap();
        let what = |name: &str| format!("{architecture} {name}");
        assert_agrees(&what("location"), &forecast.location, &record["location"]);
        assert_agrees(
            &what("log_scale"),
            &forecast.log_scale,
            &record["log_scale"],
        );
    }
}

#[test]
fn loss_and_every_gradient_agree_with_pytorch() {
    for architecture in Architecture::ALL {
        let record = recorded(architecture);
        let (map, forecaster) = recorded_forecaster(architecture, &record);
        let forecast = forecaster.forward(&record["inputs"]).unwrap();
        let loss = laplace_loss(&forecast, &record["targets"], &record["mask"]).unwrap();
        assert_agrees(&format!("{architecture} loss"), &loss, &record["loss"]);

        let gradients = loss.backward().unwrap();
        let expected = with_prefix(&record, "gradient.");
        let variables = sorted_variables(&map);
        assert!(expected.keys().eq(variables.iter().map(|(name, _)| name)));
        for ((name, variable), expected) in variables.iter().zip(expected.values()) {
            let found = gradients.get(variable).unwrap();
            assert_agrees(
                &format!("{architecture} gradient of {name}"),
                found,
                expected,
            );
        }
    }
}

#[test]
fn later_inputs_do_not_reach_earlier_forecasts() {
    for architecture in Architecture::ALL {
        let record = recorded(architecture);
        let (_, forecaster) = recorded_forecaster(architecture, &record);
        let inputs = &record["inputs"];
        let (batch_size, seq_len, features) = inputs.dims3().unwrap();
        let before = forecaster.forward(inputs).unwrap();
        for t in 0..seq_len {
            let kept = inputs.narrow(1, 0, t).unwrap();
            let changed =
                Tensor::full(-3.0f32, (batch_size, seq_len - t, features), &Device::Cpu).unwrap();
            let inputs = if t == 0 {
                changed
            } else {
                Tensor::cat(&[kept, changed], 1).unwrap()
            };
            let after = forecaster.forward(&inputs).unwrap();
            let part = |forecast: &Forecast, start: usize, len: usize| {
                bits(&Forecast {
                    location: forecast.location.narrow(1, start, len).unwrap(),
                    log_scale: forecast.log_scale.narrow(1, start, len).unwrap(),
                })
            };
            if t > 0 {
                assert_eq!(
                    part(&before, 0, t),
                    part(&after, 0, t),
                    "{architecture} {t}"
                );
            }
            // The test would pass for a forecaster that ignores its inputs.
            assert_ne!(
                part(&before, t, 1),
                part(&after, t, 1),
                "{architecture} {t}"
            );
        }
    }
}

#[test]
fn one_row_of_one_step_is_the_first_step_of_any_batch() {
    for architecture in Architecture::ALL {
        let record = recorded(architecture);
        let (_, forecaster) = recorded_forecaster(architecture, &record);
        let inputs = record["inputs"].narrow(0, 1, 1).unwrap();
        let inputs = inputs.narrow(1, 0, 1).unwrap();
        let forecast = forecaster.forward(&inputs).unwrap();
        let expected = record["location"].narrow(0, 1, 1).unwrap();
        let expected = expected.narrow(1, 0, 1).unwrap();
        assert_agrees(
            &format!("{architecture} first step"),
            &forecast.location,
            &expected,
        );
    }
}

#[test]
fn an_untrained_forecaster_answers_the_anchor() {
    for architecture in Architecture::ALL {
        let inputs = recorded(architecture)["inputs"].clone();
        let forecast = seeded(architecture, 1).forward(&inputs).unwrap();
        assert!(values(&forecast.location).iter().all(|&v| v == 0.0));
        assert!(values(&forecast.log_scale).iter().all(|&v| v == 0.0));
    }
}

#[test]
fn a_seed_gives_the_same_weights_and_another_seed_others() {
    for architecture in Architecture::ALL {
        let config = config(architecture);
        let first = initialise(&config, 7).unwrap();
        let again = initialise(&config, 7).unwrap();
        let other = initialise(&config, 8).unwrap();
        for (name, tensor) in &first {
            assert_eq!(values(tensor), values(&again[name]), "{name}");
            let is_head = name.starts_with("location") || name.starts_with("log_scale");
            assert_eq!(values(tensor) == values(&other[name]), is_head, "{name}");
            assert_eq!(values(tensor).iter().all(|&v| v == 0.0), is_head, "{name}");
        }
    }
    // The bound of recurrent parameters is 1/√hidden_size, and it is used up.
    let weights = initialise(&config(Architecture::Gru), 7).unwrap();
    let largest = values(&weights["recurrent.weight_hh_l0"])
        .into_iter()
        .fold(0.0f32, |largest, v| largest.max(v.abs()));
    let bound = 1.0 / 8f32.sqrt();
    assert!(largest <= bound && largest > 0.9 * bound);
    assert_ne!(
        values(&weights["recurrent.bias_ih_l0"]),
        values(&weights["recurrent.bias_hh_l0"])
    );
}

#[test]
fn wrong_inputs_are_named() {
    let forecaster = seeded(Architecture::Lstm, 1);
    let message = |inputs: Tensor| {
        let error = forecaster.forward(&inputs).unwrap_err().to_string();
        error.lines().next().unwrap().to_owned()
    };
    let zeros = |dims: &[usize], dtype| Tensor::zeros(dims, dtype, &Device::Cpu).unwrap();
    let expected = "expected inputs of shape [batch_size, seq_len, 5] with at least one row \
                    and one step, found ";
    for dims in [vec![2, 3, 4], vec![2, 5], vec![0, 3, 5], vec![2, 0, 5]] {
        assert_eq!(
            message(zeros(&dims, DType::F32)),
            format!("{expected}{dims:?}")
        );
    }
    assert_eq!(
        message(zeros(&[2, 3, 5], DType::F64)),
        "expected inputs of type f32, found F64"
    );
}

#[test]
fn missing_and_misshapen_parameters_are_errors() {
    for architecture in Architecture::ALL {
        let config = config(architecture);
        let complete = initialise(&config, 3).unwrap();
        for name in complete.keys() {
            let mut damaged = complete.clone();
            damaged.remove(name);
            let vb = VarBuilder::from_tensors(damaged.clone(), DType::F32, &Device::Cpu);
            assert!(Forecaster::new(&config, vb).is_err(), "without {name}");
            let tensor = Tensor::zeros((2, 2, 2, 2), DType::F32, &Device::Cpu).unwrap();
            damaged.insert(name.clone(), tensor);
            let vb = VarBuilder::from_tensors(damaged, DType::F32, &Device::Cpu);
            assert!(Forecaster::new(&config, vb).is_err(), "misshapen {name}");
        }
    }
    let empty = ForecasterConfig {
        targets: 0,
        ..config(Architecture::Rnn)
    };
    let error = initialise(&empty, 3).unwrap_err().to_string();
    assert!(error.starts_with("a forecaster needs at least one of `targets`, found 0"));
}

#[test]
fn architectures_are_read_as_they_are_written() {
    for architecture in Architecture::ALL {
        assert_eq!(architecture.to_string().parse(), Ok(architecture));
        assert_eq!(
            serde_json::to_string(&architecture).unwrap(),
            format!("\"{architecture}\"")
        );
    }
    let error = "LSTM".parse::<Architecture>().unwrap_err();
    assert_eq!(error.to_string(), "unknown architecture `LSTM`");
    assert_eq!(
        error.hint().unwrap(),
        "use one of `rnn`, `lstm`, `gru`, `clstm`"
    );
}

/// Sizes of the recorded classifiers, as in `tests/reference/generate.py`.
fn classifier_config(architecture: Architecture) -> ClassifierConfig {
    let (features, hidden_size, _) = RECORDED;
    ClassifierConfig {
        architecture,
        features,
        hidden_size,
        dense_size: 4,
    }
}

#[test]
fn classes_loss_and_every_gradient_agree_with_pytorch() {
    for architecture in Architecture::ALL {
        let record = record(&format!("classify_{architecture}.safetensors"));
        let config = classifier_config(architecture);
        let mut map = trainable(&config, 0).unwrap();
        let weights = with_prefix(&record, "weight.");
        map.set(weights.into_iter()).unwrap();
        let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let classifier = config.network(vb).unwrap();
        let what = |name: &str| format!("{architecture} {name}");
        let logits = classifier.forward(&record["inputs"]).unwrap();
        assert_agrees(&what("logits"), &logits, &record["logits"]);
        let plain = classifier.forward_reference(&record["inputs"]).unwrap();
        assert_agrees(&what("plain logits"), &plain, &record["logits"]);
        let loss = cross_entropy(&logits, &record["classes"]).unwrap();
        assert_agrees(&what("loss"), &loss, &record["loss"]);
        let gradients = loss.backward().unwrap();
        let expected = with_prefix(&record, "gradient.");
        let variables = sorted_variables(&map);
        assert!(expected.keys().eq(variables.iter().map(|(name, _)| name)));
        for ((name, variable), expected) in variables.iter().zip(expected.values()) {
            let found = gradients.get(variable).unwrap();
            assert_agrees(&what(&format!("gradient of {name}")), found, expected);
        }

        let (windows, seq_len, _) = record["inputs"].dims3().unwrap();
        let packed = ClassifierPredictor::new(&classifier).unwrap();
        let odds = packed.log_odds(&values(&record["inputs"]), seq_len, 2);
        let odds = Tensor::from_vec(odds.unwrap(), windows, &Device::Cpu).unwrap();
        let logits = &record["logits"];
        let expected = (logits.narrow(1, 1, 1).unwrap() - logits.narrow(1, 0, 1).unwrap()).unwrap();
        assert_agrees(&what("log-odds"), &odds, &expected.squeeze(1).unwrap());
    }
}

#[test]
fn windows_too_short_for_pooling_are_refused() {
    let config = classifier_config(Architecture::Clstm);
    let vb = VarBuilder::from_tensors(initialise(&config, 1).unwrap(), DType::F32, &Device::Cpu);
    let classifier = Classifier::new(&config, vb).unwrap();
    let packed = ClassifierPredictor::new(&classifier).unwrap();
    for (steps, pooled) in [(60, 12), (16, 1), (15, 0), (4, 0)] {
        assert_eq!(Architecture::Clstm.pooled_steps(steps), pooled);
        let inputs = Tensor::zeros((2, steps, 5), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(classifier.forward(&inputs).is_ok(), pooled > 0, "{steps}");
        let odds = packed.log_odds(&values(&inputs), steps, 1);
        assert_eq!(odds.is_ok(), pooled > 0, "{steps}");
    }
    let error = packed.log_odds(&[0.0; 7], 60, 1).unwrap_err().to_string();
    assert!(
        error.starts_with("expected windows of 60 steps, enough for clstm, of 5 features, found 7"),
        "{error}"
    );
}
