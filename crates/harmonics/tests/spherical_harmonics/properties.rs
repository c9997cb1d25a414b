//! What defines the harmonics: orthonormality, lengths, equivariance, parity, homogeneity.

use std::f64::consts::PI;

use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};
use steerable_irreps::{Rotation, WignerD};

use super::{DOMAINS, NORMALIZATIONS, assert_close_per_degree, norm, random_vectors};

/// Nodes and weights of the Gauss-Legendre rule on [-1, 1], by Newton's method.
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    (0..count)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (count as f64 + 0.5)).cos();
            let mut slope = 0.0;
            for _ in 0..50 {
                let (mut p, mut before) = (1.0, 0.0);
                for k in 1..=count {
                    let k = k as f64;
                    (before, p) = (p, ((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k);
                }
                slope = count as f64 * (x * p - before) / (x * x - 1.0);
                x -= p / slope;
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[test]
fn integral_normalization_is_orthonormal_under_exact_quadrature() {
    // 12 nodes integrate polynomials in cos θ to degree 23, 24 angles waves below order 24: more
    // than the products of two harmonics of degree 10 hold.
    let harmonics = SphericalHarmonics::new(10).with_normalization(Normalization::Integral);
    let dim = harmonics.dim();
    let mut gram = vec![0.0; dim * dim];
    for (cosine, weight) in gauss_legendre(12) {
        let sine = (1.0 - cosine * cosine).sqrt();
        for step in 0..24 {
            let phi = 2.0 * PI * f64::from(step) / 24.0;
            let y = harmonics.single([sine * phi.sin(), cosine, sine * phi.cos()]);
            for (i, a) in y.iter().enumerate() {
                for (j, b) in y.iter().enumerate() {
                    gram[i * dim + j] += a * b * weight * 2.0 * PI / 24.0;
                }
            }
        }
    }
    for i in 0..dim {
        for j in 0..dim {
            let expected = f64::from(u8::from(i == j));
            let got = gram[i * dim + j];
            assert!((got - expected).abs() < 1e-13, "<{i}|{j}> = {got}");
        }
    }
}

#[test]
fn every_degree_has_the_length_its_normalization_names() {
    for normalization in NORMALIZATIONS {
        let harmonics = SphericalHarmonics::new(16).with_normalization(normalization);
        for vector in random_vectors(11, 50) {
            let y = harmonics.single(vector);
            for l in 0..=16 {
                let (got, expected) = (norm(&y[harmonics.degree(l)]), normalization.length(l));
                assert!(
                    (got / expected - 1.0).abs() < 1e-13,
                    "seed 11, {normalization:?}, {vector:?}, degree {l}: {got} for {expected}"
                );
            }
        }
    }
}

#[test]
fn rotating_the_vector_multiplies_by_wigner_d() {
    let l_max = 10;
    let wigner_d = WignerD::new(l_max);
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(l_max).with_domain(domain);
        let mut rng = StdRng::seed_from_u64(5);
        for vector in random_vectors(6, 20) {
            let rotation = Rotation::random(&mut rng);
            let (of_rotated, of_vector) = (
                harmonics.single(rotation.apply(vector)),
                harmonics.single(vector),
            );
            let rotated: Vec<f64> = (0..=l_max)
                .flat_map(|l| {
                    let y = nalgebra::DVector::from_column_slice(&of_vector[harmonics.degree(l)]);
                    (wigner_d.matrix(l, &rotation) * y).as_slice().to_vec()
                })
                .collect();
            let of = format!("seeds 5 and 6, {domain:?}, {vector:?}");
            assert_close_per_degree(&of_rotated, &rotated, |_| 1e-12, &of);
        }
    }
}

#[test]
fn inversion_multiplies_by_the_parity_of_the_degree() {
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(9).with_domain(domain);
        for vector in random_vectors(3, 20) {
            let (there, back) = (
                harmonics.single(vector),
                harmonics.single(vector.map(|x| -x)),
            );
            for l in 0..=9 {
                let sign = if l % 2 == 0 { 1.0 } else { -1.0 };
                for component in harmonics.degree(l) {
                    assert_eq!(
                        there[component],
                        sign * back[component],
                        "seed 3, {vector:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn solid_harmonics_are_homogeneous_and_spherical_ones_ignore_the_length() {
    for vector in random_vectors(4, 20) {
        for factor in [0.37, 4.1] {
            let scaled = vector.map(|x| x * factor);
            let of = format!("seed 4, {vector:?} times {factor}");
            let sphere = SphericalHarmonics::new(8);
            let (a, b) = (sphere.single(vector), sphere.single(scaled));
            assert_close_per_degree(&b, &a, |_| 1e-13, &of);
            let solid = sphere.with_domain(Domain::Solid);
            let mut a = solid.single(vector);
            for l in 0..=8 {
                a[solid.degree(l)]
                    .iter_mut()
                    .for_each(|y| *y *= f64::powi(factor, l as i32));
            }
            assert_close_per_degree(&solid.single(scaled), &a, |_| 1e-13, &of);
        }
    }
}

#[test]
fn degree_one_is_the_vector() {
    let solid = SphericalHarmonics::new(1).with_domain(Domain::Solid);
    let y = solid.single([0.3, -0.7, 1.9]);
    for (got, x) in y[1..].iter().zip([0.3, -0.7, 1.9]) {
        assert!((got - 3f64.sqrt() * x).abs() < 1e-15, "{y:?}");
    }
}
