"""What Gymnasium's own tasks make of given states: its observation, reward terms and termination.

Reads {id, file, transitions: [{before, after: {qpos, qvel}, forces, action}]} and prints one JSON line. The physics is
left out: a step puts the state after at the place of the state before, so that all else is a function of the two.
"""

import json
import sys
import types

# Nothing is drawn: the module that draws asks for packages that are not needed here.
renderer = types.ModuleType("gymnasium.envs.mujoco.mujoco_rendering")
renderer.MujocoRenderer = lambda *args, **kwargs: None
for name in ("BaseRender", "OffScreenViewer", "WindowViewer"):
    setattr(renderer, name, None)
sys.modules[renderer.__name__] = renderer

import gymnasium
import numpy as np

question = json.load(sys.stdin)
made = gymnasium.make(question["id"], xml_file=question["file"])
env = made.unwrapped
made.reset(seed=0)
low, high = env.action_space.low, env.action_space.high

answers = []
for transition in question["transitions"]:
    before, after = transition["before"], transition["after"]
    env.set_state(np.array(before["qpos"]), np.array(before["qvel"]))

    def put_state_after(ctrl, frames):
        env.set_state(np.array(after["qpos"]), np.array(after["qvel"]))
        forces = np.array(transition["forces"]).reshape(-1, 3)
        env.data.cfrc_ext[:] = 0.0
        env.data.cfrc_ext[1:, 3:] = forces[: env.model.nbody - 1]

    env.do_simulation = put_state_after
    action = low + (high - low) * 0.5 * (1.0 + np.array(transition["action"]))
    observation, reward, terminated, _, info = env.step(action)
    parts = env.observation_structure
    state = parts["qpos"] + parts["qvel"]
    # Of each body's wrench the force; the torque before it has no counterpart.
    forces = observation[state:].reshape(-1, 6)[:, 3:].ravel()
    answers.append(
        {
            "observation": observation[:state].tolist() + forces.tolist(),
            "torques": float(np.abs(observation[state:].reshape(-1, 6)[:, :3]).sum()),
            "reward": float(reward),
            "terms": {key: float(value) for key, value in info.items() if key.startswith("reward_")},
            "terminated": bool(terminated),
        }
    )

print()
print(
    json.dumps(
        {
            "dt": float(env.dt),
            "max_steps": made.spec.max_episode_steps,
            "init_qpos": env.init_qpos.tolist(),
            "init_qvel": env.init_qvel.tolist(),
            "answers": answers,
        }
    )
)
