//! One incremental build: what is to be done, and how it is done and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use chrono::NaiveDate;

use super::partitions::is_there;
use super::pieces::pieces;
use super::staged::Staged;
use crate::progress::Counter;
use crate::schema::Table;
use crate::units::dates::DateLimits;
use crate::warehouse::commit::{Manifest, Partition, Writer};
use crate::warehouse::tables::{self, partition_file};
use crate::warehouse::{self, Warehouse};

/// Tables that are a function of others, date by date.
///
/// A step says what each date should be made of; [`plan`] finds the dates that are not made of that,
/// and [`carry_out`] builds them. What is built depends on what is there, never on how it came there:
/// late, in another order, after a crash or in one go, the same bytes are built.
#[async_trait]
pub trait Step: Sync {
    /// The tables that are made together.
    const TABLES: &'static [Table];
    /// Most dates that are built in one piece: it bounds what is held and written at once.
    const MOST_DATES: usize;
    /// Whether all dates appear in one commit, or each piece once it is built.
    const TOGETHER: bool;
    /// What dates must have in common to be built in one piece.
    type Kind: Copy + PartialEq + Send + Sync;
    /// What was done, for a summary.
    type Report: Default + Send;
    /// Why it could not be done.
    type Error: From<warehouse::Error> + Send;

    /// Returns the dates that should have been built.
    fn wanted(&self) -> BTreeMap<NaiveDate, Self::Kind>;

    /// Returns whether a date is as it would be built now; `stored` are its partitions, one for each
    /// of [`Self::TABLES`].
    fn is_current(&self, date: NaiveDate, stored: &[&Partition]) -> bool;

    /// Returns whether the rows of a date stay although it is not wanted.
    fn is_kept(&self, date: NaiveDate) -> bool;

    /// Builds consecutive dates of one kind into `staged`.
    async fn build(
        &self,
        dates: RangeInclusive<NaiveDate>,
        kind: Self::Kind,
        staged: &mut Staged,
        report: &mut Self::Report,
        progress: &dyn Counter,
    ) -> Result<(), Self::Error>;

    /// Stages what changes beside the dates, in the last commit.
    ///
    /// # Errors
    /// When it cannot be written.
    fn conclude(&self, _staged: &mut Staged) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What is to be done so that what is there is what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<N, W> {
    /// What is to be built, and how.
    pub build: BTreeMap<N, W>,
    /// What is there and should not be.
    pub remove: Vec<N>,
    /// How many would be built, but that a run is limited to others.
    pub left: usize,
}

impl<N: Ord, W> Plan<N, W> {
    /// Compares what is wanted with what is there.
    pub fn of(
        wanted: BTreeMap<N, W>,
        there: BTreeSet<N>,
        is_done: impl Fn(&N, &W) -> bool,
        may_build: impl Fn(&N) -> bool,
    ) -> Self {
        let is_unwanted = |name: &N| !wanted.contains_key(name);
        let remove = there.into_iter().filter(is_unwanted).collect();
        let mut build = wanted;
        build.retain(|name, how| !is_done(name, how));
        let stale = build.len();
        build.retain(|name, _| may_build(name));
        Self {
            left: stale - build.len(),
            build,
            remove,
        }
    }

    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.build.is_empty() && self.remove.is_empty()
    }
}

/// Finds out which dates of a step are to be built or removed.
///
/// # Errors
/// When the tables cannot be listed.
pub fn plan<S: Step>(
    step: &S,
    warehouse: &Warehouse,
    manifest: &Manifest,
    limits: DateLimits,
) -> warehouse::Result<Plan<NaiveDate, S::Kind>> {
    let mut there = BTreeSet::new();
    for table in S::TABLES {
        there.extend(tables::dates(&warehouse.table(*table))?);
        there.extend(manifest.partitions(*table).map(|(date, _)| date));
    }
    there.retain(|date| !step.is_kept(*date));
    let is_done = |date: &NaiveDate, _: &S::Kind| {
        let stored = S::TABLES.iter().map(|table| {
            manifest
                .partition(*table, *date)
                .filter(|found| is_there(warehouse, *table, *date, found))
        });
        let stored: Option<Vec<&Partition>> = stored.collect();
        stored.is_some_and(|stored| step.is_current(*date, &stored))
    };
    let may_build = |date: &NaiveDate| limits.contains(*date);
    Ok(Plan::of(step.wanted(), there, is_done, may_build))
}

/// How many files of a step would be removed.
pub fn files_removed<S: Step>(
    plan: &Plan<NaiveDate, S::Kind>,
    _step: &S,
    warehouse: &Warehouse,
) -> usize {
    let files = plan.remove.iter().flat_map(|date| {
        let of_date = |table: &Table| partition_file(&warehouse.table(*table), *date);
        S::TABLES.iter().map(of_date)
    });
    files.filter(|file| file.exists()).count()
}

/// Builds what is to be built, removes what is to go, and commits both.
///
/// # Errors
/// When a date cannot be built or a table not be changed. What was committed before is kept, and the
/// next plan goes on from there.
pub async fn carry_out<S: Step>(
    step: &S,
    plan: &Plan<NaiveDate, S::Kind>,
    writer: &mut Writer,
    progress: &dyn Counter,
) -> Result<S::Report, S::Error> {
    let mut report = S::Report::default();
    let mut staged = Staged::begin(writer)?;
    let build = plan.build.iter().map(|(date, kind)| (*date, *kind));
    for (dates, kind) in pieces(build, S::MOST_DATES) {
        step.build(dates, kind, &mut staged, &mut report, progress)
            .await?;
        if !S::TOGETHER {
            staged.commit(writer).await?;
            staged = Staged::begin(writer)?;
        }
    }
    for date in &plan.remove {
        for table in S::TABLES {
            staged.remove(*table, *date)?;
        }
    }
    step.conclude(&mut staged)?;
    staged.commit(writer).await?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use tempfile::TempDir;

    use super::*;
    use crate::progress::Unwatched;
    use crate::warehouse::commit::Wait;

    /// Dates with a number each, of which the last digit decides what is written, and the rest of
    /// which kind a date is.
    struct Toy {
        numbers: BTreeMap<NaiveDate, i64>,
        /// Cannot be built.
        broken: Option<NaiveDate>,
        /// Stays whatever is wanted.
        kept: Option<NaiveDate>,
    }

    #[derive(Debug, thiserror::Error)]
    enum ToyError {
        #[error("broken")]
        Broken,
        #[error(transparent)]
        Warehouse(#[from] warehouse::Error),
    }

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    impl Toy {
        fn new(numbers: &[(u32, i64)]) -> Self {
            Self {
                numbers: numbers.iter().map(|(day, n)| (date(*day), *n)).collect(),
                broken: None,
                kept: None,
            }
        }
    }

    #[async_trait]
    impl Step for Toy {
        const TABLES: &'static [Table] = &[Table::Incidents];
        const MOST_DATES: usize = 2;
        const TOGETHER: bool = false;
        type Kind = i64;
        type Report = Vec<(u32, u32)>;
        type Error = ToyError;

        fn wanted(&self) -> BTreeMap<NaiveDate, i64> {
            let kinds = self.numbers.iter();
            kinds.map(|(date, number)| (*date, number / 10)).collect()
        }

        fn is_current(&self, date: NaiveDate, stored: &[&Partition]) -> bool {
            stored[0].key == Some(self.numbers[&date].to_string())
        }

        fn is_kept(&self, date: NaiveDate) -> bool {
            self.kept == Some(date)
        }

        async fn build(
            &self,
            dates: RangeInclusive<NaiveDate>,
            _kind: i64,
            staged: &mut Staged,
            report: &mut Vec<(u32, u32)>,
            _progress: &dyn Counter,
        ) -> Result<(), ToyError> {
            use chrono::Datelike as _;
            for date in crate::units::dates::dates_in(&dates) {
                if self.broken == Some(date) {
                    return Err(ToyError::Broken);
                }
                let number = self.numbers[&date];
                let rows = Int64Array::from(vec![number; (number % 10) as usize]);
                let rows = RecordBatch::try_from_iter([("n", Arc::new(rows) as ArrayRef)]);
                let made = Partition {
                    key: Some(number.to_string()),
                    ..Partition::empty()
                };
                staged.put_rows(Table::Incidents, date, &rows.unwrap(), made)?;
            }
            report.push((dates.start().day(), dates.end().day()));
            Ok(())
        }
    }

    struct Place {
        _folder: TempDir,
        writer: Writer,
    }

    impl Place {
        async fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let warehouse = Warehouse::new(folder.path());
            let writer = Writer::open(&warehouse, "test", Wait::No).await.unwrap();
            Self {
                _folder: folder,
                writer,
            }
        }

        fn plan(&self, toy: &Toy, limits: DateLimits) -> Plan<NaiveDate, i64> {
            plan(toy, self.writer.warehouse(), self.writer.manifest(), limits).unwrap()
        }

        async fn run(&mut self, toy: &Toy) -> Result<Vec<(u32, u32)>, ToyError> {
            let plan = self.plan(toy, DateLimits::default());
            carry_out(toy, &plan, &mut self.writer, &Unwatched).await
        }

        /// The days that have a file.
        fn days(&self) -> Vec<u32> {
            let table = self.writer.warehouse().table(Table::Incidents);
            (1..=31)
                .filter(|day| partition_file(&table, date(*day)).exists())
                .collect()
        }
    }

    #[tokio::test]
    async fn only_what_is_stale_is_built_in_pieces_of_one_kind() {
        let mut place = Place::new().await;
        let numbers = [(1, 11), (2, 11), (3, 11), (4, 21), (6, 21), (7, 20)];
        let mut toy = Toy::new(&numbers);
        let built = place.run(&toy).await.unwrap();
        assert_eq!(built, [(1, 2), (3, 3), (4, 4), (6, 7)]);
        // Of the seventh there are no rows, and so no file.
        assert_eq!(place.days(), [1, 2, 3, 4, 6]);
        assert!(place.plan(&toy, DateLimits::default()).is_empty());
        toy.numbers.insert(date(3), 12);
        assert_eq!(place.run(&toy).await.unwrap(), [(3, 3)]);
        // A file that somebody took away.
        let table = place.writer.warehouse().table(Table::Incidents);
        std::fs::remove_file(partition_file(&table, date(6))).unwrap();
        assert_eq!(place.run(&toy).await.unwrap(), [(6, 6)]);
    }

    #[tokio::test]
    async fn what_is_not_wanted_goes_unless_it_is_kept() {
        let mut place = Place::new().await;
        let mut toy = Toy::new(&[(1, 11), (2, 11), (3, 11)]);
        place.run(&toy).await.unwrap();
        toy.numbers.remove(&date(1));
        toy.numbers.remove(&date(3));
        toy.kept = Some(date(3));
        let plan = place.plan(&toy, DateLimits::default());
        assert_eq!(plan.remove, [date(1)]);
        assert_eq!(files_removed(&plan, &toy, place.writer.warehouse()), 1);
        assert_eq!(place.run(&toy).await.unwrap(), []);
        assert_eq!(place.days(), [2, 3]);
        assert!(
            place
                .writer
                .manifest()
                .partition(Table::Incidents, date(1))
                .is_none()
        );
    }

    #[tokio::test]
    async fn limits_leave_dates_to_a_later_run() {
        let place = Place::new().await;
        let toy = Toy::new(&[(1, 11), (2, 11), (3, 11)]);
        let limits = DateLimits {
            from: Some(date(2)),
            to: Some(date(2)),
        };
        let plan = place.plan(&toy, limits);
        assert_eq!(plan.build.into_keys().collect::<Vec<_>>(), [date(2)]);
        assert_eq!(plan.left, 2);
    }

    #[tokio::test]
    async fn what_failed_goes_on_where_it_ended_and_ends_the_same() {
        let numbers = [(1, 11), (2, 12), (3, 13), (4, 14), (5, 15)];
        let mut whole = Place::new().await;
        whole.run(&Toy::new(&numbers)).await.unwrap();
        let mut place = Place::new().await;
        let mut toy = Toy::new(&numbers);
        toy.broken = Some(date(4));
        assert!(matches!(place.run(&toy).await, Err(ToyError::Broken)));
        assert_eq!(place.days(), [1, 2]);
        toy.broken = None;
        assert_eq!(place.run(&toy).await.unwrap(), [(3, 4), (5, 5)]);
        assert_eq!(place.writer.manifest(), whole.writer.manifest());
        let bytes = |place: &Place, day| {
            let table = place.writer.warehouse().table(Table::Incidents);
            std::fs::read(partition_file(&table, date(day))).unwrap()
        };
        for day in 1..=5 {
            assert_eq!(bytes(&place, day), bytes(&whole, day), "day {day}");
        }
    }
}
