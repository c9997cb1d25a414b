//! A model, the types it claims, and the test of that claim.

use burn::tensor::Tensor;
use steerable::irreps::{Irrep, Irreps};
use steerable_testkit::{
    EquivarianceTest, Group, Layout, MulIrrep, OutputKind, Parity, Precision, Report, Sample,
    Signature,
};

use crate::device;
use crate::flat::to_vec;
use crate::samples::{InputTypes, Inputs, inputs};

/// What a model claims to take and to return.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What the report calls the model.
    pub name: String,
    /// What it reads.
    pub types: InputTypes,
    /// Irreps of its output.
    pub irreps_out: Irreps,
    /// Whose row an output row is.
    pub output: OutputKind,
    /// The highest degree inside.
    pub l_max: usize,
}

impl Claim {
    /// A claim about features of each node.
    pub fn per_node(name: impl Into<String>, types: InputTypes, irreps_out: Irreps) -> Self {
        Self {
            name: name.into(),
            types,
            irreps_out,
            output: OutputKind::PerNode,
            l_max: 0,
        }
    }

    /// The same about another kind of row.
    #[must_use]
    pub fn with_output(self, output: OutputKind) -> Self {
        Self { output, ..self }
    }

    /// The same, with features of this degree inside.
    #[must_use]
    pub fn with_l_max(self, l_max: usize) -> Self {
        Self { l_max, ..self }
    }

    /// The test of this claim. A third of the sample's extent is 1, so distances are about 1 to 4.
    pub fn test(&self, precision: Precision, seed: u64) -> EquivarianceTest {
        let InputTypes {
            irreps_in,
            edge_scalars,
            irreps_edge,
        } = &self.types;
        EquivarianceTest::new(Signature {
            irreps_in: irreps_in.clone(),
            irreps_out: self.irreps_out.clone(),
        })
        .name(format!("{} in {precision}", self.name))
        .irreps_edge(all_edge_irreps(
            *edge_scalars,
            irreps_edge,
            &self.irreps_out,
        ))
        .layout(Layout::IrMul)
        .output(self.output)
        .precision(precision)
        .l_max(self.l_max)
        .trials(3)
        .seed(seed)
    }

    /// The output of a model for a sample.
    pub fn evaluate(
        &self,
        sample: &Sample,
        precision: Precision,
        model: impl Fn(&Inputs) -> Tensor<2>,
    ) -> Vec<f64> {
        let inputs = inputs(sample, &self.types, precision, &device());
        let output = model(&inputs);
        match self.output {
            OutputKind::PerEdge => to_vec(&inputs.in_sample_order(output)),
            _ => to_vec(&output),
        }
    }

    /// Tests a model with the default settings.
    #[must_use = "a report asserts nothing until assert_ok is called on it"]
    pub fn run(
        &self,
        precision: Precision,
        seed: u64,
        model: impl Fn(&Inputs) -> Tensor<2>,
    ) -> Report {
        self.test(precision, seed)
            .run(|sample| self.evaluate(sample, precision, &model))
    }
}

/// Scalars, then the steerable edge features, in the group of `like`.
fn all_edge_irreps(scalars: usize, steerable: &Irreps, like: &Irreps) -> Irreps {
    if scalars == 0 {
        return steerable.clone();
    }
    let irrep = match like.group() {
        Some(Group::O3) => Irrep::o3(0, Parity::Even),
        _ => Irrep::so3(0),
    };
    let scalars = MulIrrep {
        mul: scalars,
        irrep,
    };
    Irreps::try_new(std::iter::once(scalars).chain(steerable.iter()).collect())
        .expect("a claim is about one group")
}
