//! A backbone from its CA atoms alone.

use nalgebra::{Matrix3, Vector3};
use thiserror::Error;

use crate::torsions::torsion_cosine_and_sine;
use crate::{Backbone, BackboneResidue, DegenerateFrame, Frame};

/// A CA trace that does not say where N and C are.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum CaTraceError {
    /// The place of a peptide depends on four CA atoms.
    #[error("{len} CA atoms; N and C need at least 4")]
    TooShort {
        /// The number of residues.
        len: usize,
    },
    /// Successive CA atoms on a line, or in one place.
    #[error("the CA atoms from residue {index} on have no plane: {source}")]
    Line {
        /// The first residue of the atoms, counted from 0.
        index: usize,
        /// The atoms, as N, CA and C.
        source: DegenerateFrame,
    },
}

/// Where the atoms of a peptide lie, in angstrom: C as seen from its CA, then N as seen from the next
/// one, each `[across, up, along]` with the terms 1, cos(tau) and sin(tau) of the torsion tau of the
/// four CA atoms around the peptide.
///
/// Least squares over the 22 770 trans peptides of those of the 193 test chains that come from
/// packages (theseus-examples, MDAnalysisTests, biopython, pdb2pqr, tmtools); terms below 0.003 are 0.
const CARBON: [[f64; 3]; 3] = [
    [-0.0634, 0.3382, 0.1942],
    [0.0302, 0.0518, 0.3303],
    [1.4292, 0.0, 0.0],
];
const NITROGEN: [[f64; 3]; 3] = [
    [0.0438, -0.2496, -0.1504],
    [-0.0287, -0.0335, -0.2358],
    [-1.4076, 0.0, 0.0],
];

/// Approximate N and C of an unbroken chain of trans peptides, from its CA atoms in angstrom.
///
/// C and N of a peptide lie where they do on average for the torsion of the four CA atoms around it;
/// beyond the ends the chain goes on as it begins and ends. On the 16 482 residues of the chains that
/// the averages were not taken from, ends and cis peptides included, N is off by 0.26 angstrom and C by
/// 0.33 (root mean square), frames by 7 degrees (median; 27 at the ninth tenth). The mirror image of a
/// protein gets atoms that do not fit.
///
/// # Errors
/// [`CaTraceError`].
pub fn backbone_of_ca(ca: &[Vector3<f64>]) -> Result<Backbone, CaTraceError> {
    let len = ca.len();
    if len < 4 {
        return Err(CaTraceError::TooShort { len });
    }
    let frame = |index: usize| {
        let residue = BackboneResidue {
            n: ca[index],
            ca: ca[index + 1],
            c: ca[index + 2],
        };
        Frame::of_residue(&residue).map_err(|source| CaTraceError::Line { index, source })
    };
    // The motions that take the ends one residue outwards.
    let before = frame(0)?.compose(&frame(1)?.inverse());
    let after = frame(len - 3)?.compose(&frame(len - 4)?.inverse());
    let outwards = |motion: &Frame, end: &Vector3<f64>| {
        let first = motion.apply(end);
        [first, motion.apply(&first)]
    };
    let [near, far] = outwards(&before, &ca[0]);
    let mut longer = vec![far, near];
    longer.extend_from_slice(ca);
    longer.extend(outwards(&after, &ca[len - 1]));

    let peptides = (0..=len).map(|k| {
        let four = [longer[k], longer[k + 1], longer[k + 2], longer[k + 3]];
        peptide(four).map_err(|source| CaTraceError::Line {
            index: k.saturating_sub(2),
            source,
        })
    });
    let peptides = peptides.collect::<Result<Vec<_>, _>>()?;
    let residues = (0..len).map(|i| BackboneResidue {
        n: peptides[i].n,
        ca: ca[i],
        c: peptides[i + 1].c,
    });
    Ok(Backbone::unbroken(residues.collect()))
}

/// C and N between the second and the third of four CA atoms.
struct Peptide {
    c: Vector3<f64>,
    n: Vector3<f64>,
}

fn peptide(four: [Vector3<f64>; 4]) -> Result<Peptide, DegenerateFrame> {
    let [first, second, third, _] = four;
    let along = (third - second).normalize();
    let step = second - first;
    let up = (step - along * along.dot(&step)).normalize();
    let axes = Matrix3::from_columns(&[up.cross(&along), up, along]);
    let torsion = torsion_cosine_and_sine(&four).filter(|_| axes.iter().all(|x| x.is_finite()));
    let (cos, sin) = torsion.ok_or_else(|| DegenerateFrame {
        n: first.into(),
        ca: second.into(),
        c: third.into(),
    })?;
    let terms = Vector3::new(1.0, cos, sin);
    let at =
        |rows: [[f64; 3]; 3]| axes * Vector3::from(rows.map(|row| terms.dot(&Vector3::from(row))));
    Ok(Peptide {
        c: second + at(CARBON),
        n: third + at(NITROGEN),
    })
}
