//! The instruction sets, and the vector arithmetic that the kernels are written in.
//!
//! A kernel is a [`Task`], written once over [`Simd`] and compiled once per instruction set; at
//! run time [`Isa::run`] enters the copy for the CPU. A value of a type that implements [`Simd`]
//! is the proof that the CPU has the instructions, so arithmetic is safe to call; only memory
//! access is not.
//!
//! AVX2 and AVX-512 do the same operations in the same order on every element and therefore give
//! the same bits. The portable form rounds products before adding where the target has no fused
//! multiply-add in its baseline.

#![expect(
    unsafe_code,
    reason = "vector instructions and unchecked loads; each use states why it is sound"
)]

use std::fmt;
use std::sync::LazyLock;

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 16 lanes, x86-64 with AVX-512F.
    Avx512,
    /// 8 lanes, x86-64 with AVX2 and FMA.
    Avx2,
    /// 4 lanes, any CPU.
    Portable,
}

impl Isa {
    /// The widest that this CPU has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: LazyLock<Isa> = LazyLock::new(|| {
            [Isa::Avx512, Isa::Avx2]
                .into_iter()
                .find(|isa| isa.is_available())
                .unwrap_or(Isa::Portable)
        });
        *BEST
    }

    /// Every instruction set that this CPU has.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Avx512, Self::Avx2, Self::Portable]
            .into_iter()
            .filter(|isa| isa.is_available())
    }

    /// Whether this CPU has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
            }
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
        }
        #[cfg(not(target_arch = "x86_64"))]
        matches!(self, Self::Portable)
    }

    /// Elements of one vector.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 => 8,
            Self::Portable => Portable::LANES,
        }
    }

    /// Runs `task` compiled for this instruction set.
    ///
    /// # Panics
    /// When the CPU does not have it.
    pub fn run<T: Task>(self, task: T) -> T::Output {
        assert!(self.is_available(), "this CPU has no {self}");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: just asserted to be available.
            Self::Avx512 => unsafe { x86::run_avx512(task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: just asserted to be available.
            Self::Avx2 => unsafe { x86::run_avx2(task) },
            _ => task.run::<Portable, 3>(Portable),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2 and FMA",
            Self::Portable => "portable",
        })
    }
}

/// A computation compiled once per instruction set.
pub trait Task {
    /// The result of the task.
    type Output;

    /// `ROWS` is how many rows a tile of four vectors may have so that its sums fit the
    /// registers. Implementations and all they call are `#[inline(always)]`: what is not inlined
    /// into the entry point is compiled without its instructions.
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output;
}

/// Vectors of `f32`. Lanes never mix.
pub trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;

    /// The same number in every lane.
    fn splat(self, value: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the instruction set can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `if a < b { a } else { b }`: NaN in `b` is kept.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `if a > b { a } else { b }`: NaN in `b` is kept.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// Reads a vector.
    ///
    /// # Safety
    /// `LANES` values from `source` on can be read.
    unsafe fn load(self, source: *const f32) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    /// `LANES` values from `target` on can be written.
    unsafe fn store(self, target: *mut f32, value: Self::V);

    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// `to.copy_from_slice(from)` without the call, which costs more than a short row.
    #[inline(always)]
    fn copy(self, from: &[f32], to: &mut [f32]) {
        let len = to.len();
        assert_eq!(from.len(), len, "copied between rows of different lengths");
        if len < Self::LANES {
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
            return;
        }
        // Whole vectors; the last one may overlap the one before it.
        let mut at = 0;
        loop {
            // SAFETY: `at + LANES ≤ len`.
            unsafe { self.store(to.as_mut_ptr().add(at), self.load(from.as_ptr().add(at))) };
            if at + Self::LANES == len {
                return;
            }
            at = (at + Self::LANES).min(len - Self::LANES);
        }
    }
}

/// Four lanes as plain Rust, which compilers turn into the baseline's vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

/// Element by element.
#[inline(always)]
fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        let f = |a: f32, b: f32, c: f32| {
            // Without the instruction `f32::mul_add` is a library call.
            if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                a.mul_add(b, c)
            } else {
                a * b + c
            }
        };
        [
            f(a[0], b[0], c[0]),
            f(a[1], b[1], c[1]),
            f(a[2], b[2], c[2]),
            f(a[3], b[3], c[3]),
        ]
    }
    #[inline(always)]
    fn min(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> [f32; 4] {
        // SAFETY: the caller's promise; an array of `f32` needs no more than their alignment.
        unsafe { source.cast::<[f32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, value: [f32; 4]) {
        // SAFETY: as for `load`.
        unsafe { target.cast::<[f32; 4]>().write(value) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm256_sub_ps, _mm512_add_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_storeu_ps,
        _mm512_sub_ps,
    };

    use super::{Simd, Task};

    /// Proof of AVX2 and FMA: made in [`run_avx2`] only.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Avx2(());

    /// Proof of AVX-512F: made in [`run_avx512`] only.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Avx512(());

    // 3 rows × 4 vectors of sums, 4 of weights: all 16 registers but the broadcast's memory form.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<T: Task>(task: T) -> T::Output {
        task.run::<Avx2, 3>(Avx2(()))
    }

    // 4 × 4 sums cover the latency of two multiply-adds a cycle, and 4 divides usual batches.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) fn run_avx512<T: Task>(task: T) -> T::Output {
        task.run::<Avx512, 4>(Avx512(()))
    }

    macro_rules! simd {
        ($token:ty, $vector:ty, $lanes:literal, $splat:ident, $add:ident, $sub:ident, $mul:ident,
         $div:ident, $mul_add:ident, $min:ident, $max:ident, $load:ident, $store:ident) => {
            impl Simd for $token {
                type V = $vector;
                const LANES: usize = $lanes;

                #[inline(always)]
                fn splat(self, value: f32) -> $vector {
                    // SAFETY: `self` proves that the CPU has the instruction; so below.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                fn add(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                fn sub(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                fn mul(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                fn div(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $div(a, b) }
                }
                #[inline(always)]
                fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $mul_add(a, b, c) }
                }
                #[inline(always)]
                fn min(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $min(a, b) }
                }
                #[inline(always)]
                fn max(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: see `splat`.
                    unsafe { $max(a, b) }
                }
                #[inline(always)]
                unsafe fn load(self, source: *const f32) -> $vector {
                    // SAFETY: see `splat`, and the caller's promise; unaligned is allowed.
                    unsafe { $load(source) }
                }
                #[inline(always)]
                unsafe fn store(self, target: *mut f32, value: $vector) {
                    // SAFETY: as for `load`.
                    unsafe { $store(target, value) }
                }
            }
        };
    }

    simd!(
        Avx2,
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_min_ps,
        _mm256_max_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps
    );
    simd!(
        Avx512,
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps,
        _mm512_min_ps,
        _mm512_max_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps
    );
}
