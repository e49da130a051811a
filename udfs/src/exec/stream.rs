//! One partition of the operator: sorted rows in, the same rows with scores out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::{SortColumn, concat};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::utils::evaluate_partition_ranges;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RecordOutput, Time,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use crate::functions::{BoundCall, execution_error, metric_values, micros};
use anomalog_engine::baseline::ProfileMemo;
use anomalog_engine::score::{Call, CallError, Columns, StreamScorer, Workers};

/// A partition as it comes in: its rows, and the calls whose scores are appended to them.
pub(super) struct PartitionInput<'a> {
    /// The rows come sorted by series and time.
    pub(super) rows: SendableRecordBatchStream,
    /// This is the schema of the rows with their scores.
    pub(super) schema: SchemaRef,
    /// These expressions tell series apart.
    pub(super) partition_by: &'a [Arc<dyn PhysicalExpr>],
    /// Each call appends one column.
    pub(super) calls: &'a [BoundCall],
    /// Rows before this time, in microseconds since the epoch, are only history.
    pub(super) scored_from: Option<i64>,
    /// These share the rows of a long series.
    pub(super) workers: &'a Arc<Workers>,
}

/// Starts a partition.
pub(super) fn execute(
    input: PartitionInput<'_>,
    partition: usize,
    context: &TaskContext,
    metrics: &ExecutionPlanMetricsSet,
) -> SendableRecordBatchStream {
    let arguments = Arguments::of(input.calls);
    let mut scorer = StreamScorer::new(&arguments.calls, input.scored_from.unwrap_or(i64::MIN))
        .with_workers(input.workers);
    if let Some(memo) = context.session_config().get_extension::<ProfileMemo>() {
        scorer = scorer.with_memo(&memo);
    }
    let reservation = MemoryConsumer::new(format!("AnomalyScoreExec[{partition}]"))
        .register(context.memory_pool());
    let scoring = Scoring {
        input: Some(input.rows),
        schema: Arc::clone(&input.schema),
        batch_size: context.session_config().batch_size(),
        series: SeriesRanges::new(input.partition_by),
        calls: input.calls.to_vec(),
        arguments,
        scorer,
        arriving: None,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        reservation,
        metrics: Metrics::new(metrics, partition),
    };
    let batches = stream::try_unfold(scoring, |mut scoring| async move {
        let batch = scoring.next().await?;
        Ok(batch.map(|batch| (batch, scoring)))
    });
    Box::pin(RecordBatchStreamAdapter::new(
        input.schema,
        batches.into_stream(),
    ))
}

/// The distinct arguments of several calls, and each call in terms of them.
struct Arguments {
    times: Vec<Arc<dyn PhysicalExpr>>,
    metrics: Vec<Arc<dyn PhysicalExpr>>,
    calls: Vec<Call>,
}

impl Arguments {
    fn of(calls: &[BoundCall]) -> Self {
        let (mut times, mut metrics) = (Vec::new(), Vec::new());
        let calls = calls
            .iter()
            .map(|call| Call {
                judge: call.judge.clone(),
                times: place(&mut times, &call.times),
                time_zone: call.time_zone,
                metrics: (call.metrics.iter())
                    .map(|metric| place(&mut metrics, metric))
                    .collect(),
                detail: call.output.detail(),
            })
            .collect();
        Self {
            times,
            metrics,
            calls,
        }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Columns> {
        let rows = batch.num_rows();
        let values = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(rows);
        let times = self.times.iter().map(|time| micros(&values(time)?));
        let metrics = self
            .metrics
            .iter()
            .map(|metric| metric_values(&values(metric)?));
        Ok(Columns {
            times: times.collect::<Result<_>>()?,
            metrics: metrics.collect::<Result<_>>()?,
        })
    }
}

/// The place of an expression among distinct ones, to which it is added if it is new.
fn place(known: &mut Vec<Arc<dyn PhysicalExpr>>, expr: &Arc<dyn PhysicalExpr>) -> usize {
    let found = known.iter().position(|other| other == expr);
    found.unwrap_or_else(|| {
        known.push(Arc::clone(expr));
        known.len() - 1
    })
}

/// A partition at work.
struct Scoring {
    /// None after its end.
    input: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    batch_size: usize,
    series: SeriesRanges,
    calls: Vec<BoundCall>,
    arguments: Arguments,
    scorer: StreamScorer,
    /// What is left of the batch that arrived last.
    arriving: Option<RecordBatch>,
    /// Rows without all of their scores, in order.
    waiting: VecDeque<RecordBatch>,
    waiting_bytes: usize,
    reservation: MemoryReservation,
    metrics: Metrics,
}

impl Scoring {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.scored()? {
                return Ok(Some(batch));
            }
            if let Some(batch) = self.arriving.take() {
                self.score(&batch)?;
                // Forward passes keep the thread for milliseconds: a query that is no longer
                // wanted ends here.
                yield_now().await;
                continue;
            }
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            match input.next().await {
                Some(batch) => self.arriving = Some(batch?),
                None => {
                    // Frees what the input holds before the last passes.
                    self.input = None;
                    self.end()?;
                }
            }
        }
    }

    /// The oldest batch, if all its scores are known.
    fn scored(&mut self) -> Result<Option<RecordBatch>> {
        let is_scored =
            (self.waiting.front()).is_some_and(|batch| batch.num_rows() <= self.scorer.ready());
        if !is_scored {
            return Ok(None);
        }
        let Some(batch) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let timer = self.metrics.baseline.elapsed_compute().timer();
        self.waiting_bytes -= bytes(&batch)?;
        let mut columns = batch.columns().to_vec();
        let scores = self.scorer.take(batch.num_rows());
        for (call, scores) in self.calls.iter().zip(scores) {
            columns.push(call.output.array(&call.judge, &scores));
        }
        self.reserve()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        timer.done();
        Ok(Some(batch.record_output(&self.metrics.baseline)))
    }

    /// Scores as much of a batch as one output batch holds; the rest goes on arriving.
    fn score(&mut self, batch: &RecordBatch) -> Result<()> {
        let elapsed = self.metrics.baseline.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let rows = batch.num_rows().min(self.batch_size);
        if rows < batch.num_rows() {
            self.arriving = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        if rows == 0 {
            return Ok(());
        }
        let batch = batch.slice(0, rows);
        let columns = self.arguments.evaluate(&batch)?;
        for (is_new, range) in self.series.of_batch(&batch)? {
            if is_new {
                self.metrics.series.add(1);
                self.scorer
                    .end_series()
                    .map_err(|error| self.error(&error))?;
            }
            self.scorer
                .push(&columns, range)
                .map_err(|error| self.error(&error))?;
        }
        self.waiting_bytes += bytes(&batch)?;
        self.waiting.push_back(batch);
        self.record();
        self.reserve()
    }

    fn end(&mut self) -> Result<()> {
        let elapsed = self.metrics.baseline.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let ended = self.scorer.end_series();
        ended
            .and_then(|()| self.scorer.flush())
            .map_err(|error| self.error(&error))?;
        self.record();
        Ok(())
    }

    fn error(&self, error: &CallError) -> datafusion::error::DataFusionError {
        execution_error(self.calls[error.call].function, &error.source)
    }

    /// Asks the pool for what is held now.
    fn reserve(&self) -> Result<()> {
        self.reservation
            .try_resize(self.scorer.size() + self.waiting_bytes)
    }

    fn record(&self) {
        let Metrics {
            blocks,
            kernel_time,
            ..
        } = &self.metrics;
        blocks.add(self.scorer.blocks() - blocks.value());
        let known = std::time::Duration::from_nanos(kernel_time.value() as u64);
        kernel_time.add_duration(self.scorer.kernel_time().saturating_sub(known));
    }
}

/// Bytes of the rows of a batch, whose buffers may hold more.
fn bytes(batch: &RecordBatch) -> Result<usize> {
    let columns = batch.columns().iter();
    let sizes = columns.map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}

/// Lets other tasks run, and this one be dropped.
async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if has_yielded {
            return std::task::Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Finds where series begin in batches that come one after the other.
struct SeriesRanges {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The key of the last row so far, one array of one value per expression.
    last: Option<Vec<ArrayRef>>,
}

impl SeriesRanges {
    fn new(keys: &[Arc<dyn PhysicalExpr>]) -> Self {
        Self {
            keys: keys.to_vec(),
            last: None,
        }
    }

    /// The runs of rows of one series, and whether each begins a series; the first row of all
    /// does.
    fn of_batch(&mut self, batch: &RecordBatch) -> Result<Vec<(bool, Range<usize>)>> {
        let rows = batch.num_rows();
        let keys = self
            .keys
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let continues = match &self.last {
            Some(last) => is_one_series(last, &keys)?,
            None => false,
        };
        self.last = Some(keys.iter().map(|key| key.slice(rows - 1, 1)).collect());
        let ranges = ranges(rows, keys)?;
        let begins = |place: usize| place > 0 || !continues;
        Ok(ranges
            .into_iter()
            .enumerate()
            .map(|(place, range)| (begins(place), range))
            .collect())
    }
}

/// Whether the row of `last` and the first row of `keys` are of one series.
fn is_one_series(last: &[ArrayRef], keys: &[ArrayRef]) -> Result<bool> {
    let pairs = last
        .iter()
        .zip(keys)
        .map(|(last, key)| Ok(concat(&[last.as_ref(), key.slice(0, 1).as_ref()])?))
        .collect::<Result<_>>()?;
    Ok(ranges(2, pairs)?.len() == 1)
}

/// As the plain operator tells series apart.
fn ranges(rows: usize, keys: Vec<ArrayRef>) -> Result<Vec<Range<usize>>> {
    let keys: Vec<SortColumn> = keys
        .into_iter()
        .map(|values| SortColumn {
            values,
            options: None,
        })
        .collect();
    evaluate_partition_ranges(rows, &keys)
}

struct Metrics {
    baseline: BaselineMetrics,
    series: Count,
    blocks: Count,
    kernel_time: Time,
}

impl Metrics {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            series: MetricBuilder::new(metrics).counter("series", partition),
            blocks: MetricBuilder::new(metrics).counter("blocks", partition),
            kernel_time: MetricBuilder::new(metrics).subset_time("kernel_time", partition),
        }
    }
}
