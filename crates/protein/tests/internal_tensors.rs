//! Coordinates from torsions as tensors, against the NeRF in f64 and against finite differences.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::Vector3;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_protein::{BackboneResidue, Frame, InternalCoordinates, InternalTensors, Link, file};

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert::<f64>();
    data.try_into_vec().unwrap()
}

/// The residues of the chain `index` of `[B, L, 3, 3]` atoms.
fn residues(atoms: Tensor<4>, index: usize) -> Vec<BackboneResidue> {
    let atoms = numbers(atoms.slice_dim(0, index..index + 1));
    let of = |atoms: &[f64]| {
        let [n, ca, c] = [0, 1, 2].map(|k| Vector3::from_column_slice(&atoms[3 * k..3 * k + 3]));
        BackboneResidue { n, ca, c }
    };
    atoms.chunks_exact(9).map(of).collect()
}

fn largest_distance(one: &[BackboneResidue], two: &[BackboneResidue]) -> f64 {
    assert_eq!(one.len(), two.len());
    let pairs = one.iter().zip(two);
    let distances = pairs.flat_map(|(a, b)| [a.n - b.n, a.ca - b.ca, a.c - b.c].map(|d| d.norm()));
    distances.fold(0.0, |a, b| if a >= b || a.is_nan() { a } else { b })
}

fn random_torsions(len: usize, seed: u64) -> Vec<[f64; 3]> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut torsion = || rng.random_range(-3.0..3.0);
    (1..len).map(|_| [torsion(), 3.1, torsion()]).collect()
}

fn upload(torsions: &[Vec<[f64; 3]>], device: &Device, dtype: DType) -> Tensor<3> {
    let shape = [torsions.len(), torsions[0].len(), 3];
    let values: Vec<f64> = torsions.iter().flatten().flatten().copied().collect();
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

#[test]
fn chains_of_any_length_are_those_of_the_serial_construction() {
    let device = Device::flex();
    for len in 1..=18 {
        let torsions = [random_torsions(len, 1), random_torsions(len, 2)];
        let atoms = InternalTensors::ideal(upload(&torsions, &device, DType::F64)).backbone();
        assert_eq!(atoms.dims(), [2, len, 3, 3]);
        for (index, torsions) in torsions.iter().enumerate() {
            let serial = InternalCoordinates::ideal(torsions).to_backbone();
            let error = largest_distance(&residues(atoms.clone(), index), serial.residues());
            assert!(error < 1e-12, "{len}: {error:e}");
        }
    }
}

#[test]
fn the_longest_target_of_casp14_is_that_of_the_serial_construction() {
    let device = Device::flex();
    let torsions = random_torsions(2180, 3);
    let serial = InternalCoordinates::ideal(&torsions).to_backbone();
    for (dtype, most) in [(DType::F64, 1e-9), (DType::F32, 0.05)] {
        let uploaded = upload(std::slice::from_ref(&torsions), &device, dtype);
        let atoms = InternalTensors::ideal(uploaded).backbone();
        let error = largest_distance(&residues(atoms, 0), serial.residues());
        println!("L = 2180, {dtype:?}: {error:e} angstrom");
        assert!(error < most, "{dtype:?}: {error:e}");
    }
}

#[test]
fn real_chains_come_back_segment_by_segment() {
    let device = Device::flex();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    let mut segments = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        for chain in file::read(&path).unwrap().chains {
            let backbone = chain.backbone().backbone;
            let internal = InternalCoordinates::of(&backbone).unwrap();
            let begins = internal.residues.iter().filter_map(|(link, _)| match link {
                Link::Placed(frame) => Some(*frame),
                Link::Bonded(_) => None,
            });
            let tensors = InternalTensors::segments(&internal, &device, DType::F64);
            let rebuilt = begins.zip(tensors).flat_map(|(frame, segment)| {
                segments += 1;
                let place = move |r: BackboneResidue| BackboneResidue {
                    n: frame.apply(&r.n),
                    ca: frame.apply(&r.ca),
                    c: frame.apply(&r.c),
                };
                residues(segment.backbone(), 0).into_iter().map(place)
            });
            let error = largest_distance(&rebuilt.collect::<Vec<_>>(), backbone.residues());
            println!("{}: {error:e} angstrom", path.display());
            assert!(error < 1e-10, "{}: {error:e}", path.display());
        }
    }
    assert!(segments >= 10, "{segments}");
}

/// A weighted sum over all atoms, so that every one has a say.
fn weighted(atoms: Tensor<4>) -> Tensor<1> {
    let count = atoms.shape().num_elements();
    let weights: Vec<f64> = (0..count).map(|i| (1.7 * i as f64).sin()).collect();
    let weights = TensorData::new(weights, atoms.dims());
    let weights = Tensor::<4>::from_data(weights, (&atoms.device(), DType::F64));
    (atoms.clone() * atoms * weights).sum()
}

#[test]
fn gradients_to_torsions_lengths_and_angles_are_those_of_finite_differences() {
    let device = Device::flex().autodiff();
    let ideal = InternalTensors::ideal(upload(
        &[random_torsions(7, 4), random_torsions(7, 5)],
        &device,
        DType::F64,
    ));
    let inputs = [ideal.torsions, ideal.joints, ideal.residues].map(Tensor::require_grad);
    let loss = |[torsions, joints, residues]: [Tensor<3>; 3]| {
        let internal = InternalTensors {
            torsions,
            joints,
            residues,
        };
        weighted(internal.backbone())
    };
    let gradients = loss(inputs.clone()).backward();
    for (which, input) in inputs.iter().enumerate() {
        let gradient = numbers(input.grad(&gradients).unwrap());
        let scale = gradient.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        assert!(scale > 1.0);
        for (at, analytic) in gradient.iter().enumerate() {
            let at_step = |step: f64| {
                let mut values = numbers(input.clone());
                values[at] += step;
                let moved = TensorData::new(values, input.dims());
                let mut inputs = inputs.clone();
                inputs[which] = Tensor::from_data(moved, (&device, DType::F64));
                numbers(loss(inputs))[0]
            };
            let step = 1e-5;
            let numeric = (at_step(step) - at_step(-step)) / (2.0 * step);
            let error = (numeric - analytic).abs() / scale;
            assert!(error < 1e-8, "{which} {at}: {numeric} {analytic}");
        }
    }
}

#[test]
fn the_first_residue_stands_in_the_identity_frame() {
    let torsions = upload(&[random_torsions(5, 6)], &Device::flex(), DType::F64);
    let first = residues(InternalTensors::ideal(torsions).backbone(), 0)[0];
    let frame = Frame::of_residue(&first).unwrap();
    assert!((frame.rotation - Frame::identity().rotation).norm() < 1e-14);
    assert!(frame.translation.norm() < 1e-14);
}
