//! The two floating-point types the host kernels are written for.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

use burn::tensor::Element;
use bytemuck::Pod;

/// `f32` or `f64`.
pub(crate) trait Real:
    Element
    + Pod
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + PartialOrd
    + steerable_harmonics::Real
{
    const ZERO: Self;
    const ONE: Self;
    /// The distance from one to the next number.
    const EPSILON: f64;
    fn of(value: f64) -> Self;
    fn sqrt(self) -> Self;
    fn recip_sqrt(self) -> Self;
    fn recip(self) -> Self;
    /// `self b + c`, rounded once: a library call where the machine has no such instruction.
    fn fused_multiply_add(self, b: Self, c: Self) -> Self;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: f64 = <$t>::EPSILON as f64;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn recip_sqrt(self) -> Self {
                self.sqrt().recip()
            }
            #[inline(always)]
            fn recip(self) -> Self {
                <$t>::recip(self)
            }
            #[inline(always)]
            fn fused_multiply_add(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
        }
    };
}

real!(f32);
real!(f64);

/// `y += a * x`.
#[inline(always)]
pub(crate) fn axpy<T: Real>(y: &mut [T], a: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}
