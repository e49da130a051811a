//! The only builder of a [`SessionContext`]: memory, threads and tables in one place, so that a
//! query means the same in every command.
//!
//! A table that has no files yet is registered all the same and has no rows. Files are listed when
//! a query is planned, so a session sees what its own command has written. Linked sources and
//! `scored_windows`, whose columns are read from files, are as they were when it was opened.

mod error;
mod file_tables;
mod files;
mod linked;
mod linked_files;
mod linked_rows;
mod message;
mod names;
mod overlay;
pub mod queries;
mod query;
mod requests;
pub mod results;
pub mod site_dates;
mod site_groups;
mod stretches;
mod tables;
mod views;

use std::fmt;
use std::sync::Arc;

use anomalog_engine::baseline::ProfileMemo;
use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::ThresholdPolicy;
use anomalog_udfs::enrich::{self, Enrichment, EnrichmentFiles};
use datafusion::catalog::TableProvider;
use datafusion::error::Result as QueryResult;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

pub use error::{Error, Result};
pub use linked_rows::FileRows;
pub use message::QueryError;
pub use names::TABLES;

use crate::functions;
use crate::logs;
use crate::logs::linked::{KnownFiles, LeftOut, LinkedFile, LinkedSource};
use crate::units::{ByteSize, WindowStep};
use crate::warehouse::Warehouse;
use crate::warehouse::settings::WindowSettings;

/// Bytes at the end of a Parquet file that are read at once: more than the metadata of most. A file of
/// the requests of one day and site may itself be no longer than the usual half megabyte, and would be
/// read twice.
const FOOTER_BYTES: usize = 32 << 10;

/// What a session may use.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Memory that queries may use before they spill to disk; no limit if absent.
    pub memory_limit: Option<ByteSize>,
    /// Threads of one query; one per core if absent.
    pub threads: Option<u32>,
    /// Windows per series and week that may be anomalous by chance; what each detector was trained
    /// with if absent.
    pub alarms_per_week: Option<f64>,
    /// Length of the windows that shipped detectors score; that of the last build if absent.
    pub step: Option<WindowStep>,
    /// Files that functions over requests read.
    pub enrichment: EnrichmentFiles,
}

/// A context with the tables of one warehouse.
pub struct Session {
    context: SessionContext,
    warehouse: Warehouse,
    detectors: Arc<DetectorStore>,
    enrichment: Arc<Enrichment>,
    linked: Arc<[LinkedFile]>,
    left_out: Arc<[LeftOut]>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("warehouse", &self.warehouse)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a warehouse, which need not exist yet.
    ///
    /// # Errors
    /// When a link or the settings of the windows are damaged. Linked files that cannot be read are
    /// [left out](Self::left_out).
    pub async fn open(warehouse: &Warehouse, options: &SessionOptions) -> Result<Self> {
        let (mut linked, mut left_out) = (Vec::new(), Vec::new());
        let mut known = KnownFiles::load(warehouse);
        for (_, looked) in LinkedSource::look_at_all(warehouse, &mut known)? {
            linked.extend(looked.files);
            left_out.extend(looked.left_out);
        }
        let mut context = context(options)?;
        let detectors = Arc::new(detector_store(warehouse, options)?);
        anomalog_udfs::register_all(&mut context, &detectors)?;
        let enrichment = Arc::new(enrichment(warehouse, options.enrichment.clone()));
        enrich::register(&mut context, &enrichment)?;
        functions::register_all(&mut context)?;
        let mut session = Self {
            context,
            warehouse: warehouse.clone(),
            detectors,
            enrichment,
            linked: linked.into(),
            left_out: left_out.into(),
        };
        session.register_tables().await?;
        Ok(session)
    }

    /// The context, to run queries in.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The warehouse whose tables these are.
    #[must_use]
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// The files of linked sources that are read.
    #[must_use]
    pub fn linked_files(&self) -> &[LinkedFile] {
        &self.linked
    }

    /// The files of linked sources that are not read.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The detectors that the SQL functions find.
    #[must_use]
    pub fn detectors(&self) -> &DetectorStore {
        &self.detectors
    }

    /// The files that functions over requests read.
    #[must_use]
    pub fn enrichment(&self) -> &Enrichment {
        &self.enrichment
    }

    /// Returns a context whose queries can name files as well as tables: `FROM 'windows/*.parquet'`.
    ///
    /// # Errors
    /// Never so far.
    pub fn with_files(&self) -> Result<SessionContext> {
        Ok(file_tables::with_files(&self.context)?)
    }

    /// Returns a session that merges files which are in the order asked for, instead of sorting their
    /// rows again: what is held then does not grow with the number of files.
    #[must_use]
    pub fn in_order_of_files(&self) -> Self {
        self.configured(|config| {
            config.options_mut().optimizer.prefer_existing_sort = true;
        })
    }

    /// Returns a session that looks up what is usual for a series before it learns it.
    #[must_use]
    pub fn with_profiles(&self, profiles: &Arc<ProfileMemo>) -> Self {
        self.configured(|config| config.set_extension(Arc::clone(profiles)))
    }

    fn configured(&self, change: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut state = SessionStateBuilder::new_from_existing(self.context.state());
        change(state.config().get_or_insert_default());
        Self {
            context: SessionContext::new_with_state(state.build()),
            warehouse: self.warehouse.clone(),
            detectors: Arc::clone(&self.detectors),
            enrichment: Arc::clone(&self.enrichment),
            linked: Arc::clone(&self.linked),
            left_out: Arc::clone(&self.left_out),
        }
    }

    /// Returns a context in which some tables stand beside those of the warehouse, or in their place:
    /// what one query reads is an argument of it, and no other query meets it.
    pub(crate) fn reading(
        &self,
        tables: Vec<(&str, Arc<dyn TableProvider>)>,
    ) -> QueryResult<SessionContext> {
        overlay::with_tables(&self.context, tables)
    }
}

/// What functions over the requests of a warehouse read.
#[must_use]
pub fn enrichment(warehouse: &Warehouse, files: EnrichmentFiles) -> Enrichment {
    let enrichment = Enrichment::new(files);
    if logs::has_pseudonyms(warehouse) {
        enrichment.of_pseudonyms()
    } else {
        enrichment
    }
}

/// The detectors of a warehouse, as a session finds them.
///
/// # Errors
/// When the settings of the windows are damaged.
pub fn detector_store(warehouse: &Warehouse, options: &SessionOptions) -> Result<DetectorStore> {
    let step = match options.step {
        Some(step) => step,
        None => WindowSettings::load(warehouse)?.step,
    };
    let store = DetectorStore::open(warehouse.detectors()).with_step(step.micros());
    Ok(match options.alarms_per_week {
        Some(false_alarms_per_week) => store.with_threshold(ThresholdPolicy {
            false_alarms_per_week,
        }),
        None => store,
    })
}

fn context(options: &SessionOptions) -> QueryResult<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_collect_statistics(true)
        .with_parquet_pruning(true)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        // Logs lie in order of site and time. Read so, windows are counted one series after the
        // other, in a fraction of the memory.
        .set_bool("datafusion.execution.split_file_groups_by_statistics", true)
        // Rows that are apart by site are apart by site and window.
        .set_usize("datafusion.optimizer.subset_repartition_threshold", 1)
        .set_usize(
            "datafusion.execution.parquet.metadata_size_hint",
            FOOTER_BYTES,
        )
        .set_str("datafusion.execution.time_zone", "UTC");
    if let Some(threads) = options.threads {
        config = config.with_target_partitions(threads as usize);
    }
    // A command may read a table that it has just written.
    let mut runtime = RuntimeEnvBuilder::new().with_object_list_cache_limit(0);
    if let Some(limit) = options.memory_limit {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(limit.bytes() as usize)));
    }
    Ok(SessionContext::new_with_config_rt(
        config,
        runtime.build_arc()?,
    ))
}
