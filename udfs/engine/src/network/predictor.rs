//! Scoring: a forecaster whose weights are final.

use candle_core::{Result, Tensor};

use super::backbone::Backbone;
use super::{CLSTM_KERNEL_SIZE, Forecaster, ForecasterConfig};
use anomalog_kernels::{
    BackboneValues, CellKind, ForecasterValues, Isa, PackedForecaster, Sequences,
};

/// A copy of a forecaster's weights, packed to forecast from plain numbers.
///
/// Forecasts of a row depend on that row and the weights only, to the last bit: not on the other
/// rows, the row's place in the batch, the size of the batch or the number of threads.
#[derive(Clone, Debug)]
pub struct Predictor {
    config: ForecasterConfig,
    packed: PackedForecaster,
    /// Metrics that one network forecasts, each by itself; 1 unless [`Self::for_each`].
    metrics: usize,
}

/// The forecasts of a batch, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastValues {
    /// The median, `[batch_size, seq_len − skip, targets]`, in units of the scaled series.
    pub location: Vec<f32>,
    /// Natural logarithm of the mean absolute deviation, same shape, not clamped.
    pub log_scale: Vec<f32>,
}

impl Predictor {
    /// Packs the present weights of `forecaster` for this CPU.
    ///
    /// # Errors
    /// When the weights cannot be read as `f32` on the CPU.
    pub fn new(forecaster: &Forecaster) -> Result<Self> {
        Self::with_isa(forecaster, Isa::best())
    }

    /// The same for a given instruction set; forecasting panics on a CPU without it.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_isa(forecaster: &Forecaster, isa: Isa) -> Result<Self> {
        Ok(Self {
            config: forecaster.config.clone(),
            packed: PackedForecaster::pack(&forecaster.values()?, isa),
            metrics: 1,
        })
    }

    /// The same network, of one metric, for each of several by itself. A step's inputs are those
    /// of one metric after the other, then `shared` ones, such as the time, that all read; its
    /// targets are those of one metric after the other. The forecasts of a metric are those that
    /// it has alone, bit for bit.
    #[must_use]
    pub fn for_each(&self, metrics: usize, shared: usize) -> Self {
        let own = self.packed_features() - shared;
        Self {
            config: ForecasterConfig {
                features: metrics * own + shared,
                targets: metrics * self.packed_targets(),
                ..self.config.clone()
            },
            packed: self.packed.clone(),
            metrics,
        }
    }

    fn packed_features(&self) -> usize {
        self.packed.features()
    }

    fn packed_targets(&self) -> usize {
        self.config.targets / self.metrics
    }

    /// The sizes of the forecaster.
    #[must_use]
    pub fn config(&self) -> &ForecasterConfig {
        &self.config
    }

    /// Forecasts from `inputs`, `[batch_size, seq_len, features]`, every row starting from the
    /// zero state, on up to `threads` threads. Forecasts of the first `skip` steps, the burn-in,
    /// are left out. NaN in the inputs of a row makes its forecasts from that step on NaN.
    ///
    /// # Errors
    /// When `inputs` is no whole number of rows, or `skip` is not less than `seq_len`.
    pub fn forecast(
        &self,
        inputs: &[f32],
        seq_len: usize,
        skip: usize,
        threads: usize,
    ) -> Result<ForecastValues> {
        let features = self.config.features;
        if skip >= seq_len {
            candle_core::bail!(
                "expected `skip` less than `seq_len`, found {skip} of {seq_len} steps"
            );
        }
        if !inputs.len().is_multiple_of(seq_len * features) {
            candle_core::bail!(
                "expected rows of {seq_len} steps of {features} features, found {} numbers",
                inputs.len()
            );
        }
        let parted;
        let inputs = if self.metrics == 1 {
            inputs
        } else {
            parted = self.parted(inputs, seq_len);
            &parted
        };
        let sequences = Sequences {
            inputs,
            seq_len,
            skip,
        };
        let [location, log_scale] = self
            .packed
            .forecast(sequences, threads)
            .map(|values| self.joined(values, seq_len - skip));
        Ok(ForecastValues {
            location,
            log_scale,
        })
    }

    /// The inputs of each metric of each row as a row of its own.
    fn parted(&self, inputs: &[f32], seq_len: usize) -> Vec<f32> {
        let (features, width) = (self.config.features, self.packed_features());
        // Of `metrics · own + shared` and `own + shared` inputs.
        let own = (features - width) / (self.metrics - 1);
        let mut parted = Vec::with_capacity(inputs.len() / features * self.metrics * width);
        for row in inputs.chunks_exact(seq_len * features) {
            for metric in 0..self.metrics {
                for step in row.chunks_exact(features) {
                    parted.extend_from_slice(&step[metric * own..][..own]);
                    parted.extend_from_slice(&step[self.metrics * own..]);
                }
            }
        }
        parted
    }

    /// Forecasts with one row per metric, as steps that hold those of all metrics.
    fn joined(&self, values: Vec<f32>, steps: usize) -> Vec<f32> {
        if self.metrics == 1 {
            return values;
        }
        let targets = self.packed_targets();
        let mut joined = Vec::with_capacity(values.len());
        for row in values.chunks_exact(self.metrics * steps * targets) {
            for step in 0..steps {
                for metric in row.chunks_exact(steps * targets) {
                    joined.extend_from_slice(&metric[step * targets..][..targets]);
                }
            }
        }
        joined
    }
}

impl Forecaster {
    /// All parameters as numbers.
    fn values(&self) -> Result<ForecasterValues> {
        let ForecasterConfig {
            features,
            hidden_size,
            targets,
            ..
        } = self.config;
        let [location, log_scale] = self
            .head
            .parameters()
            .map(|[weight, bias]| Ok::<_, candle_core::Error>([numbers(weight)?, numbers(bias)?]));
        Ok(ForecasterValues {
            backbone: self.backbone.values(features, hidden_size)?,
            targets,
            head: [location?, log_scale?],
        })
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
};

impl Backbone {
    /// All parameters as numbers.
    pub(super) fn values(&self, features: usize, hidden: usize) -> Result<BackboneValues> {
        let (cell, recurrent, convolutions) = self.parts();
        let convolutions = convolutions
            .iter()
            .map(|convolution| {
                let [weight, bias] = convolution.parameters();
                Ok([numbers(weight)?, numbers(bias)?])
            })
            .collect::<Result<_>>()?;
        Ok(BackboneValues {
            cell,
            features,
            hidden,
            convolutions,
            taps: CLSTM_KERNEL_SIZE,
            weight_ih: numbers(&recurrent.weight_ih)?,
            weight_hh: numbers(&recurrent.weight_hh)?,
            bias_ih: numbers(&recurrent.bias_ih)?,
            bias_hh: numbers(&recurrent.bias_hh)?,
        })
    }

    /// The cell, its weights, and the convolutions in front.
    fn parts(
        &self,
    ) -> (
        CellKind,
        &super::recurrent::RecurrentWeights,
        &[super::clstm::PooledConvolution],
    ) {
        match self {
            Self::Rnn(rnn) => (CellKind::Rnn, &rnn.weights, &[]),
            Self::Lstm(lstm) => (CellKind::Lstm, &lstm.weights, &[]),
            Self::Gru(gru) => (CellKind::Gru, &gru.weights, &[]),
            Self::Clstm(clstm) => (CellKind::Lstm, &clstm.lstm.weights, &clstm.convolutions),
        }
    }
}
