//! Spherical harmonics against e3nn, an exact oracle, finite differences and their defining
//! properties.

use std::f64::consts::PI;
use std::path::PathBuf;

use num_bigint::BigInt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics, Threads};
use steerable_irreps::{Rotation, WignerD};

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
    let mut draw = move || [0; 3].map(|_| rng.random_range(-1.0..1.0));
    std::iter::repeat_with(|| draw())
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

// ---- an exact oracle ----------------------------------------------------------------------------

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

// ---- e3nn ---------------------------------------------------------------------------------------

fn golden() -> Value {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("STEERABLE_GOLDEN").map_or(own, PathBuf::from);
    let path = folder.join("spherical_harmonics.json");
    println!("reading {}", path.display());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value
        .as_array()
        .expect("a list of rows")
        .iter()
        .map(numbers)
        .collect()
}

/// The harmonics that a key such as `component,normalize=True` names.
fn harmonics_of_key(golden: &Value, key: &str) -> SphericalHarmonics {
    let degrees = numbers(&golden["l"]);
    let l_max = degrees.len() - 1;
    assert!(
        degrees
            .iter()
            .enumerate()
            .all(|(l, &degree)| degree == l as f64),
        "{degrees:?}"
    );
    let (normalization, normalize) = key.split_once(',').expect("normalization,normalize=...");
    let normalization = match normalization {
        "component" => Normalization::Component,
        "norm" => Normalization::Norm,
        "integral" => Normalization::Integral,
        other => panic!("unknown normalization {other}"),
    };
    let domain = match normalize {
        "normalize=True" => Domain::Sphere,
        "normalize=False" => Domain::Solid,
        other => panic!("unknown domain {other}"),
    };
    SphericalHarmonics::new(l_max)
        .with_normalization(normalization)
        .with_domain(domain)
}

/// e3nn divides by at least 1e-12, so that its harmonics of shorter vectors are no functions of the
/// direction. Ours are; only the zero vector's values agree.
fn is_comparable_on_sphere(vector: &[f64]) -> bool {
    norm(vector) >= 1e-12
}

#[test]
fn golden_values_equal_e3nn() {
    let golden = golden();
    let vectors = rows(&golden["vectors"]);
    let mut compared = 0;
    for (key, expected) in golden["values"].as_object().expect("values by key") {
        let harmonics = harmonics_of_key(&golden, key);
        let mut got = vec![f64::NAN; vectors.len() * harmonics.dim()];
        harmonics.values(&vectors.concat(), &mut got);
        for ((vector, got), expected) in vectors
            .iter()
            .zip(got.chunks(harmonics.dim()))
            .zip(rows(expected))
        {
            let is_zero = norm(vector) == 0.0;
            if harmonics.domain() == Domain::Sphere && !is_zero && !is_comparable_on_sphere(vector)
            {
                continue;
            }
            // 15 digits of input and output, to the power l at most 8 or so.
            assert_close_per_degree(got, &expected, |_| 5e-14, &format!("{key}, {vector:?}"));
            compared += got.len();
        }
    }
    println!("compared {compared} values");
    assert!(compared > 0);
}

#[test]
fn golden_gradients_equal_e3nn() {
    let golden = golden();
    let vectors = rows(&golden["vectors"]);
    let cotangent = numbers(&golden["cotangent"]);
    let mut compared = 0;
    for (key, expected) in golden["gradient"].as_object().expect("gradients by key") {
        let harmonics = harmonics_of_key(&golden, key);
        let cotangents = cotangent.repeat(vectors.len());
        let mut got = vec![f64::NAN; 3 * vectors.len()];
        harmonics.pullback(&vectors.concat(), &cotangents, &mut got);
        for ((vector, got), expected) in vectors.iter().zip(got.chunks(3)).zip(rows(expected)) {
            if harmonics.domain() == Domain::Sphere && !is_comparable_on_sphere(vector) {
                continue;
            }
            // |∇R_l| <= l |R_l| / r per axis up to a factor sqrt 3; the sum over degrees may cancel.
            let r = norm(vector);
            let scale: f64 = (1..=harmonics.l_max())
                .map(|l| {
                    let power = match harmonics.domain() {
                        Domain::Sphere => 1.0 / r,
                        Domain::Solid => r.powi(l as i32 - 1),
                    };
                    let length = harmonics.normalization().length(l);
                    norm(&cotangent[harmonics.degree(l)]) * (l + 1) as f64 * length * power
                })
                .sum();
            let error = norm(&[
                got[0] - expected[0],
                got[1] - expected[1],
                got[2] - expected[2],
            ]);
            assert!(
                error <= 5e-14 * scale,
                "{key}, {vector:?}: {got:?}, expected {expected:?}, off by {error:e} of {scale:e}"
            );
            compared += 3;
        }
    }
    println!("compared {compared} values");
    assert!(compared > 0);
}

// ---- algebraic properties -----------------------------------------------------------------------

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

// ---- derivatives --------------------------------------------------------------------------------

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

// ---- degenerate vectors -------------------------------------------------------------------------

#[test]
fn the_zero_vector_has_degree_zero_only_and_no_gradient() {
    for l_max in [0, 1, 3, 6] {
        let harmonics = SphericalHarmonics::new(l_max);
        let (values, derivatives) = jacobian(&harmonics, &[0.0, -0.0, 0.0]);
        assert_eq!(values[0], 1.0);
        assert!(values[1..].iter().all(|&y| y == 0.0), "{values:?}");
        assert!(derivatives.iter().all(|&d| d == 0.0), "{derivatives:?}");
        let mut gradient = [f64::NAN; 3];
        harmonics.pullback(&[0.0; 3], &vec![1.0; harmonics.dim()], &mut gradient);
        assert_eq!(gradient, [0.0; 3]);
    }
}

#[test]
fn solid_derivatives_at_zero_are_those_of_the_polynomials() {
    let harmonics = SphericalHarmonics::new(3).with_domain(Domain::Solid);
    let (values, derivatives) = jacobian(&harmonics, &[0.0; 3]);
    assert_eq!(values[0], 1.0);
    assert!(values[1..].iter().all(|&y| y == 0.0), "{values:?}");
    for (axis, row) in derivatives.chunks(16).enumerate() {
        for (k, &d) in row.iter().enumerate() {
            let expected = if k == 1 + axis { 3f64.sqrt() } else { 0.0 };
            assert!(
                (d - expected).abs() < 1e-15,
                "axis {axis}, component {k}: {d}"
            );
        }
    }
}

#[test]
fn tiny_and_huge_vectors_have_directions() {
    let harmonics = SphericalHarmonics::new(6);
    let lengths_f32 = [1e-29, 1e-20, 1e-12, 1e-6, 1e6, 1e12, 1e15, 1e20, 1e38];
    let lengths_f64 = [1e-289, 1e-200, 1e-140, 1e-20, 1e15, 1e140, 1e200, 1e307];
    for direction in [
        [0.6, 0.0, -0.8],
        [0.0, 1.0, 0.0],
        [0.36, -0.48, 0.8],
        [1.0, 1e-9, 0.0],
    ] {
        let expected = harmonics.single(direction);
        let (_, expected_derivatives) = jacobian(&harmonics, &direction);
        for length in lengths_f64 {
            let vector = direction.map(|x| x * length);
            let of = format!("{direction:?} times {length:e}");
            let (values, derivatives) = jacobian(&harmonics, &vector);
            assert_close_per_degree(&values, &expected, |_| 1e-13, &of);
            for (&got, &expected) in derivatives.iter().zip(&expected_derivatives) {
                assert!(got.is_finite(), "{of}: {got}");
                // Lengths that scale the derivatives out of the normal numbers lose digits.
                if length < 1e300 {
                    assert!((got * length - expected).abs() < 1e-12, "{of}: {got}");
                }
            }
        }
        for length in lengths_f32 {
            let vector = direction.map(|x| (x * length) as f32);
            let of = format!("{direction:?} times {length:e} in f32");
            let mut values = vec![f32::NAN; harmonics.dim()];
            let mut derivatives = vec![f32::NAN; 3 * harmonics.dim()];
            harmonics.values_and_jacobian(&vector, &mut values, &mut derivatives);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            assert_close_per_degree(&values, &expected, |_| 28.0 * f64::from(f32::EPSILON), &of);
            assert!(
                derivatives.iter().all(|d| d.is_finite()),
                "{of}: {derivatives:?}"
            );
        }
    }
}

#[test]
fn vectors_too_short_for_a_finite_gradient_count_as_zero() {
    let harmonics = SphericalHarmonics::new(2);
    let mut values = [f32::NAN; 9];
    let mut derivatives = [f32::NAN; 27];
    harmonics.values_and_jacobian(&[1e-31, 0.0, 2e-40], &mut values, &mut derivatives);
    assert_eq!(values, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(derivatives, [0.0; 27]);
}

#[test]
fn a_vector_that_is_not_finite_never_looks_like_a_direction() {
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(2).with_domain(domain);
        for vector in [
            [f64::NAN, 0.0, 0.0],
            [0.0, 0.0, f64::NAN],
            [1.0, f64::NAN, 2.0],
        ] {
            let y = harmonics.single(vector);
            for l in 1..=2 {
                assert!(
                    y[harmonics.degree(l)].iter().any(|y| y.is_nan()),
                    "{vector:?}: {y:?}"
                );
            }
        }
        let y = harmonics.single([f64::INFINITY, 1.0, 0.0]);
        assert!(y[1..].iter().any(|y| !y.is_finite()), "{domain:?}: {y:?}");
    }
}

#[test]
fn the_gradient_is_the_same_next_to_the_pole_and_on_it() {
    let harmonics = SphericalHarmonics::new(8);
    for pole in [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]] {
        let (_, on) = jacobian(&harmonics, &pole);
        let (_, near) = jacobian(&harmonics, &[1e-9, pole[1], -1e-9]);
        assert!(on.iter().any(|&d| d.abs() > 1.0));
        for (k, (a, b)) in on.iter().zip(&near).enumerate() {
            // Second derivatives are at most (l + 1)² |Y_l|, about 400.
            assert!(
                (a - b).abs() < 1e-6,
                "{pole:?}, entry {k}: {a} on it, {b} beside it"
            );
        }
    }
}

// ---- batches ------------------------------------------------------------------------------------

#[test]
fn a_vector_gives_the_same_numbers_in_every_batch() {
    for l_max in 0..=6 {
        let harmonics = SphericalHarmonics::new(l_max);
        let dim = harmonics.dim();
        let all = random_vectors(13, 35);
        for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35] {
            let vectors = flat(&all[..count]);
            let (values, derivatives) = jacobian(&harmonics, &vectors);
            let mut values_f32 = vec![f32::NAN; count * dim];
            harmonics.values(&to_f32(&vectors), &mut values_f32);
            for (i, vector) in all[..count].iter().enumerate() {
                let of = format!("seed 13, l_max {l_max}, vector {i} of {count}");
                let (alone, derivatives_alone) = jacobian(&harmonics, vector);
                assert_eq!(values[i * dim..][..dim], alone, "{of}");
                assert_eq!(
                    derivatives[3 * i * dim..][..3 * dim],
                    derivatives_alone,
                    "{of}"
                );
                let mut alone_f32 = vec![f32::NAN; dim];
                harmonics.values(&to_f32(vector), &mut alone_f32);
                assert_eq!(values_f32[i * dim..][..dim], alone_f32, "{of}");
            }
        }
    }
}

#[test]
fn threads_change_no_number() {
    let count = 9001;
    let vectors = flat(&random_vectors(14, count));
    let threaded = SphericalHarmonics::new(5);
    let single = threaded.clone().with_threads(Threads::Single);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .expect("a pool");
    let (values, derivatives) = pool.install(|| jacobian(&threaded, &vectors));
    let (expected, expected_derivatives) = jacobian(&single, &vectors);
    assert_eq!(values, expected);
    assert_eq!(derivatives, expected_derivatives);
    let mut only_values = vec![f64::NAN; values.len()];
    pool.install(|| threaded.values(&vectors, &mut only_values));
    assert_eq!(only_values, expected);
    let [mut gradient, mut expected] = [vec![f64::NAN; 3 * count], vec![f64::NAN; 3 * count]];
    pool.install(|| threaded.pullback(&vectors, &values, &mut gradient));
    single.pullback(&vectors, &values, &mut expected);
    assert_eq!(gradient, expected);
}

#[test]
#[should_panic(expected = "expected values of shape [2, 9] (l_max = 2), got 17 numbers")]
fn an_output_of_the_wrong_shape_is_refused() {
    SphericalHarmonics::new(2).values(&[0f32; 6], &mut [0f32; 17]);
}

#[test]
#[should_panic(expected = "expected vectors of shape [n, 3], got 7 numbers")]
fn vectors_that_are_not_triples_are_refused() {
    SphericalHarmonics::new(2).values(&[0f32; 7], &mut [0f32; 18]);
}
