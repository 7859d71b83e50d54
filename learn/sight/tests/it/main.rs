//! Images as tensors against the same images on the host, on any adapter, software ones included.

mod images;
mod learn;
mod order;
mod support;
