//! Which columns are keys and values, whose head they are, and the loops over them.

use std::ops::Range;

use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;

use crate::host::real::Real;
use crate::host::simd::Instructions;

/// Columns that are worked on at a time.
const LANES: usize = 16;

/// How attention reads packed rows: which columns are keys, which are values, and whose head they are.
///
/// The channels of each block are dealt to the heads in consecutive runs.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPlan {
    pub(super) values: Vec<Slab>,
    pub(super) keys: Vec<Slab>,
    pub(super) dim_value: usize,
    pub(super) dim_key: usize,
    pub(super) num_heads: usize,
    pub(super) scale: f64,
}

/// Consecutive blocks with one multiplicity: the channels repeat every `mul` columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slab {
    columns: Range<usize>,
    mul: usize,
    /// Head of each column until the heads repeat and a run of [`LANES`] is full.
    heads: Vec<u32>,
}

impl AttentionPlan {
    /// The plan of values and keys of these irreps; logits are multiplied by `scale`.
    ///
    /// # Panics
    /// When there are no heads or they do not divide a multiplicity.
    pub fn new(irreps_value: &Irreps, irreps_key: &Irreps, num_heads: usize, scale: f64) -> Self {
        assert!(num_heads > 0, "AttentionPlan: at least one head");
        Self {
            values: slabs(irreps_value, num_heads),
            keys: slabs(irreps_key, num_heads),
            dim_value: irreps_value.dim(),
            dim_key: irreps_key.dim(),
            num_heads,
            scale,
        }
    }

    /// Number of columns of the values.
    pub fn dim_value(&self) -> usize {
        self.dim_value
    }

    /// Number of columns of keys and queries.
    pub fn dim_key(&self) -> usize {
        self.dim_key
    }

    /// Number of heads.
    pub fn num_heads(&self) -> usize {
        self.num_heads
    }

    /// What the logits are multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The head of each column of the values.
    pub(crate) fn value_heads(&self) -> Vec<usize> {
        self.values.iter().flat_map(Slab::head_of_columns).collect()
    }

    /// The head of each column of keys and queries.
    pub(crate) fn key_heads(&self) -> Vec<usize> {
        self.keys.iter().flat_map(Slab::head_of_columns).collect()
    }
}

impl Slab {
    fn head_of_columns(&self) -> impl Iterator<Item = usize> {
        let heads = self.heads.iter().cycle().take(self.columns.len());
        heads.map(|&head| head as usize)
    }
}

/// Blocks, joined where neighbours have one multiplicity.
fn slabs(irreps: &Irreps, num_heads: usize) -> Vec<Slab> {
    let mut slabs: Vec<Slab> = Vec::new();
    for (block, _) in blocks(irreps).filter(|(block, _)| block.mul > 0) {
        assert!(
            block.mul.is_multiple_of(num_heads),
            "AttentionPlan: {num_heads} heads do not divide {} channels",
            block.mul
        );
        match slabs.last_mut() {
            Some(slab) if slab.mul == block.mul => slab.columns.end = block.columns().end,
            _ => slabs.push(Slab::new(&block, num_heads)),
        }
    }
    slabs
}

impl Slab {
    fn new(block: &Block, num_heads: usize) -> Self {
        let period = (1..)
            .map(|runs| runs * LANES)
            .find(|columns| columns.is_multiple_of(block.mul))
            .expect("a common multiple");
        let width = block.mul / num_heads;
        Self {
            columns: block.columns(),
            mul: block.mul,
            heads: (0..period)
                .map(|column| (column % block.mul / width) as u32)
                .collect(),
        }
    }
}

/// `out[head] += sum of a b` over the columns of each head.
#[inline(always)]
pub(super) fn add_dots<T: Real, I: Instructions>(slabs: &[Slab], a: &[T], b: &[T], out: &mut [T]) {
    for slab in slabs {
        let (a, a_rest) = a[slab.columns.clone()].as_chunks::<LANES>();
        let (b, b_rest) = b[slab.columns.clone()].as_chunks::<LANES>();
        let (heads, _) = slab.heads.as_chunks::<LANES>();
        let period = heads.len();
        for (first, heads) in heads.iter().enumerate().take(a.len()) {
            let mut sum = [T::ZERO; LANES];
            let a = a[first..].iter().step_by(period);
            for (a, b) in a.zip(b[first..].iter().step_by(period)) {
                for lane in 0..LANES {
                    sum[lane] = I::multiply_add(a[lane], b[lane], sum[lane]);
                }
            }
            add_runs(&sum, heads, out);
        }
        let heads = &heads[a.len() % period];
        for ((&head, &a), &b) in heads.iter().zip(a_rest).zip(b_rest) {
            out[head as usize] += a * b;
        }
    }
}

/// `out[head] += sum` of each lane; lanes of one head are neighbours and summed first, so that the sums of
/// the heads do not wait for each other.
#[inline(always)]
fn add_runs<T: Real>(sums: &[T; LANES], heads: &[u32; LANES], out: &mut [T]) {
    let (mut head, mut total) = (heads[0], sums[0]);
    for lane in 1..LANES {
        if heads[lane] == head {
            total += sums[lane];
        } else {
            out[head as usize] += total;
            (head, total) = (heads[lane], sums[lane]);
        }
    }
    out[head as usize] += total;
}

/// `out += weight[head] x`, column by column.
#[inline(always)]
pub(super) fn add_weighted<T: Real, I: Instructions>(
    slabs: &[Slab],
    weights: &[T],
    x: &[T],
    out: &mut [T],
) {
    for slab in slabs {
        let (x, x_rest) = x[slab.columns.clone()].as_chunks::<LANES>();
        let (out, out_rest) = out[slab.columns.clone()].as_chunks_mut::<LANES>();
        let (heads, _) = slab.heads.as_chunks::<LANES>();
        let period = heads.len();
        for (first, heads) in heads.iter().enumerate().take(x.len()) {
            let mut weight = [T::ZERO; LANES];
            for lane in 0..LANES {
                weight[lane] = weights[heads[lane] as usize];
            }
            let x = x[first..].iter().step_by(period);
            for (out, x) in out[first..].iter_mut().step_by(period).zip(x) {
                // Read whole before it is written: nothing need be known of overlaps.
                let mut sum = *out;
                for lane in 0..LANES {
                    sum[lane] = I::multiply_add(weight[lane], x[lane], sum[lane]);
                }
                *out = sum;
            }
        }
        let heads = &heads[x.len() % period];
        for ((out, &x), &head) in out_rest.iter_mut().zip(x_rest).zip(heads) {
            *out += weights[head as usize] * x;
        }
    }
}
