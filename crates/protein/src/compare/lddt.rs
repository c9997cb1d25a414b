//! Local distance difference test: are the distances to neighbours preserved? Needs no superposition.

use nalgebra::Vector3;
use rayon::prelude::*;
use steerable_graph::Graph;

use crate::{BackboneResidue, CompareError, Matched};

/// Which distances count and what counts as preserved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LddtConfig {
    /// Distances of the reference up to this one count, in angstrom.
    pub radius: f64,
    /// A distance that differs by less than one of these is preserved at it, in angstrom.
    pub thresholds: [f64; 4],
}

impl Default for LddtConfig {
    fn default() -> Self {
        Self {
            radius: 15.0,
            thresholds: [0.5, 1.0, 2.0, 4.0],
        }
    }
}

/// Fractions of preserved distances, averaged over the thresholds, in 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Lddt {
    /// Over the distances from each residue to others; `None` where the reference has none within
    /// the radius.
    pub per_residue: Vec<Option<f64>>,
    /// Over all distances between residues, each counted once; `None` if there are none. (The mean
    /// of `per_residue` would count residues alike, however many neighbours they have.)
    pub global: Option<f64>,
    /// How many distances between residues the reference has within the radius, each counted once.
    pub num_distances: usize,
}

impl Lddt {
    /// [`global`](Self::global) over the distances of a larger target, of which only a part was matched:
    /// those to residues that the model lacks count as not preserved. `None` if the target has none.
    ///
    /// `num_distances`: the target's [`num_distances`](Self::num_distances), as that of its comparison with
    /// itself.
    pub fn of_target(&self, num_distances: usize) -> Option<f64> {
        let preserved = self.global.unwrap_or(0.0) * self.num_distances as f64;
        (num_distances > 0).then(|| preserved / num_distances as f64)
    }
}

impl Matched<'_> {
    /// lDDT of the CA atoms. O(L) in time and memory where the density is that of a protein.
    ///
    /// # Errors
    /// [`CompareError`]: unequal lengths, no residues, coordinates that are not finite, a radius
    /// that is not positive.
    ///
    /// # Source
    /// Mariani et al. 2013, "lDDT: a local superposition-free score for comparing protein structures
    /// and models using distance difference tests".
    pub fn lddt(&self, config: LddtConfig) -> Result<Lddt, CompareError> {
        self.check()?;
        lddt(self, |position| [*position], config)
    }
}

impl Matched<'_, BackboneResidue> {
    /// lDDT of N, CA and C; distances within a residue do not count.
    ///
    /// # Errors
    /// As for CA atoms.
    ///
    /// # Source
    /// Mariani et al. 2013.
    pub fn lddt(&self, config: LddtConfig) -> Result<Lddt, CompareError> {
        self.check()?;
        lddt(self, BackboneResidue::atoms, config)
    }
}

fn lddt<T, const N: usize>(
    matched: &Matched<'_, T>,
    atoms: impl Fn(&T) -> [Vector3<f64>; N] + Copy,
    config: LddtConfig,
) -> Result<Lddt, CompareError> {
    let positions = |residues: &[T]| -> Vec<[f64; 3]> {
        residues.iter().flat_map(atoms).map(Into::into).collect()
    };
    let (model, reference) = (positions(matched.model), positions(matched.reference));
    let graph = Graph::radius(&reference, config.radius)?;
    let counts: Vec<Counts> = (0..matched.model.len())
        .into_par_iter()
        .map(|residue| {
            let mut counts = Counts::default();
            for dst in residue * N..(residue + 1) * N {
                for &src in &graph.src()[graph.incoming(dst)] {
                    let src = src as usize;
                    if src / N != residue {
                        let off = distance(model[src], model[dst])
                            - distance(reference[src], reference[dst]);
                        counts.add(off.abs(), &config.thresholds);
                    }
                }
            }
            counts
        })
        .collect();
    // Every distance stands in the rows of both its ends, so numerator and denominator double.
    let all = counts.iter().fold(Counts::default(), |sum, row| Counts {
        preserved: sum.preserved + row.preserved,
        distances: sum.distances + row.distances,
    });
    Ok(Lddt {
        per_residue: counts.iter().map(Counts::fraction).collect(),
        global: all.fraction(),
        num_distances: all.distances / 2,
    })
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    (Vector3::from(a) - Vector3::from(b)).norm()
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Distances preserved, once for each threshold.
    preserved: usize,
    distances: usize,
}

impl Counts {
    fn add(&mut self, off: f64, thresholds: &[f64; 4]) {
        self.distances += 1;
        for threshold in thresholds {
            self.preserved += usize::from(off < *threshold);
        }
    }

    fn fraction(&self) -> Option<f64> {
        let possible = 4 * self.distances;
        (possible > 0).then(|| self.preserved as f64 / possible as f64)
    }
}
