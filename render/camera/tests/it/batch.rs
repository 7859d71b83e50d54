//! A view does not depend on what else is rendered.

use keiko_camera::{Channel, Tracer, TracerOptions};
use keiko_world::BatchState;

use crate::support::{Random, camera_around, clutter, render, strewn, with_each};

const SIZE: [u32; 2] = [40, 32];
const NUM_ENVS: usize = 16;

#[test]
fn a_view_in_a_batch_is_the_view_alone_bit_for_bit() {
    with_each("batch::a_view_in_a_batch_is_the_view_alone_bit_for_bit", |backend| {
        let mut random = Random(3);
        let model = clutter(&mut random, false);
        let state = strewn(&model, &mut random, NUM_ENVS);
        let mut second = camera_around(&mut random, SIZE);
        second.body = 2;
        let cameras = [camera_around(&mut random, SIZE), second, camera_around(&mut random, SIZE)];
        let all = render(backend, &model, &state, &cameras, &Channel::ALL);
        assert_eq!(all.num_views, NUM_ENVS * cameras.len());
        for env in [0, 5, NUM_ENVS - 1] {
            let alone = column(&model, &state, env);
            for (index, camera) in cameras.iter().enumerate() {
                let image = render(backend, &model, &alone, std::slice::from_ref(camera), &Channel::ALL);
                let view = env * cameras.len() + index;
                for channel in Channel::ALL {
                    let (a, b) = (all.view_bits(channel, view), image.view_bits(channel, 0));
                    assert!(a.is_some() && a == b, "{} of camera {index}, environment {env}", channel.name());
                }
            }
        }

        // A second look with other poses between leaves no trace of them.
        let tracer = Tracer::new(backend, &model, NUM_ENVS, &TracerOptions::default()).expect("it fits");
        let group = tracer.group(&cameras, &Channel::ALL).expect("they fit");
        for state in [&strewn(&model, &mut random, NUM_ENVS), &state] {
            tracer.pose(state);
            tracer.render(&group);
        }
        assert!(tracer.read(&group).expect("the device answers") == all);
    });
}

/// The state of one environment.
fn column(model: &keiko_model::RobotModel, state: &BatchState, env: usize) -> BatchState {
    let mut alone = BatchState::new(model, 1);
    alone.body_position.set_column(0, state.body_position.column(env));
    alone.body_rotation.set_column(0, state.body_rotation.column(env));
    alone
}
