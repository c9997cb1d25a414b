//! The forward pass.

use cubecl::prelude::*;

use super::program::STEP;
use super::tile::{Tile, UNITS, accumulate, couple, stage_hidden};

/// Messages of the full convolution into one output block: a workgroup takes a tile of edges and
/// `lanes` output channels, a thread one channel of some edges, all components.
///
/// Workgroups: edge tiles x channel tiles.
#[cube(launch)]
pub(super) fn full(
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
    let mine = comptime!(tile.edges_per_thread);
    let lane = UNIT_POS as usize % tile.lanes;
    let group = UNIT_POS as usize / tile.lanes;
    let channel = CUBE_POS_Y as usize * tile.lanes + lane;
    let first = start + CUBE_POS_X as usize * edges;
    let staged_len = comptime!(if tile.staged { edges * tile.hidden } else { 1 });
    let mut staged = Shared::<[f32]>::new_slice(staged_len);
    let mut z = Shared::<[f32]>::new_slice(comptime!(edges * tile.channels * tile.components));
    let mut sums = Array::<f32>::new(comptime!(mine * tile.components));
    #[unroll]
    for i in 0..comptime!(mine * tile.components) {
        sums[i] = 0.0;
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
                stage_hidden(
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
        couple(
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
        accumulate(
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
        let edge = first + group * mine + i;
        if edge < end && channel < mul {
            #[unroll]
            for m in 0..tile.components {
                let column = output + m * mul + channel;
                messages[(edge - start) * messages_width + column] = sums[i * tile.components + m];
            }
        }
    }
}

/// Adds the messages of the edges `start..end` to the rows they belong to, in the order of the edges;
/// the first of several such calls also clears the rows.
#[cube(launch)]
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

/// The channel-wise convolution: a thread sums one channel of one path over the edges into a row, a
/// few edges at a time. No message is stored.
///
/// Workgroups: tiles of rows x steps. `tile.channels` is not used.
#[cube(launch)]
pub(super) fn channel_wise(
    features: &[f32],
    harmonics: &[f32],
    hidden: &[f32],
    weight: &[f32],
    src: &[i32],
    row_offsets: &[i32],
    program: &[u32],
    out: &mut [f32],
    rows: usize,
    first_step: usize,
    features_width: usize,
    harmonics_width: usize,
    hidden_stride: usize,
    num_weights: usize,
    out_width: usize,
    #[comptime] tile: Tile,
) {
    let mine = comptime!(tile.edges_per_thread);
    let lane = UNIT_POS as usize % tile.lanes;
    let row = CUBE_POS_X as usize * comptime!(UNITS / tile.lanes) + UNIT_POS as usize / tile.lanes;
    let step = first_step + CUBE_POS_Y as usize * STEP;
    let input = program[step] as usize + lane;
    let mul = program[step + 1] as usize;
    let output = program[step + 2] as usize + lane;
    let column = program[step + 4] as usize + lane;
    let hidden_column = program[step + 5] as usize * tile.hidden;
    let terms = program[step + 6] as usize;
    if row >= rows || lane >= program[step + 7] as usize {
        terminate!();
    }
    let mut sums = Array::<f32>::new(tile.components);
    #[unroll]
    for m in 0..tile.components {
        sums[m] = 0.0;
    }
    let mut edge = row_offsets[row] as usize;
    let end = row_offsets[row + 1] as usize;
    while edge < end {
        // Edges behind the last one repeat it, with no weight.
        let mut x = Array::<usize>::new(mine);
        let mut y = Array::<usize>::new(mine);
        let mut r = Array::<usize>::new(mine);
        let mut radial = Array::<f32>::new(mine);
        #[unroll]
        for i in 0..mine {
            let at = (edge + i).min(end - 1);
            x[i] = src[at] as usize * features_width + input;
            y[i] = at * harmonics_width;
            r[i] = at * hidden_stride + hidden_column;
            if comptime!(tile.bias) {
                radial[i] = weight[tile.hidden * num_weights + column];
            } else {
                radial[i] = 0.0;
            }
        }
        for h in 0..tile.hidden {
            let factor = weight[h * num_weights + column];
            #[unroll]
            for i in 0..mine {
                radial[i] += hidden[r[i] + h] * factor;
            }
        }
        #[unroll]
        for i in 0..mine {
            if edge + i >= end {
                radial[i] = 0.0;
            }
        }
        #[unroll]
        for m in 0..tile.components {
            let mut z = Array::<f32>::new(mine);
            #[unroll]
            for i in 0..mine {
                z[i] = 0.0;
            }
            let mut term = program[terms + m] as usize;
            let last = program[terms + m + 1] as usize;
            while term < last {
                let packed = program[term] as usize;
                let value = f32::reinterpret(program[term + 1]);
                let harmonic = packed / 65536;
                let component = packed % 65536 * mul;
                #[unroll]
                for i in 0..mine {
                    z[i] += value * harmonics[y[i] + harmonic] * features[x[i] + component];
                }
                term += 2;
            }
            #[unroll]
            for i in 0..mine {
                sums[m] += radial[i] * z[i];
            }
        }
        edge += mine;
    }
    #[unroll]
    for m in 0..tile.components {
        out[row * out_width + output + m * mul] = sums[m];
    }
}
