//! Exponentials and their kin without branches or calls, for loops that the compiler vectorises.
//!
//! Errors, in units in the last place of the exact result: [`exp`] 1.5 over the whole range, subnormal
//! results included; [`exp_m1`] and [`two_atanh`] 3; [`NormalTail`] 8, growing with the square of x
//! since the exponent is rounded. The tests check these. A NaN gives a NaN.

#[cfg(test)]
mod tests;

use std::f64::consts::LOG2_E;
use std::ops::Neg;

use super::real::Real;
use super::simd::Instructions;

/// A float type whose elementary functions are written out here.
pub(crate) trait Elementary: Real + Neg<Output = Self> {
    /// Added to a small number and taken away again, it rounds to an integer, which then stands in the
    /// last bits of the sum: 1.5 times two to the number of digits.
    const ROUND: Self;
    /// `ln 2` to so few digits that small multiples are exact.
    const LN_2_HIGH: Self;
    /// The rest of `ln 2`.
    const LN_2_LOW: Self;
    /// Where `exp` overflows; the clamp of its argument.
    const EXP_MAX: Self;
    /// Where `exp` is zero.
    const EXP_MIN: Self;
    /// Where `exp(x) - 1` is -1.
    const EXP_M1_MIN: Self;
    /// Degree of the series of `exp`: `(ln 2 / 2)^n / n!` beyond it is below the rounding.
    const EXP_DEGREE: usize;
    /// Terms of the series of `atanh`: `(1/9)^n / (2 n + 1)` beyond them is below the rounding.
    const ATANH_TERMS: usize;
    /// Terms of the Chebyshev series of [`NormalTail`].
    const TAIL_TERMS: usize;

    fn abs(self) -> Self;
    /// `2^n` for an integer-valued `n` whose power is a normal number.
    fn power_of_two(n: Self) -> Self;
}

macro_rules! elementary {
    ($t:ty, $digits:literal, $($name:ident: $type:ty = $value:expr,)*) => {
        impl Elementary for $t {
            const ROUND: Self = 1.5 / <$t>::EPSILON;
            $(const $name: $type = $value;)*

            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn power_of_two(n: Self) -> Self {
                // The integer moves into the exponent; the shift drops all else of ROUND.
                let bits = (n + Self::ROUND).to_bits() << $digits;
                <$t>::from_bits(bits.wrapping_add(Self::ONE.to_bits()))
            }
        }
    };
}

elementary!(f32, 23,
    LN_2_HIGH: f32 = 355.0 / 512.0,
    LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32,
    EXP_MAX: f32 = 89.0,
    EXP_MIN: f32 = -104.0,
    EXP_M1_MIN: f32 = -30.0,
    EXP_DEGREE: usize = 7,
    ATANH_TERMS: usize = 8,
    TAIL_TERMS: usize = 13,
);
// The first 33 bits of ln 2, and the next 53.
elementary!(f64, 52,
    LN_2_HIGH: f64 = 6.931_471_803_691_238e-1,
    LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10,
    EXP_MAX: f64 = 710.0,
    EXP_MIN: f64 = -746.0,
    EXP_M1_MIN: f64 = -50.0,
    EXP_DEGREE: usize = 13,
    ATANH_TERMS: usize = 17,
    TAIL_TERMS: usize = 26,
);

const INVERSE_FACTORIALS: [f64; 14] = {
    let mut table = [1.0; 14];
    let (mut n, mut factorial) = (1, 1.0);
    while n < table.len() {
        factorial *= n as f64;
        table[n] = 1.0 / factorial;
        n += 1;
    }
    table
};

/// `(n, exp(r) - 1)` for `x = n ln 2 + r` with the integer n next to `x / ln 2`.
#[inline(always)]
fn reduced<T: Elementary, I: Instructions>(x: T) -> (T, T) {
    let n = I::multiply_add(x, T::of(LOG2_E), T::ROUND) - T::ROUND;
    let r = I::multiply_add(n, -T::LN_2_HIGH, x);
    let r = I::multiply_add(n, -T::LN_2_LOW, r);
    let mut sum = T::of(INVERSE_FACTORIALS[T::EXP_DEGREE]);
    for k in (2..T::EXP_DEGREE).rev() {
        sum = I::multiply_add(sum, r, T::of(INVERSE_FACTORIALS[k]));
    }
    (n, I::multiply_add(sum, r * r, r))
}

/// `exp(x)`.
#[inline(always)]
pub(crate) fn exp<T: Elementary, I: Instructions>(x: T) -> T {
    let x = if x > T::EXP_MAX { T::EXP_MAX } else { x };
    let x = if x < T::EXP_MIN { T::EXP_MIN } else { x };
    let (n, exp_m1) = reduced::<T, I>(x);
    // Two powers, since one of them alone may be out of range where the result is not.
    let half = I::multiply_add(n, T::of(0.5), T::ROUND) - T::ROUND;
    (T::ONE + exp_m1) * T::power_of_two(half) * T::power_of_two(n - half)
}

/// `exp(x) - 1` for `x <= 0`.
#[inline(always)]
pub(crate) fn exp_m1<T: Elementary, I: Instructions>(x: T) -> T {
    let x = if x < T::EXP_M1_MIN { T::EXP_M1_MIN } else { x };
    let (n, exp_m1) = reduced::<T, I>(x);
    let power = T::power_of_two(n);
    I::multiply_add(power, exp_m1, power - T::ONE)
}

/// `2 atanh(s)` for `|s| <= 1/3`, which is `ln(1 + u)` at `s = u / (2 + u)`.
#[inline(always)]
pub(crate) fn two_atanh<T: Elementary, I: Instructions>(s: T) -> T {
    let odd = |k: usize| T::of(1.0 / (2 * k + 1) as f64);
    let square = s * s;
    let mut sum = odd(T::ATANH_TERMS - 1);
    for k in (1..T::ATANH_TERMS - 1).rev() {
        sum = I::multiply_add(sum, square, odd(k));
    }
    let twice = s + s;
    I::multiply_add(sum * square, twice, twice)
}

/// Chebyshev coefficients of `(a + 1) exp(a^2 / 2) Q(a)`, Q the upper tail of the normal
/// distribution, in `t = (a - 4) / (a + 4)` for `a >= 0`. Interpolated at 64 points in 50 digits.
///
/// # Source
/// Substitution and weight as in Shepherd and Laframboise, Math. Comp. 36 (1981) 249.
const TAIL: [f64; 26] = [
    4.655_865_996_963_784e-1,
    -6.423_751_712_334_331e-2,
    -1.117_150_959_672_121_9e-2,
    1.263_630_599_437_623e-2,
    -4.828_490_640_131_744e-3,
    1.079_383_410_615_601_3e-3,
    -1.194_099_520_285_248e-4,
    -6.848_588_377_676_676_4e-6,
    4.060_629_718_065_491e-6,
    -1.952_754_470_833_836_5e-7,
    -1.134_594_438_646_756_5e-7,
    1.227_397_138_426_542e-8,
    3.662_441_203_341_559e-9,
    -5.088_948_506_210_621e-10,
    -1.460_240_201_209_316_4e-10,
    1.832_196_652_906_422_7e-11,
    6.857_544_400_027_546e-12,
    -5.077_272_058_049_455e-13,
    -3.458_064_365_204_774e-13,
    4.412_922_855_809_207e-16,
    1.705_486_657_226_691e-14,
    1.512_365_327_811_506_7e-15,
    -7.370_100_783_416_678e-16,
    -1.612_488_558_426_488_4e-16,
    2.130_692_627_650_816e-17,
    1.173_480_714_057_240_5e-17,
];

/// Beyond this argument `exp(-x^2 / 2)` is zero in either type.
const TAIL_MAX: f64 = 40.0;

/// The upper tail of the normal distribution at `|x|`.
pub(crate) struct NormalTail<T> {
    /// `Q(|x|)`.
    pub(crate) tail: T,
    /// `exp(-x^2 / 2)`.
    pub(crate) bell: T,
}

impl<T: Elementary> NormalTail<T> {
    #[inline(always)]
    pub(crate) fn of<I: Instructions>(x: T) -> Self {
        let (a, four) = (x.abs(), T::of(4.0));
        let a = if a > T::of(TAIL_MAX) {
            T::of(TAIL_MAX)
        } else {
            a
        };
        let bell = exp::<T, I>(a * a * T::of(-0.5));
        let t = (a - four) / (a + four);
        // Clenshaw's recurrence.
        let (mut last, mut before) = (T::ZERO, T::ZERO);
        for k in (1..T::TAIL_TERMS).rev() {
            (last, before) = (I::multiply_add(t + t, last, T::of(TAIL[k]) - before), last);
        }
        let weighted = I::multiply_add(t, last, T::of(TAIL[0]) - before);
        Self {
            tail: bell * weighted / (a + T::ONE),
            bell,
        }
    }
}
