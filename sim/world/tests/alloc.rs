//! A step of the lanes executor asks for no memory. A test binary of its own: the allocator counts for all threads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use keiko_model::import::{ImportOptions, load};
use keiko_testkit::workspace_root;
use keiko_world::{BatchState, EnvParameters, Executor, Field, LanesExecutor, PhysicsOptions};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's allocator, which keeps the contract; a count is no memory.
#[allow(unsafe_code, reason = "an allocator is unsafe by its signature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_step_asks_for_no_memory() {
    const NUM_ENVS: usize = 200;
    let path = workspace_root().join("assets/robots/quadruped/quadruped.xml");
    let model = load(&path, &ImportOptions::default()).unwrap().model;
    let options = PhysicsOptions { timestep: 0.004, decimation: 2, ..PhysicsOptions::default() };
    let mut qpos = Field::zeros(model.num_qpos(), NUM_ENVS);
    for env in 0..NUM_ENVS {
        qpos.set_column(env, model.reference_qpos().iter().map(|q| *q as f32));
    }
    let qvel = Field::zeros(model.num_dofs(), NUM_ENVS);
    let mut parameters = EnvParameters::identity(&model, NUM_ENVS);
    parameters.delay.row_mut(0).fill(2.0);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let counted = pool.install(|| {
            let mut executor = LanesExecutor::new(&model, NUM_ENVS, options.clone()).unwrap();
            let mut state = BatchState::new(&model, NUM_ENVS);
            executor.reset(&[true; NUM_ENVS], &qpos, &qvel, &parameters, &mut state);
            let ctrl = Field::zeros(model.actuators.len(), NUM_ENVS);
            // The threads' queues grow to their size first.
            for _ in 0..20 {
                assert!(executor.step(&ctrl, &mut state).is_empty());
            }
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..50 {
                assert!(executor.step(&ctrl, &mut state).is_empty());
            }
            ALLOCATIONS.load(Ordering::Relaxed) - before
        });
        assert_eq!(counted, 0, "allocations in 50 steps on {threads} threads");
    }
}
