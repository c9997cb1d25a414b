//! Threads that share a row.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::THREADS;

/// Threads that share a row, or a run of its columns.
pub(super) const LANES: usize = 32;
/// Rows of a workgroup.
pub(super) const ROWS: usize = THREADS as usize / LANES;

/// The sum of a number over the [`LANES`] threads that share a row, in each of them: always added in the
/// same order. All threads of the workgroup must take part.
#[cube]
pub(super) fn sum_of_lanes(shared: &mut [f32], mine: f32) -> f32 {
    sync_cube();
    shared[UNIT_POS as usize] = mine;
    sync_cube();
    let first = UNIT_POS as usize / LANES * LANES;
    let mut sum = 0.0f32;
    for lane in 0..LANES {
        sum += shared[first + lane];
    }
    sum
}

/// Mean, zero unless it is taken off, and inverse root mean square of the numbers from `first` on, in each
/// thread that shares them. All threads of the workgroup must take part.
#[cube]
pub(super) fn moments(
    x: &[f32],
    shared: &mut [f32],
    first: usize,
    width: usize,
    is_centred: bool,
    present: bool,
    epsilon: f32,
) -> (f32, f32) {
    let lane = UNIT_POS as usize % LANES;
    let scale = 1.0 / f32::cast_from(width);
    let mut sum = 0.0f32;
    if present && is_centred {
        let mut c = lane;
        while c < width {
            sum += x[first + c];
            c += LANES;
        }
    }
    let mean = sum_of_lanes(shared, sum) * scale;
    let mut squares = 0.0f32;
    if present {
        let mut c = lane;
        while c < width {
            squares += (x[first + c] - mean) * (x[first + c] - mean);
            c += LANES;
        }
    }
    let square = sum_of_lanes(shared, squares) * scale;
    (mean, 1.0 / (square + epsilon).sqrt())
}

/// Workgroups for so many rows.
pub(super) fn workgroups(rows: usize, like: &CubeTensor) -> (CubeCount, CubeDim) {
    let threads = CubeDim::new_1d(THREADS);
    let groups = cubecl::calculate_cube_count_elemwise(&like.client, rows * LANES, threads);
    (groups, threads)
}
