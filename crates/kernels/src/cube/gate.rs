//! The gated non-linearity: a launch for each block of scalars and each gated block, a thread for each
//! number that is written, or on the way back for each gate.

use std::sync::Arc;

use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use steerable_harmonics::plan::Block;

use super::activation::{pull_back, value};
use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major, zeros};
use crate::ops::gate::{gate_backward_on_host, gate_on_host};
use crate::{Activation, GateOps, GatePlan};

/// `out = scale activation(x)` of the columns `first..first + columns`.
#[cube(launch)]
fn scalars(
    x: &[f32],
    out: &mut [f32],
    first: usize,
    columns: usize,
    x_width: usize,
    out_width: usize,
    scale: f32,
    count: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / columns;
    let column = first + ABSOLUTE_POS % columns;
    out[row * out_width + column] = scale * value(x[row * x_width + column], activation);
}

#[cube(launch)]
fn scalars_backward(
    grad: &[f32],
    x: &[f32],
    to_x: &mut [f32],
    first: usize,
    columns: usize,
    x_width: usize,
    grad_width: usize,
    scale: f32,
    count: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / columns;
    let column = first + ABSOLUTE_POS % columns;
    let at = row * x_width + column;
    to_x[at] = scale * pull_back(x[at], grad[row * grad_width + column], activation);
}

/// `out = scale gate(g) x` of one block, read at `read` and written at `written`.
#[cube(launch)]
fn gated(
    x: &[f32],
    out: &mut [f32],
    read: usize,
    written: usize,
    gates: usize,
    mul: usize,
    columns: usize,
    x_width: usize,
    out_width: usize,
    scale: f32,
    count: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / columns;
    let column = ABSOLUTE_POS % columns;
    let gate = scale * value(x[row * x_width + gates + column % mul], activation);
    out[row * out_width + written + column] = gate * x[row * x_width + read + column];
}

/// One thread for each gate: it also takes the channel that it belongs to.
#[cube(launch)]
fn gated_backward(
    grad: &[f32],
    x: &[f32],
    to_x: &mut [f32],
    read: usize,
    written: usize,
    gates: usize,
    mul: usize,
    components: usize,
    x_width: usize,
    grad_width: usize,
    scale: f32,
    count: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / mul;
    let channel = ABSOLUTE_POS % mul;
    let at_gate = row * x_width + gates + channel;
    let gate = scale * value(x[at_gate], activation);
    let mut to_gate = 0.0f32;
    for m in 0..components {
        let at = row * x_width + read + m * mul + channel;
        let gradient = grad[row * grad_width + written + m * mul + channel];
        to_gate += gradient * x[at];
        to_x[at] = gate * gradient;
    }
    to_x[at_gate] = scale * pull_back(x[at_gate], to_gate, activation);
}

/// Gated blocks: where they are read, their first column of the output, and that of their gates.
fn gated_blocks(plan: &GatePlan) -> impl Iterator<Item = (Block, usize, usize)> {
    let gates = plan.gates();
    plan.gated().iter().scan(gates.offset, move |gate, block| {
        let own = *gate;
        *gate += block.mul;
        Some((*block, block.offset - gates.mul, own))
    })
}

impl GateOps for CubeBackend {
    fn gate(x: CubeTensor, plan: Arc<GatePlan>) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return gate_on_host::<Self>(x, &plan);
        }
        let [x] = row_major([x]);
        let [rows, width] = dims(&x);
        let out = empty_like(&x, [rows, plan.dim_out()]);
        if rows == 0 {
            return out;
        }
        for &(block, scaled) in plan.scalars() {
            let (groups, threads) = one_thread_each(&out, rows * block.mul);
            scalars::launch(
                &out.client,
                groups,
                threads,
                buffer(&x),
                buffer(&out),
                block.offset,
                block.mul,
                width,
                plan.dim_out(),
                scaled.scale as f32,
                rows * block.mul,
                scaled.activation,
            );
        }
        for (block, written, gates) in gated_blocks(&plan) {
            let count = rows * block.dim();
            let (groups, threads) = one_thread_each(&out, count);
            gated::launch(
                &out.client,
                groups,
                threads,
                buffer(&x),
                buffer(&out),
                block.offset,
                written,
                gates,
                block.mul,
                block.dim(),
                width,
                plan.dim_out(),
                plan.gate().scale as f32,
                count,
                plan.gate().activation,
            );
        }
        out
    }

    fn gate_backward(grad: CubeTensor, x: CubeTensor, plan: Arc<GatePlan>) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return gate_backward_on_host::<Self>(grad, x, &plan);
        }
        let [grad, x] = row_major([grad, x]);
        let [rows, width] = dims(&x);
        if rows * plan.dim_out() == 0 {
            return zeros(&x, [rows, width]);
        }
        // Every column is a scalar, a gate or gated: all are written.
        let to_x = empty_like(&x, [rows, width]);
        for &(block, scaled) in plan.scalars() {
            let (groups, threads) = one_thread_each(&to_x, rows * block.mul);
            scalars_backward::launch(
                &x.client,
                groups,
                threads,
                buffer(&grad),
                buffer(&x),
                buffer(&to_x),
                block.offset,
                block.mul,
                width,
                plan.dim_out(),
                scaled.scale as f32,
                rows * block.mul,
                scaled.activation,
            );
        }
        for (block, written, gates) in gated_blocks(&plan) {
            let (groups, threads) = one_thread_each(&to_x, rows * block.mul);
            gated_backward::launch(
                &x.client,
                groups,
                threads,
                buffer(&grad),
                buffer(&x),
                buffer(&to_x),
                block.offset,
                written,
                gates,
                block.mul,
                2 * block.l + 1,
                width,
                plan.dim_out(),
                plan.gate().scale as f32,
                rows * block.mul,
                plan.gate().activation,
            );
        }
        to_x
    }
}
