//! Whole batches: blocks of vectors through the kernels, and the results into row-major memory.

use std::hint::black_box;

use super::Domain;
use super::kernel::{Points, Sink, Tangent, gradients, solid_harmonics};
use super::lanes::{Kernel, Lanes, Rows, numbers, numbers_mut};
use super::real::sealed::Real;
use super::recurrence::{Coefficients, Recurrence};

/// The input all computations share.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a, T> {
    pub(super) recurrence: &'a Recurrence<T>,
    pub(super) domain: Domain,
    /// `[n, 3]`
    pub(super) vectors: &'a [T],
    pub(super) destination: Destination,
}

/// Where the results lie before they are overwritten.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination {
    /// In a cache, or in main memory close by.
    Cache,
    /// In main memory: storing to a line waits for the line to be read first.
    Memory,
}

impl Destination {
    /// Measured on a Xeon server with 2 MiB of L2 and a shared L3: fetching ahead costs up to a
    /// quarter of the time below this, and saves a quarter to a half of it above.
    const MEMORY_FROM_BYTES: usize = 40 << 20;

    /// `bytes`: of all results together.
    pub(super) fn of(bytes: usize) -> Self {
        if bytes < Self::MEMORY_FROM_BYTES {
            Self::Cache
        } else {
            Self::Memory
        }
    }

    /// Begins to fetch the lines that a block of results will overwrite, so that they arrive while
    /// the block is computed. A load that nothing uses is the prefetch that safe Rust has.
    #[inline(always)]
    fn fetch_ahead<T: Real>(self, out: &[T]) {
        if let Self::Memory = self {
            for line in out.chunks(LINE_BYTES / size_of::<T>()) {
                black_box(line[0]);
            }
        }
    }
}

const LINE_BYTES: usize = 64;

/// Harmonics of every vector.
pub(super) struct Values<'a, T> {
    pub(super) batch: Batch<'a, T>,
    /// `[n, (l_max + 1)²]`
    pub(super) values: &'a mut [T],
}

/// Harmonics and all their derivatives.
pub(super) struct ValuesAndJacobian<'a, T> {
    pub(super) batch: Batch<'a, T>,
    /// `[n, (l_max + 1)²]`
    pub(super) values: &'a mut [T],
    /// `[n, 3, (l_max + 1)²]`
    pub(super) jacobian: &'a mut [T],
}

/// The gradient of a scalar that depends on the harmonics.
pub(super) struct Pullback<'a, T> {
    pub(super) batch: Batch<'a, T>,
    /// `[n, (l_max + 1)²]`
    pub(super) cotangent: &'a [T],
    /// `[n, 3]`
    pub(super) gradient: &'a mut [T],
}

/// Compiles the low degrees, which most models use, with their loops unrolled.
macro_rules! unroll_low_degrees {
    ($kernel:ident) => {
        impl<T: Real> Kernel<T> for $kernel<'_, T> {
            #[inline(always)]
            fn run<L: Lanes<T>>(self, lanes: L) {
                match self.batch.recurrence.l_max() {
                    1 => self.blocks(lanes, 1),
                    2 => self.blocks(lanes, 2),
                    3 => self.blocks(lanes, 3),
                    4 => self.blocks(lanes, 4),
                    l_max => self.blocks(lanes, l_max),
                }
            }
        }
    };
}

unroll_low_degrees!(Values);
unroll_low_degrees!(ValuesAndJacobian);
unroll_low_degrees!(Pullback);

impl<T: Real> Values<'_, T> {
    #[inline(always)]
    fn blocks<L: Lanes<T>>(self, lanes: L, l_max: usize) {
        let Batch {
            recurrence,
            domain,
            vectors,
            destination,
        } = self.batch;
        let coefficients = recurrence.coefficients(l_max);
        let n = (l_max + 1) * (l_max + 1);
        let mut values = vec![lanes.splat(T::default()); n];
        for (packed, out) in vectors
            .chunks(3 * L::WIDTH)
            .zip(self.values.chunks_mut(n * L::WIDTH))
        {
            destination.fetch_ahead(out);
            let points = Points::new(lanes, domain, packed);
            solid_harmonics(lanes, coefficients, &points, &mut values[..n]);
            to_rows(lanes, &values[..n], out);
        }
    }
}

impl<T: Real> ValuesAndJacobian<'_, T> {
    #[inline(always)]
    fn blocks<L: Lanes<T>>(self, lanes: L, l_max: usize) {
        let Batch {
            recurrence,
            domain,
            vectors,
            destination,
        } = self.batch;
        let coefficients = recurrence.coefficients(l_max);
        let n = (l_max + 1) * (l_max + 1);
        let zero = lanes.splat(T::default());
        let (mut values, mut jacobian) = (vec![zero; n], vec![zero; 3 * n]);
        for ((packed, values_out), jacobian_out) in vectors
            .chunks(3 * L::WIDTH)
            .zip(self.values.chunks_mut(n * L::WIDTH))
            .zip(self.jacobian.chunks_mut(3 * n * L::WIDTH))
        {
            destination.fetch_ahead(values_out);
            destination.fetch_ahead(jacobian_out);
            let points = Points::new(lanes, domain, packed);
            solid_harmonics(lanes, coefficients, &points, &mut values[..n]);
            to_rows(lanes, &values[..n], values_out);
            let (dx, rest) = jacobian.split_at_mut(n);
            let (dy, dz) = rest.split_at_mut(n);
            let mut sink = JacobianRows { dx, dy, dz };
            differentiate(
                lanes,
                coefficients,
                (domain, &points),
                &values[..n],
                &mut sink,
            );
            to_rows(lanes, &jacobian[..3 * n], jacobian_out);
        }
    }
}

impl<T: Real> Pullback<'_, T> {
    #[inline(always)]
    fn blocks<L: Lanes<T>>(self, lanes: L, l_max: usize) {
        let Batch {
            recurrence,
            domain,
            vectors,
            ..
        } = self.batch;
        let coefficients = recurrence.coefficients(l_max);
        let n = (l_max + 1) * (l_max + 1);
        let zero = lanes.splat(T::default());
        let (mut values, mut cotangent) = (vec![zero; n], vec![zero; n]);
        for ((packed, cotangent_in), gradient_out) in vectors
            .chunks(3 * L::WIDTH)
            .zip(self.cotangent.chunks(n * L::WIDTH))
            .zip(self.gradient.chunks_mut(3 * L::WIDTH))
        {
            let points = Points::new(lanes, domain, packed);
            solid_harmonics(lanes, coefficients, &points, &mut values[..n]);
            to_lanes(lanes, cotangent_in, &mut cotangent[..n]);
            let mut sink = Contraction {
                lanes,
                cotangent: &cotangent[..n],
                gradient: [zero; 3],
            };
            differentiate(
                lanes,
                coefficients,
                (domain, &points),
                &values[..n],
                &mut sink,
            );
            to_rows(lanes, &sink.gradient, gradient_out);
        }
    }
}

/// The gradients on the domain, each domain compiled for itself.
#[inline(always)]
fn differentiate<T: Real, L: Lanes<T>>(
    lanes: L,
    coefficients: Coefficients<'_, T>,
    (domain, points): (Domain, &Points<L::Register>),
    values: &[L::Register],
    sink: &mut impl Sink<L::Register>,
) {
    match domain {
        Domain::Solid => gradients(lanes, coefficients, None, values, sink),
        Domain::Sphere => {
            let tangent = Tangent {
                direction: points.xyz,
                inverse_length: points.inverse_length,
            };
            gradients(lanes, coefficients, Some(tangent), values, sink);
        }
    }
}

/// Keeps the gradients: one row of `(l_max + 1)²` per axis.
struct JacobianRows<'a, R> {
    dx: &'a mut [R],
    dy: &'a mut [R],
    dz: &'a mut [R],
}

impl<R> Sink<R> for JacobianRows<'_, R> {
    #[inline(always)]
    fn take(&mut self, component: usize, [dx, dy, dz]: [R; 3]) {
        self.dx[component] = dx;
        self.dy[component] = dy;
        self.dz[component] = dz;
    }
}

/// Sums the gradients, each weighted with its component's cotangent.
struct Contraction<'a, T, L: Lanes<T>> {
    lanes: L,
    cotangent: &'a [L::Register],
    gradient: [L::Register; 3],
}

impl<T, L: Lanes<T>> Sink<L::Register> for Contraction<'_, T, L> {
    #[inline(always)]
    fn take(&mut self, component: usize, [dx, dy, dz]: [L::Register; 3]) {
        let weight = self.cotangent[component];
        let [x, y, z] = self.gradient;
        self.gradient = [
            self.lanes.mul_add(weight, dx, x),
            self.lanes.mul_add(weight, dy, y),
            self.lanes.mul_add(weight, dz, z),
        ];
    }
}

/// Transposes registers (component by lane) to rows (lane by component), of as many lanes as `rows`
/// has room for.
#[inline(always)]
fn to_rows<T: Real, L: Lanes<T>>(lanes: L, registers: &[L::Register], rows: &mut [T]) {
    let n = registers.len();
    let numbers: &[T] = numbers(registers);
    if n < L::WIDTH || rows.len() < n * L::WIDTH {
        for (lane, row) in rows.chunks_exact_mut(n).enumerate() {
            for (component, value) in row.iter_mut().enumerate() {
                *value = numbers[component * L::WIDTH + lane];
            }
        }
        return;
    }
    for first in block_starts(n, L::WIDTH) {
        let from = Rows {
            numbers: &numbers[first * L::WIDTH..],
            stride: L::WIDTH,
        };
        lanes.transpose(
            from,
            Rows {
                numbers: &mut rows[first..],
                stride: n,
            },
        );
    }
}

/// The inverse of [`to_rows`]. Lanes beyond the rows given keep what they hold.
#[inline(always)]
fn to_lanes<T: Real, L: Lanes<T>>(lanes: L, rows: &[T], registers: &mut [L::Register]) {
    let n = registers.len();
    let numbers: &mut [T] = numbers_mut(registers);
    if n < L::WIDTH || rows.len() < n * L::WIDTH {
        for (lane, row) in rows.chunks_exact(n).enumerate() {
            for (component, &value) in row.iter().enumerate() {
                numbers[component * L::WIDTH + lane] = value;
            }
        }
        return;
    }
    for first in block_starts(n, L::WIDTH) {
        let to = Rows {
            numbers: &mut numbers[first * L::WIDTH..],
            stride: L::WIDTH,
        };
        lanes.transpose(
            Rows {
                numbers: &rows[first..],
                stride: n,
            },
            to,
        );
    }
}

/// Starts of blocks of `width` that cover `0..n`; the last overlaps the one before where `width`
/// does not divide `n`. Needs `n >= width`.
#[inline(always)]
fn block_starts(n: usize, width: usize) -> impl Iterator<Item = usize> {
    (0..n.div_ceil(width)).map(move |block| (block * width).min(n - width))
}
