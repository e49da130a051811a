use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use tempfile::TempDir;

use super::*;
use crate::explain::Explain;

/// 2026-11-01T10:00:00Z, in seconds.
const START: i64 = 1_793_527_200;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A log of some requests, one a minute, whose times are numbers of a unit.
fn write_log(path: &Path, requests: i64, per_second: i64) {
    let times = (0..requests).map(|n| (START + 60 * n) * per_second);
    let text =
        |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; requests as usize])) };
    write(
        path,
        vec![
            ("timestamp", Arc::new(times.collect::<Int64Array>())),
            ("client_ip", text("10.0.0.1")),
            ("path", text("/")),
            (
                "code",
                Arc::new(Int64Array::from(vec![200; requests as usize])),
            ),
        ],
    );
}

struct Place {
    folder: TempDir,
    warehouse: Warehouse,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let warehouse = Warehouse::new(folder.path().join("warehouse"));
        Self { folder, warehouse }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn link(&self, name: &str, mappings: &[&str]) -> Result<(LinkedSource, Looked), SourceError> {
        let columns: Vec<ColumnMapping> = mappings
            .iter()
            .map(|mapping| mapping.parse().unwrap())
            .collect();
        let options = LinkOptions {
            columns: &columns,
            ..LinkOptions::default()
        };
        LinkedSource::link(
            &self.at(name),
            options,
            &self.warehouse,
            &mut KnownFiles::default(),
        )
    }

    /// An error as it is told, with the folder taken off its paths.
    fn report(&self, error: &SourceError) -> String {
        let folder = self.folder.path().canonicalize().unwrap();
        let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
        let text = format!("{}{}", chain(error), hint.unwrap_or_default());
        text.replace(&format!("{}/", folder.display()), "")
    }
}

#[test]
fn a_link_is_remembered_replaced_and_looked_at_again() {
    let place = Place::new();
    write_log(&place.at("access log.parquet"), 9, 1);
    assert_eq!(LinkedSource::load_all(&place.warehouse).unwrap(), []);

    let (source, looked) = place.link("access log.parquet", &["status=code"]).unwrap();
    assert_eq!(looked.files[0].site, "access log");
    source.save(&place.warehouse).unwrap();
    assert_eq!(
        LinkedSource::load_all(&place.warehouse).unwrap(),
        std::slice::from_ref(&source)
    );
    let (replaced, _) = place
        .link("access log.parquet", &["status=code", "method=path"])
        .unwrap();
    replaced.save(&place.warehouse).unwrap();
    assert_eq!(
        LinkedSource::load_all(&place.warehouse).unwrap(),
        std::slice::from_ref(&replaced)
    );

    std::fs::remove_file(place.at("access log.parquet")).unwrap();
    let looked = replaced.look(&place.warehouse, &mut KnownFiles::default());
    assert!(looked.files.is_empty());
    assert!(matches!(
        looked.left_out[..],
        [LeftOut {
            reason: Reason::Gone,
            ..
        }]
    ));
    let name = source.name();
    assert_eq!(
        LinkedSource::forget_name(&place.warehouse, &name).unwrap(),
        Some(replaced)
    );
    assert_eq!(
        LinkedSource::forget_name(&place.warehouse, &name).unwrap(),
        None
    );
}

#[test]
fn a_folder_is_read_without_what_is_damaged_or_foreign() {
    let place = Place::new();
    std::fs::create_dir(place.at("logs")).unwrap();
    let empty = place.link("logs", &[]).unwrap_err();
    assert!(matches!(empty, SourceError::EmptyFolder { .. }), "{empty}");
    write_log(&place.at("logs/date=2026-11-01/a.parquet"), 9, 1);
    std::fs::write(place.at("logs/z.parquet"), "PAR1").unwrap();
    let flag: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    write(&place.at("logs/other.parquet"), vec![("x", flag)]);
    let (source, looked) = place.link("logs", &["status=code"]).unwrap();
    assert_eq!(looked.files.len(), 1);
    assert_eq!(looked.files[0].site, "logs");
    let said: Vec<String> = looked.left_out.iter().map(LeftOut::message).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("has no column `timestamp`"), "{said:?}");
    assert!(
        said[1].contains("is not a complete Parquet file"),
        "{said:?}"
    );

    // What went after linking is named, what came is read.
    source.save(&place.warehouse).unwrap();
    std::fs::remove_file(place.at("logs/z.parquet")).unwrap();
    write_log(&place.at("logs/b.parquet"), 9, 1);
    let looked = source.look(&place.warehouse, &mut KnownFiles::default());
    assert_eq!((looked.files.len(), looked.left_out.len()), (2, 2));
    let (again, _) = place.link("logs", &["status=code"]).unwrap();
    assert_eq!(again.gone_since(&place.warehouse).unwrap().len(), 1);
}

#[test]
fn units_are_told_by_a_file_or_by_its_source() {
    let place = Place::new();
    write_log(&place.at("logs/a.parquet"), 9, 1_000);
    write_log(&place.at("logs/b.parquet"), 9, 1_000_000_000);
    write_log(&place.at("logs/c.parquet"), 20, 1_000);
    // One row says nothing of its unit.
    write_log(&place.at("logs/d.parquet"), 1, 1);
    let (_, looked) = place.link("logs", &["status=code"]).unwrap();
    let units: Vec<_> = looked
        .files
        .iter()
        .map(|file| file.columns.time.unit)
        .collect();
    let (ms, ns) = (Some(EpochUnit::Millis), Some(EpochUnit::Nanos));
    assert_eq!(units, [ms, ns, ms, ms]);
    let (_, looked) = place
        .link("logs/d.parquet", &["status=code", "timestamp=timestamp:us"])
        .unwrap();
    assert_eq!(looked.files[0].columns.time.unit, Some(EpochUnit::Micros));
}

#[test]
fn limits_are_those_of_the_file() {
    let place = Place::new();
    write_log(&place.at("a.parquet"), 9, 1);
    let (_, looked) = place.link("a.parquet", &["status=code"]).unwrap();
    let times = &looked.files[0].times;
    let usual = (START + 60 * 4) * 1_000_000;
    assert_eq!(times.start, usual - TimeLimits::BEFORE_LOG.micros());
    let written = super::super::source::written(&place.at("a.parquet")).unwrap();
    assert_eq!(times.end, written + TimeLimits::AHEAD_OF_FILE.micros());
}

#[test]
fn faults_name_the_file_and_what_it_holds() {
    let place = Place::new();
    write_log(&place.at("log.parquet"), 1, 1);
    let fault = |mappings: &[&str]| {
        let error = place.link("log.parquet", mappings).unwrap_err();
        place.report(&error)
    };
    insta::assert_snapshot!(fault(&[]), @"
    `log.parquet` has no column `status` to read `status` from
    hint: the file has `timestamp`, `client_ip`, `path`, `code`; name one with `--columns status=…`
    ");
    assert!(
        place.link("log.parquet", &["status=path"]).is_ok(),
        "text may hold numbers"
    );
    insta::assert_snapshot!(fault(&["status=code", "method=code"]), @"column `code` of `log.parquet` holds Int64; `method` needs text");
    insta::assert_snapshot!(fault(&["status=code", "referer=from"]), @"
    `log.parquet` has no column `from` to read `referer` from
    hint: the file has `timestamp`, `client_ip`, `path`, `code`; name one with `--columns referer=…`
    ");

    let bytes = std::fs::read(place.at("log.parquet")).unwrap();
    std::fs::write(place.at("log.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    insta::assert_snapshot!(fault(&[]), @"
    `log.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    hint: was it still being written, or only partly copied?
    ");
}

#[test]
fn a_damaged_page_is_found_once_and_known_until_the_file_changes() {
    let place = Place::new();
    let mut known = KnownFiles::default();
    write_log(&place.at("logs/a.parquet"), 5_000, 1);
    write_log(&place.at("logs/b.parquet"), 5_000, 1);
    let path = place.at("logs/b.parquet");
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    // A page of the paths, which are not read to find out of which time a file is.
    let file = std::fs::File::open(&path).unwrap();
    let footer = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
    let page = footer.metadata().row_group(0).column(2).data_page_offset();
    torn[page as usize..][..16].fill(0xff);
    std::fs::write(&path, &torn).unwrap();
    let columns = ["status=code".parse().unwrap()];
    let options = LinkOptions {
        columns: &columns,
        ..LinkOptions::default()
    };
    let link = |known: &mut KnownFiles| {
        let linked = LinkedSource::link(&place.at("logs"), options, &place.warehouse, known);
        linked.unwrap().1
    };
    let mut looked = link(&mut known);
    assert_eq!((looked.files.len(), looked.left_out.len()), (2, 0));
    assert_eq!(looked.leave_out_damaged(&mut known, Some(2)), 1);
    assert_eq!((looked.files.len(), looked.left_out.len()), (1, 1));
    // Known from then on, and the other one is not read again.
    let mut looked = link(&mut known);
    assert_eq!((looked.files.len(), looked.left_out.len()), (1, 1));
    assert!(looked.files[0].is_checked);
    assert_eq!(looked.leave_out_damaged(&mut known, None), 0);
    let message = looked.left_out[0].message();
    assert!(message.contains("b.parquet` is damaged: "), "{message}");

    std::fs::write(&path, &whole).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(later).unwrap();
    let mut looked = link(&mut known);
    assert_eq!(looked.leave_out_damaged(&mut known, None), 0);
    assert_eq!((looked.files.len(), looked.left_out.len()), (2, 0));
}

/// Whatever bytes a file has, it is read or left out.
#[test]
fn no_damage_ends_the_program() {
    let place = Place::new();
    let path = place.at("logs/a.parquet");
    write_log(&path, 40, 1);
    write_log(&place.at("logs/b.parquet"), 40, 1);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        let (_, mut looked) = place.link("logs", &["status=code"]).unwrap();
        looked.leave_out_damaged(&mut KnownFiles::default(), Some(1));
        assert!((1..=2).contains(&looked.files.len()), "byte {at}");
    }
}
