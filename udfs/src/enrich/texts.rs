//! What a function makes of texts, computed once for each that an array has.
//!
//! A column of a log has few texts: a dictionary holds each once, and so do views that were read from
//! one, since those of one text are alike. What is alike is computed once.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

/// What a function makes of each text of an array, NULL included. `function` is given the texts that
/// differ, and returns one value for each.
pub(super) fn map(
    texts: &ArrayRef,
    function: impl FnOnce(&StringViewArray) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let (distinct, place_of_row) = places(texts)?;
    let values = function(&distinct)?;
    Ok(take(&values, &place_of_row, None)?)
}

/// The texts of an array that differ, but for some that may be there twice.
pub(super) fn distinct(texts: &ArrayRef) -> Result<StringViewArray> {
    Ok(places(texts)?.0)
}

/// The texts of an array that differ, and which of them each row has.
fn places(texts: &ArrayRef) -> Result<(StringViewArray, UInt32Array)> {
    if let Some(dictionary) = texts.as_any_dictionary_opt() {
        let values = cast(dictionary.values(), &DataType::Utf8View)?;
        let values = values.as_string_view();
        // One place more, for rows without a key.
        let places = (0..values.len() as u32).map(Some).chain([None]);
        let places = places.collect::<UInt32Array>();
        let with_null = take(values, &places, None)?;
        let none = values.len() as u32;
        let keys = dictionary.keys();
        // Without values, no key is one.
        let key_of_row = if values.is_empty() {
            vec![0; keys.len()]
        } else {
            dictionary.normalized_keys()
        };
        let place = |row: usize| {
            if keys.is_null(row) {
                none
            } else {
                key_of_row[row] as u32
            }
        };
        let place_of_row = UInt32Array::from_iter_values((0..keys.len()).map(place));
        return Ok((with_null.as_string_view().clone(), place_of_row));
    }
    let views = cast(texts, &DataType::Utf8View)?;
    let views = views.as_string_view();
    // Hashed with a secret of the process: who sends requests cannot choose what collides.
    let mut place_of_view: HashMap<Option<u128>, u32> = HashMap::new();
    let mut first_rows = Vec::new();
    let place_of_row = UInt32Array::from_iter_values((0..views.len()).map(|row| {
        let view = views.is_valid(row).then(|| views.views()[row]);
        *place_of_view.entry(view).or_insert_with(|| {
            first_rows.push(row as u32);
            first_rows.len() as u32 - 1
        })
    }));
    let distinct = take(views, &UInt32Array::from(first_rows), None)?;
    Ok((distinct.as_string_view().clone(), place_of_row))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::StringArray;

    use super::*;

    /// Lengths as text, and how many texts were looked at.
    fn lengths(texts: &ArrayRef) -> (Vec<String>, usize) {
        let mut looked_at = 0;
        let lengths = map(texts, |distinct| {
            looked_at = distinct.len();
            let length =
                |text: Option<&str>| text.map_or("none".to_owned(), |text| text.len().to_string());
            Ok(Arc::new(
                distinct
                    .iter()
                    .map(|text| Some(length(text)))
                    .collect::<StringViewArray>(),
            ))
        });
        let lengths = lengths.unwrap();
        let lengths = lengths
            .as_string_view()
            .iter()
            .map(|text| text.unwrap().to_owned());
        (lengths.collect(), looked_at)
    }

    #[test]
    fn every_kind_of_array_gives_the_same() {
        let long = "a text of more than twelve bytes";
        let rows = [
            Some("a"),
            Some(long),
            None,
            Some("a"),
            Some(""),
            Some(long),
            None,
        ];
        let plain: ArrayRef = Arc::new(StringArray::from(rows.to_vec()));
        let expected = ["1", "32", "none", "1", "0", "32", "none"];
        for (data_type, most) in [
            (DataType::Utf8, 5),
            (DataType::LargeUtf8, 5),
            (DataType::Utf8View, 5),
            (
                DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
                4,
            ),
            (
                DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8View)),
                5,
            ),
        ] {
            let array = cast(&plain, &data_type).unwrap();
            let (found, looked_at) = lengths(&array);
            assert_eq!(found, expected, "{data_type}");
            assert!(looked_at <= most, "{data_type}: {looked_at}");
            let (found, _) = lengths(&array.slice(2, 3));
            assert_eq!(found, expected[2..5], "{data_type}");
        }
        assert_eq!(lengths(&plain.slice(0, 0)).0, [""; 0]);
        let nothing: ArrayRef = Arc::new(StringArray::new_null(2));
        let int8 = Box::new(DataType::Int8);
        let nothing = cast(
            &nothing,
            &DataType::Dictionary(int8, Box::new(DataType::Utf8)),
        );
        assert_eq!(lengths(&nothing.unwrap()).0, ["none"; 2]);
    }
}
