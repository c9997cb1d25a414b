//! Wigner-D against an exact oracle, and the algebra it must obey.

mod oracle;

use std::f64::consts::{FRAC_PI_2, PI};

use nalgebra::{DMatrix, Matrix3};
use oracle::exact_wigner_d;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use steerable_irreps::{EulerAngles, Rotation, WignerD, wigner_d};

const SEED: u64 = 20;

/// The promised accuracy. Entries of an orthogonal matrix are at most 1, so that the error of an
/// entry is relative to the size of the matrix.
fn tolerance(l: usize) -> f64 {
    if l <= 8 { 1e-12 } else { 1e-10 }
}

fn haar(n: usize) -> Vec<Rotation> {
    let mut rng = StdRng::seed_from_u64(SEED);
    (0..n).map(|_| Rotation::random(&mut rng)).collect()
}

/// Rotations at and next to every place where angles degenerate.
fn special() -> Vec<Rotation> {
    let mut rotations = vec![Rotation::identity()];
    for axis in [
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [1.0, 1.0, 0.0],
    ] {
        for angle in [1e-300, 1e-9, FRAC_PI_2, PI - 1e-9, PI] {
            rotations.push(Rotation::from_axis_angle(axis, angle).unwrap());
        }
    }
    for beta in [0.0, 1e-12, PI - 1e-12, PI] {
        rotations.push(Rotation::from_euler(EulerAngles {
            alpha: 0.4,
            beta,
            gamma: -2.0,
        }));
    }
    rotations
}

fn error(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    (a - b).amax()
}

fn worst_against_oracle(l_max: usize, largest: i128, samples: usize) -> Vec<f64> {
    let wigner = WignerD::new(l_max);
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut worst = vec![0.0_f64; l_max + 1];
    let mut tried = 0;
    while tried < samples {
        let q: [i128; 4] =
            std::array::from_fn(|_| i128::from(rng.random_range(-3_i64..=3)) * largest / 3);
        let q = q.map(|c| {
            if c == 0 {
                0
            } else {
                c - i128::from(rng.random_range(0..2_i64))
            }
        });
        let Ok(rotation) = Rotation::from_quaternion(q.map(|c| c as f64).into()) else {
            continue;
        };
        tried += 1;
        for (l, d) in wigner.all(&rotation).iter().enumerate() {
            let e = error(d, &exact_wigner_d(l, q));
            assert!(
                e <= tolerance(l),
                "seed {SEED}, quaternion {q:?}, l = {l}: error {e:e}"
            );
            worst[l] = worst[l].max(e);
        }
    }
    worst
}

fn report(worst: &[f64], rotations: usize) {
    for (l, error) in worst.iter().enumerate() {
        println!("l = {l}: largest error {error:.1e} over {rotations} rotations");
    }
}

#[test]
fn wigner_d_agrees_with_exact_arithmetic_to_l_8() {
    let worst = worst_against_oracle(8, 40, 400);
    report(&worst, 400);
}

#[test]
fn wigner_d_agrees_with_exact_arithmetic_to_l_16() {
    let worst = worst_against_oracle(16, 3, 200);
    report(&worst, 200);
}

#[test]
fn the_oracle_rejects_the_inverse_and_the_mirrored_order() {
    let q = [3, 1, -2, 2];
    let rotation = Rotation::from_quaternion(q.map(|c| c as f64).into()).unwrap();
    for l in 1..=6 {
        let exact = exact_wigner_d(l, q);
        let d = wigner_d(l, &rotation);
        let mirrored = DMatrix::from_fn(2 * l + 1, 2 * l + 1, |m, n| d[(2 * l - m, 2 * l - n)]);
        assert!(error(&d.transpose(), &exact) > 0.1, "l = {l}");
        assert!(error(&mirrored, &exact) > 0.1, "l = {l}");
    }
}

#[test]
fn wigner_d_composes_like_rotations() {
    let wigner = WignerD::new(16);
    let mut rotations = haar(30);
    rotations.extend(special());
    for pair in rotations.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let product = wigner.all(&(a * b));
        for (l, (d_a, d_b)) in wigner.all(&a).iter().zip(&wigner.all(&b)).enumerate() {
            let e = error(&product[l], &(d_a * d_b));
            assert!(
                e <= tolerance(l),
                "seed {SEED}, {a:?} {b:?}, l = {l}: error {e:e}"
            );
        }
    }
}

#[test]
fn wigner_d_is_orthogonal_with_determinant_one() {
    for rotation in haar(30).into_iter().chain(special()) {
        for (l, d) in WignerD::new(16).all(&rotation).iter().enumerate() {
            let e = error(
                &(d * d.transpose()),
                &DMatrix::identity(2 * l + 1, 2 * l + 1),
            );
            assert!(
                e <= tolerance(l),
                "seed {SEED}, {rotation:?}, l = {l}: error {e:e}"
            );
            let determinant = d.determinant();
            assert!(
                (determinant - 1.0).abs() <= tolerance(l),
                "l = {l}: {determinant}"
            );
        }
    }
}

#[test]
fn wigner_d_of_the_inverse_is_the_transpose() {
    for rotation in haar(10).into_iter().chain(special()) {
        for l in 0..=16 {
            let e = error(
                &wigner_d(l, &rotation.inverse()),
                &wigner_d(l, &rotation).transpose(),
            );
            assert!(
                e <= tolerance(l),
                "seed {SEED}, {rotation:?}, l = {l}: error {e:e}"
            );
        }
    }
}

#[test]
fn degree_zero_is_one_and_degree_one_is_the_rotation_to_the_bit() {
    for rotation in haar(100).into_iter().chain(special()) {
        assert_eq!(wigner_d(0, &rotation), DMatrix::from_element(1, 1, 1.0));
        let d_1: Matrix3<f64> = wigner_d(1, &rotation).fixed_view::<3, 3>(0, 0).into_owned();
        assert_eq!(d_1, rotation.matrix(), "seed {SEED}, {rotation:?}");
    }
}

#[test]
fn the_identity_gives_identities() {
    for (l, d) in WignerD::new(16)
        .all(&Rotation::identity())
        .iter()
        .enumerate()
    {
        // 1 / sqrt(x) times sqrt(x), at most a rounding off for each step of the recursion.
        let e = error(d, &DMatrix::identity(2 * l + 1, 2 * l + 1));
        assert!(e <= l as f64 * 2.0 * f64::EPSILON, "l = {l}: error {e:e}");
    }
}

#[test]
fn a_turn_about_the_polar_axis_mixes_only_m_and_minus_m() {
    let angle = 0.7;
    let rotation = Rotation::from_axis_angle([0.0, 1.0, 0.0], angle).unwrap();
    for l in 0..=16_usize {
        let d = wigner_d(l, &rotation);
        let expected = DMatrix::from_fn(2 * l + 1, 2 * l + 1, |row, column| {
            let (m, n) = (row as f64 - l as f64, column as f64 - l as f64);
            match (m == n, m == -n) {
                (true, _) => (m * angle).cos(),
                (false, true) => (n * angle).sin(),
                (false, false) => 0.0,
            }
        });
        let e = error(&d, &expected);
        assert!(
            e <= tolerance(l),
            "l = {l}: error {e:e}\n{d:.3}{expected:.3}"
        );
    }
}

#[test]
fn batches_equal_single_rotations_to_the_bit() {
    for l_max in [0, 1, 2, 3, 6, 9] {
        let wigner = WignerD::new(l_max);
        // More than one SIMD register with a rest, and more than one task for the threads.
        for n in [0, 1, 3, 8, 17, 600] {
            let rotations = haar(n);
            let mut one = vec![f64::NAN; n * wigner.row_len()];
            let mut many = one.clone();
            wigner.fill(&rotations, &mut one);
            wigner.par_fill(&rotations, &mut many);
            assert_eq!(one, many, "l_max = {l_max}, n = {n}");
            for (rotation, row) in rotations.iter().zip(one.chunks_exact(wigner.row_len())) {
                for (l, d) in wigner.all(rotation).iter().enumerate() {
                    let batched =
                        DMatrix::from_row_slice(2 * l + 1, 2 * l + 1, &row[wigner.range(l)]);
                    assert_eq!(&batched, d, "l_max = {l_max}, n = {n}, l = {l}");
                    assert_eq!(&wigner.matrix(l, rotation), d);
                    assert_eq!(&wigner_d(l, rotation), d);
                }
            }
        }
    }
}

#[test]
fn a_row_holds_the_degrees_one_after_the_other() {
    let wigner = WignerD::new(4);
    assert_eq!(wigner.l_max(), 4);
    assert_eq!(wigner.row_len(), 1 + 9 + 25 + 49 + 81);
    assert_eq!(wigner.range(0), 0..1);
    assert_eq!(wigner.range(1), 1..10);
    assert_eq!(wigner.range(4), 84..165);
}

#[test]
#[should_panic(expected = "WignerD::fill: expected room for 2 rows of 10 numbers, got 19")]
fn fill_names_the_room_it_needs() {
    WignerD::new(1).fill(&[Rotation::identity(); 2], &mut [0.0; 19]);
}

#[test]
#[should_panic(expected = "WignerD: expected l <= 1, got 2")]
fn a_degree_that_was_not_prepared_is_refused() {
    WignerD::new(1).matrix(2, &Rotation::identity());
}
