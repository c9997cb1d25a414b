//! The kernel basis against NVIDIA's SE(3)-Transformer, closed forms and its defining property.

use std::path::PathBuf;

use nalgebra::{DMatrix, Matrix3, Vector3};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use safetensors::{Dtype, SafeTensors};
use steerable_harmonics::{KernelBasis, Normalization};
use steerable_irreps::{Rotation, WignerD};

fn golden(name: &str) -> Vec<u8> {
    let folder = match std::env::var_os("STEERABLE_GOLDEN") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
    };
    let path = folder.join(name);
    println!("reading {}", path.display());
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// An f32 tensor and its shape.
fn tensor(file: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f64>) {
    let view = file
        .tensor(name)
        .unwrap_or_else(|e| panic!("tensor {name}: {e}"));
    assert_eq!(view.dtype(), Dtype::F32, "{name}");
    let values = view
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")).into())
        .collect();
    (view.shape().to_vec(), values)
}

#[test]
fn golden_kernel_basis_equals_nvidia() {
    let bytes = golden("nvidia_se3t_io.safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let (_, rel_pos) = tensor(&file, "rel_pos");
    let (mut compared, mut worst) = (0, 0.0f64);
    for name in file.names() {
        let Some((d_in, d_out)) = name
            .strip_prefix("basis.")
            .and_then(|degrees| degrees.split_once(','))
        else {
            continue;
        };
        let (l_in, l_out) = (d_in.parse().expect("l_in"), d_out.parse().expect("l_out"));
        let basis = KernelBasis::new(l_in, l_out, Normalization::Integral);
        let (shape, stored) = tensor(&file, name);
        let &[edges, n_in, n_freq, n_out] = shape.as_slice() else {
            panic!("{name} has shape {shape:?}");
        };
        assert_eq!(n_freq, basis.filters().count(), "{name}");
        assert_eq!((n_in, n_out), (2 * l_in + 1, 2 * l_out + 1), "{name}");
        assert_eq!(3 * edges, rel_pos.len(), "{name}");
        for (edge, x) in rel_pos.chunks_exact(3).enumerate() {
            let kernels = basis.evaluate([x[0], x[1], x[2]]);
            for (freq, kernel) in kernels.iter().enumerate() {
                for m_in in 0..n_in {
                    for m_out in 0..n_out {
                        let expected =
                            stored[((edge * n_in + m_in) * n_freq + freq) * n_out + m_out];
                        worst = worst.max((kernel[(m_out, m_in)] - expected).abs());
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 0);
    println!("compared {compared} values, worst difference {worst:e}");
    // f32, of a kernel of Frobenius norm 1/√4π: a few roundings in the direction, in each of up to
    // four factors of a harmonic and in each product of the sum.
    let tolerance = 8.0 * f64::from(f32::EPSILON) * (0.25 / std::f64::consts::PI).sqrt();
    assert!(worst < tolerance, "{worst:e} > {tolerance:e}");
}

fn random_vector(rng: &mut StdRng) -> [f64; 3] {
    std::array::from_fn(|_| rng.random_range(-2.0..2.0))
}

/// `W(x) = Σ_J R_J(|x|) K_J(x/|x|)` with radial functions `cos((J+1)|x|)`.
fn kernel(basis: &KernelBasis, x: [f64; 3]) -> DMatrix<f64> {
    let radius = Vector3::from(x).norm();
    let (rows, columns) = (2 * basis.l_out() + 1, 2 * basis.l_in() + 1);
    basis
        .filters()
        .zip(basis.evaluate(x))
        .fold(DMatrix::zeros(rows, columns), |sum, (l_filter, k)| {
            sum + k * ((l_filter + 1) as f64 * radius).cos()
        })
}

/// `|W(Rx) - D_out W(x) D_in^T| / |W(x)|`, with W given as a function.
fn equivariance_error(
    w: impl Fn([f64; 3]) -> DMatrix<f64>,
    [l_in, l_out]: [usize; 2],
    x: [f64; 3],
    rotation: &Rotation,
) -> f64 {
    let d = WignerD::new(l_in.max(l_out));
    let here = w(x);
    let expected = d.matrix(l_out, rotation) * &here * d.matrix(l_in, rotation).transpose();
    (w(rotation.apply(x)) - expected).norm() / here.norm()
}

#[test]
fn kernels_rotate_with_their_edge() {
    const SEED: u64 = 20;
    let mut rng = StdRng::seed_from_u64(SEED);
    for l_in in 0..=4 {
        for l_out in 0..=4 {
            let basis = KernelBasis::new(l_in, l_out, Normalization::Component);
            for _ in 0..10 {
                let (x, rotation) = (random_vector(&mut rng), Rotation::random(&mut rng));
                let w = |x| kernel(&basis, x);
                let error = equivariance_error(w, [l_in, l_out], x, &rotation);
                // Harmonics of degree l_in + l_out amplify the rounding of a direction by as much.
                let tolerance = 32.0 * f64::EPSILON * (1 + l_in + l_out) as f64;
                assert!(
                    error < tolerance,
                    "seed {SEED}, {l_in} -> {l_out}, x = {x:?}: {error:e} > {tolerance:e}"
                );
            }
        }
    }
}

#[test]
fn the_equivariance_check_rejects_the_usual_order_of_components() {
    let mut rng = StdRng::seed_from_u64(21);
    let basis = KernelBasis::new(1, 2, Normalization::Component);
    let (x, rotation) = (random_vector(&mut rng), Rotation::random(&mut rng));
    // The textbook polar axis is z.
    let broken = |[x, y, z]: [f64; 3]| kernel(&basis, [y, z, x]);
    assert!(equivariance_error(broken, [1, 2], x, &rotation) > 0.1);
}

#[test]
fn inverting_the_edge_multiplies_by_the_parity_of_the_filter() {
    let mut rng = StdRng::seed_from_u64(22);
    for (l_in, l_out) in [(0, 0), (1, 1), (1, 2), (3, 2), (4, 4)] {
        let basis = KernelBasis::new(l_in, l_out, Normalization::Component);
        let x = random_vector(&mut rng);
        let (there, back) = (basis.evaluate(x), basis.evaluate(x.map(|c| -c)));
        for ((l_filter, there), back) in basis.filters().zip(there).zip(back) {
            assert_eq!(back, there * if l_filter % 2 == 0 { 1.0 } else { -1.0 });
        }
    }
}

#[test]
fn kernels_of_one_direction_are_orthonormal() {
    let mut rng = StdRng::seed_from_u64(23);
    for l_in in 0..=4 {
        for l_out in 0..=4 {
            let kernels = KernelBasis::new(l_in, l_out, Normalization::Component)
                .evaluate(random_vector(&mut rng));
            for (i, a) in kernels.iter().enumerate() {
                for (j, b) in kernels.iter().enumerate() {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    let error = (a.dot(b) - expected).abs();
                    assert!(error < 1e-14, "{l_in} -> {l_out}, {i}, {j}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn kernels_between_vectors_are_identity_cross_product_and_traceless_projector() {
    let x = Vector3::new(0.48, -0.6, 0.64);
    let basis = KernelBasis::new(1, 1, Normalization::Component);
    let expected = [
        Matrix3::identity() / 3f64.sqrt(),
        x.cross_matrix() / 2f64.sqrt(),
        (x * x.transpose() * 3.0 - Matrix3::identity()) / 6f64.sqrt(),
    ];
    for (kernel, expected) in basis.evaluate(x.into()).iter().zip(expected) {
        assert!((kernel - expected).amax() < 1e-15, "{kernel} {expected}");
    }
}

#[test]
fn the_length_of_the_edge_does_not_matter() {
    for (l_in, l_out) in [(1, 1), (2, 3)] {
        let basis = KernelBasis::new(l_in, l_out, Normalization::Norm);
        let unit = basis.evaluate([0.36, 0.48, -0.8]);
        for scale in [1e-20, 0.5, 1e15] {
            let scaled = basis.evaluate([0.36 * scale, 0.48 * scale, -0.8 * scale]);
            for (a, b) in unit.iter().zip(&scaled) {
                assert!((a - b).amax() < 1e-14, "{l_in} -> {l_out}, scale {scale:e}");
            }
        }
    }
}

#[test]
fn at_the_zero_vector_only_the_scalar_filter_acts() {
    for (l_in, l_out) in [(0, 0), (2, 2), (1, 2)] {
        let basis = KernelBasis::new(l_in, l_out, Normalization::Component);
        for (l_filter, kernel) in basis.filters().zip(basis.evaluate([0.0; 3])) {
            let (rows, columns) = kernel.shape();
            let expected = if l_filter == 0 {
                DMatrix::identity(rows, columns) / (rows as f64).sqrt()
            } else {
                DMatrix::zeros(rows, columns)
            };
            assert!(
                (&kernel - expected).amax() < 1e-15,
                "{l_in} -> {l_out}: {kernel}"
            );
        }
    }
}
