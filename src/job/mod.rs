//! `anomalog run`: one night, or any number of them, as an incremental build.
//!
//! ```text
//! sources ─▶ what is new? ─▶ access_logs ─▶ which dates would come out otherwise? ─▶ build those
//!                                              traffic_windows, then scored_windows,
//!                                              then incidents and incident_causes
//! ```
//!
//! Each partition (a UTC date of a table) has a [key](crate::warehouse::commit::Partition::key): the digest
//! of all that its content is a function of. A run computes the keys that the logs, detectors and
//! settings give now, builds the partitions whose keys differ from those in the manifest, and ends.
//! Running again, late, in another order, after a crash or in one go therefore ends in the same
//! bytes: what is built depends on what is there, never on how it came there.
//!
//! Steps, each of which leaves all tables in order: `sources` (new logs are read, those that were
//! replaced go), `traffic`, `scores`, `incidents`, the last two up to each date on which a detector is
//! [due](retrain); then `retention`. After them come the export and
//! those who are told (`after`). A step that is to come after them goes into `Night::tables`, with
//! keys over those of the partitions that it reads.

pub mod config;
mod error;
pub mod retrain;
mod summary;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};

pub use config::{ConfigError, Job};
pub use error::{Error, Result};
pub use summary::{Checked, NightSummary, Outcome};
pub use tell::after::After;
pub use tell::ledger::{Alert, Alerts};

use crate::calendar;
use crate::calendar::Calendar;
use crate::cli::printer::Printer;
use crate::detectors::assignment::Terms;
use crate::detectors::champions::Champions;
use crate::explain::cannot;
use crate::incidents::step as incidents;
use crate::incremental::key::Key;
use crate::incremental::partitions;
use crate::intake::{self, Index, Scan, coverage};
use crate::logs::{self, IngestOptions, IngestSummary};
use crate::progress::Progress;
use crate::schema::Table;
use crate::scores::drift::Drift;
use crate::scores::{profiles, step as scores};
use crate::session::{Session, SessionOptions, detector_store};
use crate::units::dates::DateLimits;
use crate::warehouse::commit::{Manifest, PartitionDate, Wait, Writer};
use crate::warehouse::tables;
use crate::windows::step as traffic;
use config::outputs;
use retrain::PeriodDays;

/// To be raised whenever a run must look at everything again.
const VERSION: u32 = 1;
/// Digits of a run's id.
const RUN_ID_DIGITS: usize = 16;

/// One run of a job.
#[derive(Debug, Clone, Copy)]
pub struct Night<'a> {
    /// What is to be done.
    pub job: &'a Job,
    /// What queries may use.
    pub session: SessionOptions,
    /// The dates that are brought up to date.
    pub limits: DateLimits,
    /// Whether to wait for another run.
    pub wait: Wait,
    /// When it starts: for the table `runs` alone.
    pub now: DateTime<Utc>,
    /// Where progress shows.
    pub printer: Printer,
}

/// What the logs and the detectors are: a state in which all tables are up to date is known by it.
struct Inputs {
    digest: String,
    /// Digest by name of linked sources.
    linked: BTreeMap<String, String>,
}

impl Night<'_> {
    /// Brings all tables up to date.
    ///
    /// # Errors
    /// When the warehouse is in use or cannot be written, or a step fails. What was committed
    /// before is kept, and the next run goes on from there.
    pub async fn run(&self) -> Result<NightSummary> {
        let started = Instant::now();
        let warehouse = &self.job.warehouse;
        let mut writer = Writer::open(warehouse, "anomalog run", self.wait).await?;
        let unfinished =
            logs::remove_unpublished(warehouse).map_err(|source| intake::Error::Unpublished {
                warehouse: warehouse.root().to_owned(),
                source: Box::new(source),
            })?;
        let mut summary = NightSummary::new(self.now, writer.recovery(), unfinished);
        let mut index = Index::load(warehouse);
        let scan = intake::scan(self.job, &index);
        summary.logs_found = scan.found.len();
        summary.logs_vanished = scan.vanished;
        summary.faults.extend(scan.faults.iter().cloned());
        summary.faults.extend(index.link(self.job)?);
        let calendar = self.calendar()?;
        let inputs = self.inputs(&scan, &mut index, &calendar)?.digest;
        if is_up_to_date(&writer, &inputs) {
            self.hand_out(&writer, &mut summary);
            summary.end(started.elapsed());
            return Ok(summary);
        }
        self.take_in(&scan, &mut index, &mut writer, &mut summary)
            .await?;
        self.plan_ahead(&calendar, &mut writer).await?;
        summary.seconds.ingest = started.elapsed().as_secs_f64();
        self.tables(&scan, &mut index, &calendar, &mut writer, &mut summary)
            .await?;
        self.retire(&mut writer, &mut summary).await?;
        let inputs = self.inputs(&scan, &mut index, &calendar)?.digest;
        index.save(warehouse)?;
        self.conclude(inputs, started, &mut writer, &mut summary)
            .await?;
        self.hand_out(&writer, &mut summary);
        summary.end(started.elapsed());
        Ok(summary)
    }

    /// Says what a run would do, and changes nothing.
    ///
    /// # Errors
    /// When the warehouse cannot be read, or the job does not go with it.
    pub async fn check(&self) -> Result<Checked> {
        let warehouse = &self.job.warehouse;
        let manifest = Manifest::load(warehouse)?;
        let mut index = Index::load(warehouse);
        let scan = intake::scan(self.job, &index);
        let ingested = self.ingested()?;
        let new = scan.new_logs(&index, &ingested);
        let mut checked = Checked {
            job: self.job.file.clone(),
            warehouse: warehouse.root().to_owned(),
            logs_found: scan.found.len(),
            new_logs: (new.values().flatten())
                .map(|file| file.path().display().to_string())
                .collect(),
            faults: scan.faults.clone(),
            ..Checked::default()
        };
        let session = Session::open(warehouse, &self.options()).await?;
        let calendar = self.calendar()?;
        let Inputs { linked, .. } = self.inputs(&scan, &mut index, &calendar)?;
        let coverage = index.coverage(warehouse, &ingested)?;
        session.register_coverage(coverage::rows(coverage)?).await?;
        let settings = &self.job.windows;
        let linked = linked_dates(&session, &linked).await?;
        let plan = traffic::plan(&session, &manifest, settings, &linked, self.limits).await?;
        checked.windows = plan.build.keys().map(ToString::to_string).collect();
        let mut stale: BTreeSet<NaiveDate> = plan.build.keys().copied().collect();
        let traffic = plan.traffic;
        let champions = Champions::load(warehouse)?;
        let terms = Terms::of(self.job, session.detectors(), &champions)?;
        checked.detector = terms.last().selection.chosen.id();
        let plan = scores::plan(warehouse, &manifest, &terms, settings.step, self.limits)?;
        // Dates whose windows will change are scored again too.
        stale.extend(plan.build);
        checked.scores = stale.iter().map(ToString::to_string).collect();
        let inputs = incidents::inputs(warehouse, &manifest, &traffic, &calendar, &stale)?;
        let rules = &self.job.incidents;
        let plan = incidents::plan(warehouse, &manifest, rules, settings, inputs, self.limits)?;
        checked.incidents = plan.build.iter().map(ToString::to_string).collect();
        Ok(checked)
    }

    fn options(&self) -> SessionOptions {
        SessionOptions {
            alarms_per_week: Some(self.job.scores.alarms_per_week),
            step: Some(self.job.windows.step),
            ..self.session
        }
    }

    fn ingested(&self) -> Result<BTreeSet<String>> {
        let warehouse = &self.job.warehouse;
        let table = warehouse.table(Table::LogFiles);
        Ok(logs::ingested_digests(warehouse).map_err(cannot("read", &table))?)
    }

    /// What is planned.
    fn calendar(&self) -> Result<Calendar> {
        match &self.job.calendar.file {
            Some(file) => {
                Ok(Calendar::read(file, &self.job.scores.time_zones)
                    .map_err(calendar::Error::from)?)
            }
            None => Ok(Calendar::default()),
        }
    }

    /// What the tables are to be a function of.
    fn inputs(&self, scan: &Scan, index: &mut Index, calendar: &Calendar) -> Result<Inputs> {
        let Job {
            warehouse,
            windows,
            incidents: rules,
            retention,
            retrain,
            ..
        } = self.job;
        let store = detector_store(warehouse, &self.options())?;
        let champions = Champions::load(warehouse)?;
        let detectors = Terms::of(self.job, &store, &champions)?.digest();
        let mut key = Key::of("inputs", VERSION)
            .text(&scan.digest())
            .text(&windows.step.to_string())
            .text(windows.series_key.as_sql())
            .text(&detectors)
            .text(&incidents::digest(rules));
        if *retention != outputs::RetentionSettings::default() {
            key.add_text(&format!("{retention:?}"));
        }
        if retrain.every.is_some() {
            key.add_text(&format!("{retrain:?}"));
        }
        for (date, planned) in calendar.by_date() {
            key.add_text(&date.to_string());
            key.add_text(&planned);
        }
        for digest in self.ingested()? {
            key.add_text(&digest);
        }
        let linked = index.linked(warehouse)?;
        for (name, digest) in &linked {
            key.add_text(name);
            key.add_text(digest);
        }
        Ok(Inputs {
            digest: key.finish(),
            linked,
        })
    }

    /// Brings the table `calendar` up to date.
    async fn plan_ahead(&self, calendar: &Calendar, writer: &mut Writer) -> Result<()> {
        let mut change = writer.change()?;
        if calendar.stage(&self.job.warehouse, &mut change)? {
            let manifest = writer.manifest().clone();
            writer.commit(change, manifest).await?;
        }
        Ok(())
    }

    /// Reads new logs, and drops what was read of those that were replaced.
    async fn take_in(
        &self,
        scan: &Scan,
        index: &mut Index,
        writer: &mut Writer,
        summary: &mut NightSummary,
    ) -> Result<()> {
        let warehouse = &self.job.warehouse;
        let ingested = self.ingested()?;
        // Of logs that may have been replaced, the coverage must be known as long as they are there.
        index.coverage(warehouse, &ingested)?;
        summary.logs_compressed = scan.pass_over_compressed(index, &ingested).len();
        let mut failed = BTreeMap::new();
        for (source, files) in scan.new_logs(index, &ingested) {
            let read = self.ingest(source, files).await?;
            for fault in &read.failed {
                failed.insert(fault.file.clone(), fault.error.to_string());
            }
            for skipped in &read.skipped {
                failed.insert(skipped.file.clone(), skipped.reason.clone());
            }
            summary.read(read);
        }
        let ingested = self.ingested()?;
        index.coverage(warehouse, &ingested)?;
        let replaced = scan.replaced(index, &ingested);
        if !replaced.is_empty() {
            let mut change = writer.change()?;
            for digest in replaced.keys() {
                let files = logs::publication_of(warehouse, digest);
                for file in files.map_err(cannot("read", warehouse.root()))? {
                    change.delete(&file)?;
                }
            }
            let manifest = writer.manifest().clone();
            writer.commit(change, manifest).await?;
        }
        summary.logs_replaced = replaced.len();
        summary.warnings.extend(
            replaced
                .into_values()
                .map(|fault| format!("`{}` {}", fault.path, fault.message)),
        );
        scan.remember(index, &failed);
        Ok(index.save(warehouse)?)
    }

    async fn ingest(&self, source: usize, files: Vec<logs::LogFile>) -> Result<IngestSummary> {
        let threads = self.session.threads;
        let options = IngestOptions {
            threads: threads.and_then(|threads| NonZeroUsize::new(threads as usize)),
            ..self.job.logs[source].options.clone()
        };
        let warehouse = self.job.warehouse.clone();
        let progress = self.printer;
        // Parsing is plain blocking work.
        let read = tokio::task::spawn_blocking(move || {
            logs::ingest_files(&files, &options, &warehouse, &progress)
        });
        Ok(read
            .await
            .map_err(|error| intake::Error::Threads(error.into()))?
            .map_err(intake::Error::from)?)
    }

    /// Builds the partitions that are not what they should be, table after table.
    async fn tables(
        &self,
        scan: &Scan,
        index: &mut Index,
        calendar: &Calendar,
        writer: &mut Writer,
        summary: &mut NightSummary,
    ) -> Result<()> {
        let warehouse = &self.job.warehouse;
        let settings = &self.job.windows;
        let started = Instant::now();
        let session = Session::open(warehouse, &self.options()).await?;
        let ingested = self.ingested()?;
        let coverage = index.coverage(warehouse, &ingested)?;
        session.register_coverage(coverage::rows(coverage)?).await?;
        let Inputs { linked, .. } = self.inputs(scan, index, calendar)?;
        summary.logs_linked = linked.len();
        let linked = linked_dates(&session, &linked).await?;
        let mut plan =
            traffic::plan(&session, writer.manifest(), settings, &linked, self.limits).await?;
        summary.windows_built = plan.build.keys().map(ToString::to_string).collect();
        summary.dates_removed = plan.remove.len();
        summary.dates_left = plan.left;
        if !plan.is_empty() {
            let progress = self.printer.begin("building traffic_windows", None);
            plan.carry_out(&session, writer, settings, &*progress)
                .await?;
        }
        let traffic = std::mem::take(&mut plan.traffic);
        summary.seconds.windows = started.elapsed().as_secs_f64();

        let mut champions = Champions::load(warehouse)?;
        let first = tables::dates(&warehouse.table(Table::TrafficWindows));
        let first = first?.first().copied();
        loop {
            let terms = Terms::of(self.job, session.detectors(), &champions)?;
            let manifest = writer.manifest();
            let plan = scores::plan(warehouse, manifest, &terms, settings.step, self.limits)?;
            let every = self.job.retrain.every.map(PeriodDays::count);
            let due = every
                .zip(first)
                .and_then(|(every, first)| retrain::due(every, &champions, &plan.build, first));
            let limits = match due {
                Some(period) => self.limits.before(period),
                None => self.limits,
            };
            let inputs = (&traffic, calendar);
            self.score_and_find(&session, &terms, inputs, limits, writer, summary)
                .await?;
            let Some(period) = due else {
                break;
            };
            let decided = retrain::decide(
                self.job,
                &session,
                (&champions, &terms),
                period,
                self.printer,
            );
            let decision = decided.await?;
            champions.decide(period, decision.clone());
            champions.save(warehouse)?;
            summary.decisions.insert(PartitionDate(period), decision);
        }
        let last = summary
            .dates_scored
            .last()
            .and_then(|date| date.parse().ok());
        if let Some(last) = last {
            summary.drift = Drift::of(&session, last).await?;
        }
        Ok(())
    }

    /// Scores windows and finds incidents, of some dates.
    async fn score_and_find(
        &self,
        session: &Session,
        terms: &Terms,
        (traffic, calendar): (&BTreeMap<NaiveDate, String>, &Calendar),
        limits: DateLimits,
        writer: &mut Writer,
        summary: &mut NightSummary,
    ) -> Result<()> {
        let warehouse = &self.job.warehouse;
        let settings = &self.job.windows;
        let started = Instant::now();
        let plan = scores::plan(warehouse, writer.manifest(), terms, settings.step, limits)?;
        summary.detector = terms.last().selection.chosen.id();
        let scored = plan.build.iter().map(ToString::to_string);
        summary.dates_scored.extend(scored);
        summary.dates_removed += plan.remove.len();
        summary.warnings.extend(plan.leaks());
        let mut left = plan.left;
        if !plan.is_empty() {
            let progress = self.printer.begin("scoring windows", None);
            let profiles = profiles::load(warehouse);
            session.look_up_profiles(&profiles);
            let scored = plan.carry_out(session, writer, &*progress).await?;
            summary.scores.add(scored);
            profiles::save(warehouse, &profiles)?;
        }
        summary.seconds.scores += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let manifest = writer.manifest();
        let inputs = incidents::inputs(warehouse, manifest, traffic, calendar, &BTreeSet::new())?;
        let rules = &self.job.incidents;
        let plan = incidents::plan(warehouse, manifest, rules, settings, inputs, limits)?;
        let built = plan.build.iter().map(ToString::to_string);
        summary.incidents_built.extend(built);
        summary.dates_removed += plan.files_removed;
        left += plan.left;
        if !plan.is_empty() {
            let progress = self.printer.begin("explaining incidents", None);
            let found = plan.carry_out(session, writer, &*progress).await?;
            summary.new_incidents.add(found);
        }
        summary.seconds.incidents += started.elapsed().as_secs_f64();
        if limits == self.limits {
            summary.dates_left += left;
        }
        Ok(())
    }

    /// Notes the run, and that all is up to date if it is.
    async fn conclude(
        &self,
        inputs: String,
        started: Instant,
        writer: &mut Writer,
        summary: &mut NightSummary,
    ) -> Result<()> {
        let mut manifest = writer.manifest().clone();
        let mut id = Key::of("run", VERSION)
            .text(manifest.last_run.as_deref().unwrap_or_default())
            .text(&inputs);
        let built = summary.windows_built.iter().chain(&summary.dates_scored);
        for date in built.chain(&summary.incidents_built) {
            id.add_text(date);
        }
        let id = id.finish()[..RUN_ID_DIGITS].to_owned();
        manifest.settled = (summary.dates_left == 0).then_some(inputs);
        let mut change = writer.change()?;
        if summary.did_something() {
            summary.run_id = Some(id.clone());
            manifest.last_run = Some(id);
            summary.end(started.elapsed());
            summary.store(self.job, &mut change)?;
        }
        summary.end(started.elapsed());
        Ok(writer.commit(change, manifest).await?)
    }
}

/// What each date that linked sources have requests of owes to them.
async fn linked_dates(
    session: &Session,
    linked: &BTreeMap<String, String>,
) -> Result<BTreeMap<NaiveDate, Vec<String>>> {
    let mut dates: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    if linked.is_empty() {
        return Ok(dates);
    }
    for (source, date) in session.linked_dates().await? {
        let digest = linked.get(&source).map_or("", String::as_str);
        dates
            .entry(date)
            .or_default()
            .push(format!("{source} {digest}"));
    }
    Ok(dates)
}

/// Whether the tables are what these inputs make of them, and nobody took a file away.
fn is_up_to_date(writer: &Writer, inputs: &str) -> bool {
    let manifest = writer.manifest();
    manifest.settled.as_deref() == Some(inputs)
        && [
            Table::SeriesDates,
            Table::TrafficWindows,
            Table::ScoredWindows,
            Table::Incidents,
            Table::IncidentCauses,
        ]
        .into_iter()
        .all(|table| {
            manifest
                .partitions(table)
                .all(|(date, found)| partitions::is_there(writer.warehouse(), table, date, found))
        })
}
