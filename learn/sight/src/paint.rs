//! A new tensor for kernels that are not burn's to write into.
//!
//! burn records its kernels and submits them later, in batches. What somebody else submits on the same queue meanwhile runs
//! before them. So three things hold here, and a test shows what happens without: the tensor is new, so nothing recorded
//! refers to it; what is recorded is submitted before anything is written, because the tensor's memory may be that of an
//! older one which recorded kernels still read; and its memory is held in place until the writing is submitted.

use burn::backend::Wgpu;
use burn::tensor::{DType, Device, Tensor};
use cubecl::wgpu::{AutoCompiler, WgpuServer};
use keiko_gpu::Buffer;

/// Lets `paint` submit work that writes all numbers of a new tensor of `f32` `[rows, columns]`, and gives the tensor. The
/// work is submitted when `paint` returns, on the thread that goes on with the tensor.
///
/// # Errors
/// What `paint` says; a device that is not wgpu's, or is lost.
pub fn painted(
    size: [usize; 2],
    device: &Device,
    paint: impl FnOnce(&Buffer) -> Result<(), String>,
) -> Result<Tensor<2>, String> {
    let tensor = Tensor::<2>::empty(size, device);
    let tensor = tensor.try_into_primitive::<Wgpu>().map_err(|error| format!("{error:?}"))?;
    let strides = tensor.meta.strides();
    if tensor.dtype != DType::F32 || strides.iter().copied().ne([size[1], 1]) {
        return Err(format!("burn made a tensor of {:?} with strides {strides:?}", tensor.dtype));
    }
    let held = tensor
        .client
        .get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone())
        .map_err(|error| error.to_string())?;
    tensor.client.flush().map_err(|error| error.to_string())?;
    let memory = held.resource();
    let bytes = 4 * size.iter().product::<usize>() as u64;
    if memory.size < bytes {
        return Err(format!("burn gave {} bytes for a tensor of {bytes}", memory.size));
    }
    let buffer =
        Buffer::lent(memory.buffer.clone(), memory.offset, bytes).map_err(|error| error.to_string())?;
    paint(&buffer)?;
    drop(held);
    Ok(Tensor::from_primitive::<Wgpu>(tensor))
}
