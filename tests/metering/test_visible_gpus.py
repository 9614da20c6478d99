import pytest

from metering.visible import select

UUIDS = ["GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"]


@pytest.mark.parametrize(
    ("variable", "positions"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2", [1, 2]),
        ("2,-1,0", [2]),  # the list ends there
        ("1,7,0", [1]),
        ("1,x,0", [1]),
        ("1gpu", [1]),  # as C reads numbers
        ("0,0", []),  # twice is none
        ("GPU-cccc-3", [2]),
        ("GPU-c", [2]),
        ("GPU-CCCC", [2]),
        ("GPU-aab,0", [1, 0]),
        ("GPU-aa", []),  # two match
        ("GPU-dddd,0", []),
        ("MIG-1234", [None]),
        ("MIG-GPU-aaaa-1/1/0", [None]),
    ],
)
def test_the_forms_of_cuda_visible_devices(variable, positions):
    assert select(UUIDS, variable).positions == positions


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("1,7,0", "index 7 is beyond the 3 GPUs"),
        ("x", "'x' is no index and no UUID"),
        ("GPU-aa", "'GPU-aa' matches 2 of the 3 GPUs"),
        ("0,0", "'0' is named twice"),
    ],
)
def test_a_list_that_ends_early_says_why(variable, problem):
    (said,) = select(UUIDS, variable).problems
    assert problem in said


def test_a_list_without_faults_has_no_problems():
    for variable in (None, "", "-1", "0,1", "GPU-c"):
        assert select(UUIDS, variable).problems == []
