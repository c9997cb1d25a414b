//! The recursion itself, for as many rotations at once as a SIMD register holds numbers.

#[cfg(test)]
mod tests;

use std::ops::Range;

use pulp::{Simd, WithSimd, bytemuck};

use super::offset;
use super::table::{Degree, TERMS};
use crate::Rotation;

/// Fills rows of `offset(l_max + 1)` numbers, one for each rotation.
pub(super) struct Fill<'a> {
    pub(super) l_max: usize,
    /// The steps to the degrees 2..=l_max.
    pub(super) steps: &'a [Degree],
    pub(super) rotations: &'a [Rotation],
    pub(super) out: &'a mut [f64],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let row_len = offset(self.l_max + 1);
        // Entry e of all matrices of the rotations in flight: the register `lanes[e]`.
        let mut lanes = vec![simd.splat_f64s(0.0); row_len];
        let batches = self.rotations.chunks(S::F64_LANES);
        for (batch, out) in batches.zip(self.out.chunks_mut(S::F64_LANES * row_len)) {
            load(simd, batch, &mut lanes);
            // A degree leaves for memory as soon as it is known, while the next one is computed.
            store::<S>(&lanes, out, row_len, 0..offset(self.l_max.min(1) + 1));
            for step in self.steps {
                let (lower, upper) = lanes.split_at_mut(offset(step.l));
                advance(simd, step, lower, &mut upper[..(2 * step.l + 1).pow(2)]);
                store::<S>(&lanes, out, row_len, offset(step.l)..offset(step.l + 1));
            }
        }
    }
}

/// Writes D_0 = 1 and D_1 = R. Lanes without a rotation keep what they had.
#[inline(always)]
fn load<S: Simd>(simd: S, batch: &[Rotation], lanes: &mut [S::f64s]) {
    lanes[0] = simd.splat_f64s(1.0);
    let Some(d_1) = lanes.get_mut(1..10) else {
        return;
    };
    let d_1: &mut [f64] = bytemuck::cast_slice_mut(d_1);
    for (lane, rotation) in batch.iter().enumerate() {
        for (entry, value) in rotation.rows().into_iter().enumerate() {
            d_1[entry * S::F64_LANES + lane] = value;
        }
    }
}

/// Computes D_l from D_1 and D_(l-1), both in `lower`.
#[inline(always)]
fn advance<S: Simd>(simd: S, step: &Degree, lower: &[S::f64s], d_l: &mut [S::f64s]) {
    let width = 2 * step.l - 1;
    let d_1 = &lower[1..10];
    let previous = &lower[offset(step.l - 1)..];
    let outer_scale = simd.splat_f64s(step.outer_scale);
    for (terms, row) in step.rows.iter().zip(d_l.chunks_exact_mut(width + 2)) {
        let above: [&[S::f64s]; TERMS] =
            std::array::from_fn(|k| &previous[terms[k].row * width..][..width]);
        // weight · D_1[axis, column] for the columns x, y, z.
        let factors: [[S::f64s; 3]; TERMS] = std::array::from_fn(|k| {
            let weight = simd.splat_f64s(terms[k].weight);
            std::array::from_fn(|j| simd.mul_f64s(weight, d_1[3 * terms[k].axis + j]))
        });
        let mut first = simd.splat_f64s(0.0);
        let mut last = simd.splat_f64s(0.0);
        for k in 0..TERMS {
            let ([x, _, z], low, high) = (factors[k], above[k][0], above[k][width - 1]);
            first = simd.mul_add_e_f64s(z, low, simd.mul_add_e_f64s(x, high, first));
            last = simd.mul_add_e_f64s(z, high, simd.mul_add_e_f64s(simd.neg_f64s(x), low, last));
        }
        row[0] = simd.mul_f64s(outer_scale, first);
        row[width + 1] = simd.mul_f64s(outer_scale, last);
        for (n, (entry, &scale)) in row[1..=width]
            .iter_mut()
            .zip(&step.inner_scales)
            .enumerate()
        {
            let mut sum = simd.mul_f64s(factors[0][1], above[0][n]);
            for k in 1..TERMS {
                sum = simd.mul_add_e_f64s(factors[k][1], above[k][n], sum);
            }
            *entry = simd.mul_f64s(simd.splat_f64s(scale), sum);
        }
    }
}

/// Writes the entries of a range into the row of each rotation.
#[inline(always)]
fn store<S: Simd>(lanes: &[S::f64s], out: &mut [f64], row_len: usize, range: Range<usize>) {
    let lanes: &[f64] = bytemuck::cast_slice(&lanes[range.clone()]);
    for (lane, row) in out.chunks_exact_mut(row_len).enumerate() {
        let registers = lanes.chunks_exact(S::F64_LANES);
        for (entry, register) in row[range.clone()].iter_mut().zip(registers) {
            *entry = register[lane];
        }
    }
}
