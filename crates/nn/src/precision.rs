//! The float type of a model's parameters.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

/// Casts every parameter of a module, for example to `FloatDType::F64`: layers are built in the device's
/// default float type, and all tensors of a forward pass must have the type of the parameters.
///
/// ```
/// use burn::tensor::{DType, Device, FloatDType, Tensor};
/// use steerable_nn::{Features, SteerableLinearConfig, with_float_type};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::flex();
/// let config = SteerableLinearConfig::new("2x0 + 1x1".parse()?, "1x1".parse()?);
/// let layer = with_float_type(config.init(&device), FloatDType::F64);
/// let packed = Tensor::ones([4, 5], (&device, DType::F64));
/// let output = layer.forward(&Features::new("2x0 + 1x1".parse()?, packed));
/// assert_eq!(output.packed().dtype(), DType::F64);
/// # Ok(())
/// # }
/// ```
pub fn with_float_type<M: Module>(module: M, float_type: FloatDType) -> M {
    module.map(&mut Cast(float_type))
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let trained = tensor.is_require_grad();
        let tensor = tensor.cast(self.0).detach().set_require_grad(trained);
        Param::from_mapped_value(id, tensor, mapper)
    }
}
