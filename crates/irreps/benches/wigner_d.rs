//! All real Wigner-D matrices up to l_max, `f64`, output allocated beforehand.
//!
//! `one_thread` and `all_threads` time the whole batch; the arguments are (rotations, l_max).

use divan::{Bencher, black_box};
use rand::{SeedableRng, rngs::StdRng};
use steerable_irreps::{Rotation, WignerD};

const SIZES: [(usize, usize); 5] = [(1, 6), (10_000, 2), (10_000, 4), (10_000, 6), (10_000, 16)];

fn main() {
    divan::main();
}

fn rotations(n: usize) -> Vec<Rotation> {
    let mut rng = StdRng::seed_from_u64(0);
    (0..n).map(|_| Rotation::random(&mut rng)).collect()
}

fn bench(bencher: Bencher<'_, '_>, (n, l_max): (usize, usize), run: Run) {
    let wigner = WignerD::new(l_max);
    let rotations = rotations(n);
    let mut out = vec![0.0; n * wigner.row_len()];
    bencher
        .counter(divan::counter::ItemsCount::new(n))
        .bench_local(|| run(&wigner, black_box(&rotations), black_box(&mut out)));
}

type Run = fn(&WignerD, &[Rotation], &mut [f64]);

#[divan::bench(args = SIZES)]
fn one_thread(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    bench(bencher, size, WignerD::fill);
}

#[divan::bench(args = SIZES)]
fn all_threads(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    bench(bencher, size, WignerD::par_fill);
}

#[divan::bench(args = [2, 6, 16])]
fn tables(l_max: usize) -> WignerD {
    WignerD::new(black_box(l_max))
}
