//! Values as queries give them: NULL, not a number, or a number.

/// A value of a metric in a window, as a query gives it.
///
/// Rows of series hold many of them as plain `f64`, which vectorised loops want: [`Self::encoded`]
/// and [`Self::decoded`] are the only places that know how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observed {
    /// SQL NULL: nothing is known.
    Null,
    /// NaN or infinite: something went wrong where it was computed.
    NotANumber,
    /// A finite number.
    Number(f64),
}

impl From<Option<f64>> for Observed {
    fn from(value: Option<f64>) -> Self {
        match value {
            None => Self::Null,
            Some(number) if number.is_finite() => Self::Number(number),
            Some(_) => Self::NotANumber,
        }
    }
}

impl Observed {
    /// The value as rows of series hold it: NaN stands for NULL, and an infinite number for what is
    /// none.
    #[must_use]
    pub const fn encoded(self) -> f64 {
        match self {
            Self::Null => f64::NAN,
            Self::NotANumber => f64::INFINITY,
            Self::Number(number) => number,
        }
    }

    /// The value that a row of a series holds.
    #[must_use]
    pub const fn decoded(value: f64) -> Self {
        if value.is_nan() {
            Self::Null
        } else if value.is_infinite() {
            Self::NotANumber
        } else {
            Self::Number(value)
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Null | Self::NotANumber => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for value in [Observed::Null, Observed::NotANumber, Observed::Number(-0.5)] {
            assert_eq!(Observed::decoded(value.encoded()), value);
        }
        assert_eq!(Observed::from(None), Observed::Null);
        assert_eq!(Observed::from(Some(f64::NAN)), Observed::NotANumber);
        assert_eq!(
            Observed::from(Some(f64::NEG_INFINITY)),
            Observed::NotANumber
        );
        assert_eq!(Observed::from(Some(3.0)).number(), Some(3.0));
        assert_eq!(Observed::NotANumber.number(), None);
    }
}
