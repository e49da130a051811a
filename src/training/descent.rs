//! The optimiser loop: `AdamW` with a cosine schedule, and the weights that did best on the
//! stopping range.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use candle_core::{Tensor, Var};

use super::error::TrainingError;
use super::optimiser::ClippedAdamW;
use super::weights::{Weights, copy};

/// Peak learning rate of the cosine schedule.
const LEARNING_RATE: f64 = 3e-3;
/// Optimiser steps between measurements on the stopping range, at least …
const STOP_INTERVAL: usize = 20;
/// … and measurements in a whole training, at most.
const STOP_MEASUREMENTS: usize = 20;
/// Measurements without improvement after which training ends.
const PATIENCE: usize = 6;
/// Batches cut before they are wanted.
const BATCHES_AHEAD: usize = 2;

/// One report per optimiser step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done.
    pub step: usize,
    /// Steps planned.
    pub steps: usize,
    /// Of the batch: Laplace negative log-likelihood, 0 being that of scale 1 and no error, or
    /// cross-entropy.
    pub loss: f64,
    /// The same on the stopping range, as last measured; `None` where nothing can be.
    pub stop_loss: Option<f64>,
}

/// What a descent came to; the variables have the weights.
pub(super) struct Descended {
    pub(super) weights: Weights,
    pub(super) steps: usize,
    /// Of the weights that were kept, and of those it began with; `None` where nothing measures.
    pub(super) stop_loss: Option<f64>,
    pub(super) initial_stop_loss: Option<f64>,
}

/// Batches to learn from, in the order in which they are learned from.
pub(super) trait Batches: Sync {
    /// What one step learns from.
    type Batch: Send;

    /// Cuts one batch per step until none is wanted.
    fn send_batches(&self, sender: &SyncSender<Result<Self::Batch, TrainingError>>);
}

/// Descends from the present weights of `variables`, in at most so many steps.
///
/// `stop_loss` measures on the stopping range; where it has nothing to measure by, all steps are
/// taken and the last weights kept.
pub(super) fn descend<B: Batches>(
    variables: &[(String, Var)],
    batches: &B,
    steps: usize,
    loss: impl Fn(&B::Batch) -> Result<Tensor, TrainingError>,
    stop_loss: impl Fn() -> Result<Option<f64>, TrainingError>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Descended, TrainingError> {
    let mut optimiser = ClippedAdamW::new(variables.iter().map(|(_, var)| var.clone()).collect())?;
    let initial_stop_loss = stop_loss()?;
    let mut best = match initial_stop_loss {
        Some(loss) => Some(Best::new(loss, variables)?),
        None => None,
    };
    let interval = STOP_INTERVAL.max(steps / STOP_MEASUREMENTS);
    let planned = steps;
    let steps = thread::scope(|scope| {
        // The next batches are cut while the optimiser works on the last.
        let (sender, ready) = sync_channel(BATCHES_AHEAD);
        scope.spawn(move || batches.send_batches(&sender));
        let mut steps = 0;
        for batch in ready {
            let rate = learning_rate(steps, planned);
            let loss = loss(&batch?)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            steps += 1;
            if !value.is_finite() {
                return Err(TrainingError::Diverged {
                    step: steps,
                    loss: value,
                });
            }
            optimiser.step(&loss, rate)?;
            if let Some(best) = &mut best
                && (steps % interval == 0 || steps == planned)
                && let Some(loss) = stop_loss()?
            {
                best.measure(loss, variables)?;
            }
            progress(StepReport {
                step: steps,
                steps: planned,
                loss: value,
                stop_loss: best.as_ref().map(|best| best.latest),
            });
            if best.as_ref().is_some_and(|best| best.stale >= PATIENCE) {
                break;
            }
        }
        Ok(steps)
    })?;
    let stop_loss = best.as_ref().map(|best| best.loss);
    let weights = match best {
        Some(best) => {
            best.restore(variables)?;
            best.weights
        }
        None => copy(variables)?,
    };
    Ok(Descended {
        weights: weights.into_iter().collect(),
        steps,
        stop_loss,
        initial_stop_loss,
    })
}

/// Cosine decay from the peak to zero.
fn learning_rate(step: usize, steps: usize) -> f64 {
    let done = step as f64 / steps.max(1) as f64;
    LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// The weights that did best so far.
struct Best {
    loss: f64,
    latest: f64,
    stale: usize,
    weights: Vec<(String, Tensor)>,
}

impl Best {
    fn new(loss: f64, variables: &[(String, Var)]) -> Result<Self, TrainingError> {
        Ok(Self {
            loss,
            latest: loss,
            stale: 0,
            weights: copy(variables)?,
        })
    }

    fn measure(&mut self, loss: f64, variables: &[(String, Var)]) -> Result<(), TrainingError> {
        self.latest = loss;
        if loss < self.loss {
            self.loss = loss;
            self.stale = 0;
            self.weights = copy(variables)?;
        } else {
            self.stale += 1;
        }
        Ok(())
    }

    fn restore(&self, variables: &[(String, Var)]) -> Result<(), TrainingError> {
        for ((_, variable), (_, weights)) in variables.iter().zip(&self.weights) {
            variable.set(weights)?;
        }
        Ok(())
    }
}
