//! Values against the polynomials themselves, expanded and evaluated in exact integers.

use num_bigint::BigInt;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};

use super::{DOMAINS, NORMALIZATIONS, assert_close_per_degree, norm};

fn factorial(n: usize) -> BigInt {
    (1..=n).map(BigInt::from).product()
}

fn binomial(n: usize, k: usize) -> BigInt {
    factorial(n) / (factorial(k) * factorial(n - k))
}

fn nearest_f64(number: &BigInt) -> f64 {
    number.to_string().parse().expect("digits")
}

/// `R_l^m` at integer coordinates, with `|R_l| = r^l`, from the expanded polynomial in exact
/// integers; rounded once, then scaled.
///
/// With e3nn's axes renamed to the textbook's, `(X, Y, Z) = (z, x, y)`:
/// `2^l r^l P_l^m = Σ_k (-1)^k C(l, k) C(2l - 2k, l) (l - 2k)! / (l - 2k - m)! r^2k Z^(l - 2k - m)`
/// times the real or imaginary part of `(X + iY)^m`.
fn exact_solid_harmonic(l: usize, m: i64, [x, y, z]: [i64; 3]) -> f64 {
    let [big_x, big_y, big_z] = [z, x, y].map(BigInt::from);
    let order = m.unsigned_abs() as usize;
    let squared = &big_x * &big_x + &big_y * &big_y + &big_z * &big_z;
    let mut polar = BigInt::from(0);
    for k in 0..=(l - order) / 2 {
        let sign = if k % 2 == 0 { 1 } else { -1 };
        polar += sign
            * binomial(l, k)
            * binomial(2 * l - 2 * k, l)
            * (factorial(l - 2 * k) / factorial(l - 2 * k - order))
            * squared.pow(k as u32)
            * big_z.pow((l - 2 * k - order) as u32);
    }
    let (mut real, mut imaginary) = (BigInt::from(1), BigInt::from(0));
    for _ in 0..order {
        (real, imaginary) = (
            &real * &big_x - &imaginary * &big_y,
            &real * &big_y + &imaginary * &big_x,
        );
    }
    let azimuthal = if m < 0 { imaginary } else { real };
    let functions = if m == 0 { 1.0 } else { 2.0 };
    let ratio = nearest_f64(&(factorial(l + order) / factorial(l - order)));
    nearest_f64(&(polar * azimuthal)) / 2f64.powi(l as i32) * (functions / ratio).sqrt()
}

fn exact(l_max: usize, normalization: Normalization, domain: Domain, point: [i64; 3]) -> Vec<f64> {
    let r = norm(&point.map(|x| x as f64));
    (0..=l_max)
        .flat_map(|l| (-(l as i64)..=l as i64).map(move |m| (l, m)))
        .map(|(l, m)| {
            let per_length = match domain {
                Domain::Sphere if l == 0 => 1.0,
                Domain::Sphere if r == 0.0 => 0.0,
                Domain::Sphere => r.powi(-(l as i32)),
                Domain::Solid => 1.0,
            };
            exact_solid_harmonic(l, m, point) * per_length * normalization.length(l)
        })
        .collect()
}

/// Both poles, all axes, planes where many harmonics vanish, near-polar and general points.
const POINTS: [[i64; 3]; 16] = [
    [0, 1, 0],
    [0, -1, 0],
    [1, 0, 0],
    [-1, 0, 0],
    [0, 0, 1],
    [0, 0, -1],
    [0, 0, 0],
    [1, 1, 1],
    [3, 0, -4],
    [0, 5, -12],
    [1, 1_000_000, 0],
    [1, -1_000_000, -2],
    [2, -3, 6],
    [-7, 4, 4],
    [-12, -15, -16],
    [1_000_003, 17, -99_991],
];

#[test]
fn values_equal_the_exact_polynomials_up_to_degree_16() {
    for normalization in NORMALIZATIONS {
        for domain in DOMAINS {
            let harmonics = SphericalHarmonics::new(16)
                .with_normalization(normalization)
                .with_domain(domain);
            for point in POINTS {
                let got = harmonics.single(point.map(|x| x as f64));
                let expected = exact(16, normalization, domain, point);
                let of = format!("{normalization:?}, {domain:?}, {point:?}");
                assert_close_per_degree(&got, &expected, |_| 1e-12, &of);
            }
        }
    }
}

#[test]
fn single_precision_loses_no_more_than_the_recursion_must() {
    // Each of the l steps from degree 0 rounds a handful of times: the direction (6 roundings, to
    // the power l) and a step's five products and sums.
    let tolerance = |l: usize| 4.0 * (l + 1) as f64 * f64::from(f32::EPSILON);
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(16).with_domain(domain);
        for point in POINTS {
            // In f32, |v|^16 of a longer vector overflows, which is right on this domain.
            if domain == Domain::Solid && norm(&point.map(|x| x as f64)) > 100.0 {
                continue;
            }
            let mut got = vec![0f32; harmonics.dim()];
            harmonics.values(&point.map(|x| x as f32), &mut got);
            let got: Vec<f64> = got.into_iter().map(f64::from).collect();
            let expected = exact(16, Normalization::Component, domain, point);
            assert_close_per_degree(
                &got,
                &expected,
                tolerance,
                &format!("{domain:?}, {point:?}"),
            );
        }
    }
}
