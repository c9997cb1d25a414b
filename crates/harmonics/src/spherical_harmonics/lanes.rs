//! The vector instructions the kernels are written in: arithmetic on registers that hold the same
//! component of several vectors, and the transposition between that arrangement and memory, where
//! the components of one vector lie side by side.
//!
//! Arithmetic is pulp's. Transposition costs as much as the harmonics themselves, so AVX2 has its
//! own; elsewhere it is a plain loop. AVX-512 is left out on purpose: measured, its wider stores
//! straddle cache lines (a row holds the odd or even square `(l_max + 1)²`) and lose to AVX2.

use pulp::Simd;
use pulp::bytemuck::{self, Pod};

/// A computation written for any register width.
pub trait Kernel<T> {
    /// Runs it. Implementations are `#[inline(always)]`, so that they are compiled for the
    /// instructions of `lanes`.
    fn run<L: Lanes<T>>(self, lanes: L);
}

/// Proof that some vector instructions exist on this machine, with what the kernels need of them.
pub trait Lanes<T>: Copy {
    /// `WIDTH` numbers.
    type Register: Pod;
    /// Numbers per register.
    const WIDTH: usize;

    /// `value` in every lane.
    fn splat(self, value: T) -> Self::Register;
    /// `a + b`
    fn add(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a - b`
    fn sub(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a * b`
    fn mul(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a * b + c`, in one rounding where the machine has an instruction for it.
    fn mul_add(self, a: Self::Register, b: Self::Register, c: Self::Register) -> Self::Register;
    /// `a / b`
    fn div(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `√a`
    fn sqrt(self, a: Self::Register) -> Self::Register;
    /// `|a|`
    fn abs(self, a: Self::Register) -> Self::Register;
    /// `then` where the first of `pair` is less than the second, else `otherwise`; NaN is not less
    /// than anything.
    fn select_less(
        self,
        pair: [Self::Register; 2],
        then: Self::Register,
        otherwise: Self::Register,
    ) -> Self::Register;
    /// Transposes a `WIDTH x WIDTH` block.
    fn transpose(self, from: Rows<&[T]>, to: Rows<&mut [T]>);
}

/// The rows of a matrix, each beginning `stride` numbers after the one before.
#[derive(Clone, Copy)]
pub struct Rows<S> {
    pub(super) numbers: S,
    pub(super) stride: usize,
}

/// The instructions pulp chose, with the transposition in plain code.
#[derive(Clone, Copy)]
pub(super) struct Portable<S>(pub(super) S);

/// AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(pub(super) pulp::x86::V3);

macro_rules! lanes {
    ([$($generics:tt)*] $lanes:ty, $simd:ty, $type:ty, $register:ident, $width:ident,
     $splat:ident, $add:ident, $sub:ident, $mul:ident, $mul_add:ident, $div:ident, $sqrt:ident,
     $abs:ident, $less_than:ident, $select:ident, $transpose:path) => {
        impl<$($generics)*> Lanes<$type> for $lanes {
            type Register = <$simd as Simd>::$register;
            const WIDTH: usize = <$simd as Simd>::$width;

            #[inline(always)]
            fn splat(self, value: $type) -> Self::Register {
                self.0.$splat(value)
            }
            #[inline(always)]
            fn add(self, a: Self::Register, b: Self::Register) -> Self::Register {
                self.0.$add(a, b)
            }
            #[inline(always)]
            fn sub(self, a: Self::Register, b: Self::Register) -> Self::Register {
                self.0.$sub(a, b)
            }
            #[inline(always)]
            fn mul(self, a: Self::Register, b: Self::Register) -> Self::Register {
                self.0.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add(
                self,
                a: Self::Register,
                b: Self::Register,
                c: Self::Register,
            ) -> Self::Register {
                self.0.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn div(self, a: Self::Register, b: Self::Register) -> Self::Register {
                self.0.$div(a, b)
            }
            #[inline(always)]
            fn sqrt(self, a: Self::Register) -> Self::Register {
                self.0.$sqrt(a)
            }
            #[inline(always)]
            fn abs(self, a: Self::Register) -> Self::Register {
                self.0.$abs(a)
            }
            #[inline(always)]
            fn select_less(
                self,
                [a, b]: [Self::Register; 2],
                then: Self::Register,
                otherwise: Self::Register,
            ) -> Self::Register {
                self.0.$select(self.0.$less_than(a, b), then, otherwise)
            }
            #[inline(always)]
            fn transpose(self, from: Rows<&[$type]>, to: Rows<&mut [$type]>) {
                $transpose(self, from, to);
            }
        }
    };
}

macro_rules! lanes_of_both_types {
    ([$($generics:tt)*] $lanes:ty, $simd:ty, $transpose_f32:path, $transpose_f64:path) => {
        lanes!([$($generics)*] $lanes, $simd, f32, f32s, F32_LANES, splat_f32s, add_f32s, sub_f32s,
               mul_f32s, mul_add_e_f32s, div_f32s, sqrt_f32s, abs_f32s, less_than_f32s, select_f32s,
               $transpose_f32);
        lanes!([$($generics)*] $lanes, $simd, f64, f64s, F64_LANES, splat_f64s, add_f64s, sub_f64s,
               mul_f64s, mul_add_e_f64s, div_f64s, sqrt_f64s, abs_f64s, less_than_f64s, select_f64s,
               $transpose_f64);
    };
}

lanes_of_both_types!([S: Simd] Portable<S>, S, transpose_plainly, transpose_plainly);
#[cfg(target_arch = "x86_64")]
lanes_of_both_types!([] Avx2, pulp::x86::V3, avx2::transpose_8x8, avx2::transpose_4x4);

#[inline(always)]
fn transpose_plainly<T: Pod, L: Lanes<T>>(_: L, from: Rows<&[T]>, to: Rows<&mut [T]>) {
    let Rows {
        numbers: source,
        stride: source_stride,
    } = from;
    let Rows {
        numbers: target,
        stride: target_stride,
    } = to;
    for row in 0..L::WIDTH {
        for column in 0..L::WIDTH {
            target[column * target_stride + row] = source[row * source_stride + column];
        }
    }
}

/// Half of each row is loaded straight into the half of the register where its transpose belongs,
/// which leaves only shuffles within halves: those run on two ports, the others on one.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::{__m128, __m128d, __m256, __m256d};

    use super::{Avx2, Rows};

    #[inline(always)]
    pub(super) fn transpose_8x8(lanes: Avx2, from: Rows<&[f32]>, to: Rows<&mut [f32]>) {
        let avx = lanes.0.avx;
        let Rows { numbers, stride } = to;
        for half in 0..2 {
            let (a, b) = (
                halves_f32(lanes, from, 0, half),
                halves_f32(lanes, from, 1, half),
            );
            let (c, d) = (
                halves_f32(lanes, from, 2, half),
                halves_f32(lanes, from, 3, half),
            );
            let (ab_low, ab_high) = (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (avx._mm256_unpacklo_ps(c, d), avx._mm256_unpackhi_ps(c, d));
            let columns = [
                avx._mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
                avx._mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
                avx._mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
                avx._mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
            ];
            for (i, &column) in columns.iter().enumerate() {
                let start = (4 * half + i) * stride;
                numbers[start..start + 8].copy_from_slice(&pulp::cast::<_, [f32; 8]>(column));
            }
        }
    }

    #[inline(always)]
    pub(super) fn transpose_4x4(lanes: Avx2, from: Rows<&[f64]>, to: Rows<&mut [f64]>) {
        let avx = lanes.0.avx;
        let Rows { numbers, stride } = to;
        for half in 0..2 {
            let (a, b) = (
                halves_f64(lanes, from, 0, half),
                halves_f64(lanes, from, 1, half),
            );
            let columns = [avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b)];
            for (i, &column) in columns.iter().enumerate() {
                let start = (2 * half + i) * stride;
                numbers[start..start + 4].copy_from_slice(&pulp::cast::<_, [f64; 4]>(column));
            }
        }
    }

    /// The same half of the rows `row` and `row + 4`.
    #[inline(always)]
    fn halves_f32(lanes: Avx2, from: Rows<&[f32]>, row: usize, half: usize) -> __m256 {
        let (low, high) = (
            row * from.stride + 4 * half,
            (row + 4) * from.stride + 4 * half,
        );
        let low: &[f32; 4] = from.numbers[low..].first_chunk().expect("a full row");
        let high: &[f32; 4] = from.numbers[high..].first_chunk().expect("a full row");
        let (low, high) = (
            pulp::cast::<_, __m128>(*low),
            pulp::cast::<_, __m128>(*high),
        );
        let avx = lanes.0.avx;
        avx._mm256_insertf128_ps::<1>(avx._mm256_castps128_ps256(low), high)
    }

    /// The same half of the rows `row` and `row + 2`.
    #[inline(always)]
    fn halves_f64(lanes: Avx2, from: Rows<&[f64]>, row: usize, half: usize) -> __m256d {
        let (low, high) = (
            row * from.stride + 2 * half,
            (row + 2) * from.stride + 2 * half,
        );
        let low: &[f64; 2] = from.numbers[low..].first_chunk().expect("a full row");
        let high: &[f64; 2] = from.numbers[high..].first_chunk().expect("a full row");
        let (low, high) = (
            pulp::cast::<_, __m128d>(*low),
            pulp::cast::<_, __m128d>(*high),
        );
        let avx = lanes.0.avx;
        avx._mm256_insertf128_pd::<1>(avx._mm256_castpd128_pd256(low), high)
    }
}

macro_rules! dispatch {
    ($name:ident, $type:ty) => {
        /// Runs the kernel with the best instructions this machine has.
        pub(super) fn $name<K: Kernel<$type>>(kernel: K) {
            struct On<L, K>(L, K);
            #[cfg(target_arch = "x86_64")]
            impl<K: Kernel<$type>> pulp::NullaryFnOnce for On<Avx2, K> {
                type Output = ();
                #[inline(always)]
                fn call(self) {
                    self.1.run(self.0);
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            impl<K: Kernel<$type>> pulp::WithSimd for On<(), K> {
                type Output = ();
                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) {
                    self.1.run(Portable(simd));
                }
            }

            #[cfg(target_arch = "x86_64")]
            match pulp::x86::V3::try_new() {
                Some(v3) => v3.vectorize(On(Avx2(v3), kernel)),
                None => kernel.run(Portable(pulp::Scalar)),
            }
            #[cfg(not(target_arch = "x86_64"))]
            pulp::Arch::new().dispatch(On((), kernel));
        }
    };
}

dispatch!(dispatch_f32, f32);
dispatch!(dispatch_f64, f64);

/// Registers as plain numbers, lane after lane.
#[inline(always)]
pub(super) fn numbers<T: Pod, R: Pod>(registers: &[R]) -> &[T] {
    bytemuck::cast_slice(registers)
}

/// Registers as plain numbers, lane after lane.
#[inline(always)]
pub(super) fn numbers_mut<T: Pod, R: Pod>(registers: &mut [R]) -> &mut [T] {
    bytemuck::cast_slice_mut(registers)
}
