//! How much of what is counted each value of each dimension has, during incidents and before.
//!
//! There may be as many values as requests. So they are counted in 4096 buckets per dimension first,
//! and one by one only in the 64 buckets that changed most: what is held is bounded, whichever way
//! requests are split. What is lost: a value whose change is made up for by others of its bucket.
//!
//! All sums are over whole numbers, so that they do not depend on the order of their parts.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    StringViewArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::prelude::DataFrame;
use futures::TryStreamExt;
use tokio::task::JoinSet;
use twox_hash::XxHash64;

use super::error::Result;

/// What a request may have in common with others, as columns of `queries/incident_requests.sql`.
const DIMENSIONS: [&str; 7] = [
    "client_ip",
    "client_network",
    "path",
    "path_folder",
    "user_agent",
    "status",
    "method",
];
/// The dimension in which every request has a value: its sums are those of all requests.
const OF_ALL: usize = 6;

/// Buckets of a dimension, as a power of two.
const BUCKET_BITS: u32 = 12;
/// Buckets whose values are counted one by one.
const MOST_CHANGED: usize = 64;

/// Where a value is counted.
fn bucket_of(value: &str) -> usize {
    (XxHash64::oneshot(0, value.as_bytes()) >> (u64::BITS - BUCKET_BITS)) as usize
}

/// What was counted, as tables of `queries/incident_causes.sql`.
#[derive(Debug)]
pub(super) struct Counted {
    /// `incident_totals`, of incidents that have requests.
    pub(super) totals: RecordBatch,
    /// `incident_amounts`.
    pub(super) amounts: RecordBatch,
}

/// Counts the rows of `incident_requests`, reading them twice. Of each incident its identity is told, and
/// whether it is a fall.
///
/// # Errors
/// When the requests cannot be read.
pub(super) async fn count(requests: &DataFrame, incidents: &[(&str, bool)]) -> Result<Counted> {
    let places: HashMap<String, usize> = incidents
        .iter()
        .enumerate()
        .map(|(place, (id, _))| ((*id).to_owned(), place))
        .collect();
    let places = Arc::new(places);
    let buckets = Buckets::new(incidents.len());
    let buckets = read(requests, &places, buckets).await?;
    let totals: Vec<Sums> = (0..incidents.len())
        .map(|incident| buckets.total(incident))
        .collect();
    let changed = incidents.iter().zip(&totals).enumerate();
    let changed = changed.map(|(incident, ((_, is_fall), total))| {
        std::array::from_fn(|dimension| {
            let buckets = buckets.of(incident, dimension);
            most_changed(buckets, *total, *is_fall)
        })
    });
    let values = Values::new(changed.collect());
    let values = read(requests, &places, values).await?;
    Ok(Counted {
        totals: totals_batch(incidents, &totals)?,
        amounts: values.into_batch(incidents)?,
    })
}

/// Sums that may be taken in parts.
trait Tally: Clone + Send + 'static {
    /// Takes in requests.
    fn add(&mut self, requests: &Requests<'_>);

    /// Takes in what another has.
    fn merge(&mut self, other: Self);
}

/// Takes sums over all requests, on all threads.
async fn read<T: Tally>(
    requests: &DataFrame,
    places: &Arc<HashMap<String, usize>>,
    empty: T,
) -> Result<T> {
    let mut parts = JoinSet::new();
    for mut rows in requests.clone().execute_stream_partitioned().await? {
        let (places, mut sums) = (Arc::clone(places), empty.clone());
        parts.spawn(async move {
            while let Some(batch) = rows.try_next().await? {
                sums.add(&Requests::of(&batch, &places)?);
            }
            Ok::<T, super::Error>(sums)
        });
    }
    let mut sums = empty;
    while let Some(part) = parts.join_next().await {
        match part {
            Ok(part) => sums.merge(part?),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => return Err(DataFusionError::External(Box::new(ended)).into()),
            },
        }
    }
    Ok(sums)
}

/// Rows of `incident_requests`.
struct Requests<'a> {
    /// Places of their incidents.
    incidents: Vec<usize>,
    is_during: &'a BooleanArray,
    weights: &'a Int64Array,
    dimensions: [StringViewArray; DIMENSIONS.len()],
}

impl<'a> Requests<'a> {
    fn of(batch: &'a RecordBatch, places: &HashMap<String, usize>) -> Result<Self> {
        let column = |name: &str| -> &'a ArrayRef {
            batch
                .column_by_name(name)
                .expect("the query has the columns of its heading")
        };
        let text = |name| -> Result<StringViewArray> {
            Ok(cast(column(name), &DataType::Utf8View)?
                .as_string_view()
                .clone())
        };
        let ids = text("incident_id")?;
        let incidents = ids.iter().map(|id| places[id.unwrap_or_default()]);
        let mut dimensions = DIMENSIONS.map(|_| StringViewArray::new_null(0));
        for (values, name) in dimensions.iter_mut().zip(DIMENSIONS) {
            *values = text(name)?;
        }
        Ok(Self {
            incidents: incidents.collect(),
            is_during: column("is_during").as_boolean(),
            weights: column("weight").as_primitive::<Int64Type>(),
            dimensions,
        })
    }

    /// Calls for each value of a dimension, with the incident and the weight of its request.
    fn each(&self, dimension: usize, mut take: impl FnMut(usize, &str, Weight)) {
        let values = self.dimensions[dimension].iter();
        for (row, value) in values.enumerate() {
            let Some(value) = value else {
                continue;
            };
            let weight = Weight {
                is_during: self.is_during.value(row),
                weight: self.weights.value(row),
            };
            take(self.incidents[row], value, weight);
        }
    }
}

/// What a request counts for.
#[derive(Debug, Clone, Copy)]
struct Weight {
    is_during: bool,
    weight: i64,
}

/// How much is counted during an incident and before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    during: i128,
    before: i128,
    requests_during: u64,
    requests_before: u64,
}

impl Sums {
    fn add(&mut self, counted: Weight) {
        let (sum, requests) = if counted.is_during {
            (&mut self.during, &mut self.requests_during)
        } else {
            (&mut self.before, &mut self.requests_before)
        };
        *sum += i128::from(counted.weight);
        *requests += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.during += other.during;
        self.before += other.before;
        self.requests_during += other.requests_during;
        self.requests_before += other.requests_before;
    }

    fn has_requests(&self) -> bool {
        self.requests_during + self.requests_before > 0
    }
}

/// The sums of all buckets: of an incident, of a dimension, of a bucket.
#[derive(Debug, Clone)]
struct Buckets(Vec<Sums>);

impl Buckets {
    fn new(incidents: usize) -> Self {
        Self(vec![
            Sums::default();
            (incidents * DIMENSIONS.len()) << BUCKET_BITS
        ])
    }

    fn first(incident: usize, dimension: usize) -> usize {
        (incident * DIMENSIONS.len() + dimension) << BUCKET_BITS
    }

    fn of(&self, incident: usize, dimension: usize) -> &[Sums] {
        &self.0[Self::first(incident, dimension)..][..1 << BUCKET_BITS]
    }

    /// The sums of an incident's requests.
    fn total(&self, incident: usize) -> Sums {
        let mut total = Sums::default();
        for bucket in self.of(incident, OF_ALL) {
            total.merge(bucket);
        }
        total
    }
}

impl Tally for Buckets {
    fn add(&mut self, requests: &Requests<'_>) {
        for dimension in 0..DIMENSIONS.len() {
            requests.each(dimension, |incident, value, weight| {
                self.0[Self::first(incident, dimension) + bucket_of(value)].add(weight);
            });
        }
    }

    fn merge(&mut self, other: Self) {
        for (sums, others) in self.0.iter_mut().zip(&other.0) {
            sums.merge(others);
        }
    }
}

/// The buckets that changed most in the direction of an incident, of those that have requests.
fn most_changed(buckets: &[Sums], total: Sums, is_fall: bool) -> Vec<bool> {
    let sign = if is_fall { -1.0 } else { 1.0 };
    let change = |sums: &Sums| {
        sign * (sums.during as f64
            - total.during as f64 * sums.before as f64 / (total.before as f64).max(1.0))
    };
    let mut places: Vec<usize> = (0..buckets.len())
        .filter(|place| buckets[*place].has_requests())
        .collect();
    places.sort_by(|a, b| {
        let [a_change, b_change] = [a, b].map(|place| change(&buckets[*place]));
        b_change.total_cmp(&a_change).then(a.cmp(b))
    });
    let mut changed = vec![false; buckets.len()];
    for place in places.into_iter().take(MOST_CHANGED) {
        changed[place] = true;
    }
    changed
}

/// What is counted of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    sums: Sums,
    squares_during: i128,
    squares_before: i128,
    largest: i64,
}

impl Amount {
    fn add(&mut self, counted: Weight) {
        let weight = i128::from(counted.weight);
        let squares = if counted.is_during {
            &mut self.squares_during
        } else {
            &mut self.squares_before
        };
        *squares += weight * weight;
        self.largest = if self.sums.has_requests() {
            self.largest.max(counted.weight)
        } else {
            counted.weight
        };
        self.sums.add(counted);
    }

    fn merge(&mut self, other: &Self) {
        self.largest = self.largest.max(other.largest);
        self.squares_during += other.squares_during;
        self.squares_before += other.squares_before;
        self.sums.merge(&other.sums);
    }
}

/// The values of a dimension that are counted one by one.
#[derive(Debug, Clone)]
struct ValuesOf {
    /// Whether those of a bucket are.
    buckets: Arc<[bool]>,
    amounts: HashMap<Box<str>, Amount>,
}

/// The values of all dimensions of all incidents.
#[derive(Debug, Clone)]
struct Values(Vec<[ValuesOf; DIMENSIONS.len()]>);

impl Values {
    fn new(changed: Vec<[Vec<bool>; DIMENSIONS.len()]>) -> Self {
        let of_dimension = |buckets: Vec<bool>| ValuesOf {
            buckets: buckets.into(),
            amounts: HashMap::new(),
        };
        let of_incident = |dimensions: [Vec<bool>; DIMENSIONS.len()]| dimensions.map(of_dimension);
        Self(changed.into_iter().map(of_incident).collect())
    }

    fn into_batch(self, incidents: &[(&str, bool)]) -> Result<RecordBatch> {
        let mut rows = Vec::new();
        for ((id, _), dimensions) in incidents.iter().zip(self.0) {
            for (dimension, values) in DIMENSIONS.iter().zip(dimensions) {
                rows.extend(values.amounts.into_iter().map(|row| (*id, *dimension, row)));
            }
        }
        // Where a map has its values says nothing.
        rows.sort_unstable_by(|a, b| (a.0, a.1, &a.2.0).cmp(&(b.0, b.1, &b.2.0)));
        let amounts = || rows.iter().map(|(.., (_, amount))| amount);
        let number = |of: fn(&Amount) -> f64| -> ArrayRef {
            Arc::new(amounts().map(of).collect::<Float64Array>())
        };
        let text = |texts: &mut dyn Iterator<Item = &str>| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(texts))
        };
        let largest: Int64Array = amounts().map(|amount| amount.largest).collect();
        Ok(RecordBatch::try_from_iter([
            ("incident_id", text(&mut rows.iter().map(|row| row.0))),
            ("dimension", text(&mut rows.iter().map(|row| row.1))),
            ("value", text(&mut rows.iter().map(|row| &*row.2.0))),
            ("during", number(|amount| amount.sums.during as f64)),
            ("before", number(|amount| amount.sums.before as f64)),
            (
                "squares_during",
                number(|amount| amount.squares_during as f64),
            ),
            (
                "squares_before",
                number(|amount| amount.squares_before as f64),
            ),
            (
                "requests_before",
                number(|amount| amount.sums.requests_before as f64),
            ),
            ("largest", Arc::new(largest)),
        ])?)
    }
}

impl Tally for Values {
    fn add(&mut self, requests: &Requests<'_>) {
        for dimension in 0..DIMENSIONS.len() {
            requests.each(dimension, |incident, value, weight| {
                let values = &mut self.0[incident][dimension];
                if !values.buckets[bucket_of(value)] {
                    return;
                }
                match values.amounts.get_mut(value) {
                    Some(amount) => amount.add(weight),
                    None => {
                        let amount = values.amounts.entry(value.into()).or_default();
                        amount.add(weight);
                    }
                }
            });
        }
    }

    fn merge(&mut self, other: Self) {
        let values = self.0.iter_mut().flatten();
        for (values, others) in values.zip(other.0.into_iter().flatten()) {
            for (value, amount) in others.amounts {
                match values.amounts.get_mut(&value) {
                    Some(known) => known.merge(&amount),
                    None => {
                        values.amounts.insert(value, amount);
                    }
                }
            }
        }
    }
}

fn totals_batch(incidents: &[(&str, bool)], totals: &[Sums]) -> Result<RecordBatch> {
    let with_requests = || {
        let rows = incidents.iter().zip(totals);
        rows.filter(|(_, total)| total.has_requests())
    };
    let ids = StringArray::from_iter_values(with_requests().map(|((id, _), _)| *id));
    let number = |of: fn(&Sums) -> f64| -> ArrayRef {
        let numbers = with_requests().map(|(_, total)| of(total));
        Arc::new(numbers.collect::<Float64Array>())
    };
    Ok(RecordBatch::try_from_iter([
        ("incident_id", Arc::new(ids) as ArrayRef),
        ("during", number(|total| total.during as f64)),
        ("before", number(|total| total.before as f64)),
        (
            "requests_before",
            number(|total| total.requests_before as f64),
        ),
    ])?)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn buckets_are_spread() {
        let mut counts = [0_u32; 1 << BUCKET_BITS];
        for number in 0..40_960 {
            counts[bucket_of(&format!("/path/{number}"))] += 1;
        }
        // Ten each on average; Poisson has more than 40 in one of 4096 with a chance of 1 in 10^9.
        assert!(counts.iter().all(|count| *count < 40));
    }

    /// A request: incident, whether during it, weight, client, path.
    type Row<'a> = (&'a str, bool, i64, Option<&'a str>, &'a str);

    fn requests(rows: &[Row<'_>]) -> DataFrame {
        let text = |of: fn(&Row<'_>) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<StringViewArray>())
        };
        let mut columns = vec![
            ("incident_id", text(|row| Some(row.0.to_owned()))),
            (
                "is_during",
                Arc::new(rows.iter().map(|row| Some(row.1)).collect::<BooleanArray>()) as ArrayRef,
            ),
            (
                "weight",
                Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
            ),
        ];
        for dimension in DIMENSIONS {
            columns.push(match dimension {
                "client_ip" => (dimension, text(|row| row.3.map(str::to_owned))),
                "path" => (dimension, text(|row| Some(row.4.to_owned()))),
                "method" => (dimension, text(|_| Some("GET".to_owned()))),
                _ => (dimension, text(|_| None)),
            });
        }
        let rows = RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, column)| (name, column, true)),
        );
        SessionContext::new().read_batch(rows.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn values_are_counted_per_incident_and_dimension() {
        let rows = requests(&[
            ("a", true, 3, Some("c"), "/x"),
            ("a", true, 5, None, "/x"),
            ("a", false, 2, Some("c"), "/y"),
            ("b", false, 0, Some("c"), "/x"),
        ]);
        let incidents = [("a", false), ("b", true), ("none", true)];
        let Counted { totals, amounts } = count(&rows, &incidents).await.unwrap();
        let shown = |batch| {
            let text = datafusion::arrow::util::pretty::pretty_format_batches(&[batch]).unwrap();
            text.to_string()
        };
        insta::assert_snapshot!(shown(totals), @"
        +-------------+--------+--------+-----------------+
        | incident_id | during | before | requests_before |
        +-------------+--------+--------+-----------------+
        | a           | 8.0    | 2.0    | 1.0             |
        | b           | 0.0    | 0.0    | 1.0             |
        +-------------+--------+--------+-----------------+
        ");
        insta::assert_snapshot!(shown(amounts), @"
        +-------------+-----------+-------+--------+--------+----------------+----------------+-----------------+---------+
        | incident_id | dimension | value | during | before | squares_during | squares_before | requests_before | largest |
        +-------------+-----------+-------+--------+--------+----------------+----------------+-----------------+---------+
        | a           | client_ip | c     | 3.0    | 2.0    | 9.0            | 4.0            | 1.0             | 3       |
        | a           | method    | GET   | 8.0    | 2.0    | 34.0           | 4.0            | 1.0             | 5       |
        | a           | path      | /x    | 8.0    | 0.0    | 34.0           | 0.0            | 0.0             | 5       |
        | a           | path      | /y    | 0.0    | 2.0    | 0.0            | 4.0            | 1.0             | 2       |
        | b           | client_ip | c     | 0.0    | 0.0    | 0.0            | 0.0            | 1.0             | 0       |
        | b           | method    | GET   | 0.0    | 0.0    | 0.0            | 0.0            | 1.0             | 0       |
        | b           | path      | /x    | 0.0    | 0.0    | 0.0            | 0.0            | 1.0             | 0       |
        +-------------+-----------+-------+--------+--------+----------------+----------------+-----------------+---------+
        ");
    }

    #[tokio::test]
    async fn of_many_values_those_that_changed_most_are_counted() {
        // Each path once before and once during, but for one that came anew.
        let paths: Vec<String> = (0..40_000).map(|number| format!("/{number}")).collect();
        let mut rows = Vec::new();
        for path in &paths {
            rows.extend([true, false].map(|is_during| ("a", is_during, 1, None, path.as_str())));
        }
        rows.extend((0..50).map(|_| ("a", true, 1, Some("new"), "/new")));
        let counted = count(&requests(&rows), &[("a", false)]).await.unwrap();
        let values = counted
            .amounts
            .column_by_name("value")
            .unwrap()
            .as_string::<i32>();
        assert!(values.iter().flatten().any(|value| value == "/new"));
        // Paths and clients of 64 of 4096 buckets, and a method.
        let counted = values.iter().count();
        assert!((64..1_000).contains(&counted), "{counted}");
    }
}
