//! Spectral residual (Ren et al., "Time-Series Anomaly Detection Service at Microsoft", KDD 2019).
//!
//! The published, causal form: every window is scored at the end of a stretch of its own past. That
//! of TSB-AD is another: it transforms the whole series at once, later windows included.
//!
//! Amplitudes of a stretch are divided by their geometric mean over three neighbouring frequencies,
//! which keeps phases and leaves of the spectrum only what is not smooth; transformed back, that is
//! large where the series is not as elsewhere. Since the end of a stretch is always special, five
//! more values are put after it, all extrapolated from its last slopes. The score is how far the
//! last value exceeds the mean of the 21 before it, relative to that mean.
//!
//! The paper extrapolates from the value that is judged; its authors' code from those before. The
//! code is followed: a spike would otherwise be continued, higher, by the extrapolated values, and
//! vanish beside them (average precision on WSD 0.02, against 0.23).

/// Values of a stretch with its extrapolation. The paper has 1440 for web-service KPIs; a power of
/// 2 makes the transform short, and each window needs one of its own.
const LENGTH: usize = 1_024;
/// Extrapolated values, the paper's κ.
const EXTRAPOLATED: usize = 5;
/// Slopes that are extrapolated, the paper's m.
const SLOPES: usize = 5;
/// Values before the last that it is compared with, the paper's z.
const COMPARED: usize = 21;
/// Values of a stretch that were observed.
const OBSERVED: usize = LENGTH - EXTRAPOLATED;
/// Complex values that the transform is one of.
const HALF: usize = LENGTH / 2;
/// Frequencies of real values.
const FREQUENCIES: usize = HALF + 1;
/// The smallest amplitude, as a share of the largest: what rounding leaves.
const SMALLEST_AMPLITUDE: f64 = 1e-12;

/// How far the saliency of each value exceeds that of the 21 before it, without unit: −1 or more.
///
/// In place of a missing value stands the last before it. NaN where the value is missing, and for
/// the first 1,018 windows, which have too little before them. Some 20 µs per window, a thousand
/// times what the other floors take.
#[must_use]
pub fn spectral_residual(values: &[f64]) -> Vec<f64> {
    let transform = Fourier::new();
    let mut filled = Vec::with_capacity(values.len());
    let mut last = f64::NAN;
    for value in values {
        last = if value.is_finite() { *value } else { last };
        filled.push(last);
    }
    let score = |(row, value): (usize, &f64)| {
        let stretch = filled[..=row].last_chunk();
        match stretch {
            Some(stretch) if value.is_finite() && !stretch[0].is_nan() => {
                excess(&saliency(&transform, stretch))
            }
            _ => f64::NAN,
        }
    };
    values.iter().enumerate().map(score).collect()
}

/// How far the last observed saliency exceeds the mean of those before, relative to it.
fn excess(saliency: &[f64; LENGTH]) -> f64 {
    let last = OBSERVED - 1;
    let mean = saliency[last - COMPARED..last].iter().sum::<f64>() / COMPARED as f64;
    if mean > 0.0 {
        (saliency[last] - mean) / mean
    } else {
        0.0
    }
}

/// Saliency, but for a common factor, of a stretch of observed values and the extrapolated ones
/// after it.
fn saliency(transform: &Fourier, stretch: &[f64; OBSERVED]) -> [f64; LENGTH] {
    // The unit does not matter; in that of the largest value no square overflows.
    let largest = stretch
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let mut values = [0.0; LENGTH];
    for (scaled, value) in values.iter_mut().zip(stretch) {
        *scaled = value / unit;
    }
    let next = extrapolate(&values[..OBSERVED]);
    values[OBSERVED..].fill(next);
    let (mut re, mut im) = transform.spectrum(&values);
    let amplitudes: [f64; FREQUENCIES] = std::array::from_fn(|f| amplitude(re[f], im[f]));
    let floor = SMALLEST_AMPLITUDE * amplitudes.iter().copied().fold(0.0, f64::max);
    let roots = amplitudes.map(|amplitude| amplitude.max(floor).cbrt());
    // The spectrum of real values is symmetric, and periodic.
    let last = FREQUENCIES - 1;
    for frequency in 0..FREQUENCIES {
        let before = roots[if frequency == 0 { 1 } else { frequency - 1 }];
        let after = roots[if frequency == last {
            last - 1
        } else {
            frequency + 1
        }];
        let smooth = before * roots[frequency] * after;
        let share = if smooth > 0.0 { 1.0 / smooth } else { 0.0 };
        re[frequency] *= share;
        im[frequency] *= share;
    }
    transform.values(&re, &im).map(f64::abs)
}

/// Not `hypot`, which is slower.
fn amplitude(re: f64, im: f64) -> f64 {
    (re * re + im * im).sqrt()
}

/// The value after some by the slopes between those before the last, as the authors' code has it:
/// the mean slope from each to the latest, continued from the second.
fn extrapolate(values: &[f64]) -> f64 {
    let before = &values[..values.len().saturating_sub(1)];
    let Some(before) = before.last_chunk::<{ SLOPES + 1 }>() else {
        return 0.0;
    };
    let slope = |back: usize| (before[SLOPES] - before[SLOPES - back]) / back as f64;
    before[1] + (1..=SLOPES).map(slope).sum::<f64>()
}

/// The discrete Fourier transform of [`LENGTH`] real values, as one of half as many complex ones:
/// those at even places and those at odd ones (Cooley & Tukey 1965; Sorensen et al., "Real-valued
/// fast Fourier transform algorithms", 1987).
#[derive(Debug)]
struct Fourier {
    /// Roots of unity, clockwise: of the stage that joins halves of `h` values, those at `h..2h`.
    re: [f64; LENGTH],
    im: [f64; LENGTH],
}

impl Fourier {
    fn new() -> Self {
        let mut roots = Self {
            re: [0.0; LENGTH],
            im: [0.0; LENGTH],
        };
        for half in halves(LENGTH) {
            for power in 0..half {
                let angle = power as f64 / half as f64 * std::f64::consts::PI;
                roots.re[half + power] = angle.cos();
                roots.im[half + power] = -angle.sin();
            }
        }
        roots
    }

    /// The spectrum from frequency 0 to the highest, times 2.
    fn spectrum(&self, values: &[f64; LENGTH]) -> ([f64; FREQUENCIES], [f64; FREQUENCIES]) {
        let mut even: [f64; HALF] = std::array::from_fn(|row| values[2 * row]);
        let mut odd: [f64; HALF] = std::array::from_fn(|row| values[2 * row + 1]);
        self.forward(&mut even, &mut odd);
        let (mut re, mut im) = ([0.0; FREQUENCIES], [0.0; FREQUENCIES]);
        for frequency in 0..FREQUENCIES {
            let (place, mirrored) = (frequency % HALF, (LENGTH - frequency) % HALF);
            // Of the even values, and of the odd ones.
            let (even_re, even_im) = (even[place] + even[mirrored], odd[place] - odd[mirrored]);
            let (odd_re, odd_im) = (odd[place] + odd[mirrored], even[mirrored] - even[place]);
            let (root_re, root_im) = self.root(frequency);
            re[frequency] = even_re + odd_re * root_re - odd_im * root_im;
            im[frequency] = even_im + odd_re * root_im + odd_im * root_re;
        }
        (re, im)
    }

    /// The values that have a spectrum, times [`LENGTH`].
    fn values(&self, re: &[f64; FREQUENCIES], im: &[f64; FREQUENCIES]) -> [f64; LENGTH] {
        let (mut even, mut odd) = ([0.0; HALF], [0.0; HALF]);
        for frequency in 0..HALF {
            let mirrored = HALF - frequency;
            let (even_re, even_im) = (re[frequency] + re[mirrored], im[frequency] - im[mirrored]);
            let (turned_re, turned_im) =
                (re[frequency] - re[mirrored], im[frequency] + im[mirrored]);
            let (root_re, root_im) = self.root(frequency);
            let odd_re = turned_re * root_re + turned_im * root_im;
            let odd_im = turned_im * root_re - turned_re * root_im;
            // Conjugate, so that a second forward transform is the inverse one.
            even[frequency] = even_re - odd_im;
            odd[frequency] = -(even_im + odd_re);
        }
        self.forward(&mut even, &mut odd);
        std::array::from_fn(|row| {
            if row % 2 == 0 {
                even[row / 2]
            } else {
                -odd[row / 2]
            }
        })
    }

    /// The root of unity of a frequency of [`LENGTH`] values.
    fn root(&self, frequency: usize) -> (f64, f64) {
        if frequency == HALF {
            return (-1.0, 0.0);
        }
        (self.re[HALF + frequency], self.im[HALF + frequency])
    }

    /// Of complex values, in place, not divided by anything.
    fn forward(&self, re: &mut [f64; HALF], im: &mut [f64; HALF]) {
        let unused_bits = HALF.leading_zeros() + 1;
        for index in 0..HALF {
            let reversed = index.reverse_bits() >> unused_bits;
            if index < reversed {
                re.swap(index, reversed);
                im.swap(index, reversed);
            }
        }
        for half in halves(HALF) {
            let roots = (&self.re[half..2 * half], &self.im[half..2 * half]);
            let blocks = re
                .chunks_exact_mut(2 * half)
                .zip(im.chunks_exact_mut(2 * half));
            for (re, im) in blocks {
                let (low_re, high_re) = re.split_at_mut(half);
                let (low_im, high_im) = im.split_at_mut(half);
                for row in 0..half {
                    let (root_re, root_im) = (roots.0[row], roots.1[row]);
                    let turned_re = high_re[row] * root_re - high_im[row] * root_im;
                    let turned_im = high_re[row] * root_im + high_im[row] * root_re;
                    high_re[row] = low_re[row] - turned_re;
                    high_im[row] = low_im[row] - turned_im;
                    low_re[row] += turned_re;
                    low_im[row] += turned_im;
                }
            }
        }
    }
}

/// 1, 2, 4, … up to half a length.
fn halves(length: usize) -> impl Iterator<Item = usize> {
    (0..length.trailing_zeros()).map(|stage| 1 << stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_equals_its_definition_and_has_an_inverse() {
        let values: [f64; LENGTH] = std::array::from_fn(|row| ((row * row) % 17) as f64 - 3.0);
        let transform = Fourier::new();
        let (re, im) = transform.spectrum(&values);
        for frequency in [0, 1, 7, 256, 511, 512] {
            let (mut expected_re, mut expected_im) = (0.0, 0.0);
            for (row, value) in values.iter().enumerate() {
                let turn = (row * frequency % LENGTH) as f64 / LENGTH as f64;
                let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
                expected_re += 2.0 * value * cos;
                expected_im -= 2.0 * value * sin;
            }
            assert!((re[frequency] - expected_re).abs() < 1e-7, "{frequency}");
            assert!((im[frequency] - expected_im).abs() < 1e-7, "{frequency}");
        }
        let again = transform.values(&re, &im);
        for (again, value) in again.iter().zip(&values) {
            assert!(
                (again / (2 * LENGTH) as f64 - value).abs() < 1e-12,
                "{again} {value}"
            );
        }
    }

    #[test]
    fn extrapolation_follows_a_line_and_leaves_the_last_value_out() {
        let values = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 500.0];
        assert!((extrapolate(&values) - 13.0).abs() < 1e-12);
        assert_eq!(extrapolate(&values[1..]).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn the_unit_changes_nothing_and_gaps_are_bridged() {
        let wave = |row: usize| (row as f64 / 20.0).sin() + ((row * 13) % 7) as f64 / 10.0;
        let mut values: Vec<f64> = (0..1_200).map(wave).collect();
        values[1_120] += 4.0;
        values[1_100] = f64::NAN;
        let scores = spectral_residual(&values);
        let scaled = spectral_residual(&values.iter().map(|x| x * 1e150).collect::<Vec<_>>());
        assert!(scores[..1_018].iter().all(|score| score.is_nan()));
        assert!(scores[1_100].is_nan() && !scores[1_101].is_nan());
        for (score, scaled) in scores.iter().zip(&scaled).skip(1_018) {
            assert!((score - scaled).abs() < 1e-6 || score.is_nan());
        }
        let constant = spectral_residual(&[5.0; OBSERVED]);
        assert_eq!(constant[OBSERVED - 1].to_bits(), 0.0_f64.to_bits());
    }
}
