//! Kinds of models that checkpoints name.

/// An [`steerable::nn::SE3Transformer`]; the configuration is [`steerable::nn::SE3TransformerConfig`].
pub const TRANSFORMER: &str = "se3-transformer";
/// A [`steerable::nn::PooledTransformer`]; the configuration is
/// [`steerable::nn::PooledTransformerConfig`].
pub const POOLED_TRANSFORMER: &str = "pooled-transformer";
