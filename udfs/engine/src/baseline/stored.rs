//! Profiles as bytes: every number exactly as it is.

/// Something that can be written and read back, bit for bit.
pub(super) trait Stored: Sized {
    /// Appends it.
    fn store(&self, bytes: &mut Vec<u8>);

    /// Takes it from the front; `None` where the bytes are not what was written.
    fn load(bytes: &mut &[u8]) -> Option<Self>;
}

/// Stores a struct field by field.
macro_rules! stored {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::baseline::stored::Stored for $type {
            fn store(&self, bytes: &mut Vec<u8>) {
                $($crate::baseline::stored::Stored::store(&self.$field, bytes);)+
            }

            fn load(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self {
                    $($field: $crate::baseline::stored::Stored::load(bytes)?,)+
                })
            }
        }
    };
}
pub(super) use stored;

/// Takes so many bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

macro_rules! stored_number {
    ($($type:ty),+) => {$(
        impl Stored for $type {
            fn store(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn load(bytes: &mut &[u8]) -> Option<Self> {
                let number = take(bytes, size_of::<Self>())?;
                Some(Self::from_le_bytes(number.try_into().ok()?))
            }
        }
    )+};
}
stored_number!(u8, u64, i64, f64);

impl Stored for bool {
    fn store(&self, bytes: &mut Vec<u8>) {
        u8::from(*self).store(bytes);
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        match u8::load(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Stored for usize {
    fn store(&self, bytes: &mut Vec<u8>) {
        (*self as u64).store(bytes);
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        Self::try_from(u64::load(bytes)?).ok()
    }
}

impl<T: Stored> Stored for Option<T> {
    fn store(&self, bytes: &mut Vec<u8>) {
        self.is_some().store(bytes);
        if let Some(value) = self {
            value.store(bytes);
        }
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        Some(if bool::load(bytes)? {
            Some(T::load(bytes)?)
        } else {
            None
        })
    }
}

impl<T: Stored> Stored for Box<T> {
    fn store(&self, bytes: &mut Vec<u8>) {
        self.as_ref().store(bytes);
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        T::load(bytes).map(Self::new)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn store(&self, bytes: &mut Vec<u8>) {
        self.0.store(bytes);
        self.1.store(bytes);
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::load(bytes)?, B::load(bytes)?))
    }
}

impl<T: Stored, const N: usize> Stored for [T; N] {
    fn store(&self, bytes: &mut Vec<u8>) {
        for value in self {
            value.store(bytes);
        }
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        let values: Option<Vec<T>> = (0..N).map(|_| T::load(bytes)).collect();
        values?.try_into().ok()
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn store(&self, bytes: &mut Vec<u8>) {
        self.len().store(bytes);
        for value in self {
            value.store(bytes);
        }
    }

    fn load(bytes: &mut &[u8]) -> Option<Self> {
        let count = usize::load(bytes)?;
        // Nothing stored is empty, so a damaged length cannot ask for more than there is.
        (count <= bytes.len()).then(|| (0..count).map(|_| T::load(bytes)).collect())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded_bit_for_bit() {
        type Value = (Vec<[f64; 3]>, Option<Box<(usize, bool)>>);
        let value: Value = (
            vec![[0.1, -0.0, f64::NAN], [f64::INFINITY, 1e-310, 7.0]],
            Some(Box::new((3, true))),
        );
        let mut bytes = Vec::new();
        value.store(&mut bytes);
        let mut rest = bytes.as_slice();
        let loaded = Value::load(&mut rest).unwrap();
        assert!(rest.is_empty());
        let bits =
            |value: &Value| -> Vec<u64> { value.0.iter().flatten().map(|x| x.to_bits()).collect() };
        assert_eq!(bits(&loaded), bits(&value));
        assert_eq!(loaded.1, value.1);
        for length in 0..bytes.len() {
            assert!(Value::load(&mut &bytes[..length]).is_none(), "{length}");
        }
    }
}
