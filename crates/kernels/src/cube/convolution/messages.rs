//! The forward pass of the full convolution.

use cubecl::prelude::*;

use super::program::STEP;
use super::tile::{Tile, accumulate, couple, stage_hidden};

/// Messages of the full convolution into one output block: a workgroup takes a tile of edges and
/// `lanes` output channels, a thread one channel of some edges, all components.
///
/// Workgroups: edge tiles x channel tiles.
#[cube(launch_unchecked)]
pub(super) fn full<N: Size>(
    features: &[f32],
    harmonics: &[f32],
    hidden: &[f32],
    weight: &[f32],
    src: &[i32],
    program: &[u32],
    messages: &mut [f32],
    start: usize,
    end: usize,
    first_step: usize,
    num_steps: usize,
    features_width: usize,
    harmonics_width: usize,
    hidden_stride: usize,
    num_weights: usize,
    messages_width: usize,
    #[comptime] tile: Tile,
) {
    let edges = comptime!(tile.edges());
    let mine = comptime!(tile.vectors_per_thread());
    let lane = UNIT_POS as usize % tile.lanes;
    let group = UNIT_POS as usize / tile.lanes;
    let channel = CUBE_POS_Y as usize * tile.lanes + lane;
    let first = start + CUBE_POS_X as usize * edges.count;
    let mut staged = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.staged_vectors()));
    let mut z = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.coupled_vectors()));
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(mine * tile.components));
    #[unroll]
    for i in 0..comptime!(mine * tile.components) {
        sums[i] = Vector::new(0.0f32);
    }
    for index in 0..num_steps {
        let step = first_step + index * STEP;
        let mul = program[step + 3] as usize;
        let radial = program[step + 5] as usize;
        // The radial network of the step before, none at first.
        let before = program[step.max(first_step + STEP) - STEP + 5] as usize;
        sync_cube();
        // Nested: the outer condition is decided when the kernel is compiled.
        if comptime!(tile.staged) {
            if index == 0 || radial != before {
                stage_hidden::<N>(
                    hidden,
                    &mut staged,
                    first,
                    end,
                    hidden_stride,
                    radial * tile.hidden,
                    edges,
                    tile.hidden,
                );
            }
        }
        couple::<N>(
            features,
            harmonics,
            src,
            program,
            &mut z,
            step,
            first,
            end,
            features_width,
            harmonics_width,
            edges,
            tile.channels,
            tile.components,
        );
        sync_cube();
        accumulate::<N>(
            hidden,
            &staged,
            &z,
            weight,
            &mut sums,
            group,
            first,
            end,
            hidden_stride,
            radial * tile.hidden,
            program[step + 4] as usize + channel.min(mul - 1),
            mul,
            program[step + 7] as usize,
            num_weights,
            tile,
        );
    }
    let output = program[first_step + 2] as usize;
    let mul = program[first_step + 3] as usize;
    #[unroll]
    for i in 0..mine {
        #[unroll]
        for j in 0..edges.vector {
            let edge = first + (group * mine + i) * edges.vector + j;
            if edge < end && channel < mul {
                let to = (edge - start) * messages_width + output + channel;
                #[unroll]
                for m in 0..tile.components {
                    messages[to + m * mul] = sums[i * tile.components + m].extract(j);
                }
            }
        }
    }
}

/// Adds the messages of the edges `start..end` to the rows they belong to, in the order of the edges;
/// the first of several such calls also clears the rows.
#[cube(launch_unchecked)]
pub(super) fn add_up(
    messages: &[f32],
    row_offsets: &[i32],
    out: &mut [f32],
    start: usize,
    end: usize,
    width: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let first = (row_offsets[row] as usize).max(start);
    let last = (row_offsets[row + 1] as usize).min(end);
    let mut sum = 0.0f32;
    if start > 0 {
        sum = out[ABSOLUTE_POS];
    }
    for edge in first..last {
        sum += messages[(edge - start) * width + column];
    }
    out[ABSOLUTE_POS] = sum;
}
