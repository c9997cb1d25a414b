//! Random irreps, and a sweep of a test over them.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use steerable_irreps::{Group, Irrep, Irreps, MulIrrep, Parity};

use crate::model::Signature;
use crate::report::Report;

/// What random irreps may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrrepsBounds {
    /// SO(3), or O(3) with both parities of each degree.
    pub group: Group,
    /// The highest degree.
    pub l_max: usize,
    /// The highest multiplicity of one irrep; at least 1.
    pub max_mul: usize,
}

/// Random irreps: in shuffled order, some degrees absent, multiplicities unequal where `max_mul`
/// allows it, at least one irrep, each irrep at most once, and one of degree 1 or more if `l_max`
/// allows it.
///
/// For a model that wants its irreps sorted, take [`Irreps::regroup`] of them.
///
/// # Panics
/// If `max_mul` is 0.
#[must_use]
pub fn random_irreps(rng: &mut impl Rng, bounds: IrrepsBounds) -> Irreps {
    let IrrepsBounds {
        group,
        l_max,
        max_mul,
    } = bounds;
    assert!(
        max_mul >= 1,
        "max_mul is {max_mul}; random irreps need at least 1"
    );
    let candidates: Vec<Irrep> = match group {
        Group::So3 => (0..=l_max).map(Irrep::so3).collect(),
        Group::O3 => {
            let both = |l| [Parity::Even, Parity::Odd].map(|parity| Irrep::o3(l, parity));
            (0..=l_max).flat_map(both).collect()
        }
    };
    let steerable: Vec<Irrep> = candidates
        .iter()
        .copied()
        .filter(|irrep| irrep.l() > 0 || l_max == 0)
        .collect();
    let certain = steerable[rng.random_range(0..steerable.len())];
    let mut blocks: Vec<MulIrrep> = Vec::new();
    for irrep in candidates {
        if irrep == certain || rng.random_range(0..3) != 0 {
            blocks.push(MulIrrep {
                mul: rng.random_range(1..=max_mul),
                irrep,
            });
        }
    }
    let all_equal = blocks.iter().all(|block| block.mul == blocks[0].mul);
    if blocks.len() > 1 && all_equal && max_mul > 1 {
        let changed = &mut blocks[0].mul;
        *changed = if *changed == max_mul {
            *changed - 1
        } else {
            *changed + 1
        };
    }
    blocks.shuffle(rng);
    Irreps::try_new(blocks).expect("one group, small multiplicities")
}

/// Runs a test for many random signatures.
///
/// # Examples
/// ```
/// use steerable_testkit::{EquivarianceTest, Group, IrrepsBounds, IrrepsSweep, Signature};
///
/// // The layer under test: it keeps the irreps of its input and doubles the features.
/// let bounds = IrrepsBounds { group: Group::O3, l_max: 3, max_mul: 5 };
/// let sweep = IrrepsSweep { bounds, cases: 4, seed: 0 }.run(|drawn, seed| {
///     let signature = Signature { irreps_out: drawn.irreps_in.clone(), ..drawn };
///     EquivarianceTest::new(signature)
///         .seed(seed)
///         .run(|sample| sample.features.iter().map(|x| 2.0 * x).collect())
/// });
/// sweep.assert_ok();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IrrepsSweep {
    /// What the irreps may contain.
    pub bounds: IrrepsBounds,
    /// How many signatures are drawn.
    pub cases: usize,
    /// The seed of the signatures; each case gets another seed for its own test.
    pub seed: u64,
}

impl IrrepsSweep {
    /// Builds and tests one model for each drawn signature; `test` gets the signature and a seed.
    #[must_use = "a sweep asserts nothing until assert_ok is called on its report"]
    pub fn run(&self, mut test: impl FnMut(Signature, u64) -> Report) -> SweepReport {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let reports = (0..self.cases).map(|_| {
            let irreps_in = random_irreps(&mut rng, self.bounds);
            let irreps_out = random_irreps(&mut rng, self.bounds);
            test(
                Signature {
                    irreps_in,
                    irreps_out,
                },
                rng.random(),
            )
        });
        SweepReport {
            reports: reports.collect(),
        }
    }
}

/// The reports of a sweep.
#[derive(Clone, Debug)]
pub struct SweepReport {
    /// One report for each case, in order.
    pub reports: Vec<Report>,
}

impl SweepReport {
    /// Whether there was a case and every one of them passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.reports.is_empty() && self.reports.iter().all(Report::passed)
    }

    /// Does nothing if the sweep passed.
    ///
    /// # Panics
    /// With the failed reports, each naming its seed and irreps, or if there was no case at all.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.passed(), "\n{self}");
    }
}

impl fmt::Display for SweepReport {
    /// A headline and the failed reports in full.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.reports.iter().filter(|report| !report.passed());
        writeln!(
            f,
            "{} of {} cases failed",
            failed.clone().count(),
            self.reports.len()
        )?;
        failed
            .into_iter()
            .try_for_each(|report| writeln!(f, "{report}"))
    }
}
