//! Parameters of a module by name, out of it and back into it.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, Parameter};
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// A group of tensors in a checkpoint: what stands before their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The model's parameters; nothing.
    Model,
    /// Moving averages of the parameters; `ema/`.
    Ema,
    /// What the optimizer keeps; `optimizer/`.
    Optimizer,
    /// Whatever else must come back to the bit; `state/`.
    State,
}

impl Group {
    /// What stands before the names of its tensors.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Ema => "ema/",
            Self::Optimizer => "optimizer/",
            Self::State => "state/",
        }
    }

    /// The name within the group, if a tensor is of this group.
    pub fn strip(self, name: &str) -> Option<&str> {
        match self {
            Self::Model => (!name.contains('/')).then_some(name),
            _ => name.strip_prefix(self.prefix()),
        }
    }
}

/// What is wrong with one parameter.
pub(super) enum Misfit {
    Missing(String),
    Shape {
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
}

/// All parameters of a module by their path, `blocks.0.query.weights.0`.
pub(super) fn collect<M: Module>(module: &M) -> BTreeMap<String, TensorData> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.tensors
}

/// The identity of each float parameter in this process, and its path.
pub(super) fn identities<M: Module>(module: &M) -> BTreeMap<u64, String> {
    let mut names = Identities::default();
    module.visit(&mut names);
    names.of
}

/// Puts tensors into the parameters of the same names, as they are typed there. Returns what does not fit
/// and the names that found no parameter.
pub(super) fn apply<M: Module>(
    module: M,
    tensors: BTreeMap<String, TensorData>,
) -> (M, Vec<Misfit>, BTreeSet<String>) {
    let mut applier = Applier {
        path: Vec::new(),
        tensors,
        misfits: Vec::new(),
    };
    let module = module.map(&mut applier);
    let rest = applier.tensors.into_keys().collect();
    (module, applier.misfits, rest)
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, TensorData>,
}

impl Collector {
    fn take<const D: usize, K: Basic>(&mut self, param: &Param<Tensor<D, K>>)
    where
        Tensor<D, K>: Parameter,
    {
        let data = param.transform_for_save().val().into_data();
        self.tensors.insert(self.path.join("."), data);
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.take(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.take(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.take(param);
    }
}

#[derive(Default)]
struct Identities {
    path: Vec<String>,
    of: BTreeMap<u64, String>,
}

impl ModuleVisitor for Identities {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.of.insert(param.id.val(), self.path.join("."));
    }
}

struct Applier {
    path: Vec<String>,
    tensors: BTreeMap<String, TensorData>,
    misfits: Vec<Misfit>,
}

impl Applier {
    fn put<const D: usize, K: Basic>(&mut self, param: Param<Tensor<D, K>>) -> Param<Tensor<D, K>>
    where
        Tensor<D, K>: Parameter,
    {
        let name = self.path.join(".");
        let Some(data) = self.tensors.remove(&name) else {
            self.misfits.push(Misfit::Missing(name));
            return param;
        };
        let expected = param.transform_for_save().val();
        if data.shape() != &expected.shape() {
            self.misfits.push(Misfit::Shape {
                name,
                found: data.shape().to_vec(),
                expected: expected.shape().to_vec(),
            });
            return param;
        }
        let device = param.lazy_device();
        let tensor = Tensor::from_data(data, (&device, expected.dtype()));
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

impl ModuleMapper for Applier {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.put(param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.put(param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        self.put(param)
    }
}
