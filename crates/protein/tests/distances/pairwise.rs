//! Orientations, relative frames and distograms.

use std::f64::consts::FRAC_PI_2;

use nalgebra::{Matrix3, Vector3};
use steerable_protein::{
    BackboneResidue, DistanceBins, DistogramError, Frame, OrientedResidue, PairOrientation,
    SmacofConfig, embed, relative_frames,
};

use crate::chains::{Fixture, random_motion, real_chains, rmsd, seeded};

/// CA in the origin, CB on the x axis, N on the y axis.
fn residue() -> OrientedResidue {
    OrientedResidue {
        backbone: BackboneResidue {
            n: Vector3::new(0.0, 1.5, 0.0),
            ca: Vector3::zeros(),
            c: Vector3::new(-0.5, -0.5, 1.4),
        },
        cb: Vector3::new(1.5, 0.0, 0.0),
    }
}

fn moved(of: &OrientedResidue, motion: &Frame) -> OrientedResidue {
    let BackboneResidue { n, ca, c } = of.backbone;
    let [n, ca, c, cb] = [n, ca, c, of.cb].map(|x| motion.apply(&x));
    OrientedResidue {
        backbone: BackboneResidue { n, ca, c },
        cb,
    }
}

#[test]
fn orientations_of_residues_laid_by_hand_are_the_angles_they_were_laid_with() {
    let from = residue();
    // CB' straight above CB, CA' a step towards the viewer from there.
    let mut to = from;
    to.cb = Vector3::new(1.5, 3.0, 0.0);
    to.backbone.ca = Vector3::new(1.5, 3.0, 1.5);
    let found = PairOrientation::between(&from, &to).unwrap();
    // Seen along CB to CB', which is +y, CA lies at -x and CA' at +z: a quarter clockwise.
    assert!((found.omega - FRAC_PI_2).abs() < 1e-12, "{found:?}");
    // N and CB' lie on the same side of CA to CB.
    assert!(found.theta.abs() < 1e-12, "{found:?}");
    assert!((found.phi - FRAC_PI_2).abs() < 1e-12, "{found:?}");
}

#[test]
fn omega_is_the_same_from_both_residues_and_nothing_changes_when_both_move() {
    let rng = &mut seeded(60);
    for _ in 0..50 {
        let [a, b] = [0, 1].map(|_| moved(&residue(), &random_motion(rng)));
        let (there, back) = (
            PairOrientation::between(&a, &b).unwrap(),
            PairOrientation::between(&b, &a).unwrap(),
        );
        assert!((there.omega - back.omega).abs() < 1e-9);
        let motion = random_motion(rng);
        let after = PairOrientation::between(&moved(&a, &motion), &moved(&b, &motion)).unwrap();
        for (x, y) in [
            (there.omega, after.omega),
            (there.theta, after.theta),
            (there.phi, after.phi),
        ] {
            assert!((x - y).abs() < 1e-9);
        }
    }
}

#[test]
fn a_mirror_image_turns_the_signs_of_the_torsions_and_keeps_the_angle() {
    let rng = &mut seeded(61);
    let [a, b] = [0, 1].map(|_| moved(&residue(), &random_motion(rng)));
    let image = Frame {
        rotation: -Matrix3::identity(),
        translation: Vector3::zeros(),
    };
    let here = PairOrientation::between(&a, &b).unwrap();
    let there = PairOrientation::between(&moved(&a, &image), &moved(&b, &image)).unwrap();
    assert!((here.omega + there.omega).abs() < 1e-12);
    assert!((here.theta + there.theta).abs() < 1e-12);
    assert!((here.phi - there.phi).abs() < 1e-12);
}

#[test]
fn a_residue_has_no_orientation_to_itself_nor_in_a_line() {
    let residues = [0, 1, 2].map(|seed| moved(&residue(), &random_motion(&mut seeded(seed))));
    let all = PairOrientation::of_all(&residues);
    for (i, row) in all.iter().enumerate() {
        for (j, entry) in row.iter().enumerate() {
            assert_eq!(entry.is_none(), i == j);
        }
    }
    let mut ahead = residue();
    ahead.cb = Vector3::new(5.0, 0.0, 0.0);
    assert_eq!(PairOrientation::between(&residue(), &ahead), None);
}

#[test]
fn an_ideal_cb_lies_a_tenth_of_an_angstrom_from_the_real_one() {
    let mut squares = Vec::new();
    for (_, chain) in real_chains() {
        for residue in &chain.residues {
            if let (Some(backbone), Some(cb)) = (residue.backbone(), residue.position("CB")) {
                let ideal_cb = OrientedResidue::with_ideal_cb(backbone).unwrap().cb;
                squares.push((ideal_cb - cb).norm_squared());
            }
        }
    }
    if squares.is_empty() {
        return;
    }
    let rms = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    println!("{} residues: ideal CB {rms:.3} angstrom off", squares.len());
    assert!(rms < 0.15, "{rms}");
}

#[test]
fn relative_frames_lead_from_residue_to_residue_and_forget_motions() {
    let rng = &mut seeded(62);
    let frames: Vec<_> = (0..6).map(|_| random_motion(rng)).collect();
    let motion = random_motion(rng);
    let moved: Vec<_> = frames.iter().map(|frame| motion.compose(frame)).collect();
    let (here, there) = (relative_frames(&frames), relative_frames(&moved));
    for i in 0..6 {
        for j in 0..6 {
            let back = frames[i].compose(&here[i][j]);
            assert!((back.rotation - frames[j].rotation).norm() < 1e-12);
            assert!((back.translation - frames[j].translation).norm() < 1e-10);
            assert!((here[i][j].rotation - there[i][j].rotation).norm() < 1e-12);
            assert!((here[i][j].translation - there[i][j].translation).norm() < 1e-10);
        }
    }
}

#[test]
fn every_distance_has_one_bin_and_centres_lie_in_theirs() {
    let bins = DistanceBins::new(vec![2.0, 3.0, 5.0, 9.0]).unwrap();
    let found = [0.0, 1.99, 2.0, 2.5, 3.0, 8.9, 9.0, 1e6].map(|d| bins.bin(d));
    assert_eq!(found, [0, 0, 1, 1, 2, 3, 4, 4]);
    assert_eq!(bins.centres(), [1.5, 2.5, 4.0, 7.0, 11.0]);
    for (bin, centre) in bins.centres().into_iter().enumerate() {
        assert_eq!(bins.bin(centre), bin);
    }
    // A first bin that is wider than its distance from 0 begins at 0.
    let wide = DistanceBins::new(vec![1.0, 5.0]).unwrap();
    assert_eq!(wide.centres(), [0.5, 3.0, 7.0]);
}

#[test]
fn the_expected_distance_of_one_bin_is_its_centre_and_of_two_between() {
    let bins = DistanceBins::uniform(2.0, 20.0, 9).unwrap();
    let mut one = vec![0.0; bins.len()];
    one[3] = 4.0;
    let found = bins.expected(&one).unwrap();
    assert!((found.mean - 7.0).abs() < 1e-12 && found.beyond == 0.0);
    assert!((found.spread - 2.0 / 12.0_f64.sqrt()).abs() < 1e-12);
    one[10] = 12.0;
    let found = bins.expected(&one).unwrap();
    assert!((found.mean - (7.0 + 3.0 * 21.0) / 4.0).abs() < 1e-12 && found.beyond == 0.75);
    // 3/16 of the squared gap between the centres, and the width of a bin.
    let variance = 14.0 * 14.0 * 3.0 / 16.0 + 4.0 / 12.0;
    assert!((found.spread - f64::sqrt(variance)).abs() < 1e-12);
}

#[test]
fn a_distogram_of_a_real_chain_gives_it_back_to_the_width_of_its_bins() {
    let chain = Fixture::read().globin();
    let bins = DistanceBins::uniform(2.0, 20.0, 36).unwrap();
    let known = bins
        .known_distances(chain.len(), |i, j| {
            let mut one = vec![0.0; bins.len()];
            one[bins.bin((chain[i] - chain[j]).norm())] = 1.0;
            one
        })
        .unwrap();
    assert!(!known.is_complete());
    let found = embed(&known, SmacofConfig::default()).unwrap();
    let off = rmsd(&found.points, &chain);
    println!("bins of 0.5 angstrom to 20: RMSD {off:.3}");
    assert!(off < 0.5, "{off}");
}

#[test]
fn bins_and_probabilities_that_mean_nothing_are_errors() {
    for edges in [
        vec![],
        vec![2.0],
        vec![2.0, 2.0],
        vec![3.0, 2.0],
        vec![0.0, 1.0],
        vec![1.0, f64::NAN],
    ] {
        let found = DistanceBins::new(edges);
        assert!(
            matches!(found, Err(DistogramError::Edges { .. })),
            "{found:?}"
        );
    }
    let bins = DistanceBins::uniform(2.0, 4.0, 1).unwrap();
    for wrong in [
        vec![1.0],
        vec![0.0; 3],
        vec![-1.0, 1.0, 1.0],
        vec![f64::NAN, 1.0, 1.0],
    ] {
        let found = bins.expected(&wrong);
        assert!(
            matches!(found, Err(DistogramError::Probabilities { bins: 3, .. })),
            "{found:?}"
        );
    }
}
