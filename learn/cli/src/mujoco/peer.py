"""MuJoCo as a peer of keiko: answers requests on stdin until it is closed.

A message is one line of JSON and then the arrays that it lists under "arrays" as [name, shape], raw float64, little
endian. A request names what to do; the answer to one that cannot be done has the field "error".
"""

import json
import os
import sys
import time

# MuJoCo prints; what it prints must not get between the answers.
CHANNEL = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


def read():
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    request = json.loads(line)
    arrays = {}
    for name, shape in request.pop("arrays", []):
        count = int(np.prod(shape, dtype=np.int64))
        data = sys.stdin.buffer.read(8 * count)
        arrays[name] = np.frombuffer(data, dtype="<f8").reshape(shape).astype(np.float64)
    return request, arrays


def write(fields, arrays):
    arrays = {name: np.ascontiguousarray(a, dtype="<f8") for name, a in arrays.items()}
    head = dict(fields, arrays=[[name, list(a.shape)] for name, a in arrays.items()])
    CHANNEL.write(json.dumps(head).encode() + b"\n")
    for a in arrays.values():
        CHANNEL.write(a.tobytes())
    CHANNEL.flush()


try:
    import numpy as np
    import mujoco
    from mujoco import rollout
except Exception as error:
    CHANNEL.write(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
    CHANNEL.flush()
    sys.exit(1)

# Without this MuJoCo writes its warnings to a file where it runs.
mujoco.set_mju_user_warning(lambda *_: None)
W, B, I = mujoco.mjtWarning, mujoco.mjtDisableBit, mujoco.mjtIntegrator
BAD = (W.mjWARN_BADQPOS, W.mjWARN_BADQVEL, W.mjWARN_BADQACC)
STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS
INTEGRATORS = {int(getattr(I, name)): name[len("mjINT_"):].lower() for name in dir(I) if name.startswith("mjINT_")}
STEPPER = rollout.Rollout(nthread=0)


def is_bad(d):
    return any(d.warning[w].number for w in BAD) or not np.isfinite(d.qpos).all()


class Scene:
    """A model, and the work that is timed on it."""

    def __init__(self, path):
        self.model = mujoco.MjModel.from_xml_path(path)
        self.data = mujoco.MjData(self.model)
        self.own_integrator = self.model.opt.integrator

    def facts(self, *_):
        m, opt = self.model, self.model.opt
        name = lambda kind, n: [mujoco.mj_id2name(m, kind, i) or "" for i in range(n)]
        return {
            "nq": m.nq, "nv": m.nv, "nu": m.nu, "nbody": m.nbody, "timestep": opt.timestep,
            "iterations": opt.iterations, "ls_iterations": opt.ls_iterations, "tolerance": opt.tolerance,
            "cone": ["pyramidal", "elliptic"][opt.cone], "own_integrator": INTEGRATORS[self.own_integrator],
            "na": m.na, "nmocap": m.nmocap, "ntendon": m.ntendon, "neq": m.neq,
            "medium": bool(opt.density > 0 or opt.viscosity > 0),
            "joints": name(mujoco.mjtObj.mjOBJ_JOINT, m.njnt),
            "bodies": name(mujoco.mjtObj.mjOBJ_BODY, m.nbody),
        }, {}

    def one_evaluation(self, integrator):
        """The settings of the race: one evaluation of the dynamics a step, Newton, the file's own iterations."""
        opt = self.model.opt
        opt.integrator = integrator
        opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
        # keiko evaluates sensors once a control step.
        opt.disableflags |= int(B.mjDSBL_SENSOR)

    def full_state(self, qpos, qvel):
        m, d = self.model, self.data
        out = np.empty((len(qpos), mujoco.mj_stateSize(m, STATE)))
        for row, (q, v) in enumerate(zip(qpos, qvel)):
            mujoco.mj_resetData(m, d)
            d.qpos[:], d.qvel[:] = q, v
            mujoco.mj_getState(m, d, out[row], STATE)
        return out

    def roll(self, initial, ctrl, each):
        """States [N, K, nstate] after each of K controls, held for `each` steps; which environments went bad."""
        m, d = self.model, self.data
        # The filled rows of a model without actuators are empty, and give no length.
        states, bad = [], []
        for state, c in zip(initial, ctrl):
            steps = np.repeat(c, each, axis=0)[None]
            s, _ = STEPPER.rollout(m, d, state[None], steps, nstep=steps.shape[1])
            states.append(s[0, each - 1 :: each])
            bad.append(bool(is_bad(d)))
        return np.stack(states), bad

    def rollout(self, request, arrays):
        """Trajectories; `refine` divides the time step and makes the solver exact."""
        opt = self.model.opt
        kept = (opt.timestep, opt.iterations, opt.ls_iterations, opt.tolerance, opt.disableflags, opt.cone)
        refine = request.get("refine", 1)
        opt.timestep = request.get("timestep", opt.timestep)
        if request.get("cone") == "elliptic":
            opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        if request.get("unconstrained"):
            opt.disableflags |= int(B.mjDSBL_CONSTRAINT)
        if "integrator" in request:
            self.one_evaluation(getattr(I, "mjINT_" + request["integrator"].upper()))
        try:
            if refine > 1:
                opt.timestep /= refine
                opt.iterations, opt.ls_iterations, opt.tolerance = 100, 100, 1e-12
            initial = self.full_state(arrays["qpos"], arrays["qvel"])
            states, bad = self.roll(initial, arrays["ctrl"], request["hold"] * refine)
        finally:
            (opt.timestep, opt.iterations, opt.ls_iterations, opt.tolerance, opt.disableflags, opt.cone) = kept
        nq, nv = self.model.nq, self.model.nv
        return {"bad": bad}, {"qpos": states[..., 1 : 1 + nq], "qvel": states[..., 1 + nq : 1 + nq + nv]}

    def prepare(self, request, arrays):
        """Takes up the work of the race, and looks at it once, untimed."""
        hold, ctrl = request["hold"], arrays["ctrl"]
        initial = self.full_state(arrays["qpos"], arrays["qvel"])
        # RK4 evaluates four times; any other integrator of the file may stand in where implicitfast breaks.
        own = [self.own_integrator] if self.own_integrator != I.mjINT_RK4 else []
        best = None
        for integrator in [I.mjINT_IMPLICITFAST] + own:
            self.one_evaluation(integrator)
            bad = self.roll(initial, ctrl, hold)[1]
            if best is None or sum(bad) < sum(best[1]):
                best = (integrator, bad)
            if not any(bad):
                break
        integrator, bad = best
        self.one_evaluation(integrator)
        good = [e for e in range(len(bad)) if not bad[e]]
        if not good:
            return {"bad": bad, "integrator": INTEGRATORS[int(integrator)]}, {}
        self.initial = initial[good]
        self.ctrl = np.repeat(ctrl[good], hold, axis=1)
        self.cursor = 0
        nstep = self.ctrl.shape[1]
        started = time.process_time()
        STEPPER.rollout(self.model, self.data, self.initial[:1], self.ctrl[:1], nstep=nstep)
        once = max(time.process_time() - started, 1e-6)
        # A call long enough that what Python adds is lost in it.
        self.batch = min(len(good), max(1, round(0.02 / once)))
        nstate = self.initial.shape[1]
        self.out = np.empty((self.batch, nstep, nstate)), np.empty((self.batch, nstep, self.model.nsensordata))
        counts = self.contacts(4)
        return {
            "bad": bad, "integrator": INTEGRATORS[int(integrator)], "contacts": float(np.mean(counts)),
            "max_contacts": int(np.max(counts)),
        }, {}

    def contacts(self, envs):
        """Contacts that push, step by step, of a few environments."""
        m, d, counts = self.model, self.data, []
        for state, steps in zip(self.initial[:envs], self.ctrl[:envs]):
            mujoco.mj_resetData(m, d)
            mujoco.mj_setState(m, d, state, STATE)
            for c in steps:
                d.ctrl[:] = c
                mujoco.mj_step(m, d)
                counts.append(int((d.contact.efc_address >= 0).sum()) if d.ncon else 0)
        return counts

    def slice(self, request, _):
        """Steps until the CPU time of the slice is used up."""
        nstep, steps = self.ctrl.shape[1], 0
        started = time.process_time()
        while True:
            if self.cursor + self.batch > len(self.initial):
                self.cursor = 0
            of = slice(self.cursor, self.cursor + self.batch)
            STEPPER.rollout(
                self.model, self.data, self.initial[of], self.ctrl[of], nstep=nstep, state=self.out[0],
                sensordata=self.out[1],
            )
            self.cursor += self.batch
            steps += self.batch * nstep
            cpu = time.process_time() - started
            if cpu >= request["seconds"]:
                return {"steps": steps, "cpu": cpu}, {}

    def dynamics(self, _, arrays):
        """The smooth dynamics at each state."""
        m, d = self.model, self.data
        K, nv, nb = len(arrays["qpos"]), m.nv, m.nbody
        out = {
            "xpos": np.zeros((K, nb, 3)), "xquat": np.zeros((K, nb, 4)), "qM": np.zeros((K, nv, nv)),
            "qfrc_bias": np.zeros((K, nv)), "qfrc_passive": np.zeros((K, nv)),
            "qfrc_actuator": np.zeros((K, nv)), "qacc_smooth": np.zeros((K, nv)),
        }
        dense, medium = np.zeros((nv, nv)), False
        for k in range(K):
            mujoco.mj_resetData(m, d)
            d.qpos[:], d.qvel[:], d.ctrl[:] = arrays["qpos"][k], arrays["qvel"][k], arrays["ctrl"][k]
            mujoco.mj_forward(m, d)
            mujoco.mj_fullM(m, d, dense)
            out["xpos"][k], out["xquat"][k], out["qM"][k] = d.xpos, d.xquat, dense
            for name in ("qfrc_bias", "qfrc_passive", "qfrc_actuator", "qacc_smooth"):
                out[name][k] = getattr(d, name)
            medium = medium or bool(np.any(d.qfrc_fluid))
        return {"medium": medium}, out


def main():
    write({"mujoco": mujoco.__version__, "python": sys.version.split()[0]}, {})
    scene = None
    while True:
        request, arrays = read()
        do = request.pop("do")
        try:
            if do == "load":
                scene = None
                scene = Scene(request["path"])
                answer = scene.facts()
            else:
                answer = getattr(scene, do)(request, arrays)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}, {}
        write(*answer)


main()
