//! Pictures on the window, drawn with a shader of our own. egui's filters once more by hand at every pixel, whether or not that is
//! asked for: software drivers run both sides of a branch, and most of a frame went into it.

use std::sync::Arc;

use eframe::egui::{PaintCallback, PaintCallbackInfo, Rect};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use keiko_gpu::{wgpu, window::picture_shader};

/// A picture.
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// Width and height \[pixel\].
    pub size: [u32; 2],
    /// `[height, width, 4]`, sRGB.
    pub rgba: Vec<u8>,
    /// Whether pixels flow into each other where they do not meet those of the screen.
    pub smooth: bool,
}

/// Draws a picture over a part of the window, where somebody called [`install_pictures`].
pub fn paint(picture: &Arc<Picture>, rect: Rect) -> PaintCallback {
    Callback::new_paint_callback(rect, Shown(picture.clone()))
}

/// Prepares a renderer for the pictures of the viewport; without it the viewport stays empty.
pub fn install_pictures(state: &RenderState) {
    let blit = Blit::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(blit);
}

/// What the renderer keeps.
struct Blit {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    /// As it is, and smooth.
    samplers: [wgpu::Sampler; 2],
    /// Of pictures.
    format: wgpu::TextureFormat,
    /// The picture that was drawn last.
    last: Option<Uploaded>,
}

struct Uploaded {
    picture: Arc<Picture>,
    texture: wgpu::Texture,
    bindings: wgpu::BindGroup,
}

impl Blit {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let stage = wgpu::ShaderStages::FRAGMENT;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: stage, ty, count: None };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("picture"),
            entries: &[
                entry(
                    0,
                    wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: true },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                ),
                entry(1, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
            ],
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("picture"),
            source: wgpu::ShaderSource::Wgsl(picture_shader().into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("picture"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("picture"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("show"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(target.into())],
            }),
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        });
        let sampler = |filter| {
            device.create_sampler(&wgpu::SamplerDescriptor {
                mag_filter: filter,
                min_filter: filter,
                ..wgpu::SamplerDescriptor::default()
            })
        };
        // A target that codes what it is given is given light.
        let format = match target.is_srgb() {
            true => wgpu::TextureFormat::Rgba8UnormSrgb,
            false => wgpu::TextureFormat::Rgba8Unorm,
        };
        let samplers = [wgpu::FilterMode::Nearest, wgpu::FilterMode::Linear].map(sampler);
        Self { pipeline, layout, samplers, format, last: None }
    }

    fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, picture: &Arc<Picture>) {
        let fits =
            |last: &Uploaded| (last.picture.size, last.picture.smooth) == (picture.size, picture.smooth);
        let (texture, bindings) = match self.last.take().filter(fits) {
            Some(last) => (last.texture, last.bindings),
            None => self.bind(device, picture),
        };
        let [width, height] = picture.size;
        queue.write_texture(
            texture.as_image_copy(),
            &picture.rgba,
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: None },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
        self.last = Some(Uploaded { picture: picture.clone(), texture, bindings });
    }

    fn bind(&self, device: &wgpu::Device, picture: &Picture) -> (wgpu::Texture, wgpu::BindGroup) {
        let [width, height] = picture.size;
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let sampler = &self.samplers[usize::from(picture.smooth)];
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(sampler) },
            ],
        });
        (texture, bindings)
    }
}

/// A picture in a frame.
struct Shown(Arc<Picture>);

impl CallbackTrait for Shown {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(blit) = resources.get_mut::<Blit>()
            && !blit.last.as_ref().is_some_and(|last| Arc::ptr_eq(&last.picture, &self.0))
        {
            blit.upload(device, queue, &self.0);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(blit) = resources.get::<Blit>()
            && let Some(last) = &blit.last
        {
            pass.set_pipeline(&blit.pipeline);
            pass.set_bind_group(0, &last.bindings, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}
