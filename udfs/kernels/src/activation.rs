//! Vectorised activations: rational approximations with a stated, tested error.
//!
//! tanh x ≈ x · P(x²) / Q(x²) with P cubic and Q quartic, minimax in absolute error on ±7.75 and
//! constant beyond, where tanh is within 3.7e-7 of ±1. In exact arithmetic the error inside is
//! 1e-7; rounding and the constant end make it [`TANH_ERROR`]. A polynomial numerator of degree
//! 13 over 6, as Eigen and XLA have it, is exact to fewer bits per operation.

use super::simd::Simd;

/// Largest absolute error of `tanh`.
pub const TANH_ERROR: f32 = 6e-7;

/// Largest absolute error of `sigmoid`.
pub const SIGMOID_ERROR: f32 = 3.5e-7;

const TANH_BOUND: f32 = 7.75;
const TANH_P: [f32; 4] = [0.999_999_5, 0.129_361_43, 0.002_962_977_6, 1.157_233e-5];
const TANH_Q: [f32; 5] = [
    1.0,
    0.462_692_95,
    0.023_862_638,
    0.000_240_446_17,
    2.508_032_3e-7,
];

// The coefficients of ½ tanh(x/2), so that sigmoid(x) = ½ + ½ tanh(x/2) costs one addition more.
const SIGMOID_P: [f32; 4] = [0.249_999_88, 0.008_085_09, 4.629_652_5e-5, 4.520_441e-8];
const SIGMOID_Q: [f32; 5] = [
    1.0,
    0.115_673_24,
    0.001_491_414_8,
    3.756_971_4e-6,
    9.797_001e-10,
];

#[inline(always)]
fn odd_rational<S: Simd>(simd: S, x: S::V, bound: f32, p: &[f32; 4], q: &[f32; 5]) -> S::V {
    // The bound first: NaN stays NaN.
    let x = simd.max(simd.splat(-bound), simd.min(simd.splat(bound), x));
    let square = simd.mul(x, x);
    let mut numerator = simd.splat(p[3]);
    numerator = simd.mul_add(numerator, square, simd.splat(p[2]));
    numerator = simd.mul_add(numerator, square, simd.splat(p[1]));
    numerator = simd.mul_add(numerator, square, simd.splat(p[0]));
    let mut denominator = simd.splat(q[4]);
    denominator = simd.mul_add(denominator, square, simd.splat(q[3]));
    denominator = simd.mul_add(denominator, square, simd.splat(q[2]));
    denominator = simd.mul_add(denominator, square, simd.splat(q[1]));
    denominator = simd.mul_add(denominator, square, simd.splat(q[0]));
    simd.div(simd.mul(x, numerator), denominator)
}

/// tanh within [`TANH_ERROR`]; odd, never beyond ±1, NaN for NaN.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    odd_rational(simd, x, TANH_BOUND, &TANH_P, &TANH_Q)
}

/// 1 / (1 + exp(−x)) within [`SIGMOID_ERROR`]; within 0..=1, NaN for NaN.
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::V) -> S::V {
    let half_tanh = odd_rational(simd, x, 2.0 * TANH_BOUND, &SIGMOID_P, &SIGMOID_Q);
    simd.add(half_tanh, simd.splat(0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Task};

    /// Both activations of a slice.
    struct Activate<'a>(&'a [f32]);

    impl Task for Activate<'_> {
        type Output = Vec<[f32; 2]>;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output {
            let mut outputs = Vec::new();
            for vector in self.0.chunks(S::LANES) {
                let mut padded = [[0.0f32; 16]; 3];
                simd.copy(vector, &mut padded[0][..vector.len()]);
                // SAFETY: 16 values are a vector at least.
                #[expect(unsafe_code, reason = "loads and stores whole vectors")]
                unsafe {
                    let x = simd.load(padded[0].as_ptr());
                    simd.store(padded[1].as_mut_ptr(), tanh(simd, x));
                    simd.store(padded[2].as_mut_ptr(), sigmoid(simd, x));
                }
                outputs.extend((0..vector.len()).map(|i| [padded[1][i], padded[2][i]]));
            }
            outputs
        }
    }

    #[test]
    fn activations_keep_their_stated_errors() {
        // Every 1009th number up to 32 in absolute value, subnormal ones included.
        let xs: Vec<f32> = (0..32f32.to_bits())
            .step_by(1009)
            .map(f32::from_bits)
            .flat_map(|x| [x, -x])
            .chain([f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN])
            .collect();
        for isa in Isa::available() {
            let outputs = isa.run(Activate(&xs));
            assert_eq!(outputs.len(), xs.len());
            for (&x, [tanh, sigmoid]) in xs.iter().zip(outputs) {
                let wide = f64::from(x);
                let errors = [
                    (f64::from(tanh) - wide.tanh()).abs() / f64::from(TANH_ERROR),
                    (f64::from(sigmoid) - 1.0 / (1.0 + (-wide).exp())).abs()
                        / f64::from(SIGMOID_ERROR),
                ];
                assert!(errors.iter().all(|&e| e <= 1.0), "{isa} at {x}: {errors:?}");
                assert!(tanh.abs() <= 1.0 && (0.0..=1.0).contains(&sigmoid));
            }
            for [tanh, sigmoid] in isa.run(Activate(&[f32::NAN])) {
                assert!(tanh.is_nan() && sigmoid.is_nan(), "{isa} lost a NaN");
            }
        }
    }
}
