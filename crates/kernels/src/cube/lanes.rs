//! Threads that share a row.

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
