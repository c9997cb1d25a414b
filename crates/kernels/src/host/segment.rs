//! Sums and softmax over runs of rows. Every sum has one owner and one order: no atomics, the same
//! bits every time.

use rayon::prelude::*;

use super::real::{Real, axpy};

/// Numbers that one thread should have to move before a second one is called.
const WORK_PER_THREAD: usize = 1 << 15;

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

/// Softmax down each column of each run of rows `offsets[i]..offsets[i + 1]`.
pub(crate) fn softmax<T: Real>(logits: &[T], width: usize, offsets: &[i32]) -> Vec<T> {
    let mut out = logits.to_vec();
    for run in offsets.windows(2) {
        let run = &mut out[run[0] as usize * width..run[1] as usize * width];
        for column in 0..width {
            let mut highest = T::of(f64::NEG_INFINITY);
            for &value in run.iter().skip(column).step_by(width) {
                // A NaN never is the highest; it shows in the total, and so in the output.
                if value > highest {
                    highest = value;
                }
            }
            let mut total = T::ZERO;
            for value in run.iter_mut().skip(column).step_by(width) {
                *value = Real::exp(*value - highest);
                total += *value;
            }
            let scale = Real::recip(total);
            for value in run.iter_mut().skip(column).step_by(width) {
                *value = *value * scale;
            }
        }
    }
    out
}

/// Gradient of [`softmax`]: `p (g - sum p g)`.
pub(crate) fn softmax_backward<T: Real>(
    grad: &[T],
    probabilities: &[T],
    width: usize,
    offsets: &[i32],
) -> Vec<T> {
    let mut out = grad.to_vec();
    for run in offsets.windows(2) {
        let span = run[0] as usize * width..run[1] as usize * width;
        let (run, p) = (&mut out[span.clone()], &probabilities[span]);
        for column in 0..width {
            let mut mean = T::ZERO;
            for (&g, &p) in run.iter().zip(p).skip(column).step_by(width) {
                mean += g * p;
            }
            for (g, &p) in run.iter_mut().zip(p).skip(column).step_by(width) {
                *g = p * (*g - mean);
            }
        }
    }
    out
}

fn min_rows(width: usize) -> usize {
    WORK_PER_THREAD.div_ceil(width)
}
