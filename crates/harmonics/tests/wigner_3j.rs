//! 3j symbols and Clebsch-Gordan coefficients against e3nn, published crates, a slow oracle and
//! their defining properties.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nalgebra::{Complex, DMatrix};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use steerable_harmonics::{
    ClebschGordan, Coupling, Domain, Entry, Normalization, SphericalHarmonics, Wigner3j,
};
use steerable_irreps::{Rotation, WignerD};

fn own_copy(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn golden(name: &str) -> Value {
    let path = match std::env::var_os("STEERABLE_GOLDEN") {
        Some(folder) => PathBuf::from(folder).join(name),
        None => own_copy(name),
    };
    println!("reading {}", path.display());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn parse_degrees(key: &str, separator: char) -> [usize; 3] {
    let degrees: Vec<usize> = key
        .split(separator)
        .map(|l| l.parse().expect("a degree"))
        .collect();
    degrees.try_into().expect("three degrees")
}

fn triples(l_max: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..=l_max).flat_map(move |l1| {
        (0..=l_max).flat_map(move |l2| {
            (l1.abs_diff(l2)..=(l1 + l2).min(l_max)).map(move |l3| [l1, l2, l3])
        })
    })
}

/// Degrees up to 16: the corners of the range, where the sums are longest or the excess is zero.
const HIGH_TRIPLES: [[usize; 3]; 12] = [
    [9, 9, 9],
    [10, 11, 12],
    [12, 12, 0],
    [12, 9, 3],
    [13, 7, 11],
    [14, 14, 15],
    [16, 16, 0],
    [16, 16, 1],
    [16, 16, 8],
    [16, 16, 15],
    [16, 16, 16],
    [8, 8, 16],
];

fn max_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f64::max)
}

#[test]
fn golden_wigner_3j_equals_e3nn() {
    let file = golden("wigner_3j.json");
    let tensors = file["tensors"].as_object().expect("an object of tensors");
    let (mut compared, mut worst) = (0, 0.0f64);
    for (key, listed) in tensors {
        let [l1, l2, l3] = parse_degrees(key, ',');
        let ours = Wigner3j::new(l1, l2, l3);
        let [_, n2, n3] = ours.shape();
        let mut expected = vec![0.0; ours.dense().len()];
        for entry in listed.as_array().expect("a list of entries") {
            let index = |axis: usize| entry[axis].as_u64().expect("an index") as usize;
            expected[(index(0) * n2 + index(1)) * n3 + index(2)] =
                entry[3].as_f64().expect("a value");
        }
        let error = max_difference(&ours.dense(), &expected);
        // Stored with 15 significant digits, of values below 1; e3nn itself sums in f64.
        assert!(error < 2e-15, "3j({key}) differs from e3nn by {error:e}");
        worst = worst.max(error);
        compared += expected.len();
    }
    assert!(compared > 0);
    println!(
        "compared {compared} values in {} tensors, worst difference {worst:e}",
        tensors.len()
    );
}

/// The checkpoint stores each buffer in the order of its sorted degrees (they were transposed views),
/// and was written by an older e3nn that chose its overall signs differently: (2, 2, 3) is negated.
#[test]
fn tensors_inside_a_published_checkpoint_are_reproduced_up_to_sign() {
    let text = std::fs::read_to_string(own_copy("e3nn_w3j_l0-3.json")).expect("our own fixture");
    let tensors: BTreeMap<String, Vec<Vec<Vec<f64>>>> = serde_json::from_str(&text).expect("JSON");
    assert!(!tensors.is_empty());
    for (key, nested) in tensors {
        let mut degrees = parse_degrees(&key, '_');
        degrees.sort_unstable();
        let ours = Wigner3j::new(degrees[0], degrees[1], degrees[2]).dense();
        let stored = nested.concat().concat();
        let negated: Vec<f64> = stored.iter().map(|x| -x).collect();
        let error = max_difference(&ours, &stored).min(max_difference(&ours, &negated));
        // f32 values below 1, printed with 8 decimals.
        assert!(
            error < 4e-8,
            "3j({key}) differs from the checkpoint by {error:e}"
        );
    }
}

#[test]
fn the_e3nn_crate_agrees_on_clebsch_gordan() {
    for [l1, l2, l3] in triples(6).chain([[8, 8, 8], [10, 7, 9]]) {
        let theirs = e3nn::cg::so3(l1 as u32, l2 as u32, l3 as u32);
        let error = max_difference(&ClebschGordan::new(l1, l2, l3).dense(), &theirs.data);
        // It sums eight products of rounded numbers below 1 for each entry.
        assert!(
            error < 8.0 * f64::EPSILON,
            "({l1}, {l2}, {l3}) differs by {error:e}"
        );
    }
}

/// The complex-to-real change of basis: rows complex m, columns real μ.
fn real_from_complex(l: usize) -> DMatrix<Complex<f64>> {
    let mut u = DMatrix::zeros(2 * l + 1, 2 * l + 1);
    u[(l, l)] = Complex::new(1.0, 0.0);
    for k in 1..=l {
        let sign = if k % 2 == 0 {
            0.5f64.sqrt()
        } else {
            -0.5f64.sqrt()
        };
        u[(l - k, l + k)] = Complex::new(0.5f64.sqrt(), 0.0);
        u[(l + k, l + k)] = Complex::new(sign, 0.0);
        u[(l - k, l - k)] = Complex::new(0.0, -0.5f64.sqrt());
        u[(l + k, l - k)] = Complex::new(0.0, sign);
    }
    u
}

/// Every term of the change of basis summed for every entry, from the symbols of `wigners`.
fn oracle(degrees @ [l1, l2, l3]: [usize; 3]) -> Vec<f64> {
    let [u1, u2, u3] = degrees.map(real_from_complex);
    let [s1, s2, s3] = degrees.map(|l| l as i32);
    let phase = Complex::new(0.0, 1.0).powi(s1 + s2 + s3);
    let mut values = Vec::new();
    for mu1 in 0..=2 * l1 {
        for mu2 in 0..=2 * l2 {
            for mu3 in 0..=2 * l3 {
                let mut sum = Complex::new(0.0, 0.0);
                for m1 in -s1..=s1 {
                    for m2 in (-s2).max(-s3 - m1)..=s2.min(s3 - m1) {
                        let m3 = -m1 - m2;
                        let symbol =
                            wigners::wigner_3j(l1 as u32, l2 as u32, l3 as u32, m1, m2, m3);
                        sum += u1[((s1 + m1) as usize, mu1)]
                            * u2[((s2 + m2) as usize, mu2)]
                            * u3[((s3 + m3) as usize, mu3)]
                            * symbol;
                    }
                }
                let value = sum * phase;
                assert!(value.im.abs() < 1e-14, "{degrees:?} is not real: {value}");
                values.push(value.re);
            }
        }
    }
    values
}

#[test]
fn the_rule_for_signs_holds_term_by_term() {
    for degrees @ [l1, l2, l3] in triples(4).chain([[5, 6, 7], [6, 6, 6]]) {
        let error = max_difference(&Wigner3j::new(l1, l2, l3).dense(), &oracle(degrees));
        assert!(
            error < 8.0 * f64::EPSILON,
            "{degrees:?} differs from the oracle by {error:e}"
        );
    }
}

#[test]
fn magnitudes_equal_the_complex_symbols_to_the_last_digits() {
    let mut compared = 0;
    for degrees @ [l1, l2, l3] in triples(8).chain(HIGH_TRIPLES) {
        for entry in Wigner3j::new(l1, l2, l3).entries() {
            let indices = [entry.m1, entry.m2, entry.m3];
            let order = |axis: usize| (indices[axis] as i32 - degrees[axis] as i32).abs();
            let (k1, k2, k3) = (order(0), order(1), order(2));
            // The two largest orders have opposite signs of the third.
            let (m1, m2, m3) = match k1.max(k2).max(k3) {
                k if k == k1 => (-k1, k2, k3),
                k if k == k2 => (k1, -k2, k3),
                _ => (k1, k2, -k3),
            };
            let symbol = wigners::wigner_3j(l1 as u32, l2 as u32, l3 as u32, m1, m2, m3).abs();
            let expected = if k1 * k2 * k3 == 0 {
                symbol
            } else {
                symbol / 2f64.sqrt()
            };
            let error = (entry.value.abs() - expected).abs() / expected;
            // Theirs is a product of four rounded factors.
            assert!(
                error < 8.0 * f64::EPSILON,
                "{degrees:?} {entry:?}: relative {error:e}"
            );
            compared += 1;
        }
    }
    println!("compared {compared} magnitudes");
}

/// `Σ_{m1,m2} C[m1,m2,m3] C[m1,m2,n3]`.
fn gram(coupling: &Coupling) -> DMatrix<f64> {
    let [n1, n2, n3] = coupling.shape();
    let columns = DMatrix::from_row_slice(n1 * n2, n3, &coupling.dense());
    columns.tr_mul(&columns)
}

#[test]
fn symbols_are_orthogonal_up_to_degree_16() {
    for [l1, l2, l3] in triples(8).chain(HIGH_TRIPLES) {
        let unit = DMatrix::identity(2 * l3 + 1, 2 * l3 + 1);
        let error = (gram(&Wigner3j::new(l1, l2, l3)) * (2 * l3 + 1) as f64 - &unit).amax();
        assert!(error < 1e-14, "3j({l1}, {l2}, {l3}): {error:e}");
        let error = (gram(&ClebschGordan::new(l1, l2, l3)) - &unit).amax();
        assert!(error < 1e-14, "CG({l1}, {l2}, {l3}): {error:e}");
    }
}

#[test]
fn clebsch_gordan_coefficients_are_complete() {
    for (l1, l2) in [(0, 0), (1, 1), (2, 3), (4, 2), (5, 5), (8, 8)] {
        let size = (2 * l1 + 1) * (2 * l2 + 1);
        let mut sum = DMatrix::zeros(size, size);
        for l3 in l1.abs_diff(l2)..=l1 + l2 {
            let c =
                DMatrix::from_row_slice(size, 2 * l3 + 1, &ClebschGordan::new(l1, l2, l3).dense());
            sum += &c * c.transpose();
        }
        let error = (sum - DMatrix::identity(size, size)).amax();
        assert!(error < 1e-14, "({l1}, {l2}): {error:e}");
    }
}

#[test]
fn exchanging_degrees_transposes_with_the_parity_of_their_sum() {
    for degrees @ [l1, l2, l3] in triples(6).chain(HIGH_TRIPLES) {
        let odd = if (l1 + l2 + l3) % 2 == 0 { 1.0 } else { -1.0 };
        let symbol = Wigner3j::new(l1, l2, l3);
        for (axes, sign) in [
            ([1, 0, 2], odd),
            ([0, 2, 1], odd),
            ([2, 1, 0], odd),
            ([1, 2, 0], 1.0),
            ([2, 0, 1], 1.0),
        ] {
            let permuted = Wigner3j::new(degrees[axes[0]], degrees[axes[1]], degrees[axes[2]]);
            assert_eq!(symbol.entries().len(), permuted.entries().len());
            for entry in symbol.entries() {
                let m = [entry.m1, entry.m2, entry.m3];
                let other = permuted.get(m[axes[0]], m[axes[1]], m[axes[2]]);
                assert_eq!(entry.value, sign * other, "{degrees:?} {axes:?} {entry:?}");
            }
        }
    }
}

/// A generator of rotations about the polar axis (`L_z`) or one perpendicular to it (`L_x`), real.
fn generators(l: usize) -> [DMatrix<f64>; 2] {
    let (n, s) = (2 * l + 1, l as f64);
    let mut about_polar = DMatrix::zeros(n, n);
    let mut about_equatorial = DMatrix::zeros(n, n);
    for row in 0..n {
        let m = row as f64 - s;
        about_polar[(row, row)] = Complex::new(0.0, -m);
        if row + 1 < n {
            let ladder = 0.5 * (s * (s + 1.0) - m * (m + 1.0)).sqrt();
            about_equatorial[(row, row + 1)] = Complex::new(0.0, -ladder);
            about_equatorial[(row + 1, row)] = Complex::new(0.0, -ladder);
        }
    }
    let u = real_from_complex(l);
    [about_polar, about_equatorial].map(|g| {
        // Columns of U transform like the bras, hence the plain transpose.
        let real = u.transpose() * g * u.map(|z| z.conj());
        assert!(real.map(|z| z.im.abs()).max() < 1e-12 * (s + 1.0));
        real.map(|z| z.re)
    })
}

#[test]
fn symbols_are_annihilated_by_the_generators_of_rotations() {
    for degrees @ [l1, l2, l3] in triples(4).chain(HIGH_TRIPLES) {
        let symbol = Wigner3j::new(l1, l2, l3);
        let [n1, n2, n3] = symbol.shape();
        let generators = degrees.map(generators);
        for (axis, name) in ["polar", "equatorial"].into_iter().enumerate() {
            let [g1, g2, g3] = generators.each_ref().map(|pair| &pair[axis]);
            let mut change = vec![0.0; n1 * n2 * n3];
            for entry in symbol.entries() {
                let (i, j, k) = (entry.m1, entry.m2, entry.m3);
                (0..n1).for_each(|r| change[(r * n2 + j) * n3 + k] += g1[(r, i)] * entry.value);
                (0..n2).for_each(|r| change[(i * n2 + r) * n3 + k] += g2[(r, j)] * entry.value);
                (0..n3).for_each(|r| change[(i * n2 + j) * n3 + r] += g3[(r, k)] * entry.value);
            }
            let error = change.iter().map(|x| x.abs()).fold(0.0, f64::max);
            // A sum of six products, of a generator's element of at most l and an entry of at most
            // 1, each of both rounded or nearly so.
            let tolerance = 16.0 * f64::EPSILON * (l1 + l2 + l3 + 1) as f64;
            assert!(
                error < tolerance,
                "{degrees:?}, {name} axis: {error:e} > {tolerance:e}"
            );
        }
    }
}

#[test]
fn symbols_are_invariant_under_wigner_d() {
    const SEED: u64 = 12;
    let mut rng = StdRng::seed_from_u64(SEED);
    let wigner_d = WignerD::new(16);
    for degrees @ [l1, l2, l3] in triples(4).chain([[8, 5, 7], [8, 8, 8], [16, 16, 15]]) {
        let rotation = Rotation::random(&mut rng);
        let [d1, d2, d3] = degrees.map(|l| wigner_d.matrix(l, &rotation));
        let [n1, n2, n3] = degrees.map(|l| 2 * l + 1);
        let symbol = Wigner3j::new(l1, l2, l3).dense();
        // Each slice of the first axis is [n2, n3]; the first axis is rotated last.
        let slices: Vec<DMatrix<f64>> = symbol
            .chunks_exact(n2 * n3)
            .map(|slice| &d2 * DMatrix::from_row_slice(n2, n3, slice) * d3.transpose())
            .collect();
        let mut error = 0.0f64;
        for m1 in 0..n1 {
            let rotated = (0..n1).fold(DMatrix::zeros(n2, n3), |sum: DMatrix<f64>, k| {
                sum + &slices[k] * d1[(m1, k)]
            });
            let slice = &symbol[m1 * n2 * n3..][..n2 * n3];
            error = error.max((rotated - DMatrix::from_row_slice(n2, n3, slice)).amax());
        }
        // What steerable-irreps promises of its matrices, three times.
        let tolerance = if l1 <= 8 { 3e-12 } else { 3e-10 };
        assert!(
            error < tolerance,
            "seed {SEED}, {degrees:?}: {error:e} > {tolerance:e}"
        );
    }
}

#[test]
fn symbols_multiply_harmonics_into_harmonics() {
    // With |Y_l| = 1, both sides at the pole, where only m = 0 is left, give the factor.
    let harmonics = SphericalHarmonics::new(16)
        .with_normalization(Normalization::Norm)
        .with_domain(Domain::Sphere);
    let y = harmonics.single([0.3, -0.7, 0.5]);
    let of_degree = |l: usize| &y[l * l..(l + 1) * (l + 1)];
    for [l1, l2, l3] in triples(6).chain(HIGH_TRIPLES) {
        let symbol = Wigner3j::new(l1, l2, l3);
        let factor = symbol.get(l1, l2, l3);
        let mut product = vec![0.0; 2 * l3 + 1];
        for entry in symbol.entries() {
            product[entry.m3] += entry.value * of_degree(l1)[entry.m1] * of_degree(l2)[entry.m2];
        }
        let expected: Vec<f64> = of_degree(l3).iter().map(|y| factor * y).collect();
        let error = max_difference(&product, &expected);
        assert!(error < 1e-13, "({l1}, {l2}, {l3}): {error:e}");
    }
}

#[test]
fn clebsch_gordan_is_the_scaled_symbol() {
    for [l1, l2, l3] in triples(6) {
        let (symbol, clebsch_gordan) = (Wigner3j::new(l1, l2, l3), ClebschGordan::new(l1, l2, l3));
        let scale = ((2 * l3 + 1) as f64).sqrt();
        assert_eq!(symbol.entries().len(), clebsch_gordan.entries().len());
        for (a, b) in symbol.entries().iter().zip(clebsch_gordan.entries()) {
            assert_eq!((a.m1, a.m2, a.m3), (b.m1, b.m2, b.m3));
            assert!((a.value * scale - b.value).abs() <= 2.0 * f64::EPSILON * b.value.abs());
        }
    }
}

#[test]
#[should_panic(expected = "index (0, 3, 0) is outside the shape (3, 3, 3)")]
fn an_index_out_of_range_panics_and_says_which() {
    Wigner3j::new(1, 1, 1).get(0, 3, 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_triangle_rule_decides_what_vanishes(l1 in 0usize..12, l2 in 0usize..12, l3 in 0usize..26) {
        let symbol = Wigner3j::new(l1, l2, l3);
        prop_assert_eq!(symbol.is_zero(), l3 > l1 + l2 || l1 > l2 + l3 || l2 > l1 + l3);
        prop_assert_eq!(ClebschGordan::new(l1, l2, l3).is_zero(), symbol.is_zero());
        prop_assert_eq!(symbol.degrees(), [l1, l2, l3]);
    }

    #[test]
    fn entries_are_sorted_nonzero_and_agree_with_the_dense_form(
        l1 in 0usize..7, l2 in 0usize..7, l3 in 0usize..7,
    ) {
        let symbol = Wigner3j::new(l1, l2, l3);
        let key = |e: &Entry| (e.m1, e.m2, e.m3);
        prop_assert!(symbol.entries().is_sorted_by(|a, b| key(a) < key(b)));
        let [n1, n2, n3] = symbol.shape();
        let dense = symbol.dense();
        prop_assert_eq!(dense.iter().filter(|x| **x != 0.0).count(), symbol.entries().len());
        for m1 in 0..n1 {
            for m2 in 0..n2 {
                for m3 in 0..n3 {
                    prop_assert_eq!(dense[(m1 * n2 + m2) * n3 + m3], symbol.get(m1, m2, m3));
                }
            }
        }
    }
}
