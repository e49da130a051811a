//! Classifiers: one answer per window, normal or anomalous.
//!
//! The form is that of Kim & Cho, "Web traffic anomaly detection using C-LSTM neural networks",
//! Expert Systems with Applications 106 (2018): windows of 60 values; for `clstm` twice a
//! convolution (kernel 5, no padding), tanh and a maximum over pairs, then an LSTM, whose last state
//! goes through a dense layer with tanh to two classes. `rnn`, `lstm` and `gru` read the values
//! themselves and are followed by the same layers.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::backbone::Backbone;
use super::config::{NetworkConfig, check_inputs, check_sizes};
use super::head::Linear;
use super::recurrent::uniform;
use anomalog_kernels::{ClassifierValues, Isa, PackedClassifier};

/// Width of the layer before the classes (Kim & Cho: 32).
pub const DENSE_SIZE: usize = 32;
/// Normal and anomalous.
const CLASSES: usize = 2;

/// The sizes that determine the names and shapes of a classifier's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassifierConfig {
    /// The backbone.
    pub architecture: Architecture,
    /// Input features per step.
    pub features: usize,
    /// Width of the recurrent state, and of the convolutions of `clstm`.
    pub hidden_size: usize,
    /// Width of the dense layer.
    pub dense_size: usize,
}

impl NetworkConfig for ClassifierConfig {
    type Network = Classifier;

    fn network(&self, vb: VarBuilder) -> Result<Classifier> {
        Classifier::new(self, vb)
    }
}

/// A backbone, a dense layer and two classes.
#[derive(Clone, Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    backbone: Backbone,
    dense: Linear,
    output: Linear,
}

impl Classifier {
    /// Takes the parameters from `vb`, below `recurrent`, `convolutions` (`clstm` only), `dense`
    /// and `output`. Where `vb` creates them, all are uniform as in `PyTorch`.
    ///
    /// # Errors
    /// When a size is zero, or a parameter is missing or has another shape.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every candle module takes its `VarBuilder` by value"
    )]
    pub fn new(config: &ClassifierConfig, vb: VarBuilder) -> Result<Self> {
        let ClassifierConfig {
            architecture,
            features,
            hidden_size,
            dense_size,
        } = *config;
        check_sizes(
            "classifier",
            [
                ("features", features),
                ("hidden_size", hidden_size),
                ("dense_size", dense_size),
            ],
        )?;
        let linear =
            |name, inputs, outputs| Linear::new(inputs, outputs, uniform(inputs), &vb.pp(name));
        Ok(Self {
            config: config.clone(),
            backbone: Backbone::new(architecture, features, hidden_size, &vb)?,
            dense: linear("dense", hidden_size, dense_size)?,
            output: linear("output", dense_size, CLASSES)?,
        })
    }

    /// The sizes it was made with.
    #[must_use]
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Logits of the classes normal and anomalous, `[batch_size, 2]`, for windows of `inputs`,
    /// `[batch_size, seq_len, features]` of `f32`.
    ///
    /// # Errors
    /// When `inputs` has another shape or type, no row or no step; for `clstm` also when its
    /// pooling leaves no step.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        check_inputs(inputs, self.config.features)?;
        let states = self.backbone.forward_window(inputs)?;
        let last = states.narrow(1, states.dim(1)? - 1, 1)?.contiguous()?;
        let units = self.dense.forward(&last)?.tanh()?;
        self.output.forward(&units)?.squeeze(1)
    }

    /// [`Self::forward`] operation by operation: what the kernels are tested against.
    ///
    /// # Errors
    /// As for [`Self::forward`].
    pub fn forward_reference(&self, inputs: &Tensor) -> Result<Tensor> {
        check_inputs(inputs, self.config.features)?;
        let states = self.backbone.forward_window_reference(inputs)?;
        let last = states.narrow(1, states.dim(1)? - 1, 1)?;
        let units = self.dense.forward_reference(&last)?.tanh()?;
        self.output.forward_reference(&units)?.squeeze(1)
    }

    fn values(&self) -> Result<ClassifierValues> {
        let numbers = |linear: &Linear| -> Result<[Vec<f32>; 2]> {
            let [weight, bias] = linear.parameters();
            Ok([weight.flatten_all()?.to_vec1()?, bias.to_vec1()?])
        };
        Ok(ClassifierValues {
            backbone: self
                .backbone
                .values(self.config.features, self.config.hidden_size)?,
            dense_size: self.config.dense_size,
            dense: numbers(&self.dense)?,
            output: numbers(&self.output)?,
        })
    }
}

/// Scoring: a copy of a classifier's weights, packed to classify plain numbers.
///
/// The odds of a window depend on that window and the weights only, to the last bit: not on
/// the other windows, its place in the batch, the size of the batch or the number of threads.
#[derive(Clone, Debug)]
pub struct ClassifierPredictor {
    config: ClassifierConfig,
    packed: PackedClassifier,
}

impl ClassifierPredictor {
    /// Packs the present weights of `classifier` for this CPU.
    ///
    /// # Errors
    /// When the weights cannot be read as `f32` on the CPU.
    pub fn new(classifier: &Classifier) -> Result<Self> {
        Self::with_isa(classifier, Isa::best())
    }

    /// The same for a given instruction set; classifying panics on a CPU without it.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_isa(classifier: &Classifier, isa: Isa) -> Result<Self> {
        Ok(Self {
            config: classifier.config.clone(),
            packed: PackedClassifier::pack(&classifier.values()?, isa),
        })
    }

    /// The sizes of the classifier.
    #[must_use]
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// ln(P(anomalous) / P(normal)) of each window of `inputs`, `[batch_size, seq_len, features]`,
    /// on up to `threads` threads. NaN in a window makes its answer NaN.
    ///
    /// # Errors
    /// When `inputs` is no whole number of windows, or these are so short that the pooling of
    /// `clstm` leaves no step.
    pub fn log_odds(&self, inputs: &[f32], seq_len: usize, threads: usize) -> Result<Vec<f32>> {
        let ClassifierConfig {
            architecture,
            features,
            ..
        } = self.config;
        if architecture.pooled_steps(seq_len) == 0
            || !inputs.len().is_multiple_of(seq_len * features)
        {
            candle_core::bail!(
                "expected windows of {seq_len} steps, enough for {architecture}, of {features} \
                 features, found {} numbers",
                inputs.len()
            );
        }
        Ok(self.packed.log_odds(inputs, seq_len, threads))
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<ClassifierPredictor>();
};
