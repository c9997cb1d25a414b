//! The number types the harmonics are computed in.

use super::SphericalHarmonics;
use super::lanes::{self, Kernel};
use super::recurrence::Recurrence;

/// A number type the harmonics are computed in: `f32` or `f64`. Sealed.
pub trait Real: sealed::Real {}

impl Real for f32 {}
impl Real for f64 {}

pub(super) mod sealed {
    use super::{Kernel, Recurrence, SphericalHarmonics};

    /// What the kernels need to know of a number type.
    pub trait Real: pulp::bytemuck::Pod + Default + PartialEq + Send + Sync + 'static {
        /// A vector whose absolute components sum to less than this is taken for the zero vector:
        /// the gradient with respect to a shorter one would overflow.
        const ZERO_LENGTH: Self;
        /// Below this sum a vector is scaled up before it is squared.
        const SHORT: Self;
        /// Above this sum a vector is scaled down before it is squared.
        const LONG: Self;
        /// The scale of short vectors: a power of two, so that it rounds nothing.
        const SCALE_UP: Self;
        /// The scale of long vectors: a power of two.
        const SCALE_DOWN: Self;

        /// The nearest value of this type.
        fn from_f64(value: f64) -> Self;

        /// The coefficients in this precision.
        fn recurrence(harmonics: &SphericalHarmonics) -> &Recurrence<Self>;

        /// Runs the kernel with the best instructions this machine has.
        fn dispatch<K: Kernel<Self>>(kernel: K);
    }
}

macro_rules! real {
    ($type:ty, $recurrence:ident, $dispatch:path, zero $zero:literal, short $short:literal,
     long $long:literal, scale $scale:expr) => {
        impl sealed::Real for $type {
            const ZERO_LENGTH: $type = $zero;
            const SHORT: $type = $short;
            const LONG: $type = $long;
            const SCALE_UP: $type = $scale;
            const SCALE_DOWN: $type = 1.0 / $scale;

            #[inline(always)]
            fn from_f64(value: f64) -> $type {
                value as $type
            }

            fn recurrence(harmonics: &SphericalHarmonics) -> &Recurrence<$type> {
                &harmonics.$recurrence
            }

            fn dispatch<K: Kernel<$type>>(kernel: K) {
                $dispatch(kernel);
            }
        }
    };
}

const TWO_TO_THE_80: f32 = f32::from_bits((127 + 80) << 23);
const TWO_TO_THE_600: f64 = f64::from_bits((1023 + 600) << 52);

real!(f32, in_f32, lanes::dispatch_f32, zero 1e-30, short 1e-12, long 1e12, scale TWO_TO_THE_80);
real!(f64, in_f64, lanes::dispatch_f64, zero 1e-290, short 1e-140, long 1e140, scale TWO_TO_THE_600);
