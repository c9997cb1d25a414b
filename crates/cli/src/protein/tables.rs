//! Representations of chains as tab-separated text.

use std::io::{self, Write};

use indicatif::ProgressIterator;
use steerable_protein::{
    Chain, DegenerateFrame, DistanceMatrix, Frame, ResidueGeometry, ResidueId,
};
use thiserror::Error;

/// A table that cannot be made.
#[derive(Debug, Error)]
pub enum TableError {
    /// It cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A residue whose atoms lie on one line.
    #[error("{residue}: {source}")]
    Frame {
        /// The residue.
        residue: ResidueId,
        /// Its atoms.
        source: DegenerateFrame,
    },
}

/// A number, or `NA` for none.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "NA".into(), |value| format!("{value:.decimals$}"))
}

/// The first three columns: chain, number with insertion code, name.
fn identity(residue: &ResidueId) -> String {
    format!("{}\t{}\t{}", residue.chain, residue.number, residue.name)
}

/// phi, psi and omega of the residues that have N, CA and C, in degrees.
///
/// # Errors
/// [`TableError::Io`].
pub fn torsions(chains: &[Chain], out: &mut impl Write) -> Result<(), TableError> {
    writeln!(out, "chain\tnumber\tresidue\tphi\tpsi\tomega")?;
    for chain in chains {
        let traced = chain.backbone();
        for (&residue, torsions) in traced.residues.iter().zip(traced.backbone.torsions()) {
            let angles = [torsions.phi, torsions.psi, torsions.omega];
            let [phi, psi, omega] = angles.map(|angle| number(angle.map(f64::to_degrees), 4));
            let id = identity(&chain.residue_id(residue));
            writeln!(out, "{id}\t{phi}\t{psi}\t{omega}")?;
        }
    }
    Ok(())
}

/// Bond lengths in angstrom and angles in degrees; those that lead to the next residue are `NA` at ends and
/// breaks.
///
/// # Errors
/// [`TableError::Io`].
pub fn bonds(chains: &[Chain], out: &mut impl Write) -> Result<(), TableError> {
    writeln!(
        out,
        "chain\tnumber\tresidue\tN-CA\tCA-C\tC-N\tN-CA-C\tCA-C-N\tC-N-CA\tCA-CA"
    )?;
    for chain in chains {
        for residue in ResidueGeometry::of_chain(chain) {
            let peptide = residue.peptide;
            let lengths = [
                Some(residue.n_ca.value),
                Some(residue.ca_c.value),
                peptide.map(|p| p.c_n.value),
            ];
            let angles = [
                Some(residue.n_ca_c.value),
                peptide.map(|p| p.ca_c_n.value),
                peptide.map(|p| p.c_n_ca.value),
            ];
            let lengths = lengths.map(|length| number(length, 4)).join("\t");
            let angles = angles
                .map(|angle| number(angle.map(f64::to_degrees), 3))
                .join("\t");
            let ca_ca = number(peptide.map(|p| p.ca_ca), 4);
            writeln!(
                out,
                "{}\t{lengths}\t{angles}\t{ca_ca}",
                identity(&residue.residue)
            )?;
        }
    }
    Ok(())
}

/// CA in angstrom, the orientation as a quaternion (w, x, y, z) with w >= 0, and how far N and C are from an
/// ideal residue's in that frame (root mean square, angstrom).
///
/// # Errors
/// [`TableError::Io`], [`TableError::Frame`].
pub fn frames(chains: &[Chain], out: &mut impl Write) -> Result<(), TableError> {
    writeln!(
        out,
        "chain\tnumber\tresidue\tx\ty\tz\tqw\tqx\tqy\tqz\tdeviation"
    )?;
    for chain in chains {
        let traced = chain.backbone();
        for (&index, residue) in traced.residues.iter().zip(traced.backbone.residues()) {
            let id = chain.residue_id(index);
            let without = |source| TableError::Frame {
                residue: id.clone(),
                source,
            };
            let frame = Frame::of_residue(residue).map_err(without)?;
            let deviation = residue.deviation_from_ideal().map_err(without)?;
            write!(out, "{}", identity(&id))?;
            for x in frame.translation.iter() {
                write!(out, "\t{x:.4}")?;
            }
            for q in frame.quaternion() {
                write!(out, "\t{q:.7}")?;
            }
            writeln!(out, "\t{deviation:.4}")?;
        }
    }
    Ok(())
}

/// The distances between all CA atoms, of all chains, in angstrom: a matrix with the residues' names at its
/// sides.
///
/// # Errors
/// [`TableError::Io`].
pub fn distances(chains: &[Chain], out: &mut impl Write) -> Result<(), TableError> {
    let (mut names, mut points) = (Vec::new(), Vec::new());
    for chain in chains {
        for (index, residue) in chain.residues.iter().enumerate() {
            if let Some(ca) = residue.position("CA") {
                let id = chain.residue_id(index);
                names.push(format!("{}:{}:{}", id.chain, id.number, id.name));
                points.push(ca);
            }
        }
    }
    let matrix = DistanceMatrix::of(&points);
    writeln!(out, "CA-CA\t{}", names.join("\t"))?;
    for (i, name) in names.iter().enumerate().progress_count(names.len() as u64) {
        write!(out, "{name}")?;
        for j in 0..names.len() {
            write!(out, "\t{:.3}", matrix.get(i, j))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
