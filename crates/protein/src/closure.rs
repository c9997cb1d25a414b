//! Closing peptide bonds: residues move a little, each as a rigid body, until the bonds between them are usual.

use std::ops::RangeInclusive;

use nalgebra::{Rotation3, Vector3};

use crate::ideal::{ANGLE_C_N_CA, ANGLE_CA_C_N, BOND_C_N, Ideal, distance_across};
use crate::{Backbone, BackboneResidue, Frame};

/// Lengths and angles within this many standard deviations are left as they are.
const USUAL: f64 = 1.5;
/// CA atoms this much nearer than in a planar trans peptide, or farther apart than in a cis one, are left as they are,
/// in angstrom: omega is within some 20 degrees then.
const PLANAR: f64 = 0.02;
/// It ends when no distance is farther than this from where it should be, in angstrom.
const CLOSED: f64 = 1e-3;
/// Or after so many passes along the chain.
const MOST_SWEEPS: usize = 500;
/// How far a residue is pushed at once, in angstrom: turns stay small.
const FARTHEST_PUSH: f64 = 0.5;
/// The square of a residue's radius of gyration, in square angstrom: how hard it is to turn.
const GYRATION: f64 = 2.0;

impl Backbone {
    /// For each residue the motion after which the bonds along the chain have usual lengths and angles and planar
    /// peptides: trans, or cis where that is allowed and nearer. Usual means within one and a half standard deviations; what is usual
    /// is left alone, so a good structure stays nearly as it is. Residues are rigid: all their atoms move with them.
    ///
    /// Each distance across a bond that is too long or too short is mended by moving both residues, no farther than
    /// that takes and no more than half an angstrom at once, again and again along the chain, 500 times at most:
    /// linear in its length. It is not promised that all can be mended: residues that lie on one another are left.
    /// Equivariant, to rounding.
    ///
    /// `can_be_cis`: for each residue whether its bond to the one before may become cis: prolines, and those that
    /// were before.
    ///
    /// # Panics
    /// If there are not as many flags as residues.
    ///
    /// # Source
    /// Müller et al. 2020, "Detailed Rigid Body Simulation with Extended Position Based Dynamics", section 3.3.1.
    pub fn closing_motions(&self, can_be_cis: &[bool]) -> Vec<Frame> {
        assert_eq!(
            can_be_cis.len(),
            self.len(),
            "closing_motions: a flag for each residue"
        );
        let mut motions = vec![Frame::identity(); self.len()];
        let links: Vec<Link> = (1..self.len())
            .filter(|&after| self.is_bonded_to_previous(after))
            .map(|after| Link::new(self.residues(), after, can_be_cis[after]))
            .collect();
        for _ in 0..MOST_SWEEPS {
            let mut worst: f64 = 0.0;
            for link in &links {
                worst = worst.max(link.mend(self.residues(), &mut motions));
            }
            if worst <= CLOSED {
                break;
            }
        }
        motions
    }
}

/// A bond along the chain.
struct Link {
    /// The residue behind the bond.
    after: usize,
    is_cis: bool,
}

/// CA and C before a bond, N and CA behind it.
struct Peptide {
    atoms: [Vector3<f64>; 4],
}

impl Peptide {
    /// The three bonds.
    fn lengths(&self) -> [f64; 3] {
        [0, 1, 2].map(|i| (self.atoms[i + 1] - self.atoms[i]).norm())
    }

    /// The angles between them, in radians.
    fn angles(&self) -> [f64; 2] {
        [1, 2].map(|i| {
            let [from, at, to] = [i - 1, i, i + 1].map(|i| self.atoms[i]);
            (from - at).angle(&(to - at))
        })
    }
}

impl Link {
    fn new(residues: &[BackboneResidue], after: usize, can_be_cis: bool) -> Self {
        let (before, next) = (residues[after - 1], residues[after]);
        let peptide = Peptide {
            atoms: [before.ca, before.c, next.n, next.ca],
        };
        let [ca_c, _, n_ca] = peptide.lengths();
        let lengths = [ca_c, BOND_C_N.mean, n_ca];
        let [trans, cis] = planar(lengths, [ANGLE_CA_C_N.mean, ANGLE_C_N_CA.mean]);
        let apart = (next.ca - before.ca).norm();
        Self {
            after,
            is_cis: can_be_cis && (apart - cis).abs() < (apart - trans).abs(),
        }
    }

    /// Moves the two residues; returns how far the worst distance was off, in angstrom.
    fn mend(&self, residues: &[BackboneResidue], motions: &mut [Frame]) -> f64 {
        let [ca, c, n, next_ca] = [0, 1, 2, 3];
        let mut worst: f64 = 0.0;
        let mut bring = |from: usize, to: usize, usual: &dyn Fn(Peptide) -> RangeInclusive<f64>| {
            let usual = usual(self.peptide(residues, motions));
            worst = worst.max(self.bring([from, to], usual, residues, motions));
        };
        bring(c, n, &|_| usual(BOND_C_N));
        bring(ca, n, &|peptide| {
            let [ca_c, c_n, _] = peptide.lengths();
            across([ca_c, c_n], ANGLE_CA_C_N)
        });
        bring(c, next_ca, &|peptide| {
            let [_, c_n, n_ca] = peptide.lengths();
            across([c_n, n_ca], ANGLE_C_N_CA)
        });
        bring(ca, next_ca, &|peptide| {
            let [trans, cis] = planar(peptide.lengths(), peptide.angles());
            match self.is_cis {
                true => 0.0..=cis + PLANAR,
                false => trans - PLANAR..=f64::INFINITY,
            }
        });
        worst
    }

    /// Where the atoms are now.
    fn peptide(&self, residues: &[BackboneResidue], motions: &[Frame]) -> Peptide {
        let [before, next] = [self.after - 1, self.after].map(|i| (&residues[i], &motions[i]));
        Peptide {
            atoms: [
                before.1.apply(&before.0.ca),
                before.1.apply(&before.0.c),
                next.1.apply(&next.0.n),
                next.1.apply(&next.0.ca),
            ],
        }
    }

    /// Moves the two residues until two atoms of the peptide are as far apart as is usual; returns how far they were
    /// off.
    fn bring(
        &self,
        atoms: [usize; 2],
        usual: RangeInclusive<f64>,
        residues: &[BackboneResidue],
        motions: &mut [Frame],
    ) -> f64 {
        let peptide = self.peptide(residues, motions);
        let [from, to] = atoms.map(|atom| peptide.atoms[atom]);
        let distance = (to - from).norm();
        let off = distance - distance.max(*usual.start()).min(*usual.end());
        // Atoms on one another have no direction to go; positions that are no numbers stay so.
        if off == 0.0 || distance == 0.0 || off.is_nan() {
            return 0.0;
        }
        let along = (to - from) / distance;
        let [ca, .., next_ca] = peptide.atoms;
        let bodies = [
            Body::new(self.after - 1, ca, from, along),
            Body::new(self.after, next_ca, to, along),
        ];
        let size = off / (bodies[0].ease + bodies[1].ease);
        let size = size.clamp(-FARTHEST_PUSH, FARTHEST_PUSH);
        for (body, size) in bodies.into_iter().zip([size, -size]) {
            motions[body.index] = body.push(along * size).compose(&motions[body.index]);
        }
        off.abs()
    }
}

/// A residue that is pushed at one of its atoms.
struct Body {
    index: usize,
    centre: Vector3<f64>,
    arm: Vector3<f64>,
    /// How far the atom moves along the push for a push of one: by the shift and by the turn.
    ease: f64,
}

impl Body {
    fn new(index: usize, centre: Vector3<f64>, atom: Vector3<f64>, along: Vector3<f64>) -> Self {
        let arm = atom - centre;
        Self {
            index,
            centre,
            arm,
            ease: 1.0 + arm.cross(&along).norm_squared() / GYRATION,
        }
    }

    /// The motion: a shift and a turn about the centre.
    fn push(&self, push: Vector3<f64>) -> Frame {
        let turn = Rotation3::new(self.arm.cross(&push) / GYRATION);
        let rotation = *turn.matrix();
        Frame {
            rotation,
            translation: self.centre + push - rotation * self.centre,
        }
    }
}

fn usual(ideal: Ideal) -> RangeInclusive<f64> {
    let reach = USUAL * ideal.deviation;
    ideal.mean - reach..=ideal.mean + reach
}

/// How far the ends of two bonds are apart where the angle between them is usual.
fn across(bonds: [f64; 2], angle: Ideal) -> RangeInclusive<f64> {
    let angles = usual(angle);
    distance_across(bonds, *angles.start())..=distance_across(bonds, *angles.end())
}

/// How far the ends of three bonds in one plane are apart, trans and cis, by the angles between them.
fn planar([a, b, c]: [f64; 3], [first, second]: [f64; 2]) -> [f64; 2] {
    let bend = |angle: f64| std::f64::consts::PI - angle;
    [-1.0, 1.0].map(|side| {
        let [one, two] = [bend(first), bend(first) + side * bend(second)];
        let x = a + b * one.cos() + c * two.cos();
        let y = b * one.sin() + c * two.sin();
        x.hypot(y)
    })
}
