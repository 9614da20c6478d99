"""A GPU that is asked for and not there."""

import pytest

from configuration import ConfigurationError
from configuration.devices import check_device


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_no_gpu_is_needed(device):
    check_device(device, 0, {})


@pytest.mark.parametrize(
    ("device", "present", "mask"),
    [
        ("cuda", 1, None),
        ("cuda:3", 4, None),
        ("cuda", 2, "1"),
        ("cuda:1", 4, "3, 0"),
        ("cuda", 1, "GPU-5a1f"),
        ("cuda:1", 1, "MIG-a,MIG-b"),
        # Entries after the invalid one are ignored, those before it are not.
        ("cuda:0", 2, "0,-1,1"),
    ],
)
def test_a_gpu_that_is_there(device, present, mask):
    check_device(device, present, {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask})


@pytest.mark.parametrize(
    ("device", "present", "mask", "words"),
    [
        ("cuda", 0, None, ["'cuda'", "no NVIDIA GPU", "allowed here: auto, cpu)"]),
        ("cuda", 0, "0", ["no NVIDIA GPU"]),
        ("cuda:2", 2, None, ["'cuda:2'", "shows 2", "auto, cpu, cuda:0, cuda:1)"]),
        ("cuda", 2, "", ["CUDA_VISIBLE_DEVICES='' leaves 0", "allowed here: auto, cpu)"]),
        ("cuda", 2, "-1", ["CUDA_VISIBLE_DEVICES='-1' leaves 0"]),
        ("cuda", 2, "NoDevFiles", ["CUDA_VISIBLE_DEVICES='NoDevFiles' leaves 0"]),
        ("cuda:1", 2, "1", ["leaves 1", "auto, cpu, cuda:0)"]),
        ("cuda:1", 2, "0,-1,1", ["leaves 1"]),
        ("cuda:1", 2, "0,7", ["leaves 1"]),
    ],
)
def test_a_gpu_that_is_not_there(device, present, mask, words):
    environ = {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask}
    with pytest.raises(ConfigurationError) as caught:
        check_device(device, present, environ)
    line = str(caught.value)
    assert line.startswith("device: ") and "\n" not in line
    assert [word for word in words if word not in line] == [], line
