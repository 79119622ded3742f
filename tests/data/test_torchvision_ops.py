import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


def test_torchvision_is_imported_whole_and_importing_it_again_does_nothing():
    done = run(
        "from lthbench.data import torchvision_ops as ops\n"
        "import sys; assert 'torch' not in sys.modules and 'torchvision' not in sys.modules\n"
        "first = ops.import_torchvision(); declared = len(ops._declared)\n"
        "assert ops.import_torchvision() is first is sys.modules['torchvision']\n"
        "assert len(ops._declared) == declared\n"
        "import torchvision, torchvision.models, torchvision.transforms, torch\n"
        "assert torchvision.models.resnet18 and torch.ops.torchvision.nms\n"
        # declared exactly where torchvision's own library does not load
        "assert declared == (0 if torchvision.extension._has_ops() else 2)"
    )
    assert done.returncode == 0, done.stderr


def test_only_missing_operators_are_declared():
    done = run(
        "import torch\n"
        "from lthbench.data import torchvision_ops as ops\n"
        "from torch import library\n"
        "own = library.Library('torchvision', 'FRAGMENT')\n"
        "ops._load_compiled = lambda: None\n"
        "own.define(ops.SCHEMAS[0])\n"
        "ops._declare_missing()\n"
        "assert len(ops._declared) == 1, ops._declared\n"
        "assert hasattr(torch.ops.torchvision, 'qnms')\n"
        "ops._declare_missing()\n"
        "assert len(ops._declared) == 1\n"
    )
    assert done.returncode == 0, done.stderr


def test_torchvision_imported_before_is_left_alone():
    done = run(
        "from lthbench.data import torchvision_ops as ops\n"
        "module = ops.import_torchvision()\n"
        "ops._declared_before = list(ops._declared)\n"
        "import torchvision\n"
        "assert ops.import_torchvision() is torchvision is module\n"
        "assert ops._declared == ops._declared_before"
    )
    assert done.returncode == 0, done.stderr


def test_operators_are_never_declared_before_torchvisions_own_library_is_loaded_whatever_it_is_called(tmp_path):
    (tmp_path / "torchvision").mkdir()
    for name in ("__init__.py", "_C_stable.so", "_C.txt", "image_stable.so"):
        (tmp_path / "torchvision" / name).touch()
    done = run(
        "import sys, torch\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from lthbench.data import torchvision_ops as ops\n"
        "loaded = []\n"
        "torch.ops.load_library = loaded.append\n"
        "ops._load_compiled()\n"
        "assert [path.rpartition('/')[2] for path in loaded] == ['_C_stable.so'], loaded\n"
    )
    assert done.returncode == 0, done.stderr
