//! The paths that one machine would not take by itself give the same numbers.

use super::batch::{Batch, Destination, Pullback, Values, ValuesAndJacobian};
use super::lanes::{Kernel, Lanes, Portable};
use super::{Domain, Real, SphericalHarmonics, Threads};

/// A deterministic spread of directions and lengths, the zero vector among them.
fn vectors(count: usize) -> Vec<f64> {
    (0..3 * count)
        .map(|i| {
            if i < 3 {
                0.0
            } else {
                ((i * i) as f64 * 0.37).sin()
            }
        })
        .collect()
}

struct Results<T> {
    values: Vec<T>,
    jacobian: Vec<T>,
    gradient: Vec<T>,
}

/// Weights that no symmetry makes the gradient vanish with.
fn cotangent<T: Real>(count: usize) -> Vec<T> {
    (0..count)
        .map(|i| T::from_f64((i as f64 * 0.7).cos()))
        .collect()
}

/// Everything the kernels compute.
fn compute<T: Real, L: Lanes<T>>(
    harmonics: &SphericalHarmonics,
    vectors: &[T],
    (lanes, destination): (L, Destination),
) -> Results<T> {
    let (n, dim) = (vectors.len() / 3, harmonics.dim());
    let recurrence = T::recurrence(harmonics);
    let batch = Batch {
        recurrence,
        domain: harmonics.domain(),
        vectors,
        destination,
    };
    let mut values = vec![T::default(); n * dim];
    let mut jacobian = vec![T::default(); 3 * n * dim];
    let mut gradient = vec![T::default(); 3 * n];
    Values {
        batch,
        values: &mut values,
    }
    .run(lanes);
    let only_values = values.clone();
    ValuesAndJacobian {
        batch,
        values: &mut values,
        jacobian: &mut jacobian,
    }
    .run(lanes);
    assert!(values == only_values);
    Pullback {
        batch,
        cotangent: &cotangent(n * dim),
        gradient: &mut gradient,
    }
    .run(lanes);
    Results {
        values,
        jacobian,
        gradient,
    }
}

/// The largest difference, relative to the largest expected number.
fn relative_error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0f64, |largest, x| largest.max(x.abs()));
    let error = got
        .iter()
        .zip(expected)
        .fold(0f64, |error, (a, b)| error.max((a - b).abs()));
    if largest == 0.0 {
        error
    } else {
        error / largest
    }
}

fn public(harmonics: &SphericalHarmonics, vectors: &[f64]) -> Results<f64> {
    let (n, dim) = (vectors.len() / 3, harmonics.dim());
    let [mut values, mut jacobian] = [vec![0.0; n * dim], vec![0.0; 3 * n * dim]];
    let mut gradient = vec![0.0; 3 * n];
    harmonics.values_and_jacobian(vectors, &mut values, &mut jacobian);
    harmonics.pullback(vectors, &cotangent(n * dim), &mut gradient);
    Results {
        values,
        jacobian,
        gradient,
    }
}

#[test]
fn every_register_width_and_destination_gives_the_dispatched_numbers() {
    let vectors = vectors(37);
    let single: Vec<f32> = vectors.iter().map(|&x| x as f32).collect();
    for l_max in 0..=7 {
        for domain in [Domain::Sphere, Domain::Solid] {
            let harmonics = SphericalHarmonics::new(l_max)
                .with_domain(domain)
                .with_threads(Threads::Single);
            let expected = public(&harmonics, &vectors);
            let check = |name: &str, got: Results<f64>, epsilon: f64| {
                // The longest gradient sums l_max degrees of l_max-fold harmonics.
                let tolerance = 8.0 * ((l_max + 1) * (l_max + 1)) as f64 * epsilon;
                for (what, got, expected) in [
                    ("values", &got.values, &expected.values),
                    ("jacobian", &got.jacobian, &expected.jacobian),
                    ("gradient", &got.gradient, &expected.gradient),
                ] {
                    let error = relative_error(got, expected);
                    assert!(
                        error <= tolerance,
                        "{name}, l_max {l_max}, {domain:?}: {what} off by {error:e}"
                    );
                }
            };
            let widen = |results: Results<f32>| Results {
                values: results.values.into_iter().map(f64::from).collect(),
                jacobian: results.jacobian.into_iter().map(f64::from).collect(),
                gradient: results.gradient.into_iter().map(f64::from).collect(),
            };
            macro_rules! check_lanes {
                ($lanes:expr, $name:literal) => {
                    for destination in [Destination::Cache, Destination::Memory] {
                        let name = format!("{} {destination:?}", $name);
                        let got = compute::<f64, _>(&harmonics, &vectors, ($lanes, destination));
                        check(&name, got, f64::EPSILON);
                        let got = compute::<f32, _>(&harmonics, &single, ($lanes, destination));
                        check(&name, widen(got), f64::from(f32::EPSILON));
                    }
                };
            }
            check_lanes!(Portable(pulp::Scalar), "one lane");
            check_lanes!(Portable(pulp::Scalar256b), "256 bits");
            check_lanes!(Portable(pulp::Scalar512b), "512 bits");
            #[cfg(target_arch = "x86_64")]
            if let Some(v3) = pulp::x86::V3::try_new() {
                check_lanes!(super::lanes::Avx2(v3), "AVX2");
            }
        }
    }
}
