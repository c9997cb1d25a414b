//! W5: Wigner-D matrices of many rotations, and tables of 3j symbols from cold.

use std::hint::black_box;

use rand::RngExt;
use serde::Deserialize;
use steerable::harmonics::Wigner3j;
use steerable::irreps::{EulerAngles, Rotation, WignerD};

use super::{Cost, Mode, Source, Work, note};

/// `wignerD`: all D_l to `L` of `n` rotations given by Euler angles. `cg_cold`: all 3j symbols to `L`.
/// In f64, where the others' matrices are f32.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotations {
    /// Number of rotations.
    pub n: usize,
    /// Highest degree.
    #[serde(rename = "L")]
    pub l_max: usize,
}

impl Default for Rotations {
    fn default() -> Self {
        Self {
            n: 10_000,
            l_max: 6,
        }
    }
}

impl Rotations {
    /// The degrees of all tables to `L` that the triangle rule allows.
    pub fn triples(&self) -> Vec<[usize; 3]> {
        let degrees = 0..=self.l_max;
        let pairs = degrees
            .clone()
            .flat_map(|a| degrees.clone().map(move |b| (a, b)));
        pairs
            .flat_map(|(a, b)| (a.abs_diff(b)..=self.l_max.min(a + b)).map(move |c| [a, b, c]))
            .collect()
    }

    pub(super) fn build(self, mode: Mode) -> Work {
        match mode {
            Mode::Tables => self.tables(),
            _ => self.matrices(),
        }
    }

    fn tables(self) -> Work {
        let triples = self.triples();
        Work {
            note: note([("tables", triples.len().into())]),
            step: Box::new(move || {
                for &[a, b, c] in &triples {
                    black_box(Wigner3j::new(a, b, c));
                }
            }),
            cost: Cost {
                flop: None,
                flop_naive: None,
                bytes: None,
            },
        }
    }

    fn matrices(self) -> Work {
        let mut source = Source::new();
        let angles: Vec<EulerAngles> = (0..self.n)
            .map(|_| {
                let [alpha, beta, gamma] = [0; 3].map(|_| source.0.random_range(0.0..6.0));
                EulerAngles { alpha, beta, gamma }
            })
            .collect();
        let wigner = WignerD::new(self.l_max);
        let row = wigner.row_len();
        Work {
            note: note([("numbers_per_rotation", row.into())]),
            step: Box::new(move || {
                let rotations: Vec<Rotation> =
                    angles.iter().map(|&a| Rotation::from_euler(a)).collect();
                let mut out = vec![0.0; rotations.len() * row];
                wigner.par_fill(&rotations, &mut out);
                black_box(out);
            }),
            cost: Cost {
                flop: None,
                flop_naive: None,
                bytes: Some(8.0 * (self.n * (3 + row)) as f64),
            },
        }
    }
}
