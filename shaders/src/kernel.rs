//! A compute kernel with its arrays.

use std::num::NonZeroU64;

use crate::device::now;
use crate::{Gpu, GpuError, validate};

/// Bytes of an element: `f32` or `u32`.
const ELEMENT: u64 = 4;

/// What a kernel may do with an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
}

/// An array of a kernel, at the binding that is its place in [`Source::bindings`], group 0.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// What the kernel may do with it.
    pub access: Access,
    /// Its elements, of four bytes; an empty array gets one that nobody reads.
    pub len: usize,
}

/// A kernel's text and arrays.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The text.
    pub wgsl: &'a str,
    /// Its entry point.
    pub entry: &'a str,
    /// Threads of a workgroup, as the text has it.
    pub workgroup_size: u32,
    /// Its arrays.
    pub bindings: &'a [Binding],
}

/// A kernel on a device.
#[derive(Debug)]
pub struct Kernel {
    gpu: Gpu,
    bindings: Vec<Binding>,
    buffers: Vec<wgpu::Buffer>,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroup_size: u32,
}

impl Kernel {
    /// Checks and compiles a kernel and allocates its arrays, all zero.
    ///
    /// # Errors
    /// [`GpuError::Invalid`]; [`GpuError::Misfit`] if the text and the bindings disagree, or the device's limits are
    /// passed.
    pub fn new(gpu: &Gpu, source: &Source<'_>) -> Result<Self, GpuError> {
        validate(source.wgsl)?;
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory_scope = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let kernel = Self::build(gpu, source);
        for scope in [memory_scope, scope] {
            if let Some(error) = now(scope.pop()).flatten() {
                return Err(GpuError::Misfit(error.to_string()));
            }
        }
        Ok(kernel)
    }

    fn build(gpu: &Gpu, source: &Source<'_>) -> Self {
        let device = &gpu.device;
        let entries: Vec<_> = (0..).zip(source.bindings).map(layout_entry).collect();
        let group_layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group_layout)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(source.wgsl.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &module,
            entry_point: Some(source.entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let buffers: Vec<_> = source.bindings.iter().map(|binding| buffer(device, binding)).collect();
        let entries: Vec<_> = (0..)
            .zip(&buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &group_layout,
            entries: &entries,
        });
        Self {
            gpu: gpu.clone(),
            bindings: source.bindings.to_vec(),
            buffers,
            pipeline,
            group,
            workgroup_size: source.workgroup_size,
        }
    }

    /// Fills an array.
    ///
    /// # Errors
    /// [`GpuError::Binding`] or [`GpuError::Length`].
    pub fn write(&self, binding: &str, values: &[f32]) -> Result<(), GpuError> {
        self.write_bytes(binding, values.iter().map(|x| x.to_le_bytes()))
    }

    /// Fills an array of integers.
    ///
    /// # Errors
    /// As [`Kernel::write`].
    pub fn write_ints(&self, binding: &str, values: &[u32]) -> Result<(), GpuError> {
        self.write_bytes(binding, values.iter().map(|x| x.to_le_bytes()))
    }

    fn write_bytes(
        &self,
        binding: &str,
        values: impl ExactSizeIterator<Item = [u8; 4]>,
    ) -> Result<(), GpuError> {
        let at = self.find(binding)?;
        let (expected, found) = (self.bindings[at].len, values.len());
        if found != expected {
            return Err(GpuError::Length { binding: binding.to_owned(), expected, found });
        }
        let bytes: Vec<u8> = values.flatten().collect();
        self.gpu.queue.write_buffer(&self.buffers[at], 0, &bytes);
        Ok(())
    }

    /// Runs it with one thread an environment, `times` over; each run sees what the one before wrote.
    pub fn run(&self, num_envs: u32, times: u32) {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(num_envs.div_ceil(self.workgroup_size), 1, 1);
            }
        }
        self.gpu.queue.submit([encoder.finish()]);
    }

    /// Waits for all that runs and copies an array back.
    ///
    /// # Errors
    /// [`GpuError::Binding`]; [`GpuError::Lost`].
    pub fn read(&self, binding: &str) -> Result<Vec<f32>, GpuError> {
        let at = self.find(binding)?;
        let lost = |reason: &dyn std::fmt::Display| GpuError::Lost(reason.to_string());
        let from = &self.buffers[at];
        let to = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: from.size(),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
        self.gpu.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        to.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more if waiting failed, which is reported there.
            let _ = sender.send(result);
        });
        self.gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| lost(&error))?;
        receiver.try_recv().map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
        let bytes = to.get_mapped_range(..).map_err(|error| lost(&error))?;
        self.gpu.count_read(bytes.len() as u64);
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(values.take(self.bindings[at].len).collect())
    }

    fn find(&self, name: &str) -> Result<usize, GpuError> {
        self.bindings.iter().position(|binding| binding.name == name).ok_or_else(|| {
            let known: Vec<_> = self.bindings.iter().map(|binding| format!("`{}`", binding.name)).collect();
            GpuError::Binding { found: name.to_owned(), known: known.join(", ") }
        })
    }
}

fn layout_entry((at, binding): (u32, &Binding)) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: at,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: binding.access == Access::Read },
            has_dynamic_offset: false,
            min_binding_size: NonZeroU64::new(ELEMENT),
        },
        count: None,
    }
}

fn buffer(device: &wgpu::Device, binding: &Binding) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(&binding.name),
        size: ELEMENT * binding.len.max(1) as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}
