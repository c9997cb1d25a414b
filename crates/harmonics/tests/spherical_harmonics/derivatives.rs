//! Jacobian and pullback against finite differences, Euler's identity and each other.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_harmonics::{Domain, SphericalHarmonics};

use super::{DOMAINS, NORMALIZATIONS, flat, jacobian, norm, random_vectors, to_f32};

#[test]
fn jacobian_agrees_with_finite_differences() {
    let (l_max, step) = (10, 1e-5);
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(l_max).with_domain(domain);
        for vector in random_vectors(7, 20) {
            let (values, derivatives) = jacobian(&harmonics, &vector);
            let r = norm(&vector);
            let h = step * r;
            for axis in 0..3 {
                let [mut up, mut down] = [vector; 2];
                up[axis] += h;
                down[axis] -= h;
                let (up, down) = (harmonics.single(up), harmonics.single(down));
                for l in 0..=l_max {
                    // Central differences err by h²/6 of a third derivative of size (l + 1)³ / r³,
                    // and by the rounding of the values over h.
                    let tolerance = step * step * ((l + 1) as f64).powi(3) / 6.0
                        + 4.0 * (l + 1) as f64 * f64::EPSILON / step;
                    let scale = norm(&values[harmonics.degree(l)]) / r;
                    for k in harmonics.degree(l) {
                        let expected = (up[k] - down[k]) / (2.0 * h);
                        let got = derivatives[axis * harmonics.dim() + k];
                        assert!(
                            (got - expected).abs() <= tolerance * scale,
                            "seed 7, {domain:?}, {vector:?}, axis {axis}, component {k}: {got}, \
                             differences say {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn spherical_gradients_have_no_radial_part_and_solid_ones_obey_euler() {
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(12).with_domain(domain);
        for vector in random_vectors(8, 20) {
            let (values, derivatives) = jacobian(&harmonics, &vector);
            for l in 0..=12 {
                let length = norm(&values[harmonics.degree(l)]);
                for k in harmonics.degree(l) {
                    let radial: f64 = (0..3)
                        .map(|axis| vector[axis] * derivatives[axis * 169 + k])
                        .sum();
                    let expected = match domain {
                        Domain::Sphere => 0.0,
                        Domain::Solid => l as f64 * values[k],
                    };
                    assert!(
                        (radial - expected).abs() <= 1e-13 * (l + 1) as f64 * length,
                        "seed 8, {domain:?}, {vector:?}, component {k}: {radial} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn pullback_is_the_transposed_jacobian() {
    for l_max in [0, 1, 2, 3, 4, 5, 8] {
        for domain in DOMAINS {
            for normalization in NORMALIZATIONS {
                let harmonics = SphericalHarmonics::new(l_max)
                    .with_domain(domain)
                    .with_normalization(normalization);
                let dim = harmonics.dim();
                let vectors = flat(&random_vectors(9, 21));
                let mut rng = StdRng::seed_from_u64(10);
                let cotangent: Vec<f64> =
                    (0..21 * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
                let (values, derivatives) = jacobian(&harmonics, &vectors);
                let mut only_values = vec![f64::NAN; 21 * dim];
                harmonics.values(&vectors, &mut only_values);
                assert_eq!(
                    values, only_values,
                    "l_max {l_max}, {domain:?}, {normalization:?}"
                );
                let mut gradient = vec![f64::NAN; 63];
                harmonics.pullback(&vectors, &cotangent, &mut gradient);
                for (i, row) in derivatives.chunks(dim).enumerate() {
                    let weights = &cotangent[i / 3 * dim..][..dim];
                    let terms = || row.iter().zip(weights).map(|(a, b)| a * b);
                    let (expected, scale) =
                        (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    assert!(
                        (gradient[i] - expected).abs() <= 1e-14 * scale,
                        "seeds 9 and 10, l_max {l_max}, {domain:?}, vector {}, axis {}: {} for \
                         {expected}",
                        i / 3,
                        i % 3,
                        gradient[i]
                    );
                }
            }
        }
    }
}

#[test]
fn single_precision_derivatives_follow_the_double_ones() {
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(10).with_domain(domain);
        let vectors: Vec<f64> = to_f32(&flat(&random_vectors(12, 19)))
            .into_iter()
            .map(f64::from)
            .collect();
        let (values, derivatives) = jacobian(&harmonics, &vectors);
        let mut values_f32 = vec![f32::NAN; values.len()];
        let mut derivatives_f32 = vec![f32::NAN; derivatives.len()];
        harmonics.values_and_jacobian(&to_f32(&vectors), &mut values_f32, &mut derivatives_f32);
        for (vector, (i, value_row)) in vectors
            .chunks(3)
            .zip(values.chunks(harmonics.dim()).enumerate())
        {
            for l in 0..=10 {
                // A derivative is a sum of degree l - 1 harmonics weighted with up to l.
                let scale = norm(&value_row[harmonics.degree(l)]) * (l + 1) as f64 / norm(vector);
                let tolerance = 8.0 * (l + 1) as f64 * f64::from(f32::EPSILON);
                for axis in 0..3 {
                    for k in harmonics.degree(l) {
                        let at = (3 * i + axis) * harmonics.dim() + k;
                        let (got, expected) = (f64::from(derivatives_f32[at]), derivatives[at]);
                        assert!(
                            (got - expected).abs() <= tolerance * scale,
                            "seed 12, {domain:?}, {vector:?}, axis {axis}, component {k}: {got} \
                             for {expected}"
                        );
                    }
                }
            }
        }
    }
}
