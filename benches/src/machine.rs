//! What the machine can do, measured in the process that is judged by it.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::Device;
use rayon::prelude::*;
use serde::Serialize;

use crate::random;

/// Attained peaks of a device: of a CPU, on the threads of the present pool.
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
    pub fn measure(device: &Device) -> Self {
        let [a, b] = [0, 1].map(|_| random([SIZE, SIZE], device));
        let product = best(8, || {
            black_box(a.clone().matmul(b.clone()));
            device.sync().expect("the device works");
        });
        let flop_per_s = 2.0 * SIZE.pow(3) as f64 / product;
        if *device != Device::flex() {
            return Self {
                flop_per_s,
                bytes_per_s: copied_on(device),
            };
        }
        let from = vec![1.0_f32; COPIED];
        let mut to = vec![0.0_f32; COPIED];
        let copy = best(5, || {
            let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&to);
        });
        Self {
            flop_per_s,
            bytes_per_s: 2.0 * 4.0 * COPIED as f64 / copy,
        }
    }
}

/// Bytes per second, read and written, of adding one to every number of 256 MiB.
fn copied_on(device: &Device) -> f64 {
    let from = random([COPIED >> 10, 1 << 10], device);
    device.sync().expect("the device works");
    let seconds = best(8, || {
        black_box(from.clone() + 1.0);
        device.sync().expect("the device works");
    });
    2.0 * 4.0 * COPIED as f64 / seconds
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
