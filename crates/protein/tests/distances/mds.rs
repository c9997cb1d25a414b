//! From distances to coordinates.

use nalgebra::{DMatrix, SymmetricEigen, Vector3};
use rand::RngExt;
use rand_distr::StandardNormal;
use steerable_protein::{
    DistanceMatrix, KnownDistances, MdsError, SmacofConfig, classical_mds, complete, embed,
    handedness, mirrored, rank, smacof,
};

use crate::chains::{Fixture, real_pieces, rmsd, seeded, wandering};

fn with_noise(distances: &DistanceMatrix, sigma: f64, seed: u64) -> DistanceMatrix {
    let rng = &mut seeded(seed);
    DistanceMatrix::from_fn(distances.len(), |i, j| {
        let error: f64 = rng.sample(StandardNormal);
        (distances.get(i, j) + sigma * error).max(0.0)
    })
}

#[test]
fn the_gram_matrix_has_rank_3_and_squared_distances_rank_5() {
    let distances = DistanceMatrix::of(&Fixture::read().globin());
    assert_eq!(rank(&distances.gram(), 1e-9), 3);
    assert_eq!(rank(&distances.squared(), 1e-9), 5);
    assert_eq!(rank(&DMatrix::zeros(0, 0), 1e-9), 0);
}

#[test]
fn the_gram_matrix_is_j_d2_j_and_holds_the_products_of_centred_points() {
    let points = wandering(40, &mut seeded(40));
    let distances = DistanceMatrix::of(&points);
    let gram = distances.gram();
    let j = DMatrix::identity(40, 40) - DMatrix::from_element(40, 40, 1.0 / 40.0);
    let word_for_word = &j * distances.squared() * &j * -0.5;
    assert!((&gram - word_for_word).norm() < 1e-12 * gram.norm());
    let mean = points.iter().sum::<Vector3<f64>>() / 40.0;
    let products = DMatrix::from_fn(40, 40, |i, k| (points[i] - mean).dot(&(points[k] - mean)));
    assert!((&gram - products).norm() < 1e-12 * gram.norm());
}

#[test]
fn classical_scaling_gives_back_points_up_to_a_motion_and_a_mirror_image() {
    for len in [4, 20, 32, 33, 200] {
        let points = wandering(len, &mut seeded(41));
        let found = classical_mds(&DistanceMatrix::of(&points)).unwrap();
        let error = rmsd(&found.points, &points).min(rmsd(&mirrored(&found.points), &points));
        assert!(error < 1e-9, "{len}: {error}");
        assert!(found.unexplained < 1e-6, "{len}: {}", found.unexplained);
    }
}

#[test]
fn the_three_largest_eigenvalues_are_those_of_the_full_decomposition_under_noise() {
    for (len, sigma) in [(60, 0.0), (60, 1.0), (150, 5.0), (150, 30.0)] {
        let points = wandering(len, &mut seeded(42));
        let distances = with_noise(&DistanceMatrix::of(&points), sigma, 43);
        let mut full = SymmetricEigen::new(distances.gram())
            .eigenvalues
            .as_slice()
            .to_vec();
        full.sort_by(|a, b| b.total_cmp(a));
        let found = classical_mds(&distances).unwrap().eigenvalues;
        for (a, b) in found.iter().zip(&full) {
            assert!(
                (a - b).abs() < 1e-10 * full[0],
                "{len} {sigma}: {found:?} {:?}",
                &full[..3]
            );
        }
    }
}

#[test]
fn a_threefold_eigenvalue_keeps_its_three_axes() {
    // The corners of octahedra, one inside the other: the same extent along x, y and z.
    let points: Vec<_> = (1..=10)
        .flat_map(|size| {
            (0..3).flat_map(move |axis| {
                let mut corner = Vector3::zeros();
                corner[axis] = f64::from(size);
                [corner, -corner]
            })
        })
        .collect();
    assert!(points.len() > 32);
    let found = classical_mds(&DistanceMatrix::of(&points)).unwrap();
    // The octahedra are their own mirror images.
    assert!(rmsd(&found.points, &points) < 1e-9);
}

#[test]
fn no_residues_and_few_residues_have_coordinates() {
    for len in 0..4 {
        let points = wandering(len, &mut seeded(44));
        let known = KnownDistances::all(&DistanceMatrix::of(&points)).unwrap();
        let found = embed(&known, SmacofConfig::default()).unwrap();
        assert_eq!(found.points.len(), len);
        if len > 0 {
            assert!(rmsd(&found.points, &points) < 1e-9);
        }
    }
}

#[test]
fn real_chains_are_right_handed_by_the_sine_of_twice_their_ca_torsions() {
    let mut by_chain = std::collections::BTreeMap::<_, (f64, usize)>::new();
    for (name, piece) in real_pieces() {
        let ca: Vec<_> = piece.iter().map(|residue| residue.ca).collect();
        let entry = by_chain.entry(name).or_default();
        let torsions = ca.len().saturating_sub(3);
        entry.0 += handedness(&ca) * torsions as f64;
        entry.1 += torsions;
    }
    let hands: Vec<f64> = by_chain
        .values()
        .map(|&(sum, of)| sum / of as f64)
        .collect();
    println!(
        "{} chains, right-handed {}",
        hands.len(),
        hands.iter().filter(|&&h| h > 0.0).count()
    );
    assert!(hands.iter().all(|&hand| hand > 0.1), "{hands:?}");
}

#[test]
fn the_mirror_image_has_the_opposite_hand() {
    let chain = Fixture::read().globin();
    assert!(handedness(&chain) > 0.3);
    assert!((handedness(&chain) + handedness(&mirrored(&chain))).abs() < 1e-12);
    assert_eq!(handedness(&chain[..3]), 0.0);
}

#[test]
fn distances_give_back_a_real_chain_and_not_its_mirror_image() {
    let chain = Fixture::read().globin();
    for points in [chain.clone(), mirrored(&chain)] {
        let known = KnownDistances::all(&DistanceMatrix::of(&points)).unwrap();
        let found = embed(&known, SmacofConfig::default()).unwrap();
        // Distances do not tell the two apart: both give the protein.
        assert!(rmsd(&found.points, &chain) < 1e-6);
    }
}

/// The pairs within a radius, and a few others, with errors.
fn partly_known(points: &[Vector3<f64>], radius: f64, sigma: f64, seed: u64) -> KnownDistances {
    let rng = &mut seeded(seed);
    let mut pairs = Vec::new();
    for j in 0..points.len() {
        for i in 0..j {
            let distance = (points[i] - points[j]).norm();
            let error: f64 = rng.sample(StandardNormal);
            if distance < radius {
                pairs.push((i, j, (distance + sigma * error).max(0.0), 1.0));
            }
        }
    }
    KnownDistances::new(points.len(), pairs).unwrap()
}

#[test]
fn distances_up_to_20_angstrom_give_back_a_real_chain() {
    let chain = Fixture::read().globin();
    for (sigma, allowed) in [(0.0, 0.05), (0.5, 0.3), (1.0, 0.6)] {
        let known = partly_known(&chain, 20.0, sigma, 45);
        assert!(!known.is_complete());
        let found = embed(
            &known,
            SmacofConfig {
                max_steps: 1000,
                tolerance: 1e-7,
            },
        )
        .unwrap();
        let off = rmsd(&found.points, &chain);
        println!(
            "noise {sigma}: RMSD {off:.3} after {} steps",
            found.stress.len() - 1
        );
        assert!(off < allowed, "{sigma}: {off}");
    }
}

#[test]
fn stress_never_rises() {
    let chain = Fixture::read().globin();
    let rng = &mut seeded(46);
    for known in [
        partly_known(&chain, 12.0, 2.0, 47),
        KnownDistances::all(&with_noise(&DistanceMatrix::of(&chain), 3.0, 48)).unwrap(),
    ] {
        let found = smacof(&known, wandering(chain.len(), rng), SmacofConfig::default()).unwrap();
        assert!(found.stress.len() > 10, "{:?}", found.stress);
        assert!(
            found.stress.windows(2).all(|two| two[1] < two[0]),
            "{:?}",
            found.stress
        );
    }
}

#[test]
fn refinement_lowers_the_error_that_classical_scaling_leaves_under_noise() {
    let chain = Fixture::read().globin();
    let distances = with_noise(&DistanceMatrix::of(&chain), 3.0, 49);
    let classical = classical_mds(&distances).unwrap();
    let before = rmsd(&classical.points, &chain).min(rmsd(&mirrored(&classical.points), &chain));
    let known = KnownDistances::all(&distances).unwrap();
    let after = rmsd(
        &embed(&known, SmacofConfig::default()).unwrap().points,
        &chain,
    );
    println!("noise of 3 angstrom: classical {before:.3}, refined {after:.3}");
    assert!(after < before, "{before} {after}");
}

#[test]
fn shortest_paths_fill_gaps_and_leave_known_distances_alone() {
    // A square with one diagonal that is longer than the way round it.
    let pairs = [
        (0, 1, 1.0, 1.0),
        (2, 1, 2.0, 1.0),
        (2, 3, 1.0, 1.0),
        (0, 2, 9.0, 1.0),
    ];
    let full = complete(&KnownDistances::new(4, pairs).unwrap()).unwrap();
    let expected = DMatrix::from_row_slice(
        4,
        4,
        &[
            0., 1., 9., 4., 1., 0., 2., 3., 9., 2., 0., 1., 4., 3., 1., 0.,
        ],
    );
    assert_eq!(full.entries(), &expected);
}

#[test]
fn a_residue_without_distances_is_named() {
    let known = KnownDistances::new(3, [(0, 1, 3.8, 1.0), (1, 2, 3.8, 0.0)]).unwrap();
    assert_eq!(known.num_pairs(), 1);
    assert_eq!(complete(&known), Err(MdsError::Disconnected { i: 0, j: 2 }));
}

#[test]
fn wrong_distances_weights_pairs_and_starts_are_errors() {
    let new = |pair| KnownDistances::new(3, [(0, 1, 3.8, 1.0), pair]);
    assert_eq!(
        new((1, 2, -1.0, 1.0)),
        Err(MdsError::NotADistance {
            i: 1,
            j: 2,
            distance: -1.0
        })
    );
    assert_eq!(
        new((1, 2, 1.0, -1.0)),
        Err(MdsError::NotAWeight {
            i: 1,
            j: 2,
            weight: -1.0
        })
    );
    assert!(matches!(
        new((1, 2, f64::NAN, 1.0)),
        Err(MdsError::NotADistance { .. })
    ));
    for (i, j) in [(1, 1), (1, 3), (1, 0)] {
        let found = new((i, j, 3.8, 1.0));
        assert!(
            matches!(found, Err(MdsError::NotAPair { len: 3, .. })),
            "{found:?}"
        );
    }
    let matrix = DistanceMatrix::from_fn(3, |_, j| if j == 2 { f64::INFINITY } else { 1.0 });
    assert!(matches!(
        classical_mds(&matrix),
        Err(MdsError::NotADistance { .. })
    ));
    let known = KnownDistances::new(3, [(0, 1, 3.8, 1.0)]).unwrap();
    let start = vec![Vector3::zeros(), Vector3::zeros()];
    let found = smacof(&known, start, SmacofConfig::default());
    assert_eq!(
        found,
        Err(MdsError::Start {
            points: 2,
            residues: 3
        })
    );
}

#[test]
fn two_thousand_residues_are_embedded_in_seconds_and_to_rounding() {
    let points = wandering(2000, &mut seeded(51));
    let points = if handedness(&points) < 0.0 {
        mirrored(&points)
    } else {
        points
    };
    let known = KnownDistances::all(&DistanceMatrix::of(&points)).unwrap();
    let start = std::time::Instant::now();
    let found = embed(&known, SmacofConfig::default()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let error = rmsd(&found.points, &points);
    println!(
        "L = 2000: {error:e} angstrom in {seconds:.2} s, {} steps of refinement",
        found.stress.len() - 1
    );
    assert!(error < 1e-8, "{error:e}");
}
