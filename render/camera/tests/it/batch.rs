//! A view does not depend on what else is rendered.

use keiko_camera::{Channel, Tracer, TracerOptions};
use keiko_world::BatchState;

use crate::support::{
    FISHEYE, Random, camera_above, camera_around, clutter, render, render_moved, strewn, with_each,
};

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
        let fisheye = camera_above(&mut random, SIZE, FISHEYE);
        let cameras = [camera_around(&mut random, SIZE), second, fisheye];
        let before = strewn(&model, &mut random, NUM_ENVS);
        let all = render_moved(backend, &model, [&before, &state], &cameras, &Channel::ALL);
        assert_eq!(all.num_views, NUM_ENVS * cameras.len());
        for env in [0, 5, NUM_ENVS - 1] {
            let alone = [&before, &state].map(|state| column(&model, state, env));
            for (index, camera) in cameras.iter().enumerate() {
                let (only, alone) = (std::slice::from_ref(camera), [&alone[0], &alone[1]]);
                let image = render_moved(backend, &model, alone, only, &Channel::ALL);
                let view = env * cameras.len() + index;
                for channel in Channel::ALL {
                    let (a, b) = (all.view_bits(channel, view), image.view_bits(channel, 0));
                    assert!(a.is_some() && a == b, "{} of camera {index}, environment {env}", channel.name());
                }
            }
        }

        // A second look with other poses between leaves no trace of them.
        let options = TracerOptions { flow: true, ..TracerOptions::default() };
        let tracer = Tracer::new(backend, &model, NUM_ENVS, &options).expect("it fits");
        let group = tracer.group(&cameras, &Channel::ALL).expect("they fit");
        for state in [&strewn(&model, &mut random, NUM_ENVS), &state] {
            tracer.pose_before(&before).expect("flow was planned");
            tracer.pose(state);
            tracer.render(&group);
        }
        assert!(tracer.read(&group).expect("the device answers") == all);
    });
}

#[test]
fn an_aimed_group_sees_what_a_new_one_sees() {
    with_each("batch::an_aimed_group_sees_what_a_new_one_sees", |backend| {
        let mut random = Random(11);
        let model = clutter(&mut random, false);
        let state = strewn(&model, &mut random, 2);
        let tracer = Tracer::new(backend, &model, 2, &TracerOptions::default()).expect("it fits");
        let channels = [Channel::Rgb, Channel::Segmentation];
        let first = camera_around(&mut random, SIZE);
        let group = tracer.group(std::slice::from_ref(&first), &channels).expect("it fits");
        tracer.pose(&state);
        let mut seen = Vec::new();
        for mut camera in [camera_around(&mut random, SIZE), camera_around(&mut random, SIZE)] {
            camera.body = seen.len();
            tracer.aim(&group, std::slice::from_ref(&camera)).expect("as many, as large");
            tracer.render(&group);
            seen.push(tracer.read(&group).expect("the device answers"));
            assert!(seen.last() == Some(&render(backend, &model, &state, &[camera], &channels)));
        }
        assert!(seen[0] != seen[1]);

        let wrong = [vec![first.clone().resized([8, 8])], vec![first.clone(), first.clone()], Vec::new()];
        for cameras in wrong {
            assert!(tracer.aim(&group, &cameras).is_err(), "{} cameras", cameras.len());
        }
    });
}

/// The state of one environment.
fn column(model: &keiko_model::RobotModel, state: &BatchState, env: usize) -> BatchState {
    let mut alone = BatchState::new(model, 1);
    alone.body_position.set_column(0, state.body_position.column(env));
    alone.body_rotation.set_column(0, state.body_rotation.column(env));
    alone
}
