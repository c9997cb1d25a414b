//! Timing one step, by the rules that the other codes are timed with.
//!
//! Two steps of warm-up (one if a step takes over 3 s), then samples of at least 0.1 s until 5 of them
//! (3 if a step takes over 3 s) were taken with the cores to itself, or 15 s are over. A
//! sample of one thread had its core to itself if it was on it for over 95 % of the time; one of more
//! threads, if other processes used less than 0.15 cores.

use std::time::Instant;

use serde::Serialize;

use crate::process::{cpu_seconds, cpu_seconds_of_all};

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
        let load = Load::start();
        let sample = seconds(&mut || (0..inner).for_each(|_| step()));
        let (used, undisturbed) = load.end(sample, threads);
        cpu.extend(used.map(|used| used / inner as f64));
        all.push(sample / inner as f64);
        if undisturbed {
            clean.push(sample / inner as f64);
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

/// Processor time over a span.
struct Load {
    own: Option<f64>,
    all: Option<f64>,
}

impl Load {
    fn start() -> Self {
        Self {
            own: cpu_seconds(),
            all: cpu_seconds_of_all(),
        }
    }

    /// What this process used in a span of `wall` seconds, and whether it had its cores to itself. Where
    /// the system does not tell, it is taken to.
    fn end(self, wall: f64, threads: usize) -> (Option<f64>, bool) {
        let now = Self::start();
        let own = self.own.zip(now.own).map(|(before, now)| now - before);
        let all = self.all.zip(now.all).map(|(before, now)| now - before);
        let undisturbed = if threads == 1 {
            own.is_none_or(|own| own > 0.95 * wall)
        } else {
            own.zip(all)
                .is_none_or(|(own, all)| all - own < 0.15 * wall)
        };
        (own, undisturbed)
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
