//! From rows to a gating network's log-odds of an anomaly: blocks, one recurrent pass per metric.
//!
//! Evidence is gathered window after window (see [`crate::evidence`]). It begins anew in each epoch of
//! four weeks, five weeks before it, so what is said of a window depends on nothing older, and gathering
//! costs little more than once a window. Blocks are those of forecasts: each starts from the zero state
//! [`BlockLayout::lookback`] windows earlier.

use std::time::Instant;

use candle_core::{Device, Tensor};

use super::{ForecastError, SeriesSlice, Work};
use crate::evidence::{EvidenceExtractor, INPUTS};
use crate::network::GatingNetwork;
use crate::series::blocks::BlockLayout;

/// Blocks per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
const BATCH_BLOCKS: usize = 24;

/// A network, and for how many windows its word holds.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// The network.
    pub network: &'a GatingNetwork,
    /// Windows, at most those of the lookback.
    pub held: usize,
}

/// The largest log-odds of the windows that hold in some rows, per metric.
#[derive(Debug, Clone)]
pub struct GateOdds {
    /// `rows × metrics`, row-major; −∞ where nothing is known.
    log_odds: Vec<f32>,
    metrics: usize,
}

impl GateOdds {
    /// Those of a row, one per metric.
    #[must_use]
    pub fn of_row(&self, row: usize) -> &[f32] {
        &self.log_odds[row * self.metrics..][..self.metrics]
    }
}

impl SeriesSlice<'_> {
    /// What each network says of the rows that are no history.
    ///
    /// # Errors
    /// When a forward pass fails.
    pub(crate) fn gate_odds(
        &self,
        layout: &BlockLayout,
        gates: &[Gate<'_>],
        work: &mut Work,
    ) -> Result<Vec<GateOdds>, ForecastError> {
        let metrics = layout.metrics();
        let rows = self.indices.len() - self.first_row;
        let mut odds = vec![
            GateOdds {
                log_odds: vec![f32::NEG_INFINITY; rows * metrics],
                metrics,
            };
            gates.len()
        ];
        for metric in 0..metrics {
            let mut evidence = MetricEvidence::new(self, layout, metric);
            let mut batch = Batch::new(layout);
            let mut row = self.first_row;
            while row < self.indices.len() {
                let start = layout.block_of(self.indices[row]);
                let end = start + layout.block as i64;
                let rows = row..row + self.indices[row..].partition_point(|index| *index < end);
                evidence.of_block(start, rows.end, &mut batch);
                row = rows.end;
                batch.blocks.push(PendingRows {
                    places: rows.start - self.first_row..rows.end - self.first_row,
                    start,
                });
                if batch.blocks.len() == BATCH_BLOCKS || row == self.indices.len() {
                    batch.run(self, metric, gates, &mut odds, work)?;
                }
            }
        }
        Ok(odds)
    }
}

/// The evidence of one metric of a slice, block after block.
struct MetricEvidence<'a> {
    slice: &'a SeriesSlice<'a>,
    layout: &'a BlockLayout,
    values: &'a [f64],
    extractor: EvidenceExtractor,
    /// The window with which it begins.
    begins: Option<i64>,
    /// The next row it takes.
    row: usize,
    /// Windows and evidence of the lookback of the next block, in order.
    lookback: Vec<(i64, [f32; INPUTS])>,
}

impl<'a> MetricEvidence<'a> {
    fn new(slice: &'a SeriesSlice<'a>, layout: &'a BlockLayout, metric: usize) -> Self {
        Self {
            slice,
            layout,
            values: &slice.metrics[metric],
            extractor: Self::extractor(slice, layout, metric),
            begins: None,
            row: 0,
            lookback: Vec::new(),
        }
    }

    fn extractor(
        slice: &SeriesSlice<'_>,
        layout: &BlockLayout,
        metric: usize,
    ) -> EvidenceExtractor {
        let zone = slice.time_zone.unwrap_or_default();
        EvidenceExtractor::new(layout.step_micros, layout.resolutions[metric], zone)
    }

    /// Writes what is known of a block and the windows before it, up to a row that ends it.
    fn of_block(&mut self, start: i64, end: usize, batch: &mut Batch<'_>) {
        let begins = self.layout.evidence_start(start);
        if self.begins != Some(begins) {
            self.begins = Some(begins);
            self.extractor = self.extractor.begun_anew();
            self.row = self.slice.indices.partition_point(|index| *index < begins);
            self.lookback.clear();
        }
        let first = start - self.layout.lookback as i64;
        self.lookback.retain(|(index, _)| *index >= first);
        for row in self.row..end {
            let index = self.slice.indices[row];
            let value = self.values[row];
            let value = if value.is_finite() { value } else { f64::NAN };
            if index < first {
                self.extractor.learn(index, value);
            } else if let Some(inputs) = self.extractor.push(index, value) {
                self.lookback.push((index, inputs));
            }
        }
        self.row = end;
        batch.write(first, &self.lookback);
        let next = start + (self.layout.block - self.layout.lookback.min(self.layout.block)) as i64;
        self.lookback.retain(|(index, _)| *index >= next);
    }
}

/// The rows of a block, by their places among those that are no history.
struct PendingRows {
    places: std::ops::Range<usize>,
    start: i64,
}

/// Blocks waiting for a forward pass.
struct Batch<'a> {
    layout: &'a BlockLayout,
    inputs: Vec<f32>,
    /// Whether each step is known.
    known: Vec<bool>,
    blocks: Vec<PendingRows>,
}

impl<'a> Batch<'a> {
    fn new(layout: &'a BlockLayout) -> Self {
        Self {
            layout,
            inputs: Vec::new(),
            known: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Writes the evidence of one block, whose first step is the window `first`. What is not known is 0.
    fn write(&mut self, first: i64, evidence: &[(i64, [f32; INPUTS])]) {
        let steps = self.layout.sequence_length();
        let (begin, known) = (self.inputs.len(), self.known.len());
        self.inputs.resize(begin + steps * INPUTS, 0.0);
        self.known.resize(known + steps, false);
        for (index, inputs) in evidence {
            let step = (index - first) as usize;
            self.inputs[begin + step * INPUTS..][..INPUTS].copy_from_slice(inputs);
            self.known[known + step] = true;
        }
    }

    fn run(
        &mut self,
        slice: &SeriesSlice<'_>,
        metric: usize,
        gates: &[Gate<'_>],
        odds: &mut [GateOdds],
        work: &mut Work,
    ) -> Result<(), ForecastError> {
        let steps = self.layout.sequence_length();
        let shape = (self.blocks.len(), steps, INPUTS);
        let inputs = Tensor::from_slice(&self.inputs, shape, &Device::Cpu)?;
        for (gate, odds) in gates.iter().zip(odds) {
            let started = Instant::now();
            let log_odds = gate
                .network
                .forward(&inputs)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            work.kernel_time += started.elapsed();
            work.blocks += self.blocks.len();
            let of_blocks = log_odds.chunks(steps).zip(self.known.chunks(steps));
            for (block, (log_odds, known)) in self.blocks.iter().zip(of_blocks) {
                for place in block.places.clone() {
                    let index = slice.indices[slice.first_row + place];
                    let step = self.layout.lookback + (index - block.start) as usize;
                    let held = step + 1 - gate.held..=step;
                    let largest = held
                        .filter(|step| known[*step])
                        .map(|step| log_odds[step])
                        .fold(f32::NEG_INFINITY, f32::max);
                    odds.log_odds[place * odds.metrics + metric] = largest;
                }
            }
        }
        self.inputs.clear();
        self.known.clear();
        self.blocks.clear();
        Ok(())
    }
}
