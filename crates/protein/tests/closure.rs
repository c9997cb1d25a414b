//! Peptides that noise has opened are closed, and nothing else moves.

use nalgebra::Vector3;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::StandardNormal;
use steerable_protein::ideal::{ANGLE_C_N_CA, ANGLE_CA_C_N, BOND_C_N, Ideal};
use steerable_protein::{Backbone, BackboneResidue, Frame, InternalCoordinates};

const RESIDUES: usize = 60;

/// A helix, a turn with a cis peptide, and a strand.
fn ideal_chain() -> Backbone {
    let torsions = (1..RESIDUES).map(|i| {
        let degrees = match i {
            0..30 => [-47.0, 180.0, -57.0],
            30 => [-47.0, 0.0, -57.0],
            31..36 => [30.0, 175.0, 55.0],
            _ => [135.0, -178.0, -120.0],
        };
        degrees.map(f64::to_radians)
    });
    InternalCoordinates::ideal(&torsions.collect::<Vec<_>>()).to_backbone()
}

fn bonds(chain: &Backbone) -> Vec<bool> {
    let all = 0..chain.len();
    all.map(|i| chain.is_bonded_to_previous(i)).collect()
}

fn moved(chain: &Backbone, motions: &[Frame]) -> Backbone {
    let residues = chain.residues().iter().zip(motions);
    let residues = residues.map(|(residue, motion)| {
        let [n, ca, c] = residue.atoms().map(|atom| motion.apply(&atom));
        BackboneResidue { n, ca, c }
    });
    Backbone::new(residues.collect(), bonds(chain))
}

/// The bond before it is cis in [`ideal_chain`].
const CIS: usize = 30;

fn closed(chain: &Backbone) -> Backbone {
    let can_be_cis: Vec<bool> = (0..chain.len()).map(|i| i == CIS).collect();
    moved(chain, &chain.closing_motions(&can_be_cis))
}

/// Every residue shifted and turned by itself.
fn noisy(chain: &Backbone, angstrom: f64, degrees: f64, rng: &mut impl Rng) -> Backbone {
    let mut normal = || Vector3::from_fn(|_, _| rng.sample::<f64, _>(StandardNormal));
    let motions: Vec<Frame> = chain
        .residues()
        .iter()
        .map(|residue| {
            let turn = normal() * (degrees.to_radians() / 2.0);
            let turn = Frame::from_quaternion([1.0, turn.x, turn.y, turn.z], Vector3::zeros());
            let shift = residue.ca + normal() * angstrom - turn.rotation * residue.ca;
            Frame {
                translation: shift,
                ..turn
            }
        })
        .collect();
    moved(chain, &motions)
}

/// Standard deviations of the length and of the two angles of each bond along the chain.
fn scores(chain: &Backbone) -> Vec<[f64; 3]> {
    let residues = chain.residues();
    let of = |i: usize| {
        let (before, after) = (residues[i - 1], residues[i]);
        let bond = after.n - before.c;
        let z = |ideal: Ideal, value: f64| ideal.z_score(value).abs();
        [
            z(BOND_C_N, bond.norm()),
            z(ANGLE_CA_C_N, bond.angle(&(before.ca - before.c))),
            z(ANGLE_C_N_CA, (-bond).angle(&(after.ca - after.n))),
        ]
    };
    let bonded = (1..chain.len()).filter(|&i| chain.is_bonded_to_previous(i));
    bonded.map(of).collect()
}

fn rms(one: &Backbone, other: &Backbone) -> f64 {
    let pairs = one.ca().into_iter().zip(other.ca());
    let squares: f64 = pairs.map(|(a, b)| (a - b).norm_squared()).sum();
    (squares / one.len() as f64).sqrt()
}

#[test]
fn peptides_that_noise_has_opened_are_closed_by_moves_of_its_size() {
    let chain = ideal_chain();
    for seed in 0..5 {
        let mut rng = StdRng::seed_from_u64(seed);
        let open = noisy(&chain, 0.12, 5.0, &mut rng);
        let outliers = scores(&open).concat();
        let outliers = outliers.iter().filter(|&&z| z > 4.0).count();
        assert!(outliers > RESIDUES, "{outliers}");
        let mended = closed(&open);
        let worst = scores(&mended).concat().into_iter().fold(0.0, f64::max);
        assert!(worst < 2.0, "seed {seed}: {worst} standard deviations");
        // Not farther from where it was, and no farther from the truth, than the noise is large.
        let noise = rms(&open, &chain);
        assert!(rms(&mended, &open) < noise, "seed {seed}");
        assert!(rms(&mended, &chain) < 1.1 * noise, "seed {seed}");
        for (i, torsions) in mended.torsions().iter().enumerate() {
            let omega = torsions.omega.unwrap_or(0.0).to_degrees();
            let twist = omega.abs().min(180.0 - omega.abs());
            assert!(twist < 30.0, "seed {seed}, residue {i}: omega {omega}");
            let is_cis = omega.abs() < 90.0;
            assert!(
                i + 1 == CIS || i == RESIDUES - 1 || !is_cis,
                "seed {seed}, residue {i}: cis"
            );
        }
    }
}

#[test]
fn what_is_ideal_does_not_move() {
    let chain = ideal_chain();
    assert!(closed(&chain) == chain);
}

#[test]
fn breaks_stay_open() {
    let chain = ideal_chain();
    let far = Frame {
        translation: Vector3::new(9.0, -4.0, 2.0),
        ..Frame::identity()
    };
    let motions: Vec<Frame> = (0..RESIDUES)
        .map(|i| if i < 20 { Frame::identity() } else { far })
        .collect();
    let mut bonded = bonds(&chain);
    bonded[20] = false;
    let apart = moved(&Backbone::new(chain.residues().to_vec(), bonded), &motions);
    let error = rms(&closed(&apart), &apart);
    assert!(error < 1e-3, "{error}");
    let empty = Backbone::default();
    assert!(empty.closing_motions(&[]).is_empty());
}

#[test]
fn a_wide_gap_is_closed_without_cis_peptides() {
    let chain = ideal_chain();
    for seed in 0..5 {
        let mut rng = StdRng::seed_from_u64(40 + seed);
        let open = noisy(&chain, 0.8, 30.0, &mut rng);
        let motions: Vec<Frame> = (0..RESIDUES)
            .map(|i| Frame {
                translation: Vector3::new(if i < 40 { 0.0 } else { 5.0 }, 0.0, 0.0),
                ..Frame::identity()
            })
            .collect();
        let mended = closed(&moved(&open, &motions));
        let z = scores(&mended).concat();
        let outliers = z.iter().filter(|&&z| z.is_nan() || z > 4.0).count();
        assert!(outliers <= 3, "seed {seed}: {outliers} of {}", z.len());
        let torsions = mended.torsions();
        let omegas = torsions.iter().filter_map(|torsions| torsions.omega);
        let cis = omegas.filter(|omega| omega.abs() < 0.5).count();
        assert!(cis <= 1, "seed {seed}: {cis} cis peptides");
    }
}

#[test]
fn a_chain_that_lies_elsewhere_is_closed_alike() {
    let mut rng = StdRng::seed_from_u64(11);
    let open = noisy(&ideal_chain(), 0.3, 8.0, &mut rng);
    let motion = Frame::from_quaternion([0.3, -0.9, 0.2, 1.4], Vector3::new(10.0, -7.0, 30.0));
    let everywhere = vec![motion; RESIDUES];
    let there = closed(&moved(&open, &everywhere));
    let error = rms(&there, &moved(&closed(&open), &everywhere));
    assert!(error < 1e-10, "{error:e}");
}

#[test]
fn residues_on_one_another_are_left_without_a_panic() {
    let point = |x: f64| Vector3::new(x, 0.0, 0.0);
    let residue = BackboneResidue {
        n: point(0.0),
        ca: point(0.0),
        c: point(0.0),
    };
    let chain = Backbone::unbroken(vec![residue; 3]);
    let motions = chain.closing_motions(&[false; 3]);
    assert!(motions == [Frame::identity(); 3]);
}
