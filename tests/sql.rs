//! SQL tests: every `.slt` file of `tests/slt`, each on a warehouse of its own, with one and with
//! four threads.
//!
//! Beside SQL, the files use statements of this harness:
//!
//! ```text
//! WRITE <table> AS SELECT …       adds rows to the warehouse; absent columns get plain values
//! BUILD WINDOWS [STEP 5m] [KEY <expression>] [EXTRA <metric>,…]
//! BUILD INCIDENTS
//! EXPORT <name> AS SELECT …       writes a Parquet file beside the warehouse
//! LINK <name> [ours=theirs,…]     links that file
//! TRAIN <arguments>               `anomalog train`
//! ```

#![expect(clippy::unwrap_used, reason = "a broken fixture may end the test run")]

// In a folder, so that it is no test binary of its own.
#[path = "sql/docs.rs"]
mod docs;
#[path = "../udfs/src/enrich/mmdb_fixture.rs"]
mod mmdb_fixture;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anomalog::cli::printer::Printer;
use anomalog::cli::{BuildArgs, Cli, Command, WindowsArgs};
use anomalog::commands::error::CommandError as Error;
use anomalog::commands::{Settings, incidents, train, windows};
use anomalog::logs::linked::{ColumnMapping, KnownFiles, LinkOptions, LinkedSource};
use anomalog::progress::Unwatched;
use anomalog::schema::{ACCESS_LOGS, DATE_PARTITION, LABELS, LOG_FILES, TRAFFIC_WINDOWS, Table};
use anomalog::session::{Session, SessionOptions};
use anomalog::warehouse::Warehouse;
use anomalog::warehouse::commit::{Wait, Writer};
use anomalog::warehouse::tables::DatedTableWriter;
use anomalog_udfs::enrich::EnrichmentFiles;
use clap::Parser;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{DataFrame, Expr, cast, ident, lit};
use mmdb_fixture::{Value, mmdb};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};
use tempfile::TempDir;

#[test]
fn slt() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no `.slt` file in {}", folder.display());
    for file in files {
        for threads in [1, 4] {
            let mut runner = Runner::new(|| async { Ok(Database::new(threads)) });
            if let Err(error) = runner.run_file(&file) {
                panic!("{threads} threads: {}", error.display(false));
            }
        }
    }
}

/// A warehouse in a temporary folder. Each statement opens it anew, as each command does.
struct Database {
    runtime: tokio::runtime::Runtime,
    warehouse: Warehouse,
    options: SessionOptions,
    files: usize,
    folder: TempDir,
}

impl Database {
    fn new(threads: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let enrichment = places(folder.path());
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap(),
            warehouse: Warehouse::new(folder.path().join("warehouse")),
            options: SessionOptions {
                threads: Some(threads),
                enrichment,
                ..SessionOptions::default()
            },
            files: 0,
            folder,
        }
    }

    async fn open(&self) -> Result<Session, Error> {
        Ok(Session::open(&self.warehouse, &self.options).await?)
    }

    async fn query(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let session = self.open().await?;
        let batches = session.context().sql(sql).await?.collect().await?;
        let columns = batches.first().map_or(0, RecordBatch::num_columns);
        Ok(DBOutput::Rows {
            types: vec![DefaultColumnType::Any; columns],
            rows: batches.iter().flat_map(rows).collect(),
        })
    }

    async fn write(&mut self, table: &str, sql: &str) -> Result<(), Error> {
        let session = self.open().await?;
        let given = session.context().sql(sql).await?;
        self.files += 1;
        let file = format!("{:016}.parquet", self.files);
        match table {
            "access_logs" => {
                let folder = self.warehouse.table(Table::AccessLogs);
                let requests = complete(given, &ACCESS_LOGS)?;
                let date = cast(ident("timestamp"), DataType::Date32);
                let dates = requests
                    .clone()
                    .select(vec![date.clone().alias("d")])?
                    .distinct()?;
                for batch in dates.collect().await? {
                    for row in rows(&batch) {
                        let day = cast(lit(row[0].as_str()), DataType::Date32);
                        let path = folder
                            .join(format!("{DATE_PARTITION}={}", row[0]))
                            .join(&file);
                        save(requests.clone().filter(date.clone().eq(day))?, &path).await?;
                    }
                }
                Ok(())
            }
            "labels" => {
                let path = self.warehouse.table(Table::Labels).join(&file);
                save(complete(given, &LABELS)?, &path).await
            }
            "log_files" => {
                let path = self.warehouse.table(Table::LogFiles).join(&file);
                save(complete(given, &LOG_FILES)?, &path).await
            }
            "scored_windows" => {
                // One file a date, in order, as `anomalog score` writes it.
                let schema = scored_windows();
                let keys = ["site", "window_start"].map(|key| ident(key).sort(true, false));
                let windows = complete(given, &schema)?.sort(keys.to_vec())?;
                let folder = self.warehouse.table(Table::ScoredWindows);
                let time_column = schema.index_of("window_start").unwrap();
                let mut table = DatedTableWriter::create(folder, schema, time_column)?;
                for batch in windows.collect().await? {
                    table.write(&batch)?;
                }
                Ok(table.finish().map(drop)?)
            }
            other => panic!("the harness does not write `{other}`"),
        }
    }

    fn link(&self, link: &str) -> Result<(), Error> {
        let (name, mappings) = link.split_once(' ').unwrap_or((link, ""));
        let mappings = mappings
            .split(',')
            .filter(|mapping| !mapping.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<ColumnMapping>, _>>()?;
        let options = LinkOptions {
            columns: &mappings,
            ..LinkOptions::default()
        };
        let path = self.folder.path().join(name);
        let mut known = KnownFiles::default();
        let (source, _) = LinkedSource::link(&path, options, &self.warehouse, &mut known)?;
        Ok(source.save(&self.warehouse)?)
    }

    async fn train(&self, arguments: &str) -> Result<(), Error> {
        let words = ["anomalog", "train"];
        let words = words.into_iter().chain(arguments.split_whitespace());
        let Command::Train(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("`train` is another command");
        };
        let settings = Settings {
            warehouse: self.warehouse.clone(),
            has_warehouse: true,
            session: self.options.clone(),
            wait: Wait::No,
            printer: Printer::new(false, true),
        };
        train::train(&settings, args).await.map(drop)
    }

    async fn build_windows(&self, options: &str) -> Result<(), Error> {
        let (options, extra) = options
            .split_once("EXTRA ")
            .map_or((options, None), |(options, extra)| (options, Some(extra)));
        let (step, key) = options
            .split_once("KEY ")
            .map_or((options, None), |(s, k)| (s, Some(k)));
        let args = WindowsArgs {
            step: step
                .trim()
                .strip_prefix("STEP ")
                .map(|step| step.trim().parse().unwrap()),
            series_key: key.map(|key| key.trim().parse().unwrap()),
            extra_metrics: extra.map(|extra| extra.trim().parse().unwrap()),
        };
        let mut writer = Writer::open(&self.warehouse, "tests", Wait::No).await?;
        let session = self.open().await?;
        Ok(windows::build(&session, &mut writer, args, &Unwatched)
            .await
            .map(drop)?)
    }

    async fn build_incidents(&self) -> Result<(), Error> {
        let settings = Settings {
            warehouse: self.warehouse.clone(),
            has_warehouse: true,
            session: self.options.clone(),
            printer: Printer::new(false, true),
            wait: Wait::No,
        };
        incidents::build(&settings, BuildArgs::default())
            .await
            .map(drop)
    }
}

/// Files that know the networks of documentation.
fn places(folder: &Path) -> EnrichmentFiles {
    let file = |name: &str, networks: &[(&str, Value)]| {
        let path = folder.join(name);
        std::fs::write(&path, mmdb("Test", networks)).unwrap();
        Some(path)
    };
    let country = |code| {
        Value::Map(vec![(
            "country",
            Value::Map(vec![("iso_code", Value::Text(code))]),
        )])
    };
    let asn = |number| Value::Map(vec![("autonomous_system_number", Value::Number(number))]);
    EnrichmentFiles {
        user_agents: None,
        path_groups: None,
        countries: file(
            "countries.mmdb",
            &[
                ("203.0.113.0/24", country("DE")),
                ("2001:db8::/32", country("FR")),
            ],
        ),
        asns: file(
            "asns.mmdb",
            &[
                ("203.0.113.0/24", asn(64_500)),
                ("2001:db8::/32", asn(4_200_000_000)),
            ],
        ),
    }
}

/// What incidents read of `scored_windows`.
fn scored_windows() -> SchemaRef {
    let scores = [
        ("anomaly_score", DataType::Float64),
        ("is_anomaly", DataType::Boolean),
        ("severity", DataType::Utf8),
        ("direction", DataType::Utf8),
        ("expected_value", DataType::Float64),
        ("threshold", DataType::Float64),
        ("top_metric", DataType::Utf8),
        ("run_id", DataType::Utf8),
    ];
    let scores = scores.map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)));
    let windows = TRAFFIC_WINDOWS.fields().iter().cloned();
    Arc::new(Schema::new(windows.chain(scores).collect::<Vec<_>>()))
}

impl DB for Database {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let runtime = std::mem::replace(
            &mut self.runtime,
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        );
        let result = runtime.block_on(async {
            if let Some(options) = sql.strip_prefix("BUILD WINDOWS") {
                self.build_windows(options.trim()).await?;
            } else if sql == "BUILD INCIDENTS" {
                self.build_incidents().await?;
            } else if let Some(write) = sql.strip_prefix("WRITE ") {
                let (table, query) = write.split_once(" AS ").expect("`WRITE table AS query`");
                self.write(table.trim(), query).await?;
            } else if let Some(export) = sql.strip_prefix("EXPORT ") {
                let (name, query) = export.split_once(" AS ").expect("`EXPORT name AS query`");
                let rows = self.open().await?.context().sql(query).await?;
                save(rows, &self.folder.path().join(name.trim())).await?;
            } else if let Some(arguments) = sql.strip_prefix("TRAIN ") {
                self.train(arguments).await?;
            } else if let Some(link) = sql.strip_prefix("LINK ") {
                self.link(link)?;
            } else {
                return self.query(sql).await;
            }
            Ok(DBOutput::StatementComplete(0))
        });
        self.runtime = runtime;
        result.map_err(Failure)
    }
}

#[derive(Debug)]
struct Failure(Error);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&anomalog::explain::chain(self.0.explain()))
    }
}

impl std::error::Error for Failure {}

/// Gives rows every column of a table: those at hand, and plain values for the others.
fn complete(given: DataFrame, schema: &SchemaRef) -> Result<DataFrame, Error> {
    let has = |name: &str| given.schema().has_column_with_unqualified_name(name);
    let columns = schema.fields().iter().map(|field| {
        let value = if has(field.name()) {
            ident(field.name())
        } else {
            plain_value(field)
        };
        cast(value, field.data_type().clone()).alias(field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(given.select(columns)?)
}

fn plain_value(field: &Arc<Field>) -> Expr {
    match field.data_type() {
        _ if field.is_nullable() => lit(ScalarValue::Null),
        DataType::Int32 => lit(200),
        DataType::Int64 => lit(0),
        DataType::Boolean => lit(true),
        _ => lit(""),
    }
}

async fn save(rows: DataFrame, path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let path = path.to_str().unwrap();
    rows.write_parquet(
        path,
        DataFrameWriteOptions::new().with_single_file_output(true),
        None,
    )
    .await?;
    Ok(())
}

/// The rows of a batch as text; NULL and empty text are written out.
fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let formatters: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            formatters
                .iter()
                .map(|formatter| match formatter.value(row).to_string() {
                    text if text.is_empty() => "(empty)".to_owned(),
                    text => text,
                })
                .collect()
        })
        .collect()
}
