//! Bond lengths, angles and torsions, and the way back to coordinates (NeRF).

mod scan;
mod tensors;

pub use tensors::InternalTensors;

use nalgebra::Vector3;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use thiserror::Error;

use crate::ideal::{ANGLE_C_N_CA, ANGLE_CA_C_N, ANGLE_N_CA_C, BOND_C_N, BOND_CA_C, BOND_N_CA};
use crate::torsions::torsions_between;
use crate::{Backbone, BackboneResidue, DegenerateFrame, Frame};

/// The atom bonded to the last of three, in angstrom: at this distance from it, this angle with the
/// bond before and this torsion about that bond. The three must not lie on one line.
///
/// # Source
/// Parsons et al. 2005, J. Comput. Chem. 26, 1063 (natural extension reference frame).
pub(crate) fn place_atom(
    [a, b, c]: &[Vector3<f64>; 3],
    length: f64,
    angle: f64,
    torsion: f64,
) -> Vector3<f64> {
    let along = (c - b).normalize();
    let normal = (b - a).cross(&along).normalize();
    let across = normal.cross(&along);
    let (sine, cosine) = angle.sin_cos();
    let (turn_sine, turn_cosine) = torsion.sin_cos();
    let direction = -along * cosine + (across * turn_cosine + normal * turn_sine) * sine;
    c + direction * length
}

/// What is rigid in a residue: lengths in angstrom, the angle in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidueShape {
    /// From N to CA.
    pub n_ca: f64,
    /// From CA to C.
    pub ca_c: f64,
    /// The angle N - CA - C.
    pub n_ca_c: f64,
}

/// How a residue continues with the next: the length in angstrom, angles and torsions in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joint {
    /// From C to the next N.
    pub c_n: f64,
    /// The angle CA - C - N.
    pub ca_c_n: f64,
    /// The angle C - N - CA.
    pub c_n_ca: f64,
    /// The torsion psi of the residue.
    pub psi: f64,
    /// The torsion omega of the residue.
    pub omega: f64,
    /// The torsion phi of the next residue.
    pub phi: f64,
}

/// How a residue stands to the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    /// It begins the chain or follows a break: only its place in space says where it is.
    Placed(Frame),
    /// It is bonded to the residue before.
    Bonded(Joint),
}

/// A backbone by its internal coordinates, which determine it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InternalCoordinates {
    /// The shape of each residue, and how it stands to the one before.
    pub residues: Vec<(Link, ResidueShape)>,
}

/// A backbone whose internal coordinates are not defined.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum InternalCoordinatesError {
    /// A residue has no frame.
    #[error("residue {residue}: {source}")]
    Frame {
        /// Its index in the backbone.
        residue: usize,
        /// Its atoms.
        source: DegenerateFrame,
    },
    /// Three bonded atoms of a residue and the one before lie on one line.
    #[error("residue {residue} and the one before have three atoms on one line and no torsion")]
    Torsion {
        /// The index of the second residue in the backbone.
        residue: usize,
    },
}

impl InternalCoordinates {
    /// The internal coordinates of a backbone.
    ///
    /// # Errors
    /// [`InternalCoordinatesError`] where atoms that follow each other lie on one line.
    pub fn of(backbone: &Backbone) -> Result<Self, InternalCoordinatesError> {
        let residues = backbone.residues();
        let shapes = residues.iter().enumerate().map(|(i, residue)| {
            let frame = Frame::of_residue(residue)
                .map_err(|source| InternalCoordinatesError::Frame { residue: i, source })?;
            let link = if backbone.is_bonded_to_previous(i) {
                let joint = joint(&residues[i - 1], residue);
                Link::Bonded(joint.ok_or(InternalCoordinatesError::Torsion { residue: i })?)
            } else {
                Link::Placed(frame)
            };
            Ok((link, shape(residue)))
        });
        let residues = shapes.collect::<Result<_, _>>()?;
        Ok(Self { residues })
    }

    /// A chain without breaks of ideal bonds and angles, from the torsions (psi, omega, phi of the next
    /// residue) of each of its joints; its first residue stands in the identity frame.
    pub fn ideal(torsions: &[[f64; 3]]) -> Self {
        let shape = ResidueShape {
            n_ca: BOND_N_CA.mean,
            ca_c: BOND_CA_C.mean,
            n_ca_c: ANGLE_N_CA_C.mean,
        };
        let joints = torsions.iter().map(|[psi, omega, phi]| {
            Link::Bonded(Joint {
                c_n: BOND_C_N.mean,
                ca_c_n: ANGLE_CA_C_N.mean,
                c_n_ca: ANGLE_C_N_CA.mean,
                psi: *psi,
                omega: *omega,
                phi: *phi,
            })
        });
        let links = std::iter::once(Link::Placed(Frame::identity())).chain(joints);
        Self {
            residues: links.map(|link| (link, shape)).collect(),
        }
    }

    /// The coordinates, atom after atom in O(L). A residue after a break stands where it stood.
    pub fn to_backbone(&self) -> Backbone {
        let mut residues: Vec<BackboneResidue> = Vec::with_capacity(self.residues.len());
        let mut bonded = Vec::with_capacity(self.residues.len());
        for (link, shape) in &self.residues {
            let (residue, is_bonded) = match (link, residues.last()) {
                (Link::Bonded(joint), Some(before)) => (continued(before, joint, shape), true),
                (Link::Placed(frame), _) => (placed(frame, shape), false),
                // A joint at the very beginning has nothing to join.
                (Link::Bonded(_), None) => (placed(&Frame::identity(), shape), false),
            };
            residues.push(residue);
            bonded.push(is_bonded);
        }
        Backbone::new(residues, bonded)
    }

    /// The same chain with normal noise of this standard deviation, in radians, on all torsions.
    pub fn with_torsion_noise(mut self, deviation: f64, rng: &mut impl Rng) -> Self {
        let mut noise = || deviation * Distribution::<f64>::sample(&StandardNormal, &mut *rng);
        for (link, _) in &mut self.residues {
            if let Link::Bonded(joint) = link {
                joint.psi += noise();
                joint.omega += noise();
                joint.phi += noise();
            }
        }
        self
    }
}

fn shape(residue: &BackboneResidue) -> ResidueShape {
    let (to_n, to_c) = (residue.n - residue.ca, residue.c - residue.ca);
    ResidueShape {
        n_ca: to_n.norm(),
        ca_c: to_c.norm(),
        n_ca_c: to_n.angle(&to_c),
    }
}

fn joint(one: &BackboneResidue, two: &BackboneResidue) -> Option<Joint> {
    let [psi, omega, phi] = torsions_between(one, two);
    Some(Joint {
        c_n: (two.n - one.c).norm(),
        ca_c_n: (one.ca - one.c).angle(&(two.n - one.c)),
        c_n_ca: (one.c - two.n).angle(&(two.ca - two.n)),
        psi: psi?,
        omega: omega?,
        phi: phi?,
    })
}

fn continued(before: &BackboneResidue, joint: &Joint, shape: &ResidueShape) -> BackboneResidue {
    let n = place_atom(&before.atoms(), joint.c_n, joint.ca_c_n, joint.psi);
    let ca = place_atom(
        &[before.ca, before.c, n],
        shape.n_ca,
        joint.c_n_ca,
        joint.omega,
    );
    let c = place_atom(&[before.c, n, ca], shape.ca_c, shape.n_ca_c, joint.phi);
    BackboneResidue { n, ca, c }
}

fn placed(frame: &Frame, shape: &ResidueShape) -> BackboneResidue {
    let (sine, cosine) = shape.n_ca_c.sin_cos();
    BackboneResidue {
        n: frame.apply(&Vector3::new(shape.n_ca * cosine, shape.n_ca * sine, 0.0)),
        ca: frame.translation,
        c: frame.apply(&Vector3::new(shape.ca_c, 0.0, 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::torsion_angle;

    /// The largest distance between atoms of two backbones, in angstrom; not-a-number if one is.
    fn largest_distance(one: &Backbone, two: &Backbone) -> f64 {
        let pairs = one.residues().iter().zip(two.residues());
        let distances =
            pairs.flat_map(|(a, b)| (0..3).map(|i| (a.atoms()[i] - b.atoms()[i]).norm()));
        distances.fold(0.0, |a, b| if a >= b || a.is_nan() { a } else { b })
    }

    fn random_chain(length: usize) -> Backbone {
        let mut rng = StdRng::seed_from_u64(3);
        let torsions: Vec<[f64; 3]> = (1..length)
            .map(|_| {
                [
                    rng.random_range(-3.0..3.0),
                    3.1,
                    rng.random_range(-3.0..3.0),
                ]
            })
            .collect();
        InternalCoordinates::ideal(&torsions).to_backbone()
    }

    #[test]
    fn the_longest_target_of_casp14_comes_back_to_a_billionth_of_an_angstrom() {
        let chain = random_chain(2180);
        let back = InternalCoordinates::of(&chain).unwrap().to_backbone();
        let error = largest_distance(&chain, &back);
        println!("L = 2180: {error:e} angstrom");
        assert!(error < 1e-9, "{error:e}");
    }

    #[test]
    fn an_atom_is_placed_at_its_distance_angle_and_torsion() {
        let base = [
            Vector3::new(0.3, 1.0, -0.2),
            Vector3::new(0.0, 0.1, 0.3),
            Vector3::new(1.2, 0.0, 0.1),
        ];
        for torsion in [-3.0, -1.5, 0.0, 0.1, 2.0] {
            let placed = place_atom(&base, 1.4, 1.9, torsion);
            let [a, b, c] = base;
            assert!(((placed - c).norm() - 1.4).abs() < 1e-15);
            assert!(((placed - c).angle(&(b - c)) - 1.9).abs() < 1e-14);
            let measured = torsion_angle(&[a, b, c, placed]).unwrap();
            assert!((measured - torsion).abs() < 1e-14, "{torsion} {measured}");
        }
    }

    #[test]
    fn segments_after_a_break_stand_where_they_stood() {
        let whole = random_chain(40);
        let bonded = (0..40).map(|i| i % 13 != 5).collect();
        let broken = Backbone::new(whole.residues().to_vec(), bonded);
        let internal = InternalCoordinates::of(&broken).unwrap();
        let back = internal.to_backbone();
        assert!(largest_distance(&broken, &back) < 1e-11);
        assert!(!back.is_bonded_to_previous(18));
        let torsions = broken.torsions();
        assert_eq!(
            (torsions[5].phi, torsions[4].psi, torsions[4].omega),
            (None, None, None)
        );
        assert_eq!(
            (torsions[0].phi, torsions[39].psi, torsions[39].omega),
            (None, None, None)
        );
        // Noise on the torsions before a break does not move what is after it.
        let mut rng = StdRng::seed_from_u64(4);
        let moved = internal.with_torsion_noise(0.3, &mut rng).to_backbone();
        for (i, residue) in moved.residues().iter().enumerate() {
            let distance = (residue.ca - broken.residues()[i].ca).norm();
            let begins = !broken.is_bonded_to_previous(i);
            assert_eq!(distance < 1e-12, begins, "{i}: {distance}");
        }
    }

    #[test]
    fn atoms_on_a_line_are_refused_with_their_residue() {
        let mut residues = random_chain(4).residues().to_vec();
        residues[2].n = residues[2].ca * 2.0 - residues[2].c;
        let refused = InternalCoordinates::of(&Backbone::unbroken(residues));
        assert!(matches!(
            refused,
            Err(InternalCoordinatesError::Frame { residue: 2, .. })
        ));
    }

    #[test]
    fn a_chain_without_residues_has_no_coordinates() {
        let empty = InternalCoordinates::of(&Backbone::default()).unwrap();
        assert!(empty.to_backbone().is_empty());
    }
}
