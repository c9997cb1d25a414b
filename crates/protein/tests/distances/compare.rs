//! Superposition, RMSD, TM-score, GDT, lDDT and FAPE.

use nalgebra::{Matrix3, SVD, Vector3};
use steerable_protein::{
    BackboneResidue, CompareError, FapeConfig, Frame, LddtConfig, Matched, fape, mirrored,
    tm_distance_scale,
};

use crate::chains::{Fixture, moved, noisy, normal, random_motion, seeded, wandering};

/// Coordinates of 100 angstrom in f64, and sums of some hundreds of them.
const ROUNDING: f64 = 1e-11;

/// Kabsch's own way: singular vectors, the last one turned where the product is improper.
fn kabsch_by_svd(matched: Matched<'_>) -> f64 {
    let mean = |x: &[Vector3<f64>]| x.iter().sum::<Vector3<f64>>() / x.len() as f64;
    let (at_model, at_reference) = (mean(matched.model), mean(matched.reference));
    let pairs = || matched.model.iter().zip(matched.reference);
    let covariance: Matrix3<f64> = pairs()
        .map(|(x, y)| (y - at_reference) * (x - at_model).transpose())
        .sum();
    let svd = SVD::new(covariance, true, true);
    let (u, v_t) = (svd.u.unwrap(), svd.v_t.unwrap());
    let turn = Matrix3::from_diagonal(&Vector3::new(1.0, 1.0, (u * v_t).determinant().signum()));
    let rotation = u * turn * v_t;
    let sum: f64 = pairs()
        .map(|(x, y)| (rotation * (x - at_model) - (y - at_reference)).norm_squared())
        .sum();
    (sum / matched.model.len() as f64).sqrt()
}

#[test]
fn superposition_undoes_a_motion() {
    let rng = &mut seeded(1);
    let reference = wandering(80, rng);
    for _ in 0..20 {
        let motion = random_motion(rng);
        let model = moved(&reference, &motion);
        let found = Matched {
            model: &model,
            reference: &reference,
        }
        .superpose()
        .unwrap();
        assert!(found.rmsd < ROUNDING, "{}", found.rmsd);
        let back = found.motion.compose(&motion);
        assert!((back.rotation - Matrix3::identity()).norm() < ROUNDING);
        assert!(back.translation.norm() < ROUNDING);
    }
}

#[test]
fn superposition_is_as_good_as_the_singular_value_decomposition_on_chains_noise_and_mirror_images()
{
    let rng = &mut seeded(2);
    for len in [3, 4, 10, 100] {
        let reference = wandering(len, rng);
        let models = [
            noisy(&reference, 2.0, rng),
            mirrored(&reference),
            wandering(len, rng),
            reference.iter().map(|x| -x).collect(),
        ];
        for model in models {
            let model = moved(&model, &random_motion(rng));
            let matched = Matched {
                model: &model,
                reference: &reference,
            };
            let found = matched.superpose().unwrap();
            let expected = kabsch_by_svd(matched);
            assert!(
                (found.rmsd - expected).abs() < 1e-10,
                "{len}: {} {expected}",
                found.rmsd
            );
            assert!((found.motion.rotation.determinant() - 1.0).abs() < 1e-12);
            // The reported deviation is that of the reported motion.
            let placed = moved(&model, &found.motion);
            let there = Matched {
                model: &placed,
                reference: &reference,
            }
            .rmsd()
            .unwrap();
            assert!((there - found.rmsd).abs() < 1e-10);
        }
    }
}

#[test]
fn points_on_a_line_in_one_place_or_alone_are_superposed_by_a_rotation() {
    let rng = &mut seeded(3);
    let line: Vec<_> = (0..5)
        .map(|i| Vector3::new(f64::from(i), 0.0, 0.0))
        .collect();
    let flat: Vec<_> = (0..9)
        .map(|i| Vector3::new(f64::from(i % 3), f64::from(i / 3), 0.0))
        .collect();
    let spot = vec![Vector3::new(1.0, 2.0, 3.0); 4];
    let alone = vec![Vector3::new(5.0, 5.0, 5.0)];
    let two = vec![Vector3::zeros(), Vector3::new(0.0, 3.8, 0.0)];
    for reference in [line, flat, spot, alone, two] {
        let model = moved(&mirrored(&reference), &random_motion(rng));
        let found = Matched {
            model: &model,
            reference: &reference,
        }
        .superpose()
        .unwrap();
        // Mirror images of these are rotations of them.
        assert!(found.rmsd < ROUNDING, "{reference:?} {}", found.rmsd);
        assert!((found.motion.rotation.determinant() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_mirror_image_is_not_superposed_by_reflection() {
    let chain = Fixture::read().globin();
    let model = mirrored(&chain);
    let found = Matched {
        model: &model,
        reference: &chain,
    }
    .superpose()
    .unwrap();
    assert!(found.rmsd > 5.0, "{}", found.rmsd);
}

#[test]
fn a_structure_far_from_the_origin_is_superposed_as_well() {
    let rng = &mut seeded(4);
    let reference = wandering(50, rng);
    let far = Frame {
        translation: Vector3::new(1e7, -1e7, 1e7),
        ..random_motion(rng)
    };
    let model = moved(&reference, &far);
    let found = Matched {
        model: &model,
        reference: &reference,
    }
    .superpose()
    .unwrap();
    // Coordinates of 1e7 have steps of 2e-9.
    assert!(found.rmsd < 1e-8, "{}", found.rmsd);
}

#[test]
fn rmsd_without_superposition_is_the_norm_of_the_differences() {
    let reference = [Vector3::zeros(), Vector3::new(1.0, 0.0, 0.0)];
    let model = [Vector3::new(3.0, 0.0, 0.0), Vector3::new(1.0, 4.0, 0.0)];
    let rmsd = Matched {
        model: &model,
        reference: &reference,
    }
    .rmsd()
    .unwrap();
    assert_eq!(rmsd, 12.5_f64.sqrt());
}

#[test]
fn tm_scores_and_rmsds_are_those_of_tmtools_on_33_pairs() {
    let fixture = Fixture::read();
    assert_eq!(fixture.pairs.len(), 33);
    for pair in &fixture.pairs {
        let model: Vec<_> = pair.model.iter().map(|&x| x.into()).collect();
        let reference = &fixture.ca(&pair.reference)[..model.len()];
        let matched = Matched {
            model: &model,
            reference,
        };
        let of = format!("{}, {}", pair.reference, pair.kind);

        let rmsd = matched.superpose().unwrap().rmsd;
        // tmtools takes the root of a difference of sums, which keeps half the digits.
        assert!(
            (rmsd - pair.rmsd).abs() < 1e-6,
            "{of}: RMSD {rmsd}, tmtools {}",
            pair.rmsd
        );

        let found = matched.tm_score(model.len()).unwrap();
        let off = found.score - pair.tm_score;
        assert!(
            off.abs() < 1e-6,
            "{of}: TM-score {}, tmtools {}",
            found.score,
            pair.tm_score
        );

        // The reported motion has the reported score.
        let placed = moved(&model, &found.motion);
        let there: f64 = placed
            .iter()
            .zip(reference)
            .map(|(x, y)| 1.0 / (1.0 + (x - y).norm_squared() / (found.d0 * found.d0)))
            .sum();
        assert!((there / model.len() as f64 - found.score).abs() < 1e-12);
    }
}

#[test]
fn a_tm_score_is_normalised_by_the_length_it_is_given() {
    let chain = Fixture::read().globin();
    let half = Matched {
        model: &chain[..70],
        reference: &chain[..70],
    };
    let score = half.tm_score(140).unwrap();
    assert!((score.score - 0.5).abs() < 1e-12);
    assert_eq!(score.d0, tm_distance_scale(140));
    assert_eq!(half.tm_score(0), Err(CompareError::NoLength));
}

#[test]
fn the_distance_scale_is_half_an_angstrom_for_short_chains() {
    for length in [0, 1, 15, 21] {
        assert_eq!(tm_distance_scale(length), 0.5);
    }
    // 1.24 * 5 - 1.8
    assert!((tm_distance_scale(140) - 4.4).abs() < 1e-12);
}

#[test]
fn gdt_counts_a_moved_copy_fully_and_two_rigid_halves_half() {
    let rng = &mut seeded(6);
    let reference = wandering(60, rng);
    let mut model = moved(&reference, &random_motion(rng));
    let same = Matched {
        model: &model,
        reference: &reference,
    }
    .gdt()
    .unwrap();
    assert_eq!(same.within, [1.0; 5]);
    assert_eq!((same.total_score(), same.high_accuracy()), (1.0, 1.0));

    // The second half lies elsewhere: one of the halves can be matched, not both.
    let away = random_motion(rng);
    for x in &mut model[30..] {
        *x = away.apply(x);
    }
    let halves = Matched {
        model: &model,
        reference: &reference,
    }
    .gdt()
    .unwrap();
    for fraction in &halves.within[..3] {
        assert!((0.5..0.6).contains(fraction), "{halves:?}");
    }
}

#[test]
fn gdt_falls_with_noise_and_rises_with_distance() {
    let rng = &mut seeded(7);
    let chain = Fixture::read().globin();
    let scores = [0.2, 1.0, 3.0].map(|sigma| {
        let model = noisy(&chain, sigma, rng);
        let gdt = Matched {
            model: &model,
            reference: &chain,
        }
        .gdt()
        .unwrap();
        assert!(gdt.within.is_sorted(), "{gdt:?}");
        assert!(gdt.high_accuracy() <= gdt.total_score());
        gdt.total_score()
    });
    assert!(
        scores[0] > 0.99 && scores[0] > scores[1] && scores[1] > scores[2],
        "{scores:?}"
    );
}

/// Counts over all pairs, as the definition reads.
fn lddt_by_all_pairs(matched: Matched<'_>, config: LddtConfig) -> (Vec<Option<f64>>, Option<f64>) {
    let distance = |x: &[Vector3<f64>], i: usize, j: usize| (x[i] - x[j]).norm();
    let len = matched.model.len();
    let (mut all, mut kept_of_all) = (0, 0);
    let rows = (0..len)
        .map(|i| {
            let (mut of, mut kept) = (0, 0);
            for j in (0..len).filter(|&j| j != i) {
                let there = distance(matched.reference, i, j);
                if there <= config.radius {
                    of += 4;
                    let off = (distance(matched.model, i, j) - there).abs();
                    kept += config.thresholds.iter().filter(|&&t| off < t).count();
                }
            }
            all += of;
            kept_of_all += kept;
            (of > 0).then(|| kept as f64 / f64::from(of))
        })
        .collect();
    (rows, (all > 0).then(|| kept_of_all as f64 / f64::from(all)))
}

#[test]
fn lddt_is_what_comparing_all_pairs_gives() {
    let rng = &mut seeded(8);
    let chain = Fixture::read().globin();
    for sigma in [0.0, 0.5, 2.0, 8.0] {
        for radius in [15.0, 8.0, 1.0] {
            let model = moved(&noisy(&chain, sigma, rng), &random_motion(rng));
            let matched = Matched {
                model: &model,
                reference: &chain,
            };
            let config = LddtConfig {
                radius,
                ..LddtConfig::default()
            };
            let found = matched.lddt(config).unwrap();
            let (rows, global) = lddt_by_all_pairs(matched, config);
            assert_eq!(found.per_residue, rows);
            assert_eq!(found.global, global);
        }
    }
}

#[test]
fn lddt_of_a_backbone_does_not_count_distances_within_a_residue() {
    // Two residues, a distance of 5 between any of their atoms lost; inside, all are wrong too.
    let residue = |x: f64, size: f64| BackboneResidue {
        n: Vector3::new(x, size, 0.0),
        ca: Vector3::new(x, 0.0, 0.0),
        c: Vector3::new(x, 0.0, size),
    };
    let reference = [residue(0.0, 1.0), residue(5.0, 1.0)];
    let model = [residue(0.0, 6.0), residue(5.0, 6.0)];
    let lddt = Matched {
        model: &model,
        reference: &reference,
    }
    .lddt(LddtConfig::default())
    .unwrap();
    // Like atoms keep their distance of 5, three of nine; N to C and back goes from 5.20 to 9.85, and
    // CA to N or C, four of nine, from 5.10 to 7.81.
    let expected = (3.0 * 4.0 + 2.0 * 0.0 + 4.0 * 1.0) / (9.0 * 4.0);
    assert!((lddt.global.unwrap() - expected).abs() < 1e-12, "{lddt:?}");
    assert_eq!(lddt.per_residue, [lddt.global; 2]);
}

#[test]
fn lddt_of_a_residue_without_neighbours_is_not_a_number_but_nothing() {
    let reference = [
        Vector3::zeros(),
        Vector3::new(3.8, 0.0, 0.0),
        Vector3::new(90.0, 0.0, 0.0),
    ];
    let same = Matched {
        model: &reference,
        reference: &reference,
    };
    let lddt = same.lddt(LddtConfig::default()).unwrap();
    assert_eq!(lddt.per_residue, [Some(1.0), Some(1.0), None]);
    let alone = Matched {
        model: &reference[..1],
        reference: &reference[..1],
    };
    assert_eq!(alone.lddt(LddtConfig::default()).unwrap().global, None);
}

fn random_frames(len: usize, seed: u64) -> Vec<Frame> {
    let rng = &mut seeded(seed);
    (0..len).map(|_| random_motion(rng)).collect()
}

#[test]
fn fape_is_algorithm_28_word_for_word() {
    let rng = &mut seeded(9);
    let (frames, true_frames) = (random_frames(7, 10), random_frames(7, 11));
    let points: Vec<_> = (0..5).map(|_| normal(rng) * 9.0).collect();
    let true_points: Vec<_> = (0..5).map(|_| normal(rng) * 9.0).collect();
    for clamp in [None, Some(40.0)] {
        let config = FapeConfig {
            clamp,
            ..FapeConfig::default()
        };
        let mut sum = 0.0;
        for (frame, true_frame) in frames.iter().zip(&true_frames) {
            for (x, true_x) in points.iter().zip(&true_points) {
                let local = frame.inverse().apply(x);
                let true_local = true_frame.inverse().apply(true_x);
                let d = ((local - true_local).norm_squared() + 1e-4).sqrt();
                sum += clamp.map_or(d, |c| d.min(c));
            }
        }
        let found = fape(
            Matched {
                model: &frames,
                reference: &true_frames,
            },
            Matched {
                model: &points,
                reference: &true_points,
            },
            config,
        )
        .unwrap();
        assert!((found - sum / 350.0).abs() < 1e-12, "{found}");
    }
}

fn backbone(ca: &[Vector3<f64>], rng: &mut rand::rngs::StdRng) -> Vec<BackboneResidue> {
    ca.iter()
        .map(|&ca| BackboneResidue {
            n: ca + normal(rng),
            ca,
            c: ca + normal(rng),
        })
        .collect()
}

fn map(
    chain: &[BackboneResidue],
    f: impl Fn(&Vector3<f64>) -> Vector3<f64>,
) -> Vec<BackboneResidue> {
    chain
        .iter()
        .map(|r| BackboneResidue {
            n: f(&r.n),
            ca: f(&r.ca),
            c: f(&r.c),
        })
        .collect()
}

#[test]
fn fape_of_a_backbone_forgets_motions_and_sees_mirror_images() {
    let rng = &mut seeded(12);
    let chain = backbone(&wandering(40, rng), rng);
    let config = FapeConfig::default();
    let motion = random_motion(rng);
    let model = map(&chain, |x| motion.apply(x));
    let same = Matched {
        model: &model,
        reference: &chain,
    }
    .fape(config)
    .unwrap();
    // Of a perfect model sqrt(epsilon) / scale is left.
    assert!((same - 1e-3).abs() < 1e-9, "{same}");

    let image = map(&chain, |x| Vector3::new(-x.x, x.y, x.z));
    let other = Matched {
        model: &image,
        reference: &chain,
    }
    .fape(config)
    .unwrap();
    assert!(other > 0.1, "{other}");
}

#[test]
fn scores_do_not_change_when_either_structure_moves() {
    let rng = &mut seeded(13);
    let chain = Fixture::read().globin();
    let model = noisy(&chain, 1.5, rng);
    let at_home = Matched {
        model: &model,
        reference: &chain,
    };
    let (a, b) = (
        moved(&model, &random_motion(rng)),
        moved(&chain, &random_motion(rng)),
    );
    let away = Matched {
        model: &a,
        reference: &b,
    };
    let tm = |m: Matched<'_>| m.tm_score(147).unwrap().score;
    let rmsd = |m: Matched<'_>| m.superpose().unwrap().rmsd;
    assert!((tm(at_home) - tm(away)).abs() < 1e-9);
    assert!((rmsd(at_home) - rmsd(away)).abs() < ROUNDING);
}

#[test]
fn a_score_is_the_same_on_one_thread_and_on_two() {
    let fixture = Fixture::read();
    let pair = &fixture.pairs[30];
    let model: Vec<_> = pair.model.iter().map(|&x| x.into()).collect();
    let reference = &fixture.ca(&pair.reference)[..model.len()];
    let score = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            Matched {
                model: &model,
                reference,
            }
            .tm_score(model.len())
            .unwrap()
        })
    };
    assert_eq!(score(1), score(2));
}

#[test]
fn what_cannot_be_compared_is_an_error_with_its_numbers() {
    let chain = wandering(5, &mut seeded(14));
    let short = Matched {
        model: &chain[..4],
        reference: &chain,
    };
    let unequal = CompareError::Lengths {
        model: 4,
        reference: 5,
    };
    assert_eq!(short.rmsd(), Err(unequal.clone()));
    assert_eq!(short.superpose(), Err(unequal.clone()));
    assert_eq!(short.tm_score(5), Err(unequal.clone()));
    assert_eq!(short.gdt(), Err(unequal.clone()));
    assert_eq!(short.lddt(LddtConfig::default()), Err(unequal));

    let none = Matched {
        model: &chain[..0],
        reference: &chain[..0],
    };
    assert_eq!(none.rmsd(), Err(CompareError::Empty));

    let mut broken = chain.clone();
    broken[3].y = f64::NAN;
    let found = Matched {
        model: &broken,
        reference: &chain,
    }
    .tm_score(5);
    let Err(CompareError::NotFinite {
        of: "model",
        index: 3,
        position,
    }) = found
    else {
        panic!("{found:?}");
    };
    assert!(position[1].is_nan());

    let config = LddtConfig {
        radius: -1.0,
        ..LddtConfig::default()
    };
    let found = Matched {
        model: &chain,
        reference: &chain,
    }
    .lddt(config);
    assert!(
        matches!(found, Err(CompareError::Neighbours(_))),
        "{found:?}"
    );

    let flat = vec![BackboneResidue {
        n: chain[0],
        ca: chain[0],
        c: chain[0],
    }];
    let found = Matched {
        model: &flat,
        reference: &flat,
    }
    .fape(FapeConfig::default());
    assert!(
        matches!(
            found,
            Err(CompareError::Frame {
                of: "model",
                index: 0,
                ..
            })
        ),
        "{found:?}"
    );
}
