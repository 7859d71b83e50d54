//! What the policy sees is what the panel shows.

use keiko_camera::{Backend, Channel, Tracer, TracerOptions};
use keiko_env::VecEnv;
use keiko_viewer::{pictures, tensor};

use crate::support::scene;

/// A term of colours and distances, one ray a pixel, beside the scene's own.
const EYE: &str = "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"rgb\", \"depth\"], \
                   size = [20, 12], stack = 2, clip = 6.0, scale = 0.5, offset = 0.25 }";

#[test]
fn a_panel_has_the_numbers_of_the_policys_tensor_and_the_bytes_of_the_camera() {
    let mut session = scene("cartpole-pixels", &[EYE], 3);
    session.show(2);
    session.set_input(0, 0.7);
    let mut last: Option<Vec<u8>> = None;
    for step in 0..6 {
        session.single_step();
        let env = session.subject().task().unwrap();
        let (spec, output) = (&env.spec().observations[0], &env.output().observations[0]);
        // The two images fill the group: 3 frames of 48 x 24, then 2 of 4 channels of 20 x 12.
        assert_eq!(spec.images, [[3, 1, 24, 48], [2, 4, 12, 20]]);
        let first = tensor(env, 0, 2).unwrap();
        let second = tensor(env, 1, 2).unwrap();
        let both = first.values.iter().chain(&second.values).map(|value| value.to_bits());
        assert!(both.eq(output.column(2).map(f32::to_bits)), "step {step}");

        let shown = pictures(&second, &env.images()[1]);
        let names: Vec<&str> = shown.iter().map(|shown| shown.name.as_str()).collect();
        assert_eq!(names, ["rgb, frame 1", "depth, frame 1", "rgb, frame 2", "depth, frame 2"]);
        let camera = session.model().cameras[0].clone().resized([20, 12]);
        let looks = TracerOptions::default();
        let tracer = Tracer::new(&Backend::Cpu, session.model(), 3, &looks).unwrap();
        let group = tracer.group(&[camera], &[Channel::Rgb]).unwrap();
        tracer.pose(session.state());
        tracer.render(&group);
        let images = tracer.read(&group).unwrap();
        let rgba = &images.rgb().unwrap()[2 * 4 * 240..];
        let bytes: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
        assert_eq!(shown[2].pixels, bytes, "the newest frame is the last");
        if let Some(last) = last.replace(bytes) {
            assert_eq!(shown[0].pixels, last, "and the one before is before it");
        }
    }
    assert!(tensor(session.subject().task().unwrap(), 2, 0).is_none(), "there is no third image");
}
