//! Compute passes over buffers of structs: what the tracer is made of.

use std::num::NonZeroU64;

use bytemuck::Pod;

use crate::device::now;
use crate::{Access, Gpu, GpuError, validate};

/// Smallest buffer \[byte\]: an empty array has one element that nobody reads.
const LEAST: u64 = 256;

/// An array on the device.
#[derive(Clone, Debug)]
pub struct Buffer {
    buffer: wgpu::Buffer,
    /// Byte at which it begins.
    offset: u64,
    /// Bytes that hold something.
    len: u64,
    /// Bytes that kernels see.
    size: u64,
}

impl Buffer {
    /// A part of somebody else's buffer, which that somebody keeps where it is until what was submitted with it has run.
    ///
    /// # Errors
    /// [`GpuError::Misfit`] if the part is empty or not in the buffer.
    pub fn lent(buffer: wgpu::Buffer, offset: u64, bytes: u64) -> Result<Self, GpuError> {
        let size = bytes.next_multiple_of(4);
        if bytes == 0 || offset.checked_add(size).is_none_or(|end| end > buffer.size()) {
            let all = buffer.size();
            return Err(GpuError::Misfit(format!(
                "{bytes} bytes from byte {offset} on of a buffer of {all}"
            )));
        }
        Ok(Self { buffer, offset, len: bytes, size })
    }

    fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: NonZeroU64::new(self.size),
        })
    }
}

/// What a kernel's binding holds; its place in the list is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `var<uniform>`.
    Uniform,
    /// `var<storage>`.
    Storage(Access),
}

/// A compiled kernel that waits for its arrays.
#[derive(Debug)]
pub struct Compute {
    gpu: Gpu,
    pipeline: wgpu::ComputePipeline,
    layouts: Vec<wgpu::BindGroupLayout>,
}

/// A kernel with its arrays, ready to run.
#[derive(Debug)]
pub struct Pass {
    pipeline: wgpu::ComputePipeline,
    groups: Vec<wgpu::BindGroup>,
}

impl Compute {
    /// Checks and compiles an entry point of a text. `slots` are its bindings by group; `switches` set its overrides.
    ///
    /// # Errors
    /// [`GpuError::Invalid`]; [`GpuError::Misfit`] if the text and the slots disagree, or the device's limits are
    /// passed.
    pub fn new(
        gpu: &Gpu,
        wgsl: &str,
        entry: &str,
        slots: &[&[Slot]],
        switches: &[(&str, bool)],
    ) -> Result<Self, GpuError> {
        validate(wgsl)?;
        gpu.scoped(|device| {
            let layouts: Vec<_> = slots.iter().map(|group| group_layout(device, group)).collect();
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &layouts.iter().map(Some).collect::<Vec<_>>(),
                immediate_size: 0,
            });
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(entry),
                source: wgpu::ShaderSource::Wgsl(wgsl.into()),
            });
            let constants: Vec<_> =
                switches.iter().map(|(name, on)| (*name, f64::from(u8::from(*on)))).collect();
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Kernels here set their shared memory themselves.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            Self { gpu: gpu.clone(), pipeline, layouts }
        })
    }

    /// Gives the kernel its arrays, group by group.
    ///
    /// # Errors
    /// [`GpuError::Misfit`] if they are too few, too many or too small.
    pub fn bind(&self, groups: &[&[&Buffer]]) -> Result<Pass, GpuError> {
        if groups.len() != self.layouts.len() {
            let (found, expected) = (groups.len(), self.layouts.len());
            return Err(GpuError::Misfit(format!("{found} groups of arrays instead of {expected}")));
        }
        self.gpu.scoped(|device| {
            let bind = |(layout, buffers): (&wgpu::BindGroupLayout, &&[&Buffer])| {
                let entries: Vec<_> = (0..)
                    .zip(buffers.iter())
                    .map(|(binding, of)| wgpu::BindGroupEntry { binding, resource: of.binding() })
                    .collect();
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout,
                    entries: &entries,
                })
            };
            let groups = self.layouts.iter().zip(groups).map(bind).collect();
            Pass { pipeline: self.pipeline.clone(), groups }
        })
    }
}

impl Gpu {
    /// Most bytes that a kernel can see of one array.
    pub fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// An array of zeros.
    pub fn empty(&self, label: &str, bytes: u64) -> Buffer {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_DST
            | wgpu::BufferUsages::COPY_SRC;
        let size = bytes.max(LEAST).next_multiple_of(16);
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        Buffer { buffer: self.device.create_buffer(&descriptor), offset: 0, len: bytes, size }
    }

    /// An array with content.
    pub fn buffer<T: Pod>(&self, label: &str, content: &[T]) -> Buffer {
        let buffer = self.empty(label, size_of_val(content) as u64);
        self.write(&buffer, content);
        buffer
    }

    /// One struct for `var<uniform>`.
    pub fn uniform<T: Pod>(&self, label: &str, content: &T) -> Buffer {
        self.buffer(label, std::slice::from_ref(content))
    }

    /// Overwrites the beginning of an array, before whatever is run from now on.
    ///
    /// # Panics
    /// If the content is longer than the array.
    pub fn write<T: Pod>(&self, buffer: &Buffer, content: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(content);
        assert!(bytes.len() as u64 <= buffer.len, "{} bytes into {}", bytes.len(), buffer.len);
        if !bytes.is_empty() {
            self.queue.write_buffer(&buffer.buffer, buffer.offset, bytes);
        }
    }

    /// Runs passes one after the other, each on a grid of workgroups; returns before they are done.
    pub fn run(&self, passes: &[(&Pass, [u32; 3])]) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (pass, [x, y, z]) in passes {
            let mut encoding = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            encoding.set_pipeline(&pass.pipeline);
            for (index, group) in (0..).zip(&pass.groups) {
                encoding.set_bind_group(index, group, &[]);
            }
            encoding.dispatch_workgroups(*x, *y, *z);
        }
        self.queue.submit([encoder.finish()]);
    }

    /// Waits for all that runs and copies arrays back, all in one go.
    ///
    /// # Errors
    /// [`GpuError::Lost`].
    pub fn read(&self, buffers: &[&Buffer]) -> Result<Vec<Vec<u32>>, GpuError> {
        let lost = |reason: &dyn std::fmt::Display| GpuError::Lost(reason.to_string());
        let total: u64 = buffers.iter().map(|buffer| buffer.len.next_multiple_of(4)).sum();
        if total == 0 {
            return Ok(vec![Vec::new(); buffers.len()]);
        }
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: total,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut at = 0;
        for buffer in buffers {
            let len = buffer.len.next_multiple_of(4);
            encoder.copy_buffer_to_buffer(&buffer.buffer, buffer.offset, &staging, at, len);
            at += len;
        }
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more if waiting failed, which is reported there.
            let _ = sender.send(result);
        });
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| lost(&error))?;
        receiver.try_recv().map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
        let bytes = staging.get_mapped_range(..).map_err(|error| lost(&error))?;
        self.count_read(total);
        let mut rest: &[u8] = &bytes;
        Ok(buffers
            .iter()
            .map(|buffer| {
                let (mine, others) = rest.split_at(buffer.len.next_multiple_of(4) as usize);
                rest = others;
                bytemuck::pod_collect_to_vec(mine)
            })
            .collect())
    }

    /// Makes something on the device, and asks the device whether it agrees.
    fn scoped<T>(&self, make: impl FnOnce(&wgpu::Device) -> T) -> Result<T, GpuError> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make(&self.device);
        for scope in [memory, validation] {
            if let Some(error) = now(scope.pop()).flatten() {
                return Err(GpuError::Misfit(error.to_string()));
            }
        }
        Ok(made)
    }
}

fn group_layout(device: &wgpu::Device, slots: &[Slot]) -> wgpu::BindGroupLayout {
    let entry = |(binding, slot): (u32, &Slot)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match slot {
                Slot::Uniform => wgpu::BufferBindingType::Uniform,
                Slot::Storage(access) => {
                    wgpu::BufferBindingType::Storage { read_only: *access == Access::Read }
                }
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<_> = (0..).zip(slots).map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}
