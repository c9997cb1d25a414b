//! What the machine can do, measured in the process that is judged by it.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::Device;
use rayon::prelude::*;
use serde::Serialize;

use crate::random;

/// Attained peaks on the threads of the present pool.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    /// Floating-point operations per second of one `2048^3` product of f32 matrices.
    pub flop_per_s: f64,
    /// Bytes per second, read and written, of a copy between buffers of 256 MiB.
    pub bytes_per_s: f64,
}

const SIZE: usize = 2048;
const COPIED: usize = 1 << 26;
const CHUNK: usize = 1 << 16;

impl Machine {
    /// The best of several tries.
    pub fn measure() -> Self {
        let device = Device::flex();
        let [a, b] = [0, 1].map(|_| random([SIZE, SIZE], &device));
        let product = best(8, || {
            black_box(a.clone().matmul(b.clone()));
        });
        let from = vec![1.0_f32; COPIED];
        let mut to = vec![0.0_f32; COPIED];
        let copy = best(5, || {
            let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&to);
        });
        Self {
            flop_per_s: 2.0 * SIZE.pow(3) as f64 / product,
            bytes_per_s: 2.0 * 4.0 * COPIED as f64 / copy,
        }
    }
}

fn best(tries: usize, mut run: impl FnMut()) -> f64 {
    (0..tries)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}
