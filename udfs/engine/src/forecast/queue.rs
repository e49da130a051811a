//! Blocks of many series in one forward pass.

use std::time::{Duration, Instant};

use super::block::{Block, PendingBlock, PendingWindow};
use super::error::ForecastError;
use super::window::WindowForecast;
use crate::features::InputWriter;
use crate::network::Predictor;
use crate::series::blocks::BlockLayout;

/// Blocks per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
/// A block's forecasts do not depend on the others in its pass.
const BATCH_BLOCKS: usize = 48;

/// Blocks of any number of series, waiting for a forward pass.
#[derive(Debug)]
pub(crate) struct BlockQueue {
    writer: InputWriter,
    inputs: Vec<f32>,
    pending: Vec<PendingBlock>,
    /// The work done so far.
    pub(crate) work: Work,
}

/// The work of forward passes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Work {
    /// Blocks, each counted once per predictor.
    pub(crate) blocks: usize,
    /// Time in the predictors.
    pub(crate) kernel_time: Duration,
}

impl Work {
    /// Adds other work.
    pub(crate) fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.kernel_time += other.kernel_time;
    }
}

impl BlockQueue {
    pub(crate) fn new(layout: &BlockLayout) -> Self {
        let block_inputs = layout.sequence_length() * layout.features();
        Self {
            writer: InputWriter::default(),
            inputs: Vec::with_capacity(BATCH_BLOCKS * block_inputs),
            pending: Vec::with_capacity(BATCH_BLOCKS),
            work: Work::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= BATCH_BLOCKS
    }

    /// The number of the first row that waits, if any.
    pub(crate) fn first_row(&self) -> Option<usize> {
        Some(self.pending.first()?.windows.first()?.row)
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        let pending: usize = self.pending.iter().map(PendingBlock::size).sum();
        self.inputs.capacity() * size_of::<f32>() + pending
    }

    pub(super) fn push(&mut self, block: &Block<'_>, windows: &[PendingWindow]) {
        let Some(pending) = block.pending(windows) else {
            return;
        };
        let begin = self.inputs.len();
        let block_inputs = block.layout.sequence_length() * block.layout.features();
        self.inputs.resize(begin + block_inputs, 0.0);
        self.writer.write(
            block.features,
            block.start,
            &block.scales,
            &mut self.inputs[begin..],
        );
        self.pending.push(pending);
    }

    /// One forward pass per predictor over the queued blocks, if any. `take` gets the number of
    /// the predictor, that of the row, and its forecasts; where there is no predictor, what was known
    /// without one.
    pub(crate) fn run(
        &mut self,
        layout: &BlockLayout,
        predictors: &[Option<&Predictor>],
        mut take: impl FnMut(usize, usize, WindowForecast<'_>),
    ) -> Result<(), ForecastError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let steps = layout.sequence_length();
        // Only the block's windows are judged.
        let skip = layout.lookback;
        let width = layout.metrics();
        let horizons = layout.horizons.len();
        let targets = width * horizons;
        // Parallelism is between series, where the query engine has it.
        let threads = 1;
        for (number, predictor) in predictors.iter().enumerate() {
            let output = match predictor {
                Some(predictor) => {
                    let started = Instant::now();
                    let output = predictor.forecast(&self.inputs, steps, skip, threads)?;
                    self.work.kernel_time += started.elapsed();
                    self.work.blocks += self.pending.len();
                    Some(output.location)
                }
                None => None,
            };
            let block_outputs = (steps - skip) * targets;
            for (place, block) in self.pending.iter_mut().enumerate() {
                let output = (output.as_ref())
                    .map(|output| &output[place * block_outputs..][..block_outputs]);
                let forecasts = block.forecasts.chunks_mut(width);
                for (window, metrics) in block.windows.iter().zip(forecasts) {
                    let output = output.map(|output| &output[(window.step - skip) * targets..]);
                    for (metric, forecast) in metrics.iter_mut().enumerate() {
                        if let Some(forecast) = forecast {
                            let location =
                                output.map(|output| f64::from(output[metric * horizons]));
                            forecast.forecast = location.map_or(f64::NAN, |location| {
                                forecast.baseline + forecast.scale * location
                            });
                        }
                    }
                    let normal = &window.normal;
                    take(number, window.row, WindowForecast { metrics, normal });
                }
            }
        }
        self.inputs.clear();
        self.pending.clear();
        Ok(())
    }
}
