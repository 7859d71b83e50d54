"""Steps MuJoCo for the physics truth card: binary frames on standard input and output.

The first line is JSON: the scene and the number of environments. Then commands of one byte with float64 numbers:
`S` ctrl[N, nu] steps all; `R` mask[N], qpos[N, nq], qvel[N, nv] restarts some. Each answer is fault[N], then for
every environment qpos, qvel, positions, orientations (wxyz), velocities of the body origins and actuator forces.
"""

import json
import sys

import mujoco
import numpy as np

question = json.loads(sys.stdin.buffer.readline())
model = mujoco.MjModel.from_xml_string(question["xml"])
envs = [mujoco.MjData(model) for _ in range(question["num_envs"])]
faults = np.zeros(len(envs))
BAD = [mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC]


def read(count):
    data = sys.stdin.buffer.read(8 * count)
    if len(data) < 8 * count:
        sys.exit()
    return np.frombuffer(data)


def state(data):
    # A step leaves the poses of its beginning behind.
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_comVel(model, data)
    turning = data.cvel[:, :3]
    arms = data.xpos - data.subtree_com[model.body_rootid]
    moving = data.cvel[:, 3:] + np.cross(turning, arms)
    parts = [data.qpos, data.qvel, data.xpos, data.xquat, moving, turning, data.actuator_force]
    return np.concatenate([part.ravel() for part in parts])


def answer():
    out = [faults] + [state(data) for data in envs]
    sys.stdout.buffer.write(np.concatenate(out).tobytes())
    sys.stdout.buffer.flush()


sizes = [model.nq, model.nv, model.nbody, model.nu]
sys.stdout.buffer.write((json.dumps(sizes) + "\n").encode())
sys.stdout.buffer.flush()
while command := sys.stdin.buffer.read(1):
    if command == b"R":
        mask = read(len(envs))
        qpos = read(len(envs) * model.nq).reshape(len(envs), model.nq)
        qvel = read(len(envs) * model.nv).reshape(len(envs), model.nv)
        for k, data in enumerate(envs):
            if mask[k] > 0:
                mujoco.mj_resetData(model, data)
                data.qpos[:], data.qvel[:] = qpos[k], qvel[k]
                faults[k] = 0.0
    else:
        ctrl = read(len(envs) * model.nu).reshape(len(envs), model.nu)
        for k, data in enumerate(envs):
            data.ctrl[:] = ctrl[k]
            mujoco.mj_step(model, data)
            # MuJoCo starts a diverged environment anew and only counts a warning.
            faults[k] = float(any(data.warning[int(kind)].number > 0 for kind in BAD))
    answer()
