"""Renders a robot file in mujoco_warp on the CPU until the CPU time asked for is used up."""

import json
import sys
import time

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

question = json.load(sys.stdin)
wp.config.quiet = True
wp.set_device("cpu")
spec = mujoco.MjSpec.from_file(question["file"])
camera = spec.worldbody.add_camera()
camera.name = "bench"
camera.pos = question["position"]
camera.quat = question["rotation"]
camera.fovy = question["fov_y"]
model = spec.compile()
data = mujoco.MjData(model)
positions = np.array(question["positions"])
data.qpos[:] = positions[0]
mujoco.mj_forward(model, data)
m = mjw.put_model(model)
d = mjw.put_data(model, data, nworld=len(positions))
d.qpos = wp.array(positions.astype(np.float32), dtype=float)
mjw.kinematics(m, d)
mjw.com_pos(m, d)
mjw.camlight(m, d)
context = mjw.create_render_context(
    model,
    nworld=len(positions),
    cam_res=tuple(question["size"]),
    render_rgb=True,
    render_depth=True,
    use_shadows=question["shadows"],
    cam_active=["bench"],
)


def once():
    mjw.refit_bvh(m, d, context)
    mjw.render(m, d, context)
    wp.synchronize()


once()
cpu, images = time.process_time(), 0
while time.process_time() - cpu < question["seconds"]:
    once()
    images += len(positions)
cpu = time.process_time() - cpu
depth = context.depth_data.numpy()
print(json.dumps({"images_per_cpu_second": images / cpu, "seen": float((depth > 0).mean()), "version": mjw.__version__}))
