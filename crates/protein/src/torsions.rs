//! Representation 3: torsion angles along the backbone.

use nalgebra::Vector3;

use crate::{Backbone, BackboneResidue};

/// The torsion angle of four atoms about the bond from the second to the third, in (-pi, pi]: seen
/// along the bond, how far the first is turned clockwise to cover the last. `None` where three atoms
/// in a row lie on one line, within 1e-9 of its sine, or coincide.
///
/// # Source
/// The sign is IUPAC-IUB 1970, rule 2.
pub fn torsion_angle(atoms: &[Vector3<f64>; 4]) -> Option<f64> {
    let planes = Planes::of(atoms);
    let ([first, axis, last], [before, after]) = (planes.bonds, planes.normals);
    let smallest = 1e-9;
    // Written so that not-a-number is refused too.
    let spread =
        |normal: &Vector3<f64>, u: &Vector3<f64>| normal.norm() > smallest * u.norm() * axis.norm();
    if !(spread(&before, &first) && spread(&after, &last)) {
        return None;
    }
    let (cosine, sine) = planes.cosine_and_sine();
    Some(sine.atan2(cosine))
}

/// `(cos, sin)` of the torsion of four points; `None` where three successive points lie on a line.
pub(crate) fn torsion_cosine_and_sine(atoms: &[Vector3<f64>; 4]) -> Option<(f64, f64)> {
    let (cosine, sine) = Planes::of(atoms).cosine_and_sine();
    let length = cosine.hypot(sine);
    (length > 0.0 && length.is_finite()).then(|| (cosine / length, sine / length))
}

/// The bonds between four atoms, and the normals of the planes of the first and the last three.
struct Planes {
    bonds: [Vector3<f64>; 3],
    normals: [Vector3<f64>; 2],
}

impl Planes {
    fn of(atoms: &[Vector3<f64>; 4]) -> Self {
        let bonds = [0, 1, 2].map(|k| atoms[k + 1] - atoms[k]);
        let normals = [0, 1].map(|k| bonds[k].cross(&bonds[k + 1]));
        Self { bonds, normals }
    }

    /// Cosine and sine of the angle between the planes, both times one positive number.
    fn cosine_and_sine(&self) -> (f64, f64) {
        let [first, axis, _] = self.bonds;
        let [before, after] = self.normals;
        // before x after lies along the axis, by the sine.
        (before.dot(&after), axis.norm() * first.dot(&after))
    }
}

/// The three torsions of a residue, in radians; `None` where a neighbour is missing, that is at ends
/// and breaks, or where atoms lie on one line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Torsions {
    /// C of the residue before, N, CA, C.
    pub phi: Option<f64>,
    /// N, CA, C, N of the residue after.
    pub psi: Option<f64>,
    /// CA, C, N and CA of the residue after: near pi, or near 0 where the peptide is cis.
    pub omega: Option<f64>,
}

impl Backbone {
    /// The torsions of all residues.
    pub fn torsions(&self) -> Vec<Torsions> {
        let residues = self.residues();
        let mut torsions: Vec<Torsions> = vec![Torsions::default(); residues.len()];
        for i in 1..residues.len() {
            if !self.is_bonded_to_previous(i) {
                continue;
            }
            let [psi, omega, phi] = torsions_between(&residues[i - 1], &residues[i]);
            torsions[i - 1].psi = psi;
            torsions[i - 1].omega = omega;
            torsions[i].phi = phi;
        }
        torsions
    }
}

/// Psi and omega of a residue and phi of the next, to which it is bonded.
pub(crate) fn torsions_between(one: &BackboneResidue, two: &BackboneResidue) -> [Option<f64>; 3] {
    [
        torsion_angle(&[one.n, one.ca, one.c, two.n]),
        torsion_angle(&[one.ca, one.c, two.n, two.ca]),
        torsion_angle(&[one.c, two.n, two.ca, two.c]),
    ]
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn a_clockwise_turn_of_the_far_bond_is_positive() {
        // Looking along z, from b to c: x is to the right and y, with z away from the eye, below.
        let at = |angle: f64| {
            let end = Vector3::new(angle.cos(), angle.sin(), 1.0);
            torsion_angle(&[Vector3::x(), Vector3::zeros(), Vector3::z(), end]).unwrap()
        };
        for angle in [-3.0, -1.0, -1e-8, 0.0, 0.5, 1.5, 3.1] {
            assert!((at(angle) - angle).abs() < 1e-15, "{angle}");
        }
        assert!((at(PI).abs() - PI).abs() < 1e-15);
    }

    #[test]
    fn a_mirror_image_has_the_opposite_torsion() {
        let atoms = [
            Vector3::new(0.1, 1.0, -0.2),
            Vector3::new(0.0, 0.1, 0.3),
            Vector3::new(1.2, 0.0, 0.1),
            Vector3::new(1.9, 0.8, 0.9),
        ];
        let mirrored = atoms.map(|p| Vector3::new(-p.x, p.y, p.z));
        let (real, image) = (torsion_angle(&atoms), torsion_angle(&mirrored));
        assert!((real.unwrap() + image.unwrap()).abs() < 1e-15);
    }

    #[test]
    fn atoms_on_a_line_have_no_torsion() {
        let line = [0.0, 1.0, 2.0, 3.0].map(|x| Vector3::new(x, 0.0, 0.0));
        assert_eq!(torsion_angle(&line), None);
        assert_eq!(torsion_angle(&[Vector3::zeros(); 4]), None);
        assert_eq!(torsion_angle(&[Vector3::repeat(f64::NAN); 4]), None);
    }
}
