//! Timing one step, by the rules that the other codes are timed with.
//!
//! Two steps of warm-up (one if a step takes over 3 s), then samples of at least 0.1 s until 5 of them
//! (3 if a step takes over 3 s) were taken with the cores to itself, or 15 s are over. On t threads a
//! sample had its cores to itself when the processor time of all threads and the wall time are alike:
//! for t = 1, over 95 %. With more threads idle waiting cannot be told from disturbance and all
//! samples count.

use std::time::Instant;

use serde::Serialize;

use crate::process::cpu_seconds;

/// Seconds of one step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timing {
    /// Median of the samples.
    pub median_s: f64,
    /// The shortest sample.
    pub min_s: f64,
    /// The least processor time of a sample, all threads together.
    pub cpu_min_s: Option<f64>,
    /// The first step of all.
    pub first_s: f64,
    /// Number of samples.
    pub samples: usize,
    /// Steps in each sample.
    pub inner: usize,
    /// Whether fewer than 3 samples were undisturbed.
    pub noisy: bool,
}

const LONG_STEP: f64 = 3.0;
const SHORTEST_SAMPLE: f64 = 0.1;
const BUDGET: f64 = 15.0;

fn seconds(step: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    step();
    start.elapsed().as_secs_f64()
}

/// Times a step that is only ever run once, such as filling tables from cold.
pub fn once(step: &mut dyn FnMut()) -> Timing {
    let before = cpu_seconds();
    let first_s = seconds(step);
    let cpu_min_s = before.zip(cpu_seconds()).map(|(a, b)| b - a);
    Timing {
        median_s: first_s,
        min_s: first_s,
        cpu_min_s,
        first_s,
        samples: 1,
        inner: 1,
        noisy: false,
    }
}

/// Times a step that can be repeated.
pub fn repeatedly(step: &mut dyn FnMut(), threads: usize) -> Timing {
    let first_s = seconds(step);
    let typical = if first_s > LONG_STEP {
        first_s
    } else {
        seconds(step)
    };
    let inner = (SHORTEST_SAMPLE / typical.max(1e-7)).ceil().max(1.0) as usize;
    let wanted = if typical > LONG_STEP { 3 } else { 5 };
    let (mut clean, mut all, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while clean.len() < wanted && (all.len() < wanted || start.elapsed().as_secs_f64() < BUDGET) {
        let before = cpu_seconds();
        let sample = seconds(&mut || (0..inner).for_each(|_| step())) / inner as f64;
        let used = before
            .zip(cpu_seconds())
            .map(|(a, b)| (b - a) / inner as f64);
        cpu.extend(used);
        all.push(sample);
        if threads > 1 || used.is_none_or(|used| used > 0.95 * sample) {
            clean.push(sample);
        }
    }
    let noisy = clean.len() < 3;
    let least = |values: &[f64]| values.iter().copied().reduce(f64::min);
    let counted = if noisy { &mut all } else { &mut clean };
    Timing {
        min_s: least(counted).expect("a sample was taken"),
        cpu_min_s: least(&cpu),
        first_s,
        samples: counted.len(),
        inner,
        noisy,
        median_s: median(counted),
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let half = samples.len() / 2;
    if samples.len() % 2 == 1 {
        samples[half]
    } else {
        0.5 * (samples[half - 1] + samples[half])
    }
}
