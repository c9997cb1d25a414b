//! How features enter the frames of sixteen edges and leave them.
//!
//! A rotation about y mixes only m and -m, and `Rx(b) = A Ry(b) A^T` with one constant rotation A that takes y
//! to x. So `D(Ry(a) Rx(b))` is a product of two such rotations and two sparse constant matrices, and no
//! Wigner-D matrix of an edge is ever formed.
//!
//! # Source
//! D. Pinchon and P. E. Hoggan, Rotation matrices for real spherical harmonics, J. Phys. A 40 (2007) 1597.

use std::f64::consts::FRAC_PI_2;

use steerable_harmonics::plan::Block;
use steerable_irreps::{Rotation, WignerD};

use super::frames::FRAME;
use super::lanes::{LANES, Lanes, add, multiply_add, scaled_add};
use crate::host::real::Real;
use crate::host::simd::Instructions;

/// Channels that are summed side by side.
const CHANNELS: usize = 4;

/// Where the components of a degree stand in a frame: m = 0, 1, -1, 2, -2, .., so that what belongs
/// together lies together. This is the place of m >= 0; -m follows m.
pub(super) fn place(m: usize) -> usize {
    (2 * m).saturating_sub(1)
}

/// The constant matrices of one degree.
pub(super) struct Degree<T> {
    /// `A^T`, after the azimuth has been undone.
    enter: Constant<T>,
    /// `A`, after the polar angle has been undone; its rows are in the order of the frame.
    arrive: Constant<T>,
    /// The transposes.
    depart: Constant<T>,
    leave: Constant<T>,
}

impl<T: Real> Degree<T> {
    /// Degrees 0 to `l_max`.
    pub(super) fn all(l_max: usize) -> Vec<Self> {
        let y_to_x = Rotation::from_axis_angle([0.0, 0.0, 1.0], -FRAC_PI_2)
            .expect("the axis has a length and the angle is finite");
        let matrices = WignerD::new(l_max).all(&y_to_x);
        let degrees = matrices.iter().enumerate().map(|(l, a)| {
            let mut components = vec![l];
            components.extend((1..=l).flat_map(|m| [l + m, l - m]));
            Self {
                enter: Constant::new(2 * l + 1, |i, j| a[(j, i)]),
                arrive: Constant::new(2 * l + 1, |i, j| a[(components[i], j)]),
                depart: Constant::new(2 * l + 1, |i, j| a[(components[j], i)]),
                leave: Constant::new(2 * l + 1, |i, j| a[(i, j)]),
            }
        });
        degrees.collect()
    }
}

/// A constant matrix without its zeros, about three quarters of A.
struct Constant<T> {
    /// For each row, where its terms end.
    ends: Vec<usize>,
    /// Column and value.
    terms: Vec<(usize, T)>,
}

impl<T: Real> Constant<T> {
    fn new(size: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        // Entries are zero or at least of this size up to degree 20 and beyond; the recursion is exact
        // to 1e-10 there.
        const ZERO: f64 = 1e-9;
        let (mut ends, mut terms) = (Vec::new(), Vec::new());
        for row in 0..size {
            let columns = (0..size).filter(|&column| entry(row, column).abs() > ZERO);
            terms.extend(columns.map(|column| (column, T::of(entry(row, column)))));
            ends.push(terms.len());
        }
        Self { ends, terms }
    }

    /// `out[row, c] = sum over columns of value x[column, c]`
    #[inline(always)]
    fn apply<I: Instructions>(&self, x: &[Lanes<T>], mul: usize, out: &mut [Lanes<T>]) {
        let mut start = 0;
        for (row, &end) in self.ends.iter().enumerate() {
            let terms = &self.terms[start..end];
            let out = &mut out[row * mul..(row + 1) * mul];
            let mut c = 0;
            while c + CHANNELS <= mul {
                let mut sums = [[T::ZERO; LANES]; CHANNELS];
                for &(column, value) in terms {
                    let x = &x[column * mul + c..][..CHANNELS];
                    for j in 0..CHANNELS {
                        sums[j] = scaled_add::<I, T>(&x[j], value, &sums[j]);
                    }
                }
                out[c..c + CHANNELS].copy_from_slice(&sums);
                c += CHANNELS;
            }
            for c in c..mul {
                let mut sum = [T::ZERO; LANES];
                for &(column, value) in terms {
                    sum = scaled_add::<I, T>(&x[column * mul + c], value, &sum);
                }
                out[c] = sum;
            }
            start = end;
        }
    }
}

/// Cosine and sine of multiples of an angle, for each edge.
type Angles<T> = Vec<[Lanes<T>; 2]>;

/// Whether the scale of the harmonics is multiplied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scaling {
    Scaled,
    Unscaled,
}

/// The rotations of sixteen edges, and room for what is half rotated.
pub(super) struct Turns<T> {
    azimuth: Angles<T>,
    /// Times the scale.
    scaled_azimuth: Angles<T>,
    polar: Angles<T>,
    halfway: [Vec<Lanes<T>>; 2],
}

impl<T: Real> Turns<T> {
    /// For degrees up to `l_max` in blocks of at most `dim` components times channels.
    pub(super) fn new(l_max: usize, dim: usize) -> Self {
        let angles = || vec![[[T::ONE; LANES], [T::ZERO; LANES]]; l_max + 1];
        let halfway = || vec![[T::ZERO; LANES]; dim];
        Self {
            azimuth: angles(),
            scaled_azimuth: angles(),
            polar: angles(),
            halfway: [halfway(), halfway()],
        }
    }

    /// Takes the rows of [`numbers`](super::frames::Frame::numbers).
    #[inline(always)]
    pub(super) fn load<I: Instructions>(&mut self, frames: &[Lanes<T>]) {
        let [cos_a, sin_a, cos_b, sin_b, scale] = frames else {
            unreachable!("a frame has {} numbers", FRAME);
        };
        fill_multiples::<I, T>(&mut self.azimuth, cos_a, sin_a);
        fill_multiples::<I, T>(&mut self.polar, cos_b, sin_b);
        for (scaled, azimuth) in self.scaled_azimuth.iter_mut().zip(&self.azimuth) {
            *scaled = azimuth.map(|values| times(&values, scale));
        }
    }

    /// `D^T x`: from the laboratory into the frames.
    #[inline(always)]
    pub(super) fn enter<I: Instructions>(
        &mut self,
        (degree, block): (&Degree<T>, Block),
        scaling: Scaling,
        x: &[Lanes<T>],
        out: &mut [Lanes<T>],
    ) {
        let azimuth = match scaling {
            Scaling::Scaled => &self.scaled_azimuth,
            Scaling::Unscaled => &self.azimuth,
        };
        let [a, b] = &mut self.halfway;
        turn::<I, T>(azimuth, T::ZERO - T::ONE, block, x, a);
        degree.enter.apply::<I>(a, block.mul, b);
        turn::<I, T>(&self.polar, T::ZERO - T::ONE, block, b, a);
        degree.arrive.apply::<I>(a, block.mul, out);
    }

    /// `out += D x`: from the frames into the laboratory.
    #[inline(always)]
    pub(super) fn leave<I: Instructions>(
        &mut self,
        (degree, block): (&Degree<T>, Block),
        scaling: Scaling,
        x: &[Lanes<T>],
        out: &mut [Lanes<T>],
    ) {
        let azimuth = match scaling {
            Scaling::Scaled => &self.scaled_azimuth,
            Scaling::Unscaled => &self.azimuth,
        };
        let [a, b] = &mut self.halfway;
        degree.depart.apply::<I>(x, block.mul, a);
        turn::<I, T>(&self.polar, T::ONE, block, a, b);
        degree.leave.apply::<I>(b, block.mul, a);
        turn::<I, T>(azimuth, T::ONE, block, a, b);
        for (out, b) in out.iter_mut().zip(b.iter()) {
            *out = add(out, b);
        }
    }
}

/// `cos (m + 1) a` and `sin (m + 1) a` from those of m; the entry of m = 0 stays 1 and 0.
#[inline(always)]
fn fill_multiples<I: Instructions, T: Real>(
    angles: &mut [[Lanes<T>; 2]],
    cos: &Lanes<T>,
    sin: &Lanes<T>,
) {
    for m in 1..angles.len() {
        let [c, s] = angles[m - 1];
        let mut minus_sin = *sin;
        minus_sin.iter_mut().for_each(|s| *s = T::ZERO - *s);
        angles[m] = [
            multiply_add::<I, T>(&s, &minus_sin, &times(&c, cos)),
            multiply_add::<I, T>(&c, sin, &times(&s, cos)),
        ];
    }
}

/// `D(Ry(sign a)) x` of a block:
/// `(x_m, x_-m) -> (cos x_m - sin x_-m, sin x_m + cos x_-m)`.
#[inline(always)]
fn turn<I: Instructions, T: Real>(
    angles: &[[Lanes<T>; 2]],
    sign: T,
    Block { l, mul, .. }: Block,
    x: &[Lanes<T>],
    out: &mut [Lanes<T>],
) {
    for c in l * mul..(l + 1) * mul {
        out[c] = times(&x[c], &angles[0][0]);
    }
    for (m, &[cos, sin]) in angles.iter().enumerate().take(l + 1).skip(1) {
        let sin = sin.map(|value| sign * value);
        let minus_sin = sin.map(|value| T::ZERO - value);
        for c in 0..mul {
            let (plus, minus) = ((l + m) * mul + c, (l - m) * mul + c);
            let (p, q) = (x[plus], x[minus]);
            out[plus] = multiply_add::<I, T>(&cos, &p, &times(&minus_sin, &q));
            out[minus] = multiply_add::<I, T>(&cos, &q, &times(&sin, &p));
        }
    }
}

/// `a b`, edge by edge.
#[inline(always)]
fn times<T: Real>(a: &Lanes<T>, b: &Lanes<T>) -> Lanes<T> {
    let mut out = *a;
    for lane in 0..LANES {
        out[lane] = a[lane] * b[lane];
    }
    out
}
