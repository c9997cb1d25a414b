//! Spherical harmonics against e3nn, an exact oracle, finite differences and their defining
//! properties.

mod batches;
mod degenerate;
mod derivatives;
mod golden;
mod oracle;
mod properties;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};

const NORMALIZATIONS: [Normalization; 3] = [
    Normalization::Component,
    Normalization::Norm,
    Normalization::Integral,
];
const DOMAINS: [Domain; 2] = [Domain::Sphere, Domain::Solid];

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `count` vectors with components in [-1, 1], none shorter than 0.1.
fn random_vectors(seed: u64, count: usize) -> Vec<[f64; 3]> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = || [0; 3].map(|_| rng.random_range(-1.0..1.0));
    std::iter::repeat_with(&mut draw)
        .filter(|v| norm(v) > 0.1)
        .take(count)
        .collect()
}

fn flat(vectors: &[[f64; 3]]) -> Vec<f64> {
    vectors.concat()
}

fn to_f32(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&x| x as f32).collect()
}

/// Values `[n, dim]` and derivatives `[n, 3, dim]`.
fn jacobian(harmonics: &SphericalHarmonics, vectors: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = vectors.len() / 3;
    let mut values = vec![f64::NAN; n * harmonics.dim()];
    let mut derivatives = vec![f64::NAN; 3 * n * harmonics.dim()];
    harmonics.values_and_jacobian(vectors, &mut values, &mut derivatives);
    (values, derivatives)
}

/// The largest difference over all degrees, relative to `|Y_l|` of the expected values' degree.
#[track_caller]
fn assert_close_per_degree(
    got: &[f64],
    expected: &[f64],
    tolerance: impl Fn(usize) -> f64,
    of: &str,
) {
    assert_eq!(got.len(), expected.len(), "{of}");
    let l_max = got.len().isqrt() - 1;
    for l in 0..=l_max {
        let degree = l * l..(l + 1) * (l + 1);
        let difference: Vec<f64> = degree
            .clone()
            .map(|component| got[component] - expected[component])
            .collect();
        let length = norm(&expected[degree]);
        let error = norm(&difference);
        assert!(
            error <= tolerance(l) * length,
            "{of}: degree {l} is off by {error:e} of {length:e}, allowed {:e}",
            tolerance(l)
        );
    }
}
