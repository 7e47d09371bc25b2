"""What a result may depend on: the seed, and neither the number of threads nor the process."""

import subprocess
import sys

import pytest
import torch

import flatten_edu as fe
from flatten_edu.attention import NAMES

NETWORKS = {
    "deit_nano": {"in_chans": 3},
    "pvt_tiny": {"depths": (1, 1, 1, 1)},
    "pvt_v2_b0": {"depths": (1, 1, 1, 1)},
    "swin_tiny": {"depths": (1, 1, 1, 1)},
    "cswin_tiny": {"depths": (1, 1, 1, 1)},
}


@pytest.fixture(autouse=True)
def threads_again():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_threads(number, call):
    torch.set_num_threads(number)
    assert torch.get_num_threads() == number
    return call()


def largest_difference(call) -> float:
    """Between results on one thread and on two, over the largest number if that is above 1."""
    one, two = (with_threads(number, call) for number in (1, 2))
    one, two = ([found] if isinstance(found, torch.Tensor) else found for found in (one, two))
    pairs = zip(one, two, strict=True)
    return max(float((a - b).abs().max() / a.abs().max().clamp_min(1)) for a, b in pairs)


@pytest.mark.parametrize("attention", NAMES)
def test_a_layer_gives_the_same_on_one_thread_and_on_two(attention):
    torch.manual_seed(0)
    layer = fe.attention.SelfAttention(64, 4, attention=attention, grid=(14, 14))
    x = torch.randn(8, 14, 14, 64, requires_grad=True)

    def call():
        x.grad = None
        y = layer(x)
        y.square().mean().backward()
        assert x.grad is not None
        return y.detach(), x.grad * x.numel()

    assert largest_difference(call) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_the_same_on_one_thread_and_on_two(name):
    torch.manual_seed(0)
    model = fe.create_model(name, img_size=64, num_classes=10, **NETWORKS[name]).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert largest_difference(lambda: model(images)) < 1e-5


def learned(name) -> list[torch.Tensor]:
    """The outputs of a network after each of five steps of training, and its weights."""
    torch.manual_seed(0)
    model = fe.create_model(name, img_size=64, num_classes=10, **NETWORKS[name])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    images, labels = torch.rand(4, 3, 64, 64), torch.tensor([0, 3, 5, 7])
    found = []
    for _ in range(5):
        optimizer.zero_grad()
        outputs = model(images)
        torch.nn.functional.cross_entropy(outputs, labels).backward()
        optimizer.step()
        found.append(outputs.detach())
    return [*found, *model.state_dict().values()]


@pytest.mark.parametrize("name", ["deit_nano", "pvt_tiny"])
def test_five_steps_of_training_give_the_same_on_one_thread_and_on_two(name):
    assert largest_difference(lambda: learned(name)) < 1e-5


RUN = """
import hashlib, torch
import flatten_edu as fe
from flatten_edu.data import photo
from flatten_edu.tasks import load_task

result = fe.training.train("deit_nano", "digits", attention="focused", epochs=1, patch_size=2,
                           depth=2, width=24, heads=2, drop_path=0.2, mixup=0.4, seed=7)
numbers = [*result.model.state_dict().values(), torch.tensor(result.rows[0]["train_loss"])]
numbers += [*load_task("recall").data.train.__getitems__(range(20)), photo("astronaut", size=32)]
torch.manual_seed(3)
model = fe.create_model("swin_tiny", img_size=64, depths=(1, 1, 1, 1)).eval()
with fe.analysis.record(model) as maps, torch.no_grad():
    numbers.append(model(torch.rand(1, 3, 64, 64)))
numbers += [fe.analysis.row_entropy(map) for map in maps.values()]
digest = hashlib.sha256()
for tensor in numbers:
    digest.update(tensor.contiguous().numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_every_process(monkeypatch):
    def digest(hash_seed: str, seed: int = 7) -> str:
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        call = [sys.executable, "-W", "ignore", "-c", RUN.replace("seed=7", f"seed={seed}")]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout

    first = digest("1")
    assert len(first) == 65 and digest("2") == first and digest("1", seed=8) != first
