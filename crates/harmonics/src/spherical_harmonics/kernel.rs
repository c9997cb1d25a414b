//! The harmonics and their gradients for one register's worth of vectors.

use pulp::bytemuck::Pod;

use super::Domain;
use super::lanes::{Lanes, numbers_mut};
use super::real::sealed::Real;
use super::recurrence::Coefficients;

/// A register of points at which the polynomials are evaluated.
pub(super) struct Points<R> {
    /// x, y and z: the vector itself, or its direction.
    pub(super) xyz: [R; 3],
    /// `r²` of the points.
    pub(super) squared: R,
    /// One over the length of the vector, 0 for the zero vector. Used on the sphere only.
    pub(super) inverse_length: R,
}

impl<R: Pod> Points<R> {
    /// Reads `WIDTH` vectors, packed `[WIDTH, 3]`.
    #[inline(always)]
    pub(super) fn new<T: Real, L: Lanes<T, Register = R>>(
        lanes: L,
        domain: Domain,
        packed: &[T],
    ) -> Self {
        let mut xyz = [lanes.splat(T::default()); 3];
        let components: &mut [T] = numbers_mut(&mut xyz);
        if packed.len() == 3 * L::WIDTH {
            for lane in 0..L::WIDTH {
                for axis in 0..3 {
                    components[axis * L::WIDTH + lane] = packed[3 * lane + axis];
                }
            }
        } else {
            for (lane, vector) in packed.chunks_exact(3).enumerate() {
                for (axis, &component) in vector.iter().enumerate() {
                    components[axis * L::WIDTH + lane] = component;
                }
            }
        }
        match domain {
            Domain::Solid => {
                let squared = squared_length(lanes, xyz);
                Self {
                    xyz,
                    squared,
                    inverse_length: lanes.splat(T::default()),
                }
            }
            Domain::Sphere => Self::on_sphere(lanes, xyz),
        }
    }

    /// Squares overflow and underflow long before lengths do, so lengths far from 1 are first
    /// brought near it by a power of two.
    #[inline(always)]
    fn on_sphere<T: Real, L: Lanes<T, Register = R>>(lanes: L, [x, y, z]: [R; 3]) -> Self {
        let (zero, one) = (lanes.splat(T::default()), lanes.splat(T::from_f64(1.0)));
        let size = lanes.add(lanes.add(lanes.abs(x), lanes.abs(y)), lanes.abs(z));
        let [short, long] = [lanes.splat(T::SHORT), lanes.splat(T::LONG)];
        let scale = lanes.select_less([size, short], lanes.splat(T::SCALE_UP), one);
        let scale = lanes.select_less([long, size], lanes.splat(T::SCALE_DOWN), scale);
        let (x, y, z) = (
            lanes.mul(x, scale),
            lanes.mul(y, scale),
            lanes.mul(z, scale),
        );

        let inverse = lanes.div(one, lanes.sqrt(squared_length(lanes, [x, y, z])));
        let no_length = [size, lanes.splat(T::ZERO_LENGTH)];
        let inverse = lanes.select_less(no_length, zero, inverse);
        Self {
            xyz: [
                lanes.mul(x, inverse),
                lanes.mul(y, inverse),
                lanes.mul(z, inverse),
            ],
            squared: lanes.select_less(no_length, zero, one),
            inverse_length: lanes.mul(inverse, scale),
        }
    }
}

#[inline(always)]
fn squared_length<T, L: Lanes<T>>(lanes: L, [x, y, z]: [L::Register; 3]) -> L::Register {
    lanes.mul_add(x, x, lanes.mul_add(y, y, lanes.mul(z, z)))
}

/// Runs the body for every index from 1 to `$last`, the first four written out: with a literal
/// `$last` up to 4 nothing of the loop remains, which the compiler does not achieve by itself
/// where the body holds loops that depend on the index.
macro_rules! unrolled {
    (for $index:ident in 1..=$last:expr, $body:block) => {{
        if $last >= 1 {
            let $index = 1;
            $body
        }
        if $last >= 2 {
            let $index = 2;
            $body
        }
        if $last >= 3 {
            let $index = 3;
            $body
        }
        if $last >= 4 {
            let $index = 4;
            $body
        }
        for $index in 5..$last + 1 $body
    }};
}

/// Writes `R_l^m` of all degrees to `harmonics`, `[(l_max + 1)²]` registers.
#[inline(always)]
pub(super) fn solid_harmonics<T: Real, L: Lanes<T>>(
    lanes: L,
    coefficients: Coefficients<'_, T>,
    points: &Points<L::Register>,
    harmonics: &mut [L::Register],
) {
    let [x, y, z] = points.xyz;
    let zero = lanes.splat(T::default());
    let (mut cosine, mut sine) = (lanes.splat(coefficients.sectoral(0)), zero);

    harmonics[0] = cosine;
    let (mut last, mut before) = (cosine, zero);
    for (l, step) in (1..).zip(coefficients.column(0)) {
        let polar = lanes.mul(lanes.splat(step.polar), y);
        let radial = lanes.mul(lanes.splat(step.radial), points.squared);
        (before, last) = (last, lanes.mul_add(polar, last, lanes.mul(radial, before)));
        harmonics[l * l + l] = last;
    }

    unrolled!(for m in 1..=coefficients.l_max, {
        let factor = lanes.splat(coefficients.sectoral(m));
        let (x, z) = (lanes.mul(factor, x), lanes.mul(factor, z));
        (cosine, sine) = (
            lanes.sub(lanes.mul(z, cosine), lanes.mul(x, sine)),
            lanes.mul_add(z, sine, lanes.mul(x, cosine)),
        );
        harmonics[m * m + 2 * m] = cosine;
        harmonics[m * m] = sine;

        let (mut cosine, mut cosine_before) = (cosine, zero);
        let (mut sine, mut sine_before) = (sine, zero);
        for (l, step) in (m + 1..).zip(coefficients.column(m)) {
            let polar = lanes.mul(lanes.splat(step.polar), y);
            let radial = lanes.mul(lanes.splat(step.radial), points.squared);
            let next = lanes.mul_add(polar, cosine, lanes.mul(radial, cosine_before));
            (cosine_before, cosine) = (cosine, next);
            let next = lanes.mul_add(polar, sine, lanes.mul(radial, sine_before));
            (sine_before, sine) = (sine, next);
            harmonics[l * l + l + m] = cosine;
            harmonics[l * l + l - m] = sine;
        }
    });
}

/// Takes the gradients as they come: `(component, [∂x, ∂y, ∂z])`.
pub(super) trait Sink<R> {
    fn take(&mut self, component: usize, gradient: [R; 3]);
}

/// The gradient of a harmonic of the direction is that of the polynomial at the direction, less its
/// radial part (`n · ∇R_l = l R_l`), over the length: `(∇R_l - l R_l n) / |v|`.
#[derive(Clone, Copy)]
pub(super) struct Tangent<R> {
    pub(super) direction: [R; 3],
    pub(super) inverse_length: R,
}

/// Hands the gradients of all `harmonics` to the sink. With no tangent, the gradients are those of
/// the polynomials.
#[inline(always)]
pub(super) fn gradients<T: Real, L: Lanes<T>>(
    lanes: L,
    coefficients: Coefficients<'_, T>,
    tangent: Option<Tangent<L::Register>>,
    harmonics: &[L::Register],
    sink: &mut impl Sink<L::Register>,
) {
    let zero = lanes.splat(T::default());
    sink.take(0, [zero; 3]);
    unrolled!(for l in 1..=coefficients.l_max, {
        let centre = l * l + l;
        let below = &harmonics[(l - 1) * (l - 1)..l * l];
        // C_m and S_m of degree l - 1.
        let cosine = |m: usize| if m < l { below[l - 1 + m] } else { zero };
        let sine = |m: usize| {
            if 0 < m && m < l {
                below[l - 1 - m]
            } else {
                zero
            }
        };
        let minus_l = weight(lanes, T::from_f64(-(l as f64)), tangent);
        for (m, ladder) in coefficients.ladder(l).iter().enumerate() {
            let same = weight(lanes, ladder.same, tangent);
            let upper = weight(lanes, ladder.upper, tangent);
            let (upper_c, upper_s) = (
                lanes.mul(upper, cosine(m + 1)),
                lanes.mul(upper, sine(m + 1)),
            );
            if m == 0 {
                let of_polynomial = [
                    lanes.sub(zero, upper_s),
                    lanes.mul(same, cosine(0)),
                    lanes.sub(zero, upper_c),
                ];
                let minus_l_y = lanes.mul(minus_l, harmonics[centre]);
                sink.take(centre, tangential(lanes, of_polynomial, minus_l_y, tangent));
                continue;
            }
            let lower = weight(lanes, ladder.lower, tangent);
            let (lower_c, lower_s) = (
                lanes.mul(lower, cosine(m - 1)),
                lanes.mul(lower, sine(m - 1)),
            );
            let of_cosine = [
                lanes.sub(lanes.sub(zero, lower_s), upper_s),
                lanes.mul(same, cosine(m)),
                lanes.sub(lower_c, upper_c),
            ];
            let of_sine = [
                lanes.add(lower_c, upper_c),
                lanes.mul(same, sine(m)),
                lanes.sub(lower_s, upper_s),
            ];
            let minus_l_y = lanes.mul(minus_l, harmonics[centre + m]);
            sink.take(centre + m, tangential(lanes, of_cosine, minus_l_y, tangent));
            let minus_l_y = lanes.mul(minus_l, harmonics[centre - m]);
            sink.take(centre - m, tangential(lanes, of_sine, minus_l_y, tangent));
        }
    });
}

/// `value`, over the length of the vector where there is a tangent.
#[inline(always)]
fn weight<T, L: Lanes<T>>(
    lanes: L,
    value: T,
    tangent: Option<Tangent<L::Register>>,
) -> L::Register {
    match tangent {
        Some(Tangent { inverse_length, .. }) => lanes.mul(inverse_length, lanes.splat(value)),
        None => lanes.splat(value),
    }
}

/// Takes the radial part `l R_l n` from a gradient, where there is a tangent.
#[inline(always)]
fn tangential<T, L: Lanes<T>>(
    lanes: L,
    gradient: [L::Register; 3],
    minus_l_y: L::Register,
    tangent: Option<Tangent<L::Register>>,
) -> [L::Register; 3] {
    let Some(Tangent {
        direction: [x, y, z],
        ..
    }) = tangent
    else {
        return gradient;
    };
    let [dx, dy, dz] = gradient;
    [
        lanes.mul_add(minus_l_y, x, dx),
        lanes.mul_add(minus_l_y, y, dy),
        lanes.mul_add(minus_l_y, z, dz),
    ]
}
