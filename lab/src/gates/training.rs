//! Trains a gating network on examples.

use std::collections::HashMap;

use anomalog::simulation::random::{Purpose, Random};
use anomalog::training::gate::cross_entropy;
use anomalog::training::optimiser::ClippedAdamW;
use anomalog_engine::detector::GateValidation;
use anomalog_engine::evidence::INPUTS;
use anomalog_engine::network::init::{sorted_variables, trainable};
use anomalog_engine::network::{GateConfig, GatingNetwork, NetworkConfig};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::examples::Example;

/// Windows of a chunk, which a gating network reads from its zero state.
const CHUNK: usize = 120;
/// The first of them, of which nothing is asked.
const UNASKED: usize = 30;
/// Chunks of a step.
const BATCH: usize = 32;
/// Peak of the learning rate, which falls by a half cosine.
const LEARNING_RATE: f64 = 5e-3;
/// The share of chunks with an anomaly.
const WITH_ANOMALY: f64 = 0.35;
/// The share of the others that are drawn from the hardest.
const HARD: f64 = 0.5;
/// When the hardest chunks are looked for, as shares of all steps.
const MINED_AT: [f64; 3] = [0.25, 0.5, 0.75];
/// One of so many chunks is hard.
const ONE_HARD_OF: usize = 50;
/// The least standard deviation of an input.
const LEAST_DEVIATION: f64 = 0.05;

/// Where a chunk begins.
#[derive(Debug, Clone, Copy)]
struct Place {
    example: usize,
    start: usize,
}

/// What is learned from.
#[derive(Debug)]
pub(crate) struct Corpus {
    examples: Vec<Example>,
    /// The examples with an anomaly, and those without.
    with: Vec<usize>,
    without: Vec<usize>,
    /// Mean and standard deviation of each input.
    center: Vec<f32>,
    spread: Vec<f32>,
}

impl Corpus {
    /// The corpus of examples, of which some have an anomaly and some have none.
    pub(crate) fn new(mut examples: Vec<Example>) -> Self {
        examples.retain(|example| example.len() > CHUNK);
        let (with, without) = (0..examples.len()).partition(|at| examples[*at].anomaly.is_some());
        let (mut sums, mut squares, mut windows) = (vec![0.0; INPUTS], vec![0.0; INPUTS], 0.0);
        for example in &examples {
            for (at, input) in example.inputs(0..example.len()).enumerate() {
                sums[at % INPUTS] += f64::from(input);
                squares[at % INPUTS] += f64::from(input).powi(2);
            }
            windows += example.len() as f64;
        }
        let spread = sums
            .iter()
            .zip(&squares)
            .map(|(sum, square): (&f64, &f64)| {
                let variance = square / windows - (sum / windows).powi(2);
                variance.max(0.0).sqrt().max(LEAST_DEVIATION) as f32
            });
        Self {
            spread: spread.collect(),
            center: sums.iter().map(|sum| (sum / windows) as f32).collect(),
            with,
            without,
            examples,
        }
    }

    /// The number of windows.
    pub(crate) fn windows(&self) -> usize {
        self.examples.iter().map(Example::len).sum()
    }

    /// The losses of weights that take inputs as they are, over every window of the corpus that counts.
    pub(crate) fn validate(
        &self,
        config: &GateConfig,
        weights: &HashMap<String, Tensor>,
    ) -> Result<GateValidation> {
        let builder = VarBuilder::from_tensors(weights.clone(), DType::F32, &Device::Cpu);
        let network = config.network(builder)?;
        let mut places = Vec::new();
        for (example, windows) in self.examples.iter().map(Example::len).enumerate() {
            let starts = (0..=windows - CHUNK).step_by(CHUNK - UNASKED);
            places.extend(starts.map(|start| Place { example, start }));
        }
        let (mut losses, mut total, mut anomalous, mut windows) = (0.0, 0.0, 0.0, 0);
        for places in places.chunks(256) {
            let [inputs, labels, weights] = self.batch(places, false)?;
            let log_odds = network.forward(&inputs)?.flatten_all()?.to_vec1::<f32>()?;
            let labels = labels.flatten_all()?.to_vec1::<f32>()?;
            let weights = weights.flatten_all()?.to_vec1::<f32>()?;
            for ((odds, label), weight) in log_odds.iter().zip(labels).zip(weights) {
                let (odds, weight) = (f64::from(*odds), f64::from(weight));
                let toward = if label > 0.0 { -odds } else { odds };
                losses += weight * (toward.max(0.0) + (-odds.abs()).exp().ln_1p());
                total += weight;
                anomalous += weight * f64::from(label);
                windows += usize::from(weight > 0.0);
            }
        }
        let share = anomalous / total;
        Ok(GateValidation {
            windows,
            loss: losses / total,
            constant_loss: -share * share.ln() - (1.0 - share) * (1.0 - share).ln(),
        })
    }

    /// Trains a gating network in so many steps; its weights take inputs as they are. `progress` is told
    /// the number of each step and its loss.
    pub(crate) fn train(
        &self,
        config: &GateConfig,
        seed: u64,
        steps: usize,
        progress: &mut dyn FnMut(usize, f64),
    ) -> Result<HashMap<String, Tensor>> {
        let map = trainable(config, seed)?;
        let gate = config.network(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
        let variables = sorted_variables(&map);
        let mut optimiser =
            ClippedAdamW::new(variables.iter().map(|(_, var)| var.clone()).collect())?;
        let mut random = Random::new(seed, 0, 0, Purpose::Schedule);
        let mut hard: Vec<Place> = Vec::new();
        for step in 0..steps {
            let mined = MINED_AT
                .iter()
                .position(|share| (share * steps as f64) as usize == step);
            if let Some(share) = mined {
                hard = self.hardest(&gate, share)?;
            }
            let places: Vec<Place> = (0..BATCH)
                .map(|_| {
                    if random.chance(WITH_ANOMALY) {
                        self.with_anomaly(&mut random)
                    } else if !hard.is_empty() && random.chance(HARD) {
                        hard[random.below(hard.len() as u32) as usize]
                    } else {
                        self.normal(&mut random)
                    }
                })
                .collect();
            let [inputs, labels, weights] = self.batch(&places, true)?;
            let loss = loss(&gate.forward(&inputs)?, &labels, &weights)?;
            let done = step as f64 / steps as f64;
            let rate = LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            progress(step, f64::from(loss.to_scalar::<f32>()?));
            optimiser.step(&loss, rate)?;
        }
        let weights = variables
            .into_iter()
            .map(|(name, var)| (name, var.as_tensor().detach()));
        as_they_are(weights.collect(), self)
    }

    /// A chunk with an anomaly that begins somewhere in its asked part.
    fn with_anomaly(&self, random: &mut Random) -> Place {
        let example = self.with[random.below(self.with.len() as u32) as usize];
        let anomaly = self.examples[example].anomaly.unwrap_or(0);
        let before = UNASKED + random.below((CHUNK - UNASKED - 5) as u32) as usize;
        let last = self.examples[example].len() - CHUNK;
        Place {
            example,
            start: anomaly.saturating_sub(before).min(last),
        }
    }

    fn normal(&self, random: &mut Random) -> Place {
        let example = self.without[random.below(self.without.len() as u32) as usize];
        let starts = self.examples[example].len() - CHUNK;
        Place {
            example,
            start: random.below(starts as u32) as usize,
        }
    }

    /// Inputs, standardised or as they are, labels and weights of chunks.
    fn batch(&self, places: &[Place], is_standardised: bool) -> Result<[Tensor; 3]> {
        let windows = places.len() * CHUNK;
        let mut inputs = Vec::with_capacity(windows * INPUTS);
        let (mut labels, mut weights) = (Vec::with_capacity(windows), Vec::with_capacity(windows));
        for place in places {
            let example = &self.examples[place.example];
            let chunk = place.start..place.start + CHUNK;
            for (at, input) in example.inputs(chunk.clone()).enumerate() {
                let number = at % INPUTS;
                inputs.push(if is_standardised {
                    (input - self.center[number]) / self.spread[number]
                } else {
                    input
                });
            }
            for (at, window) in chunk.enumerate() {
                labels.push(f32::from(u8::from(example.is_anomaly[window])));
                weights.push(if at < UNASKED {
                    0.0
                } else {
                    example.weight[window]
                });
            }
        }
        let shape = (places.len(), CHUNK);
        Ok([
            Tensor::from_vec(inputs, (places.len(), CHUNK, INPUTS), &Device::Cpu)?,
            Tensor::from_vec(labels, shape, &Device::Cpu)?,
            Tensor::from_vec(weights, shape, &Device::Cpu)?,
        ])
    }

    /// The chunks without anomalies that a gating network is most wrong about: each time another share of all is
    /// looked through, one of as many as times.
    fn hardest(&self, gate: &GatingNetwork, share: usize) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for &example in &self.without {
            let asked = CHUNK - UNASKED;
            let starts = (share * asked..self.examples[example].len() - CHUNK)
                .step_by(MINED_AT.len() * asked);
            places.extend(starts.map(|start| Place { example, start }));
        }
        let mut wrong: Vec<(f32, Place)> = Vec::with_capacity(places.len());
        for places in places.chunks(256) {
            let [inputs, labels, weights] = self.batch(places, true)?;
            let log_odds = gate.forward(&inputs)?.to_vec2::<f32>()?;
            let (labels, weights) = (labels.to_vec2::<f32>()?, weights.to_vec2::<f32>()?);
            for (number, place) in places.iter().enumerate() {
                let asked = (0..CHUNK)
                    .filter(|at| weights[number][*at] > 0.0 && labels[number][*at] == 0.0)
                    .map(|at| log_odds[number][at]);
                wrong.push((asked.fold(f32::NEG_INFINITY, f32::max), *place));
            }
        }
        // A stable sort: places that are as wrong stay in order.
        wrong.sort_by(|one, other| other.0.total_cmp(&one.0));
        wrong.truncate(places.len() / ONE_HARD_OF);
        Ok(wrong.into_iter().map(|(_, place)| place).collect())
    }
}

/// Weighted cross-entropy of log-odds, the mean over the weights.
fn loss(log_odds: &Tensor, labels: &Tensor, weights: &Tensor) -> Result<Tensor> {
    (cross_entropy(log_odds, labels)? * weights)?.sum_all()?
        / weights
            .sum_all()?
            .to_scalar::<f32>()
            .map(f64::from)?
            .max(1.0)
}

/// Weights that take inputs as they are instead of standardised ones.
fn as_they_are(
    mut weights: HashMap<String, Tensor>,
    corpus: &Corpus,
) -> Result<HashMap<String, Tensor>> {
    let center = Tensor::new(corpus.center.as_slice(), &Device::Cpu)?;
    let spread = Tensor::new(corpus.spread.as_slice(), &Device::Cpu)?;
    let convolution = ("convolutions.conv1.weight", "convolutions.conv1.bias");
    // What the recurrent layer reads is not the inputs where a convolution does.
    let first = if weights.contains_key(convolution.0) {
        convolution
    } else {
        ("recurrent.weight_ih_l0", "recurrent.bias_ih_l0")
    };
    let pairs = [
        ("direct.weight", "direct.bias"),
        ("dense.weight", "dense.bias"),
        first,
    ];
    for (weight, bias) in pairs {
        if let (Some(of_inputs), Some(constant)) = (weights.get(weight), weights.get(bias)) {
            // `[outputs, inputs]`, or `[outputs, inputs, steps]` of a convolution.
            let mut shape = vec![1; of_inputs.rank()];
            shape[1] = INPUTS;
            let scaled = of_inputs.broadcast_div(&spread.reshape(shape.clone())?)?;
            let shift = scaled.broadcast_mul(&center.reshape(shape)?)?;
            let constant = (constant - shift.flatten_from(1)?.sum(1)?)?;
            weights.insert(weight.to_owned(), scaled.contiguous()?);
            weights.insert(bias.to_owned(), constant);
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use anomalog_engine::network::{Architecture, GateCell};

    use super::*;
    use crate::gates::examples::examples;
    use crate::nuisances::Nuisance;

    fn corpus() -> Corpus {
        Corpus::new(examples(&[Nuisance::Control], 1_001..1_003, 15))
    }

    #[test]
    fn losses_are_weighted_cross_entropies() {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let found = loss(
            &tensor(&[2.0, -40.0, 5.0]),
            &tensor(&[1.0, 0.0, 0.0]),
            &tensor(&[1.0, 1.0, 0.0]),
        );
        let expected = (1.0 + (-2.0_f32).exp()).ln() / 2.0;
        assert!((found.unwrap().to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn training_learns_and_weights_take_inputs_as_they_are() {
        let corpus = corpus();
        for cell in [
            GateCell::Linear,
            GateCell::Dense,
            GateCell::Recurrent(Architecture::Gru),
            GateCell::Recurrent(Architecture::Clstm),
        ] {
            let config = GateConfig {
                cell,
                inputs: INPUTS,
                hidden_size: 4,
            };
            let mut losses = Vec::new();
            let weights = corpus
                .train(&config, 1, 40, &mut |_, loss| losses.push(loss))
                .unwrap();
            let first = losses[0];
            let last = losses[30..].iter().sum::<f64>() / 10.0;
            assert!(last < 0.95 * first, "{cell:?}: {first} {last}");
            let gate = config
                .network(VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu))
                .unwrap();
            let mut random = Random::new(1, 0, 0, Purpose::Mood);
            let places: Vec<Place> = (0..32).map(|_| corpus.with_anomaly(&mut random)).collect();
            let [inputs, labels, weights] = corpus.batch(&places, false).unwrap();
            let found = loss(&gate.forward(&inputs).unwrap(), &labels, &weights).unwrap();
            assert!(
                f64::from(found.to_scalar::<f32>().unwrap()) < first,
                "{cell:?}"
            );
        }
    }
}
