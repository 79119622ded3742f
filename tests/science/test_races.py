"""No stream uses what another one is still writing: real iterations on the CPU over stand-ins for streams."""

import gpu_lab as gpu
import pytest

from lthbench.training import graph
from lthbench.training.module import Modules

KINDS = [*gpu.KINDS, *gpu.PAPERS, *gpu.VARIANTS]


@pytest.mark.parametrize("kind", KINDS)
def test_no_stream_races_another(kind: str) -> None:
    races = gpu.raced(*gpu.kind(kind, keep_at=2))
    assert races.found == []
    assert races.operations > 100


@pytest.mark.parametrize(
    ("owner", "name", "right", "wrong"),
    [
        (Modules, "gradients", "torch.cuda.current_stream().wait_stream(stream)", "pass"),
        (
            Modules,
            "gradients",
            "with self.side_by_side(s, x.device):\n            targets",
            "if True:\n            targets",
        ),
        (Modules, "side_by_side", "self.streams[s].wait_stream(torch.cuda.current_stream(device))", "pass"),
        (graph.captured, "warm_up", "torch.cuda.current_stream().wait_stream(self.side)", "pass"),
        (graph.captured, "warm_up", "self.side.wait_stream(torch.cuda.current_stream())", "pass"),
    ],
    ids=[
        "networks are not joined after their gradients",
        "gradients are copied on another stream",
        "networks do not wait for their batch",
        "a warm-up is not waited for",
        "a warm-up does not wait",
    ],
)
def test_a_race_put_into_the_loop_is_noticed(owner: type, name: str, right: str, wrong: str) -> None:
    task, folds = gpu.kind("module, crops and flips", keep_at=1)
    with gpu.faulty(owner, name, right, wrong):
        assert gpu.raced(task, folds).found
