//! Rotations and Wigner-D against values made with e3nn.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nalgebra::{DMatrix, Matrix3};
use serde::Deserialize;
use steerable_irreps::{EulerAngles, Rotation, WignerD};

/// e3nn's own error is about 5e-15 at l = 1 and grows with l.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Golden {
    angles_alpha_beta_gamma: Vec<[f64; 3]>,
    #[serde(rename = "R")]
    matrices: Vec<[[f64; 3]; 3]>,
    axis_angle: (Vec<[f64; 3]>, Vec<f64>),
    quaternion: Vec<[f64; 4]>,
    #[serde(rename = "D")]
    wigner_d: BTreeMap<usize, Vec<Vec<Vec<f64>>>>,
}

fn read() -> Golden {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("STEERABLE_GOLDEN").map_or_else(own, PathBuf::from);
    let file = folder.join("wigner_d.json");
    println!("reading {}", file.display());
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn rotations(golden: &Golden) -> Vec<Rotation> {
    let angles = golden.angles_alpha_beta_gamma.iter();
    angles
        .map(|&[alpha, beta, gamma]| Rotation::from_euler(EulerAngles { alpha, beta, gamma }))
        .collect()
}

#[test]
fn golden_rotations_agree_however_they_are_written() {
    let golden = read();
    let rotations = rotations(&golden);
    let (axes, angles) = &golden.axis_angle;
    let n = rotations.len();
    assert!(n > 0, "no rotations in the file");
    assert_eq!(
        [
            golden.matrices.len(),
            golden.quaternion.len(),
            axes.len(),
            angles.len()
        ],
        [n; 4]
    );
    for (i, rotation) in rotations.iter().enumerate() {
        let matrix = Matrix3::from_fn(|row, column| golden.matrices[i][row][column]);
        let written = [
            ("euler", *rotation),
            ("matrix", Rotation::from_matrix(&matrix).unwrap()),
            (
                "quaternion",
                Rotation::from_quaternion(golden.quaternion[i].into()).unwrap(),
            ),
            (
                "axis-angle",
                Rotation::from_axis_angle(axes[i], angles[i]).unwrap(),
            ),
        ];
        // e3nn finds the angle with acos, which divides its rounding by sin(angle / 2).
        let acos = (4.0 * f64::EPSILON / (0.5 * angles[i]).sin().abs()).min(1e-7);
        for (name, rotation) in written {
            let tolerance = if name == "axis-angle" {
                TOLERANCE + acos
            } else {
                TOLERANCE
            };
            let error = (rotation.matrix() - matrix).amax();
            assert!(error <= tolerance, "rotation {i}, {name}: error {error:e}");
        }
    }
    println!("compared {} values", n * 4 * 9);
}

#[test]
fn golden_wigner_d() {
    let golden = read();
    let rotations = rotations(&golden);
    let l_max = *golden
        .wigner_d
        .keys()
        .last()
        .expect("no degrees in the file");
    let wigner = WignerD::new(l_max);
    let (mut compared, mut worst) = (0, 0.0_f64);
    for (&l, matrices) in &golden.wigner_d {
        assert_eq!(matrices.len(), rotations.len(), "l = {l}");
        for (i, (rotation, rows)) in rotations.iter().zip(matrices).enumerate() {
            let dim = 2 * l + 1;
            let expected = DMatrix::from_row_slice(dim, dim, &rows.concat());
            let error = (wigner.matrix(l, rotation) - &expected).amax();
            assert!(error <= TOLERANCE, "rotation {i}, l = {l}: error {error:e}");
            worst = worst.max(error);
            compared += expected.len();
        }
    }
    assert!(compared > 0, "nothing to compare");
    println!("compared {compared} values, largest error {worst:.1e}");
}
