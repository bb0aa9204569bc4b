"""The job for KubeRay is whole; `test_jobs.py` runs the Python of docs/cluster.md."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_job_for_kuberay_is_whole() -> None:
    job = yaml.safe_load((ROOT / "examples" / "cluster" / "rayjob.yaml").read_text("utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]["rayClusterSpec"]
    pinned = {line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line.startswith("ray==")}
    assert pinned == {f"ray=={spec['rayVersion']}"}
    assert f"rayproject/ray:{spec['rayVersion']}-py311" in (ROOT / "examples/cluster/Containerfile").read_text("utf-8")
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == "vae-edge-ray"
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    program = job["spec"]["entrypoint"].removeprefix('python -c "').removesuffix('"')
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    (call,) = [each for each in calls if ast.unparse(each.func) == "cluster.generate"]
    from vae_edge import cluster

    names = cluster.generate.__annotations__
    assert {keyword.arg for keyword in call.keywords} <= set(names)
    assert any(keyword.arg == "resume" for keyword in call.keywords)  # Kubernetes starts a driver that died again
