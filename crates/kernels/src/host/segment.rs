//! Sums over runs of rows. Every sum has one owner and one order: no atomics, the same
//! bits every time.

use std::ops::Range;

use rayon::prelude::*;

use super::real::{Real, axpy};

/// Numbers that one thread should have to move before a second one is called.
const WORK_PER_THREAD: usize = 1 << 15;

/// Cuts the rows into `parts` consecutive ranges with about equal numbers of edges.
pub(crate) fn split_rows(row_offsets: &[i32], parts: usize) -> Vec<Range<usize>> {
    let rows = row_offsets.len() - 1;
    let edges = row_offsets[rows] as usize;
    let mut cuts: Vec<usize> = (0..=parts)
        .map(|part| {
            let target = (edges * part).div_ceil(parts) as i32;
            row_offsets
                .partition_point(|&offset| offset < target)
                .min(rows)
        })
        .collect();
    cuts[0] = 0;
    cuts[parts] = rows;
    cuts.windows(2)
        .map(|pair| pair[0]..pair[1].max(pair[0]))
        .collect()
}

/// `out[e] = values[index[e]]`.
pub(crate) fn gather_rows<T: Real>(values: &[T], width: usize, index: &[i32]) -> Vec<T> {
    let mut out = vec![T::ZERO; index.len() * width];
    if width > 0 {
        out.par_chunks_mut(width)
            .zip(index)
            .with_min_len(min_rows(width))
            .for_each(|(out, &from)| {
                out.copy_from_slice(&values[from as usize * width..(from as usize + 1) * width]);
            });
    }
    out
}

/// `out[i] = sum of values[order[k]] for k in offsets[i]..offsets[i + 1]`, in that order.
pub(crate) fn sum_rows<T: Real>(
    values: &[T],
    width: usize,
    order: &[i32],
    offsets: &[i32],
) -> Vec<T> {
    let rows = offsets.len() - 1;
    let mut out = vec![T::ZERO; rows * width];
    if width > 0 {
        out.par_chunks_mut(width)
            .enumerate()
            .with_min_len(min_rows(width))
            .for_each(|(row, out)| {
                for &from in &order[offsets[row] as usize..offsets[row + 1] as usize] {
                    axpy(
                        out,
                        T::ONE,
                        &values[from as usize * width..(from as usize + 1) * width],
                    );
                }
            });
    }
    out
}

fn min_rows(width: usize) -> usize {
    WORK_PER_THREAD.div_ceil(width)
}
