//! Our side of the benchmarks that run inside one process; `benches/run` starts it.
//!
//! ```text
//! ours record FOLDER                  weights, some blocks and their forecasts, for the peers to repeat
//! ours score FOLDER ARCHITECTURE      one pass over all blocks of FOLDER/sizes.json
//! ours train ARCHITECTURE             a hundred optimiser steps over 64 × 120
//! ours fine-tune ARCHITECTURE         a series of 20,000 windows: from shipped weights to a detector
//! ours sql WAREHOUSE WINDOWS OUT SCORE    SCORE(…) OVER (…) from Parquet to Parquet
//! ours queries WAREHOUSE QUERIES          the statements of QUERIES; answers with the median of their times
//! ```
//!
//! All but `record` prepare, print `{"ready": …}`, and then run once per line on standard input,
//! answering with the time it took, as `benches/peers/worker.py` does.

#![expect(
    clippy::print_stdout,
    reason = "a protocol over standard output is what this program is for"
)]

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anomalog::process;
use anomalog::session::{Session, SessionOptions};
use anomalog::training::dataset::Series;
use anomalog::training::optimiser::ClippedAdamW;
use anomalog::training::{self, Dataset, TrainingSettings};
use anomalog::warehouse::Warehouse;
use anomalog_engine::detector::{ThresholdPolicy, shipped};
use anomalog_engine::network::init::{sorted_variables, trainable};
use anomalog_engine::network::likelihood::laplace_loss;
use anomalog_engine::network::{Architecture, Forecaster, ForecasterConfig, Predictor};
use anomalog_engine::series::blocks::BlockLayout;
use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::{VarBuilder, VarMap};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const THREADS: usize = 2;
const HIDDEN_SIZE: usize = 64;
/// Blocks that are recorded with their forecasts.
const RECORDED: usize = 64;
/// Chunks of a training step, and steps that are timed together.
const BATCH_SIZE: usize = 64;
const OPTIMISER_STEPS: usize = 100;
const LEARNING_RATE: f64 = 1e-5;
/// Windows of a series that a shipped detector is fine-tuned to, and steps that takes.
const FINE_TUNE_WINDOWS: i64 = 20_000;
const FINE_TUNE_STEPS: usize = 60;

#[derive(Deserialize)]
struct Sizes {
    blocks: usize,
}

fn main() -> Result<()> {
    #[expect(
        unsafe_code,
        reason = "settings that must be made before there are threads"
    )]
    // SAFETY: this is the first thing that the only thread does. As in the command: it decides
    // what large buffers and waiting cost.
    unsafe {
        process::prepare();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["record", folder] => record(Path::new(folder)),
        ["score", folder, architecture] => score(Path::new(folder), architecture.parse()?),
        ["train", architecture] => train(architecture.parse()?),
        ["fine-tune", architecture] => fine_tune(architecture.parse()?),
        ["queries", warehouse, queries] => queries_of(warehouse, Path::new(queries)),
        ["sql", warehouse, windows, out, score] => sql(warehouse, Path::new(windows), out, score),
        // What `cargo bench` passes.
        _ => {
            println!("run benches/run, which starts this program beside its peers");
            Ok(())
        }
    }
}

/// Answers every line of standard input with the time one run takes.
fn serve(mut run: impl FnMut() -> Result<()>) -> Result<()> {
    serve_times(|| {
        let started = Instant::now();
        run()?;
        Ok(started.elapsed().as_secs_f64())
    })
}

/// Answers every line of standard input with a time.
fn serve_times(mut run: impl FnMut() -> Result<f64>) -> Result<()> {
    let answer = |answer: serde_json::Value| {
        println!("{answer}");
        std::io::stdout().flush()
    };
    answer(json!({"ready": {"version": env!("CARGO_PKG_VERSION")}}))?;
    for line in std::io::stdin().lines() {
        line?;
        answer(json!({"seconds": run()?}))?;
    }
    Ok(())
}

/// The layout of one metric in minutes, as detectors have it.
fn layout() -> BlockLayout {
    BlockLayout::for_step(60_000_000, vec![1.0])
}

fn forecaster(architecture: Architecture) -> Result<(Forecaster, VarMap)> {
    let layout = layout();
    let config = ForecasterConfig {
        architecture,
        features: layout.features(),
        hidden_size: HIDDEN_SIZE,
        targets: layout.metrics() * layout.horizons.len(),
    };
    let map = trainable(&config, 1)?;
    // The head starts at zero, and forecasts of zero would prove nothing.
    for (name, variable) in sorted_variables(&map) {
        if name.starts_with("location") || name.starts_with("log_scale") {
            variable.set(&random(variable.dims(), 0.2)?)?;
        }
    }
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    Ok((Forecaster::new(&config, vb)?, map))
}

fn random(shape: &[usize], range: f32) -> Result<Tensor> {
    let mut generator = ChaCha8Rng::seed_from_u64(shape.iter().product::<usize>() as u64);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| generator.random_range(-range..range))
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn blocks(count: usize) -> Result<Tensor> {
    let layout = layout();
    random(&[count, layout.sequence_length(), layout.features()], 2.0)
}

fn record(folder: &Path) -> Result<()> {
    for architecture in Architecture::ALL {
        let (forecaster, map) = forecaster(architecture)?;
        let weights = sorted_variables(&map).into_iter();
        let weights = weights.map(|(name, variable)| (name, variable.as_tensor().clone()));
        let file = folder.join(format!("{architecture}.safetensors"));
        record_forecasts(&file, &Predictor::new(&forecaster)?, weights.collect())?;
        let shipped = shipped::load(architecture)?;
        let file = folder.join(format!("shipped-{architecture}.safetensors"));
        if let Some(predictor) = shipped.forecaster() {
            record_forecasts(&file, predictor, shipped.tensors()?)?;
        }
    }
    Ok(())
}

fn record_forecasts(
    file: &Path,
    predictor: &Predictor,
    weights: HashMap<String, Tensor>,
) -> Result<()> {
    let layout = layout();
    let inputs = blocks(RECORDED)?;
    let numbers = inputs.flatten_all()?.to_vec1::<f32>()?;
    let location = predictor
        .forecast(&numbers, layout.sequence_length(), layout.lookback, THREADS)?
        .location;
    let shape = (RECORDED, layout.block, predictor.config().targets);
    let mut tensors: HashMap<String, Tensor> = (weights.into_iter())
        .map(|(name, weight)| (format!("weight.{name}"), weight))
        .collect();
    tensors.insert("inputs".to_owned(), inputs);
    let location = Tensor::from_vec(location, shape, &Device::Cpu)?;
    tensors.insert("location".to_owned(), location);
    Ok(safetensors::save(&tensors, file)?)
}

fn score(folder: &Path, architecture: Architecture) -> Result<()> {
    let sizes: Sizes = serde_json::from_slice(&std::fs::read(folder.join("sizes.json"))?)?;
    let layout = layout();
    let predictor = Predictor::new(&forecaster(architecture)?.0)?;
    let inputs = blocks(sizes.blocks)?.flatten_all()?.to_vec1::<f32>()?;
    serve(|| {
        let steps = layout.sequence_length();
        black_box(predictor.forecast(&inputs, steps, layout.lookback, THREADS)?);
        Ok(())
    })
}

fn train(architecture: Architecture) -> Result<()> {
    let (forecaster, map) = forecaster(architecture)?;
    let inputs = blocks(BATCH_SIZE)?;
    let targets = random(forecaster.forward(&inputs)?.location.dims(), 2.0)?;
    let mask = targets.ones_like()?;
    let variables = sorted_variables(&map);
    let mut optimiser = ClippedAdamW::new(variables.into_iter().map(|(_, var)| var).collect())?;
    serve(|| {
        for _ in 0..OPTIMISER_STEPS {
            let forecast = forecaster.forward(&inputs)?;
            optimiser.step(&laplace_loss(&forecast, &targets, &mask)?, LEARNING_RATE)?;
        }
        Ok(())
    })
}

/// All of what `anomalog train --from pretrained` does but reading and writing files: inputs,
/// optimiser steps, stopping and calibration.
fn fine_tune(architecture: Architecture) -> Result<()> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let values = (0..FINE_TUNE_WINDOWS).map(|minute| {
        let time = minute as f64 / 1_440.0 * std::f64::consts::TAU;
        (100.0 + 50.0 * time.sin() + generator.random_range(-15.0..15.0)).round()
    });
    let series = Series {
        key: "series".to_owned(),
        window_start: (0..FINE_TUNE_WINDOWS)
            .map(|minute| minute * 60_000_000)
            .collect(),
        metrics: vec![values.collect()],
        ..Series::default()
    };
    let dataset = Dataset::new(vec!["requests".to_owned()], vec![series])?;
    let source = shipped::load(architecture)?;
    let settings = TrainingSettings {
        name: "tuned".to_owned(),
        architecture,
        hidden_size: source.manifest().hidden_size,
        steps: FINE_TUNE_STEPS,
        seed: 0,
        began_with: None,
        horizons: None,
        threshold: ThresholdPolicy::default(),
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build_global()?;
    serve(|| {
        black_box(training::train(
            &settings,
            &dataset,
            Some(&source),
            &mut |_| {},
        )?);
        Ok(())
    })
}

fn open(warehouse: &str) -> Result<(tokio::runtime::Runtime, Session)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(THREADS)
        .build()?;
    let options = SessionOptions {
        threads: Some(THREADS as u32),
        ..SessionOptions::default()
    };
    let warehouse = Warehouse::new(PathBuf::from(warehouse));
    let session = runtime.block_on(Session::open(&warehouse, &options))?;
    Ok((runtime, session))
}

fn queries_of(warehouse: &str, queries: &Path) -> Result<()> {
    let (runtime, session) = open(warehouse)?;
    let text = std::fs::read_to_string(queries)?;
    let statements: Vec<&str> = text
        .split(';')
        .filter(|text| !text.trim().is_empty())
        .collect();
    serve_times(|| {
        let mut times = Vec::new();
        for statement in &statements {
            let started = Instant::now();
            runtime.block_on(async {
                let frame = session.context().sql(statement).await?;
                black_box(frame.collect().await?);
                Ok::<(), Box<dyn Error>>(())
            })?;
            times.push(started.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        // As Python's `statistics.median`.
        let middle = times.len() / 2;
        Ok(match times.len() % 2 {
            0 => f64::midpoint(times[middle - 1], times[middle]),
            _ => times[middle],
        })
    })
}

fn sql(warehouse: &str, windows: &Path, out: &str, score: &str) -> Result<()> {
    let (runtime, session) = open(warehouse)?;
    let frame = runtime.block_on(session.parquet(windows))?;
    session
        .context()
        .register_table("windows", frame.into_view())?;
    let query = format!(
        "COPY (SELECT site, window_start, requests, {score}(window_start, requests) OVER \
         (PARTITION BY site ORDER BY window_start) AS score FROM windows) TO '{out}' STORED AS PARQUET"
    );
    serve(|| {
        runtime.block_on(async {
            let frame = session.context().sql(&query).await?;
            black_box(frame.collect().await?);
            Ok(())
        })
    })
}
