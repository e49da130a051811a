//! `anomalog run`: any number of nights as an incremental build.
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
//! [due](retrain); then retention. After them come the export and those who are told (`tell`). A
//! [step](crate::incremental::Step) that is to come after them goes into `JobRun::tables`, with keys
//! over those of the partitions that it reads.

pub mod config;
mod error;
pub mod retrain;
mod summary;
mod tell;
mod up_to_date;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anomalog_udfs::enrich::EnrichmentFiles;
use chrono::{DateTime, NaiveDate, Utc};

pub use config::{ConfigError, Job};
pub use error::{Error, Result};
pub use summary::{After, Checked, Outcome, RunSummary};
pub use tell::ledger::{Alert, Alerts};

use crate::calendar::{self, Calendar};
use crate::detectors::assignment::Assignment;
use crate::detectors::champions::Champions;
use crate::incidents::step::{self as incidents, IncidentStep};
use crate::incremental::key::{Key, Made};
use crate::incremental::retention::{self, RetentionSettings};
use crate::incremental::{self, carry_out, files_removed};
use crate::intake::{self, Intake};
use crate::logs;
use crate::progress::Progress;
use crate::report;
use crate::schema::Table;
use crate::scores::drift::Drift;
use crate::scores::profiles;
use crate::scores::step::ScoreStep;
use crate::session::{self, Session, SessionOptions, detector_store};
use crate::units::dates::DateLimits;
use crate::warehouse::commit::{Manifest, PartitionDate, Wait, Writer};
use crate::warehouse::extra_metrics;
use crate::warehouse::tables;
use crate::windows::step::TrafficStep;
use config::retrain::PeriodDays;
use tell::{after, reported};
use up_to_date::is_up_to_date;

/// Digits of a run's id.
const RUN_ID_DIGITS: usize = 16;

/// One run of a job.
#[derive(Debug, Clone)]
pub struct JobRun<'a> {
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
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// What incidents are made from besides scores.
#[derive(Clone, Copy)]
struct Around<'a> {
    traffic: &'a BTreeMap<NaiveDate, String>,
    calendar: &'a Calendar,
}

impl JobRun<'_> {
    /// Brings all tables up to date.
    ///
    /// # Errors
    /// When the warehouse is in use or cannot be written, or a step fails. What was committed
    /// before is kept, and the next run goes on from there.
    pub async fn run(&self) -> Result<RunSummary> {
        let started = Instant::now();
        let warehouse = &self.job.warehouse;
        let mut writer = Writer::open(warehouse, "anomalog run", self.wait).await?;
        let unfinished =
            logs::remove_unpublished(warehouse).map_err(|source| intake::Error::Unpublished {
                warehouse: warehouse.root().to_owned(),
                source: Box::new(source),
            })?;
        let mut summary = RunSummary::new(self.now, writer.recovery(), unfinished);
        let (mut intake, faults) = Intake::open(&self.job.logs, warehouse, self.session.threads)?;
        summary.logs_found = intake.found();
        summary.logs_vanished = intake.vanished();
        summary.faults.extend(intake.faults().iter().cloned());
        summary.faults.extend(faults);
        let calendar = self.calendar()?;
        if is_up_to_date(&writer, &self.digest(&intake, &calendar)?) {
            after::hand_out(self.job, &writer, &mut summary);
            if !report::path(warehouse).exists() {
                reported::write(self.job, &self.options(), &mut summary).await;
            }
            summary.end(started.elapsed());
            return Ok(summary);
        }
        let threads = self.session.threads;
        let taken = intake.take_in(threads, &mut writer, &self.progress);
        summary.take(taken.await?);
        self.plan_ahead(&calendar, &mut writer).await?;
        summary.seconds.ingest = started.elapsed().as_secs_f64();
        let before = summary.clone();
        let built = self.tables(&mut intake, &calendar, &mut writer, &mut summary);
        if let Err(error) = built.await {
            // A linked file may have gone or been damaged since it was looked at: it is left out.
            let Ok(Some(faults)) = intake.look_again(threads) else {
                return Err(error);
            };
            summary = before;
            for fault in faults {
                if !summary.faults.contains(&fault) {
                    summary.faults.push(fault);
                }
            }
            self.tables(&mut intake, &calendar, &mut writer, &mut summary)
                .await?;
        }
        // What is left to a later run could not be built any more.
        if summary.dates_left == 0 {
            let retention = &self.job.retention;
            summary.after.retired = retention::retire(retention, &mut writer).await?;
        }
        let inputs = self.digest(&intake, &calendar)?;
        intake.save()?;
        self.conclude(inputs, started, &mut writer, &mut summary)
            .await?;
        after::hand_out(self.job, &writer, &mut summary);
        reported::write(self.job, &self.options(), &mut summary).await;
        summary.end(started.elapsed());
        Ok(summary)
    }

    /// Writes the metrics and starts the hook for a run that has ended in any way; returns what went
    /// wrong with that, for warnings.
    #[must_use]
    pub fn announce(&self, ended: &Result<RunSummary>) -> Vec<String> {
        after::announce(self.job, self.now, ended)
    }

    /// Says what a run would do, and changes nothing.
    ///
    /// # Errors
    /// When the warehouse cannot be read, or the job does not go with it.
    pub async fn check(&self) -> Result<Checked> {
        let warehouse = &self.job.warehouse;
        let manifest = Manifest::load(warehouse)?;
        let mut intake = Intake::look(&self.job.logs, warehouse)?;
        let mut checked = Checked {
            job: self.job.file.clone(),
            warehouse: warehouse.root().to_owned(),
            logs_found: intake.found(),
            new_logs: intake.new_logs(),
            parquet_files: intake.parquet_files(),
            faults: intake.faults().to_vec(),
            ..Checked::default()
        };
        let session = Session::open(warehouse, &self.options()).await?;
        let calendar = self.calendar()?;
        let settings = &self.job.windows;
        let linked = intake.linked_dates(&session).await?;
        let traffic =
            TrafficStep::open(&session, &manifest, settings, &linked, intake.coverage()?).await?;
        let plan = incremental::plan(&traffic, warehouse, &manifest, self.limits)?;
        checked.windows = plan.build.keys().map(ToString::to_string).collect();
        let mut stale: BTreeSet<NaiveDate> = plan.build.keys().copied().collect();
        let champions = Champions::load(warehouse)?;
        let assignment = self.assignment(&session, &champions)?;
        checked.detector = assignment.last().selection.chosen.id();
        let scores = ScoreStep::open(&session, &manifest, &assignment, settings.step)?;
        let plan = incremental::plan(&scores, warehouse, &manifest, self.limits)?;
        // Dates whose windows will change are scored again too.
        stale.extend(plan.build.keys());
        checked.scores = stale.iter().map(ToString::to_string).collect();
        let traffic = traffic.traffic();
        let inputs =
            incidents::IncidentInputs::new(warehouse, &manifest, traffic, &calendar, &stale)?;
        let incidents = IncidentStep::open(&session, &self.job.incidents, settings, inputs)?;
        let plan = incremental::plan(&incidents, warehouse, &manifest, self.limits)?;
        checked.incidents = plan.build.keys().map(ToString::to_string).collect();
        Ok(checked)
    }

    fn options(&self) -> SessionOptions {
        SessionOptions {
            alarms_per_week: Some(self.job.scores.alarms_per_week),
            step: Some(self.job.windows.step),
            enrichment: self.enrichment(),
            ..self.session.clone()
        }
    }

    /// Files that functions over requests read: what the command line names goes first.
    fn enrichment(&self) -> EnrichmentFiles {
        let (told, job) = (self.session.enrichment.clone(), &self.job.enrichment);
        EnrichmentFiles {
            user_agents: told.user_agents.or_else(|| job.user_agents.clone()),
            path_groups: told.path_groups.or_else(|| job.path_groups.clone()),
            countries: told.countries.or_else(|| job.countries.clone()),
            asns: told.asns.or_else(|| job.asns.clone()),
        }
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

    /// Which detectors score which dates.
    fn assignment(&self, session: &Session, champions: &Champions) -> Result<Assignment> {
        self.assignment_of(session.detectors(), champions)
    }

    fn assignment_of(
        &self,
        store: &anomalog_engine::detector::DetectorStore,
        champions: &Champions,
    ) -> Result<Assignment> {
        let retrain = &self.job.retrain;
        Ok(Assignment::of(
            &self.job.scores,
            retrain.every.map(|_| retrain.name.as_str()),
            &self.job.warehouse.table(Table::TrafficWindows),
            &extra_metrics::traffic_windows(&self.job.windows.extra_metrics),
            store,
            champions,
        )?)
    }

    /// What tells the state of all inputs from others: one in which all tables are up to date is known
    /// by it.
    fn digest(&self, intake: &Intake<'_>, calendar: &Calendar) -> Result<String> {
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
        let detectors = self.assignment_of(&store, &champions)?.digest();
        let mut key = Key::of(Made::Inputs)
            .text(&intake.digest_of_sources())
            .text(&windows.step.to_string())
            .text(windows.series_key.as_sql())
            .text(&detectors)
            .text(&incidents::digest(rules));
        if !windows.extra_metrics.is_empty() {
            key.add_value(&windows.extra_metrics);
        }
        for part in session::enrichment(warehouse, self.enrichment())
            .identity_of(&windows.expressions())
            .map_err(session::Error::from)?
        {
            key.add_text(&part);
        }
        if *retention != RetentionSettings::default() {
            key.add_value(retention);
        }
        if retrain.every.is_some() {
            key.add_value(retrain);
        }
        for (date, planned) in calendar.by_date() {
            key.add_text(&date.to_string());
            key.add_text(&planned);
        }
        if let Some(rules) = self.job.suppression.identity() {
            key.add_text("suppression");
            key.add_text(&rules);
        }
        intake.add_to(&mut key);
        Ok(key.finish())
    }

    /// Brings the table `calendar` and the rules of suppression up to date.
    async fn plan_ahead(&self, calendar: &Calendar, writer: &mut Writer) -> Result<()> {
        let mut change = writer.change()?;
        let warehouse = &self.job.warehouse;
        let is_planned = calendar.stage(warehouse, &mut change)?;
        if self.job.suppression.stage(warehouse, &mut change)? || is_planned {
            let manifest = writer.manifest().clone();
            writer.commit(change, manifest).await?;
        }
        Ok(())
    }

    /// Builds the partitions that are not what they should be, table after table.
    async fn tables(
        &self,
        intake: &mut Intake<'_>,
        calendar: &Calendar,
        writer: &mut Writer,
        summary: &mut RunSummary,
    ) -> Result<()> {
        let warehouse = &self.job.warehouse;
        let started = Instant::now();
        let session = Session::open(warehouse, &self.options()).await?;
        summary.logs_linked = intake.linked_files();
        summary
            .warnings
            .extend(intake.count_linked(&session).await?);
        let linked = intake.linked_dates(&session).await?;
        let settings = &self.job.windows;
        let step = TrafficStep::open(
            &session,
            writer.manifest(),
            settings,
            &linked,
            intake.coverage()?,
        )
        .await?;
        let plan = incremental::plan(&step, warehouse, writer.manifest(), self.limits)?;
        summary.windows_built = plan.build.keys().map(ToString::to_string).collect();
        summary.dates_removed = files_removed(&plan, &step, warehouse);
        summary.dates_left = plan.left;
        if !plan.is_empty() || step.has_news() {
            let progress = self.progress.begin("building traffic_windows", None);
            carry_out(&step, &plan, writer, &*progress).await?;
        }
        let around = Around {
            traffic: step.traffic(),
            calendar,
        };
        summary.seconds.windows = started.elapsed().as_secs_f64();

        let mut champions = Champions::load(warehouse)?;
        let first = tables::dates(&warehouse.table(Table::TrafficWindows))?
            .first()
            .copied();
        loop {
            let assignment = self.assignment(&session, &champions)?;
            let due = self.due(&session, &assignment, &champions, first, writer)?;
            let limits = match due {
                Some(period) => self.limits.before(period),
                None => self.limits,
            };
            self.score_and_find(&session, &assignment, around, limits, writer, summary)
                .await?;
            let Some(period) = due else {
                break;
            };
            let so_far = (&champions, &assignment);
            let decided = retrain::decide(self.job, &session, so_far, period, &*self.progress);
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

    /// The first period that something is to be decided for before its dates can be scored.
    fn due(
        &self,
        session: &Session,
        assignment: &Assignment,
        champions: &Champions,
        first: Option<NaiveDate>,
        writer: &Writer,
    ) -> Result<Option<NaiveDate>> {
        let every = self.job.retrain.every.map(PeriodDays::count);
        let Some((every, first)) = every.zip(first) else {
            return Ok(None);
        };
        let (warehouse, manifest) = (writer.warehouse(), writer.manifest());
        let step = ScoreStep::open(session, manifest, assignment, self.job.windows.step)?;
        let plan = incremental::plan(&step, warehouse, manifest, self.limits)?;
        let dates: Vec<NaiveDate> = plan.build.into_keys().collect();
        Ok(retrain::due(every, champions, &dates, first))
    }

    /// Scores windows and finds incidents, of some dates.
    async fn score_and_find(
        &self,
        session: &Session,
        assignment: &Assignment,
        around: Around<'_>,
        limits: DateLimits,
        writer: &mut Writer,
        summary: &mut RunSummary,
    ) -> Result<()> {
        let warehouse = &self.job.warehouse;
        let settings = &self.job.windows;
        let started = Instant::now();
        let profiles = profiles::load(warehouse);
        let scoring = session.with_profiles(&profiles).in_order_of_files();
        let step = ScoreStep::open(&scoring, writer.manifest(), assignment, settings.step)?;
        let plan = incremental::plan(&step, warehouse, writer.manifest(), limits)?;
        summary.detector = assignment.last().selection.chosen.id();
        let scored = plan.build.keys().map(ToString::to_string);
        summary.dates_scored.extend(scored);
        summary.dates_removed += files_removed(&plan, &step, warehouse);
        summary.warnings.extend(step.leaks(plan.build.keys()));
        let mut left = plan.left;
        if !plan.is_empty() {
            let progress = self.progress.begin("scoring windows", None);
            let scored = carry_out(&step, &plan, writer, &*progress).await?;
            summary.scores.add(scored);
            profiles::save(warehouse, &profiles)?;
        }
        summary.seconds.scores += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let manifest = writer.manifest();
        let (traffic, calendar) = (around.traffic, around.calendar);
        let inputs = incidents::IncidentInputs::new(
            warehouse,
            manifest,
            traffic,
            calendar,
            &BTreeSet::new(),
        )?;
        let step = IncidentStep::open(session, &self.job.incidents, settings, inputs)?;
        let plan = incremental::plan(&step, warehouse, manifest, limits)?;
        let built = plan.build.keys().map(ToString::to_string);
        summary.incidents_built.extend(built);
        summary.dates_removed += files_removed(&plan, &step, warehouse);
        left += plan.left;
        if !plan.is_empty() {
            let progress = self.progress.begin("explaining incidents", None);
            let found = carry_out(&step, &plan, writer, &*progress).await?;
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
        summary: &mut RunSummary,
    ) -> Result<()> {
        let mut manifest = writer.manifest().clone();
        let mut id = Key::of(Made::Run)
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
