//! The loops over the edges of a span that form a strip of radial weights in registers, apply it, and return
//! gradients through it.

use super::active::{Active, ActiveHidden, FOUR};
use super::lanes::{LANES, Lanes, scaled_add};
use super::strips::{Strip, Unit, by_shape};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, fetch_ahead};

/// Sums over every eighth column.
pub(super) type Half<T> = [T; LANES / 2];

/// Units of the next strip that are fetched with each edge: a strip of forty hidden features in a span.
const UNITS_AHEAD: usize = 4;

/// Rows of numbers: component `m` of an edge begins at `at[edge] + m stride`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    pub(super) at: &'a [usize],
    pub(super) stride: usize,
}

pub(super) struct RowsMut<'a, T> {
    pub(super) data: &'a mut [T],
    pub(super) at: &'a [usize],
    pub(super) stride: usize,
}

/// `sum over the active hidden features of value weight[feature]`
#[inline(always)]
fn form<I: Instructions, T: Real, const N: usize>(
    weight: &[[Unit<T>; N]],
    active: &[Active<T>],
) -> [Lanes<T>; N] {
    let mut formed = [[T::ZERO; LANES]; N];
    for &Active { index, value } in active {
        let weight = &weight[index as usize];
        for n in 0..N {
            formed[n] = scaled_add::<I, T>(&weight[n].0, value, &formed[n]);
        }
    }
    formed
}

/// `out[m, column] += sum over rows of scalars[m, row] formed[row, column]`
#[inline(always)]
fn apply<I: Instructions, T: Real, const R: usize, const U: usize, const N: usize>(
    formed: &[Lanes<T>; N],
    components: usize,
    (scalars, scalar_stride): (&[T], usize),
    (out, out_stride): (&mut [T], usize),
) {
    for m in 0..components {
        let scalars = &scalars[m * scalar_stride..][..R];
        let (out, _) = out[m * out_stride..][..U * LANES].as_chunks_mut::<LANES>();
        for u in 0..U {
            let mut sum = out[u];
            for r in 0..R {
                sum = scaled_add::<I, T>(&formed[r * U + u], scalars[r], &sum);
            }
            out[u] = sum;
        }
    }
}

/// `to[row, column] = sum over m of scalars[m, row] numbers[m, column]`
#[inline(always)]
fn outer<I: Instructions, T: Real, const R: usize, const U: usize, const N: usize>(
    components: usize,
    (scalars, scalar_stride): (&[T], usize),
    (numbers, stride): (&[T], usize),
    to: &mut [Unit<T>; N],
) {
    for r in 0..R {
        let mut sums = [[T::ZERO; LANES]; U];
        for m in 0..components {
            let (numbers, _) = numbers[m * stride..][..U * LANES].as_chunks::<LANES>();
            let scalar = scalars[m * scalar_stride + r];
            for u in 0..U {
                sums[u] = scaled_add::<I, T>(&numbers[u], scalar, &sums[u]);
            }
        }
        for u in 0..U {
            to[r * U + u] = Unit(sums[u]);
        }
    }
}

/// Radial weights formed and applied.
pub(super) struct Forward<'a, T> {
    pub(super) weight: &'a [Unit<T>],
    /// What lies behind.
    pub(super) next: &'a [Unit<T>],
    pub(super) active: &'a ActiveHidden<T>,
    pub(super) strip: Strip,
    pub(super) components: usize,
    pub(super) z: Rows<'a, T>,
    pub(super) out: RowsMut<'a, T>,
}

impl<T: Real> Forward<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (row, column) = (self.strip.row, self.strip.unit * LANES);
        let (weight, _) = self.weight.as_chunks::<N>();
        let places = self.z.at.iter().zip(self.out.at);
        let mut next = self.next.chunks(UNITS_AHEAD);
        for (active, (&z, &out)) in self.active.of_edges().zip(places) {
            next.next().into_iter().for_each(fetch_ahead);
            let formed = form::<I, T, N>(weight, active);
            apply::<I, T, R, U, N>(
                &formed,
                self.components,
                (&self.z.data[z + row..], self.z.stride),
                (&mut self.out.data[out + column..], self.out.stride),
            );
        }
    }
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}

/// The transposes of [`Forward`], with input channels side by side.
pub(super) struct Backward<'a, T> {
    pub(super) weight: &'a [Unit<T>],
    /// What lies behind.
    pub(super) next: &'a [Unit<T>],
    pub(super) active: &'a ActiveHidden<T>,
    pub(super) strip: Strip,
    pub(super) components: usize,
    pub(super) z: Rows<'a, T>,
    pub(super) grad: Rows<'a, T>,
    pub(super) to_z: Option<RowsMut<'a, T>>,
    pub(super) to_radial: Option<&'a mut [Unit<T>]>,
}

impl<T: Real> Backward<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (row, column) = (self.strip.row, self.strip.unit * LANES);
        let grad_of = |at: usize| (&self.grad.data[at + row..], self.grad.stride);
        if let Some(to_z) = self.to_z {
            let (weight, _) = self.weight.as_chunks::<N>();
            let places = self.grad.at.iter().zip(to_z.at);
            let mut next = self.next.chunks(UNITS_AHEAD);
            for (active, (&grad, &to)) in self.active.of_edges().zip(places) {
                next.next().into_iter().for_each(fetch_ahead);
                let formed = form::<I, T, N>(weight, active);
                let to = (&mut to_z.data[to + column..], to_z.stride);
                apply::<I, T, R, U, N>(&formed, self.components, grad_of(grad), to);
            }
        }
        if let Some(to_radial) = self.to_radial {
            let (to_radial, _) = to_radial.as_chunks_mut::<N>();
            let places = self.grad.at.iter().zip(self.z.at);
            for (to, (&grad, &z)) in to_radial.iter_mut().zip(places) {
                let z = (&self.z.data[z + column..], self.z.stride);
                outer::<I, T, R, U, N>(self.components, grad_of(grad), z, to);
            }
        }
    }
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}

/// `to[feature, column] += sum over edges of hidden[edge, feature] to_radial[edge, column]`
pub(super) struct ToWeight<'a, T> {
    pub(super) to: &'a mut [Unit<T>],
    /// What lies behind.
    pub(super) next: &'a [Unit<T>],
    pub(super) active: &'a ActiveHidden<T>,
    pub(super) to_radial: &'a [Unit<T>],
    pub(super) strip: Strip,
}

impl<T: Real> ToWeight<'_, T> {
    #[inline(always)]
    fn features<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (to_radial, _) = self.to_radial.as_chunks::<N>();
        let (to, _) = self.to.as_chunks_mut::<N>();
        let mut next = self.next.chunks(N);
        for (to, edges) in to.iter_mut().zip(self.active.of_features()) {
            next.next().into_iter().for_each(fetch_ahead);
            let mut sums = [[T::ZERO; LANES]; N];
            for n in 0..N {
                sums[n] = to[n].0;
            }
            for &Active { index, value } in edges {
                let to_radial = &to_radial[index as usize];
                for n in 0..N {
                    sums[n] = scaled_add::<I, T>(&to_radial[n].0, value, &sums[n]);
                }
            }
            for n in 0..N {
                to[n] = Unit(sums[n]);
            }
        }
    }
}

impl<T: Real> Loop for ToWeight<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.features::<I>());
    }
}

/// `to[edge, n] += to_radial[edge, column] weight[feature n, column]` for the hidden features in the edge's
/// list, eight columns side by side.
pub(super) struct ToHidden<'a, T> {
    pub(super) to: &'a mut [Half<T>],
    /// Room for one edge.
    pub(super) list: usize,
    pub(super) weight: &'a [Unit<T>],
    pub(super) active: &'a ActiveHidden<T>,
    pub(super) to_radial: &'a [Unit<T>],
    pub(super) strip: Strip,
}

impl<T: Real> ToHidden<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (weight, _) = self.weight.as_chunks::<N>();
        let (to_radial, _) = self.to_radial.as_chunks::<N>();
        let lists = self.active.fours_of_edges().zip(to_radial);
        for (to, (active, to_radial)) in self.to.chunks_exact_mut(self.list).zip(lists) {
            let to_radial: [Lanes<T>; N] = std::array::from_fn(|n| to_radial[n].0);
            let (to, _) = to.as_chunks_mut::<FOUR>();
            for (to, active) in to.iter_mut().zip(active) {
                let weight = active.map(|one| &weight[one.index as usize]);
                *to = add_products::<I, T, N>(weight, &to_radial, *to);
            }
        }
    }
}

/// Adds the products with each of four rows, eight columns side by side: their sums and a strip of the other
/// factor are what the registers hold.
#[inline(always)]
fn add_products<I: Instructions, T: Real, const N: usize>(
    rows: [&[Unit<T>; N]; FOUR],
    other: &[Lanes<T>; N],
    mut sums: [Half<T>; FOUR],
) -> [Half<T>; FOUR] {
    for n in 0..N {
        let (other, _) = other[n].as_chunks::<{ LANES / 2 }>();
        for (half, other) in other.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(rows) {
                let (row, _) = row[n].0.as_chunks::<{ LANES / 2 }>();
                for lane in 0..LANES / 2 {
                    sum[lane] = I::multiply_add(row[half][lane], other[lane], sum[lane]);
                }
            }
        }
    }
    sums
}

impl<T: Real> Loop for ToHidden<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}
