//! Sixteen edges side by side.
//!
//! Edges lie in the lanes of SIMD registers, so every loop is full whatever the number of channels, and
//! no sum crosses lanes.

use crate::host::real::Real;
use crate::host::simd::Instructions;

/// Edges side by side.
pub(crate) const LANES: usize = 16;

/// One number for each of sixteen edges.
pub(crate) type Lanes<T> = [T; LANES];

/// `a b + c`, edge by edge.
#[inline(always)]
pub(crate) fn multiply_add<I: Instructions, T: Real>(
    a: &Lanes<T>,
    b: &Lanes<T>,
    c: &Lanes<T>,
) -> Lanes<T> {
    let mut out = *c;
    for lane in 0..LANES {
        out[lane] = I::multiply_add(a[lane], b[lane], c[lane]);
    }
    out
}

/// `a + b`, edge by edge.
#[inline(always)]
pub(crate) fn add<T: Real>(a: &Lanes<T>, b: &Lanes<T>) -> Lanes<T> {
    let mut out = *a;
    for lane in 0..LANES {
        out[lane] = a[lane] + b[lane];
    }
    out
}

/// `a b + c` with one number b.
#[inline(always)]
pub(crate) fn scaled_add<I: Instructions, T: Real>(a: &Lanes<T>, b: T, c: &Lanes<T>) -> Lanes<T> {
    let mut out = *c;
    for lane in 0..LANES {
        out[lane] = I::multiply_add(a[lane], b, c[lane]);
    }
    out
}

/// Rows of packed numbers for the edges of a tile, with the edges in lanes: `[runs, width]`.
#[derive(Clone)]
pub(crate) struct Packed<T> {
    lanes: Vec<Lanes<T>>,
    width: usize,
}

impl<T: Real> Packed<T> {
    pub(crate) fn new(runs: usize, width: usize) -> Self {
        Self {
            lanes: vec![[T::ZERO; LANES]; runs * width],
            width,
        }
    }

    pub(crate) fn run(&self, run: usize) -> &[Lanes<T>] {
        &self.lanes[run * self.width..(run + 1) * self.width]
    }

    pub(crate) fn run_mut(&mut self, run: usize) -> &mut [Lanes<T>] {
        &mut self.lanes[run * self.width..(run + 1) * self.width]
    }

    /// Takes one row for each edge of a tile; the other lanes of the last run become zero.
    pub(crate) fn load<'r>(&mut self, rows: impl ExactSizeIterator<Item = &'r [T]>) {
        let count = rows.len();
        let width = self.width;
        if !count.is_multiple_of(LANES) {
            self.run_mut(count / LANES).fill([T::ZERO; LANES]);
        }
        for (edge, row) in rows.enumerate() {
            let lane = edge % LANES;
            for (to, &from) in self.run_mut(edge / LANES).iter_mut().zip(&row[..width]) {
                to[lane] = from;
            }
        }
    }

    /// Zeroes the first runs.
    pub(crate) fn clear(&mut self, runs: usize) {
        self.lanes[..runs * self.width].fill([T::ZERO; LANES]);
    }

    /// Adds the row of an edge of the tile to `out`.
    pub(crate) fn add_to(&self, edge: usize, out: &mut [T]) {
        let lane = edge % LANES;
        for (to, from) in out.iter_mut().zip(self.run(edge / LANES)) {
            *to += from[lane];
        }
    }

    /// Copies the row of an edge of the tile to `out`.
    pub(crate) fn copy_to(&self, edge: usize, out: &mut [T]) {
        let lane = edge % LANES;
        for (to, from) in out.iter_mut().zip(self.run(edge / LANES)) {
            *to = from[lane];
        }
    }
}
