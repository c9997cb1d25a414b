//! Spherical harmonics of 100,000 vectors on one thread: f32 and f64, l_max = 3, 6 and 10.
//!
//! Every argument is an `l_max`; throughput counts vectors. Outputs are allocated once and
//! overwritten. `cargo bench -p steerable-harmonics --bench spherical_harmonics`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_harmonics::{Real, SphericalHarmonics, Threads};

const VECTORS: usize = 100_000;
const DEGREES: [usize; 3] = [3, 6, 10];

fn main() {
    divan::main();
}

/// Numbers of the benched type, from a seeded generator.
trait Sample: Real {
    fn sample(count: usize) -> Vec<Self>;
}

impl Sample for f32 {
    fn sample(count: usize) -> Vec<f32> {
        f64::sample(count)
            .into_iter()
            .map(|number| number as f32)
            .collect()
    }
}

impl Sample for f64 {
    fn sample(count: usize) -> Vec<f64> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
    }
}

fn harmonics(l_max: usize) -> SphericalHarmonics {
    SphericalHarmonics::new(l_max).with_threads(Threads::Single)
}

#[divan::bench(types = [f32, f64], args = DEGREES)]
fn values<T: Sample>(bencher: Bencher, l_max: usize) {
    let harmonics = harmonics(l_max);
    let vectors = T::sample(3 * VECTORS);
    let mut values = T::sample(VECTORS * harmonics.dim());
    bencher
        .counter(ItemsCount::new(VECTORS))
        .bench_local(|| harmonics.values(black_box(&vectors), black_box(&mut values)));
}

#[divan::bench(types = [f32, f64], args = DEGREES)]
fn values_and_jacobian<T: Sample>(bencher: Bencher, l_max: usize) {
    let harmonics = harmonics(l_max);
    let vectors = T::sample(3 * VECTORS);
    let mut values = T::sample(VECTORS * harmonics.dim());
    let mut jacobian = T::sample(3 * VECTORS * harmonics.dim());
    bencher.counter(ItemsCount::new(VECTORS)).bench_local(|| {
        harmonics.values_and_jacobian(
            black_box(&vectors),
            black_box(&mut values),
            black_box(&mut jacobian),
        );
    });
}

#[divan::bench(types = [f32, f64], args = DEGREES)]
fn pullback<T: Sample>(bencher: Bencher, l_max: usize) {
    let harmonics = harmonics(l_max);
    let vectors = T::sample(3 * VECTORS);
    let cotangent = T::sample(VECTORS * harmonics.dim());
    let mut gradient = vec![vectors[0]; 3 * VECTORS];
    bencher.counter(ItemsCount::new(VECTORS)).bench_local(|| {
        harmonics.pullback(
            black_box(&vectors),
            black_box(&cotangent),
            black_box(&mut gradient),
        );
    });
}
