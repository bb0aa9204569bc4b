"""The Python of docs/cluster.md that needs no cluster but this machine runs; the job for KubeRay is whole."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.snippets import of_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cluster.md"


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("cluster_of_two")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    blocks = [snippet.text for snippet in of_page(PAGE) if snippet.language == "python"]
    ours = [text for text in blocks if "vae_edge import cluster" in text or "pyarrow.dataset" in text]
    assert len(ours) == 2
    for text in ours:
        exec(text.replace("20_000", "600"), namespace)
    assert namespace["done"].rows == 600
    assert namespace["images"].shape == (600, 28, 28, 1)


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
