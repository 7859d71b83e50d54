//! What a step needs to know of a model: tables and where things lie in memory.

/// The tables of a model.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Integers that the step reads.
    pub ints: Vec<u32>,
    /// Numbers that the step reads.
    pub reals: Vec<f64>,
    /// Numbers of working memory.
    pub memory_len: usize,
    /// Numbers of each environment's parameters.
    pub parameters_len: usize,
    /// Integers of working memory.
    pub counts_len: usize,
}
