//! The whole way from distances to a structure: equivariant and aware of handedness before and after
//! training; side-chain torsions; chains as files have them.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Matrix3, Vector3};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use steerable_protein::folding::{
    BinsConfig, FoldingConfig, FoldingError, FoldingModel, ResidueSequence,
};
use steerable_protein::structure::{
    FrameTensors, LayerConfig, PointAttentionConfig, SideChainTorsions, TorsionBins,
    TorsionTargets, TransformerLayerConfig, confidence_loss, displacement_loss, expected_torsions,
    frame_aligned_point_error, peptide_loss, torsion_loss,
};
use steerable_protein::trunk::{
    Corruption, Observations, ObservedDistances, ObservedOrientations, OrientationCorruption,
    distances_for_mds, distogram_loss,
};
use steerable_protein::{
    AminoAcid, Atom, Chain, FapeConfig, Frame, InternalCoordinates, Matched, OrientedResidue,
    Residue, ResidueNumber, SmacofConfig, embed, handedness,
};
use steerable_testkit::{Precision, Rotation};
use steerable_tests::dtype;
use steerable_tests::parameters::drawn;

const RESIDUES: usize = 32;

/// A right-handed helix, a turn and a strand: ideal geometry.
fn protein() -> Vec<Frame> {
    let degrees = |i: usize| match i {
        0..16 => [-47.0, 180.0, -57.0],
        16..20 => [30.0, 180.0, 55.0],
        _ => [135.0, 180.0, -120.0],
    };
    let torsions = (1..RESIDUES).map(|i| degrees(i).map(f64::to_radians));
    let chain = InternalCoordinates::ideal(&torsions.collect::<Vec<_>>()).to_backbone();
    let frames = chain.residues().iter().map(Frame::of_residue);
    frames.map(|frame| frame.expect("ideal residues")).collect()
}

fn sequence() -> ResidueSequence {
    ResidueSequence {
        amino_acids: (0..RESIDUES)
            .map(|i| AminoAcid::ALL[(7 * i) % 20])
            .collect(),
        residue_index: (0..RESIDUES as i32).collect(),
    }
}

fn ca(frames: &[Frame]) -> Vec<Vector3<f64>> {
    frames.iter().map(|frame| frame.translation).collect()
}

fn perturbed(frames: &[Frame], rng: &mut StdRng) -> Vec<Frame> {
    frames
        .iter()
        .map(|frame| {
            let mut normal = || std::array::from_fn::<f64, 3, _>(|_| rng.sample(StandardNormal));
            let turn = Rotation::from_axis_angle(normal(), 0.4).expect("the axis is not zero");
            frame.compose(&Frame {
                rotation: turn.matrix(),
                translation: Vector3::from(normal()) * 0.7,
            })
        })
        .collect()
}

fn observed(frames: &[Frame], seed: u64) -> ObservedDistances {
    let bins = BinsConfig::new().bins().expect("edges increase");
    let corruption = Corruption {
        shift: 0.5,
        replaced: 0.01,
        missing: 0.3,
    };
    let mut rng = StdRng::seed_from_u64(seed);
    ObservedDistances::new(&ca(frames), bins, corruption, &mut rng)
}

fn layers() -> [LayerConfig; 2] {
    let irreps = "8x0 + 4x1 + 2x2".parse().expect("irreps");
    let transformer = TransformerLayerConfig::new()
        .with_irreps_hidden(irreps)
        .with_num_heads(1);
    let attention = PointAttentionConfig::new().with_num_heads(2);
    [
        LayerConfig::Transformer(transformer),
        LayerConfig::PointAttention(attention),
    ]
}

/// A model with a trunk, small, with drawn parameters.
fn model(layer: LayerConfig, precision: Precision) -> FoldingModel {
    let mut config = FoldingConfig::from_distances(layer, BinsConfig::new(), None).expect("bins");
    let mut trunk = config.trunk.take().expect("it starts from distances");
    trunk.num_pair = 8;
    trunk.num_hidden = 6;
    trunk.num_layers = 1;
    trunk.num_attention_heads = 1;
    config.trunk = Some(trunk);
    config.structure.num_pair_inputs = 8;
    config.structure.num_scalars = 16;
    config.structure.num_edge_scalars = 12;
    config.structure.num_iterations = 2;
    let device = Device::flex().autodiff();
    drawn(config.try_init(&device).expect("irreps fit"), precision, 31)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert::<f64>();
    data.try_into_vec().expect("they were just converted")
}

/// Some steps from a noisy start towards the chain, with all parts of the loss.
fn trained(mut model: FoldingModel) -> FoldingModel {
    let (device, dtype) = model.place();
    let goal = protein();
    let truth = FrameTensors::from_frames(&goal, &device, dtype);
    let bins = BinsConfig::new().bins().expect("edges increase");
    let points = ca(&goal);
    let true_bins: Vec<usize> = points
        .iter()
        .flat_map(|x| {
            points
                .iter()
                .map(|y| bins.bin((x - y).norm()))
                .collect::<Vec<_>>()
        })
        .collect();
    let start = perturbed(&goal, &mut StdRng::seed_from_u64(40));
    let distances = observed(&goal, 41);
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..30 {
        let read = model
            .read_distances(&sequence(), &distances)
            .expect("it has a trunk");
        let output = model
            .pass(&sequence(), &start, &start, Some(&read.pairs))
            .expect("positions are finite");
        let loss = displacement_loss(output.prediction(), &goal).expect("finite")
            + frame_aligned_point_error(output.prediction(), &truth, FapeConfig::default())
            + distogram_loss(read.distogram, &true_bins)
            + confidence_loss(output.confidence, &[0.7; RESIDUES]);
        losses.push(numbers(loss.clone())[0]);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(5e-3, model, gradients);
    }
    let last = losses[losses.len() - 1];
    assert!(
        last < 0.9 * losses[0],
        "training does not train: {losses:?}"
    );
    model
}

/// The largest errors of origins, relative to the structure's size, of rotations and of confidences.
fn motion_error(model: &FoldingModel) -> f64 {
    let chain = protein();
    let pairs = model
        .read_distances(&sequence(), &observed(&chain, 50))
        .expect("it has a trunk")
        .pairs;
    let mut worst = 0.0_f64;
    for seed in 0..3 {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = perturbed(&chain, &mut rng);
        let motion = Frame {
            rotation: Rotation::random(&mut rng).matrix(),
            translation: Vector3::new(-11.0, 8.0, 23.0),
        };
        let moved: Vec<Frame> = start.iter().map(|frame| motion.compose(frame)).collect();
        let refine = |start: Vec<Frame>| {
            let refined = model.refine(&sequence(), start, Some(&pairs), 2);
            refined.expect("positions are finite")
        };
        let (there, here) = (refine(start), refine(moved));
        let centre = ca(&there.frames).iter().sum::<Vector3<f64>>() / RESIDUES as f64;
        let size = ca(&there.frames)
            .iter()
            .map(|x| (x - centre).norm())
            .fold(1.0, f64::max);
        for (there, here) in there.frames.iter().zip(&here.frames) {
            let wanted = motion.compose(there);
            worst = worst.max((here.translation - wanted.translation).norm() / size);
            worst = worst.max((here.rotation - wanted.rotation).abs().max());
        }
        for (there, here) in there.confidence.iter().zip(&here.confidence) {
            worst = worst.max((there - here).abs());
        }
    }
    worst
}

fn stays_equivariant(precision: Precision, tolerance: f64) {
    for layer in layers() {
        let model = model(layer, precision);
        let before = motion_error(&model.valid());
        let after = motion_error(&trained(model).valid());
        let dtype = dtype(precision);
        println!("{dtype:?}: {before:.1e} before training, {after:.1e} after");
        for error in [before, after] {
            assert!(error < tolerance, "{dtype:?}: {before:e} {after:e}");
        }
    }
}

#[test]
fn trunk_and_recycled_structure_module_are_equivariant_in_f64_before_and_after_training() {
    stays_equivariant(Precision::F64, 1e-10);
}

#[test]
fn trunk_and_recycled_structure_module_are_equivariant_in_f32_before_and_after_training() {
    stays_equivariant(Precision::F32, 1e-5);
}

/// Atoms x -> -x; the frames are those Gram-Schmidt gives the mirrored atoms: proper rotations.
fn mirrored(frames: &[Frame]) -> Vec<Frame> {
    let mirror = Matrix3::from_diagonal(&Vector3::new(-1.0, 1.0, 1.0));
    let flip = Matrix3::from_diagonal(&Vector3::new(1.0, 1.0, -1.0));
    frames
        .iter()
        .map(|frame| Frame {
            rotation: mirror * frame.rotation * flip,
            translation: mirror * frame.translation,
        })
        .collect()
}

#[test]
fn a_mirrored_start_does_not_give_the_mirrored_structure() {
    for layer in layers() {
        for model in [
            model(layer.clone(), Precision::F64),
            trained(model(layer.clone(), Precision::F64)),
        ] {
            let model = model.valid();
            let chain = protein();
            let pairs = model
                .read_distances(&sequence(), &observed(&chain, 60))
                .expect("it has a trunk")
                .pairs;
            let start = perturbed(&chain, &mut StdRng::seed_from_u64(61));
            let refine = |start: Vec<Frame>| {
                let refined = model.refine(&sequence(), start, Some(&pairs), 1);
                ca(&refined.expect("positions are finite").frames)
            };
            let mirror = ca(&mirrored(&protein()))
                .iter()
                .zip(ca(&protein()))
                .map(|(a, b)| (a.x + b.x).abs())
                .fold(0.0, f64::max);
            assert!(mirror < 1e-12);
            let of_mirror = refine(mirrored(&start));
            let mirror_of = refine(start);
            let difference = of_mirror
                .iter()
                .zip(&mirror_of)
                .map(|(a, b)| (a - Vector3::new(-b.x, b.y, b.z)).norm())
                .fold(0.0, f64::max);
            assert!(difference > 1e-2, "{difference}");
        }
    }
}

#[test]
fn distances_alone_give_a_chain_with_the_hand_of_proteins() {
    let model = trained(model(layers()[1].clone(), Precision::F32)).valid();
    let chain = protein();
    let [ours, image] = [chain.clone(), mirrored(&chain)].map(|frames| {
        let read = model
            .read_distances(&sequence(), &observed(&frames, 70))
            .expect("it has a trunk");
        let seen = observed(&frames, 70);
        let start = model.start_from(&sequence(), &seen, &read, SmacofConfig::default());
        ca(&start.expect("the chain holds together"))
    });
    // A mirror image has the same distances: what comes out is the protein both times.
    assert!(handedness(&ca(&chain)) > 0.0);
    for trace in [&ours, &image] {
        assert!(handedness(trace) >= 0.0, "{}", handedness(trace));
    }
    let matched = Matched {
        model: &image,
        reference: &ours,
    };
    assert!(matched.superpose().expect("finite").rmsd < 1e-6);
}

#[test]
fn a_start_disagrees_with_what_was_observed_no_more_than_mds_of_the_distogram() {
    let chain = protein();
    for seed in 0..6 {
        let model = model(layers()[1].clone(), Precision::F32).valid();
        let seen = observed(&chain, 100 + seed);
        let read = model
            .read_distances(&sequence(), &seen)
            .expect("it has a trunk");
        let start = model.start_from(&sequence(), &seen, &read, SmacofConfig::default());
        let start = ca(&start.expect("the chain holds together"));
        let probabilities = read.probabilities();
        let width = seen.bins().len();
        let of_distogram = distances_for_mds(seen.bins(), &sequence().residue_index, |i, j| {
            &probabilities[(i * RESIDUES + j) * width..][..width]
        });
        let of_distogram = of_distogram.expect("probabilities");
        let alone = embed(&of_distogram, SmacofConfig::default());
        let alone = alone.expect("the chain holds together").points;
        let [ours, theirs] = [&start, &alone].map(|points| seen.disagreement(points));
        assert!(ours <= theirs + 1e-9, "{ours} {theirs}");
    }
}

#[test]
fn a_trunk_that_has_learned_nothing_starts_no_worse_than_mds_alone() {
    let chain = ca(&protein());
    let rmsd = |points: &[Vector3<f64>]| {
        let matched = Matched {
            model: points,
            reference: &chain,
        };
        matched.superpose().expect("they are finite").rmsd
    };
    let corruption = Corruption {
        shift: 1.0,
        replaced: 0.0,
        missing: 0.3,
    };
    for seed in 0..6 {
        let model = model(layers()[1].clone(), Precision::F32).valid();
        let bins = BinsConfig::new().bins().expect("edges increase");
        let mut rng = StdRng::seed_from_u64(200 + seed);
        let seen = ObservedDistances::new(&chain, bins, corruption, &mut rng);
        let read = model.read_distances(&sequence(), &seen).expect("they fit");
        let start = model.start_from(&sequence(), &seen, &read, SmacofConfig::default());
        let start = rmsd(&ca(&start.expect("the chain holds together")));
        let alone = seen
            .known_distances(&sequence().residue_index)
            .expect("bins");
        let alone = embed(&alone, SmacofConfig::default()).expect("it holds together");
        let alone = rmsd(&alone.points);
        assert!(start < 1.1 * alone, "{start} A, MDS alone {alone} A");
    }
}

#[test]
fn orientations_are_read_by_a_model_made_for_them_and_by_no_other() {
    let chain = protein();
    let bins = BinsConfig::new();
    let config = FoldingConfig::from_distances(layers()[1].clone(), bins, Some(24));
    let reader = config
        .expect("bins")
        .try_init(&Device::flex())
        .expect("it has no irreps");
    let reader = drawn(reader, Precision::F32, 33);
    let oriented = |frames: &[Frame]| {
        let residues = frames.iter().map(Frame::ideal_residue);
        let residues = residues.map(|atoms| OrientedResidue::with_ideal_cb(atoms).expect("ideal"));
        ObservedOrientations::new(
            &residues.collect::<Vec<_>>(),
            TorsionBins::new(24),
            OrientationCorruption::default(),
            &mut StdRng::seed_from_u64(81),
        )
    };
    let distances = observed(&chain, 80);
    let logits = |orientations: &ObservedOrientations| {
        let observations = Observations {
            distances: &distances,
            orientations: Some(orientations),
        };
        let read = reader.read_distances(&sequence(), observations);
        numbers(read.expect("it reads both").distogram)
    };
    // Distances are those of the mirror image, orientations are not.
    let [there, mirror] = [oriented(&chain), oriented(&mirrored(&chain))];
    let pairs = logits(&there).into_iter().zip(logits(&mirror));
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(difference > 1e-3, "{difference}");

    let error = reader.read_distances(&sequence(), &distances);
    let error = error.expect_err("it needs orientations");
    assert_eq!(error, FoldingError::NeedsOrientations);
    let other = model(layers()[1].clone(), Precision::F32).valid();
    let observations = Observations {
        distances: &distances,
        orientations: Some(&there),
    };
    let error = other.read_distances(&sequence(), observations);
    let error = error.expect_err("it reads none");
    assert_eq!(error, FoldingError::ReadsNoOrientations);
}

#[test]
fn the_configuration_of_a_checkpoint_builds_the_model_again() {
    let model = model(layers()[0].clone(), Precision::F32);
    let text = serde_json::to_string(model.config()).expect("numbers and names");
    let config: FoldingConfig = serde_json::from_str(&text).expect("it was just written");
    let again = config.try_init(&Device::flex()).expect("irreps fit");
    assert_eq!(again.num_params(), model.num_params());
    assert_eq!(
        serde_json::to_string(again.config()).expect("numbers and names"),
        text
    );
}

#[test]
fn bins_of_angles_that_make_no_half_turns_are_refused_by_name() {
    let mut config = FoldingConfig::refining(layers()[1].clone());
    config.structure.num_chi_bins = 35;
    let error = config.try_init(&Device::flex()).expect_err("35 is odd");
    assert_eq!(
        error.to_string(),
        "FoldingModel: num_chi_bins = 35, but there must be an even number of bins, at least 2"
    );
}

#[test]
fn without_a_trunk_distances_are_refused_and_with_one_coordinates_alone() {
    let device = Device::flex();
    let refiner = FoldingConfig::refining(layers()[1].clone()).try_init(&device);
    let refiner = refiner.expect("it has no irreps");
    let error = refiner.fold(&sequence(), &observed(&protein(), 80));
    assert_eq!(error.expect_err("no trunk"), FoldingError::NoTrunk);
    let folder = model(layers()[1].clone(), Precision::F32).valid();
    let error = folder.refine_chain(&Chain::default(), 1);
    assert_eq!(
        error.expect_err("no distances"),
        FoldingError::NeedsDistances
    );
    let error = refiner.refine_chain(&Chain::default(), 1);
    assert_eq!(error.expect_err("empty"), FoldingError::NoResidues);
}

#[test]
fn what_is_of_other_residues_or_in_other_bins_is_refused_by_name() {
    let layer = || layers()[1].clone();
    let folder = model(layer(), Precision::F32).valid();
    let told = |error: FoldingError| error.to_string();
    let shorter = observed(&protein()[1..], 80);
    let error = folder.fold(&sequence(), &shorter);
    assert_eq!(
        told(error.expect_err("one residue less")),
        "observed distances of 31 residues beside a sequence of 32"
    );
    let error = folder.pass(&sequence(), &protein(), &protein()[2..], None);
    assert_eq!(
        told(error.expect_err("two residues less")),
        "frames of 30 residues beside a sequence of 32"
    );

    let bins = BinsConfig::new()
        .with_inner(2)
        .bins()
        .expect("they have a width");
    let mut rng = StdRng::seed_from_u64(80);
    let coarse = ObservedDistances::new(&ca(&protein()), bins, Corruption::default(), &mut rng);
    let error = folder.read_distances(&sequence(), &coarse);
    let error = told(error.expect_err("two inner bins"));
    assert!(error.ends_with("not [2.0, 11.0, 20.0]"), "{error}");

    let config = FoldingConfig::from_distances(layer(), BinsConfig::new(), Some(12));
    let reader = config.expect("bins").try_init(&Device::flex());
    let residues = protein();
    let residues = residues.iter().map(Frame::ideal_residue);
    let residues = residues.map(OrientedResidue::with_ideal_cb);
    let orientations = ObservedOrientations::new(
        &residues.collect::<Result<Vec<_>, _>>().expect("ideal"),
        TorsionBins::new(24),
        OrientationCorruption::default(),
        &mut rng,
    );
    let observations = Observations {
        distances: &observed(&protein(), 80),
        orientations: Some(&orientations),
    };
    let error = reader
        .expect("it has no irreps")
        .read_distances(&sequence(), observations);
    assert_eq!(
        told(error.expect_err("24 bins")),
        "the model reads orientations in 12 bins around the circle, not in 24"
    );
}

/// Residues of alanine with O and CB, the first of them without C.
fn chain_of(frames: &[Frame]) -> Chain {
    let residue = |(i, frame): (usize, &Frame)| {
        let ideal = frame.ideal_residue();
        let o = ideal.c + (ideal.c - ideal.ca) * 0.8;
        let cb = ideal.ideal_cb().expect("ideal residues");
        let atoms = [
            ("N", ideal.n),
            ("CA", ideal.ca),
            ("C", ideal.c),
            ("O", o),
            ("CB", cb),
        ];
        let atoms = atoms.into_iter().filter(|(name, _)| i > 0 || *name != "C");
        Residue {
            amino_acid: AminoAcid::Alanine,
            name: "ALA".into(),
            number: ResidueNumber {
                sequence: i as i32 + 1,
                insertion: None,
            },
            atoms: atoms
                .map(|(name, position)| Atom {
                    name: name.into(),
                    element: name[..1].into(),
                    position,
                    occupancy: 1.0,
                    b_factor: 20.0,
                })
                .collect(),
        }
    };
    Chain {
        id: "A".into(),
        residues: frames.iter().enumerate().map(residue).collect(),
    }
}

#[test]
fn a_refined_chain_has_all_residues_moved_as_rigid_bodies_and_names_those_it_left() {
    let refiner = FoldingConfig::refining(layers()[1].clone()).try_init(&Device::flex());
    let refiner = drawn(refiner.expect("it has no irreps"), Precision::F32, 90);
    let chain = chain_of(&protein());
    let refined = refiner.refine_chain(&chain, 2).expect("it has residues");
    assert_eq!(refined.chain.residues.len(), RESIDUES);
    assert_eq!(refined.left, [0]);
    assert_eq!(refined.confidence.len(), RESIDUES - 1);
    let first = &refined.chain.residues[0];
    assert_eq!(first.atoms[0].position, chain.residues[0].atoms[0].position);
    assert!(first.atoms.iter().all(|atom| atom.b_factor == 0.0));
    let mut moved: f64 = 0.0;
    let mut turned: f64 = 0.0;
    for &(row, confidence) in &refined.confidence {
        let (old, new) = (&chain.residues[row], &refined.chain.residues[row]);
        for (a, b) in [
            ("N", "CA"),
            ("CA", "C"),
            ("N", "C"),
            ("CA", "CB"),
            ("N", "CB"),
            ("C", "CB"),
        ] {
            assert!((length(old, a, b) - length(new, a, b)).abs() < 1e-4);
        }
        let [ca, cb] = ["CA", "CB"].map(|name| at(new, name) - at(old, name));
        moved = moved.max(ca.norm());
        turned = turned.max((cb - ca).norm());
        if row + 1 < RESIDUES {
            assert!((length(new, "C", "O") - 1.231).abs() < 1e-6);
        }
        assert!((0.0..=1.0).contains(&confidence));
        assert!((new.atoms[0].b_factor - 100.0 * confidence).abs() < 1e-9);
    }
    assert!(moved > 0.1 && turned > 0.1, "{moved} {turned}");
}

fn at(residue: &Residue, name: &str) -> Vector3<f64> {
    residue.position(name).expect("the atom is there")
}

fn length(residue: &Residue, a: &str, b: &str) -> f64 {
    (at(residue, a) - at(residue, b)).norm()
}

#[test]
fn no_oxygen_is_placed_by_a_bond_over_a_residue_without_a_frame() {
    let refiner = FoldingConfig::refining(layers()[1].clone()).try_init(&Device::flex());
    let refiner = drawn(refiner.expect("it has no irreps"), Precision::F32, 91);
    let mut chain = chain_of(&protein());
    // Bonded on both sides, but its N, CA and C are on one line: it has no frame and stays.
    let flat = 10;
    let [n, c] = ["N", "C"].map(|name| at(&chain.residues[flat], name));
    let atoms = chain.residues[flat].atoms.iter_mut();
    for atom in atoms.filter(|atom| atom.name == "CA") {
        atom.position = (n + c) / 2.0;
    }
    let traced = chain.backbone();
    assert!(traced.backbone.is_bonded_to_previous(flat - 1));
    assert!(traced.backbone.is_bonded_to_previous(flat));
    let refined = refiner.refine_chain(&chain, 1).expect("it has residues");
    assert_eq!(refined.left, [0, flat]);
    let from_ca = |of: &Chain, row: usize| length(&of.residues[row], "CA", "O");
    // O follows a new psi, except where no residue follows.
    for row in [flat - 2, flat + 1] {
        assert!((from_ca(&chain, row) - from_ca(&refined.chain, row)).abs() > 0.1);
    }
    for row in [flat - 1, flat, RESIDUES - 1] {
        assert!((from_ca(&chain, row) - from_ca(&refined.chain, row)).abs() < 1e-4);
    }
}

/// Phenylalanine with chi1 and chi2, and a serine with chi1.
fn torsions() -> SideChainTorsions {
    SideChainTorsions {
        chi: vec![
            [Some(1.0), Some(-0.4), None, None],
            [Some(2.5), None, None, None],
        ],
        symmetric: vec![[false, true, false, false], [false; 4]],
    }
}

const CHI_BINS: usize = 12;

fn upload(numbers: Vec<f64>, shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64))
}

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

#[test]
fn the_torsion_loss_is_the_cross_entropy_over_known_torsions() {
    let device = Device::flex();
    let bins = TorsionBins::new(CHI_BINS);
    let targets = torsions().to_device(bins, &device, DType::F64);
    let logits = normals(2 * 4 * CHI_BINS, 93);
    let probability = |torsion: usize, bin: usize| {
        let of = &logits[torsion * CHI_BINS..][..CHI_BINS];
        of[bin].exp() / of.iter().map(|x| x.exp()).sum::<f64>()
    };
    // The ring of phenylalanine is the same after half a turn.
    let ring = bins.bin(-0.4);
    let ring = probability(1, ring) + probability(1, bins.half_turn(ring));
    let known = [
        probability(0, bins.bin(1.0)),
        ring,
        probability(4, bins.bin(2.5)),
    ];
    let wanted = -known.iter().map(|p| p.ln()).sum::<f64>() / 3.0;
    let loss = |logits: &[f64]| {
        let logits = upload(logits.to_vec(), [2, 4, CHI_BINS], &device);
        numbers(torsion_loss(logits, &targets))[0]
    };
    let found = loss(&logits);
    assert!((found / wanted - 1.0).abs() < 1e-6, "{found} {wanted}");
    // What is not there does not count.
    let mut other = logits.clone();
    for torsion in [2, 3, 5, 6, 7] {
        other[torsion * CHI_BINS] += 3.0;
    }
    assert!((loss(&other) - found).abs() < 1e-12);
    // Being sure of the wrong costs what the logits say, however much.
    let mut sure = vec![0.0; 2 * 4 * CHI_BINS];
    sure[bins.half_turn(bins.bin(1.0))] = 3e3;
    let log_of_bins = (CHI_BINS as f64).ln();
    let wanted = (3e3 + 2.0 * log_of_bins - 2f64.ln()) / 3.0;
    assert!((loss(&sure) / wanted - 1.0).abs() < 1e-6, "{}", loss(&sure));
}

#[test]
fn no_known_torsion_costs_nothing() {
    let device = Device::flex();
    let none = SideChainTorsions {
        chi: vec![[None; 4]; 2],
        symmetric: vec![[false; 4]; 2],
    };
    let bins = TorsionBins::new(CHI_BINS);
    let targets: TorsionTargets = none.to_device(bins, &device, DType::F64);
    let logits = upload(normals(2 * 4 * CHI_BINS, 94), [2, 4, CHI_BINS], &device);
    assert_eq!(numbers(torsion_loss(logits, &targets)), [0.0]);
}

#[test]
fn the_gradient_of_the_torsion_loss_fits_finite_differences() {
    let device = Device::flex().autodiff();
    let targets = torsions().to_device(TorsionBins::new(CHI_BINS), &device, DType::F64);
    let count = 2 * 4 * CHI_BINS;
    let (at, along) = (normals(count, 95), normals(count, 96));
    let tensor = |step: f64| {
        let moved = at.iter().zip(&along).map(|(x, d)| x + step * d);
        upload(moved.collect(), [2, 4, CHI_BINS], &device)
    };
    let leaf = tensor(0.0).require_grad();
    let gradients = torsion_loss(leaf.clone(), &targets).backward();
    let gradient = numbers(leaf.grad(&gradients).expect("the loss reads it"));
    let value = |step: f64| numbers(torsion_loss(tensor(step), &targets))[0];
    let difference = (value(1e-6) - value(-1e-6)) / 2e-6;
    let product: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
    assert!((difference - product).abs() < 1e-7 * product.abs().max(1.0));
}

#[test]
fn every_side_chain_gets_the_torsions_it_has_and_the_likelier_rotamer() {
    let device = Device::flex();
    let residues = [
        AminoAcid::Glycine,
        AminoAcid::Phenylalanine,
        AminoAcid::Arginine,
    ];
    let bins = TorsionBins::new(36);
    let mut logits = vec![0.0; 3 * 4 * 36];
    let mut put = |residue: usize, torsion: usize, degrees: f64, logit: f64| {
        logits[(residue * 4 + torsion) * 36 + bins.bin(degrees.to_radians())] = logit;
    };
    put(1, 0, -65.0, 9.0);
    put(1, 0, 175.0, 8.0);
    // Three places of a ring, two of which are one.
    put(1, 1, 85.0, 9.0);
    put(1, 1, -95.0, 9.0);
    put(1, 1, -5.0, 9.3);
    put(2, 3, 85.0, 9.0);
    let torsions = expected_torsions(&residues, upload(logits, [3, 4, 36], &device));
    let counts: Vec<usize> = torsions.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 2, 4]);
    let degrees = |residue: usize, torsion: usize| torsions[residue][torsion].angle.to_degrees();
    assert!((degrees(1, 0) + 65.0).abs() < 1.0, "{}", degrees(1, 0));
    assert!(
        (degrees(1, 1).rem_euclid(180.0) - 85.0).abs() < 1.0,
        "{}",
        degrees(1, 1)
    );
    assert!((degrees(2, 3) - 85.0).abs() < 1.0, "{}", degrees(2, 3));
    assert!((0.6..0.8).contains(&torsions[1][0].probability));
}

#[test]
fn peptides_cost_nothing_where_they_are_ideal_and_what_they_are_off_where_not() {
    let device = Device::flex();
    let chain = protein();
    let bonded = vec![true; RESIDUES];
    let loss = |frames: &[Frame], bonded: &[bool]| {
        let frames = FrameTensors::from_frames(frames, &device, DType::F64);
        numbers(peptide_loss(&frames, bonded))[0]
    };
    // Ideal residues in frames and the ideal chain differ in the angle at CA by half a degree.
    let ideal = loss(&chain, &bonded);
    assert!(ideal < 0.02, "{ideal}");
    let noisy = perturbed(&chain, &mut StdRng::seed_from_u64(98));
    let distance = |a: Vector3<f64>, b: Vector3<f64>| (a - b).norm();
    let triangle = |a: f64, b: f64, degrees: f64| {
        (a * a + b * b - 2.0 * a * b * degrees.to_radians().cos()).sqrt()
    };
    let wanted: f64 = noisy
        .windows(2)
        .map(|two| {
            let [before, after] = [two[0], two[1]].map(|frame| frame.ideal_residue());
            (distance(before.c, after.n) - 1.329).abs()
                + (distance(before.ca, after.n) - triangle(1.525, 1.329, 116.2)).abs()
                + (distance(before.c, after.ca) - triangle(1.329, 1.458, 121.7)).abs()
        })
        .sum();
    let wanted = wanted / (3.0 * (RESIDUES - 1) as f64);
    let found = loss(&noisy, &bonded);
    assert!((found / wanted - 1.0).abs() < 1e-3, "{found} {wanted}");
    // A break costs nothing, however wide.
    let mut broken = chain.clone();
    for frame in &mut broken[20..] {
        frame.translation.x += 30.0;
    }
    let mut bonds = bonded.clone();
    bonds[20] = false;
    assert!(loss(&broken, &bonds) < 0.02);
    assert!(loss(&broken, &bonded) > 0.5);
    assert_eq!(loss(&chain, &[false; RESIDUES]), 0.0);
    assert_eq!(loss(&chain[..1], &[true]), 0.0);
}

#[test]
fn the_gradient_of_the_peptide_loss_fits_finite_differences() {
    let device = Device::flex().autodiff();
    let noisy = perturbed(&protein(), &mut StdRng::seed_from_u64(99));
    let along = normals(3 * RESIDUES, 101);
    let moved = |step: f64| {
        let frames = noisy.iter().zip(along.chunks_exact(3));
        let frames = frames.map(|(frame, along)| Frame {
            translation: frame.translation + Vector3::from_column_slice(along) * step,
            ..*frame
        });
        FrameTensors::from_frames(&frames.collect::<Vec<_>>(), &device, DType::F64)
    };
    let frames = moved(0.0);
    let leaf = frames.translation().require_grad();
    let frames = FrameTensors::new(frames.rotation(), leaf.clone());
    let gradients = peptide_loss(&frames, &[true; RESIDUES]).backward();
    let gradient = numbers(leaf.grad(&gradients).expect("the loss reads it"));
    let value = |step: f64| numbers(peptide_loss(&moved(step), &[true; RESIDUES]))[0];
    let difference = (value(1e-6) - value(-1e-6)) / 2e-6;
    let product: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
    assert!(
        (difference - product).abs() < 1e-6 * product.abs().max(1.0),
        "{difference} {product}"
    );
}

#[test]
fn displacement_is_measured_after_the_best_motion() {
    let device = Device::flex();
    let mut rng = StdRng::seed_from_u64(97);
    let chain = protein();
    let motion = Frame {
        rotation: Rotation::random(&mut rng).matrix(),
        translation: Vector3::new(5.0, 6.0, -70.0),
    };
    let moved: Vec<Frame> = chain.iter().map(|frame| motion.compose(frame)).collect();
    let predicted = FrameTensors::from_frames(&moved, &device, DType::F64);
    let loss = numbers(displacement_loss(&predicted, &chain).expect("finite"))[0];
    assert!((loss - 0.1).abs() < 1e-9, "{loss}");
    // Frames turned in place leave CA where it was, and N and C not.
    let half_turn = Frame::identity().updated(Vector3::new(0.0, 0.0, 1e9), Vector3::zeros());
    let turned: Vec<Frame> = chain
        .iter()
        .map(|frame| frame.compose(&half_turn))
        .collect();
    let predicted = FrameTensors::from_frames(&turned, &device, DType::F64);
    let loss = numbers(displacement_loss(&predicted, &chain).expect("finite"))[0];
    assert!(loss > 1.0, "{loss}");
}
