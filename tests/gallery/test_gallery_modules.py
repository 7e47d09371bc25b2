"""The published modules' numbers, through `SelfAttention` with the gallery's mechanisms.

What our module leaves out is added here by hand: the gate of polaformer, rala, mala and
nalaformer (a fourth projection of the input), and convolutions with a kernel for each channel of
all heads (those of our branch are shared by the heads).
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from gallery_cases import CASES, arrays
from torch.testing import assert_close

from flatten_edu.attention import SelfAttention
from flatten_edu.gallery import Agent, LinearAngular


def close(ours, theirs):
    assert_close(ours, theirs, rtol=0, atol=1e-11)


def filled(module, stored):
    """The module in float64 with the published projections, where they are of the usual form."""
    weights = {}
    for kind in ("weight", "bias"):
        if f"p.qkv.{kind}" in stored:
            q, kv = stored[f"p.qkv.{kind}"].tensor_split([16], dim=0)
        elif f"p.q.{kind}" in stored:
            q, kv = stored[f"p.q.{kind}"], stored[f"p.kv.{kind}"]
        elif f"p.q_proj.{kind}" in stored:
            q = stored[f"p.q_proj.{kind}"]
            kv = torch.cat([stored[f"p.k_proj.{kind}"], stored[f"p.v_proj.{kind}"]])
            stored[f"p.proj.{kind}"] = stored[f"p.out_proj.{kind}"]
        else:
            continue
        weights |= {f"q.{kind}": q, f"kv.{kind}": kv, f"proj.{kind}": stored[f"p.proj.{kind}"]}
    if "p.dwc.weight" in stored and stored["p.dwc.weight"].shape[0] < 16:
        for kind in ("weight", "bias"):
            weights[f"mixer.depthwise.{kind}"] = stored[f"p.dwc.{kind}"]
    module = module.double()
    unknown = module.load_state_dict(weights, strict=False).unexpected_keys
    assert not unknown
    return module


def reduced(tokens, grid, stored):
    """The published map of keys: a convolution with a stride of 2, then a norm."""
    image = rearrange(tokens, "b (y x) c -> b c y x", y=grid[0])
    image = F.conv2d(image, stored["p.sr.weight"], stored["p.sr.bias"], stride=2)
    flat = rearrange(image, "b c y x -> b (y x) c")
    return F.layer_norm(flat, (16,), stored["p.norm.weight"], stored["p.norm.bias"])


def convolved(v, grid, weight, bias, to=None):
    """A depthwise convolution with a kernel for each of all channels: b n c."""
    image = rearrange(v, "b (y x) c -> b c y x", y=grid[0])
    if to is not None:
        image = F.interpolate(image, to, mode="bilinear")
    image = F.conv2d(image, weight, bias, padding=weight.shape[2] // 2, groups=16)
    return rearrange(image, "b c y x -> b (y x) c")


def set_agent(agent, stored):
    """The published tables."""
    columns = {"ah": "1 h a y 1 -> h a y 1", "aw": "1 h a 1 x -> h a 1 x"}
    queries = {"ha": "1 h y 1 a -> h a y 1", "wa": "1 h 1 x a -> h a 1 x"}
    for bias, square, vectors in (
        (agent.gather, "an", columns),
        (agent.spread, "na", queries),
    ):
        tables = [stored[f"p.{square}_bias"]]
        tables += [rearrange(stored[f"p.{key}_bias"], pattern) for key, pattern in vectors.items()]
        for parameter, table in zip(bias.tables, tables, strict=True):
            assert parameter.shape == table.shape
            parameter.data = table
    if agent.gather.first is not None:
        agent.gather.first.data = rearrange(stored["p.ac_bias"], "1 h a 1 -> h a 1")
        agent.spread.first.data = rearrange(stored["p.ca_bias"], "1 h 1 a -> h a 1")


def test_agent_with_a_class_token():
    stored = arrays("agent__module_deit")
    agent = Agent(2, 4, agents=4, class_token=True)
    module = filled(SelfAttention(16, 2, agent, depthwise=False), stored)
    set_agent(agent, stored)
    x = stored["x"]
    k, v = module.kv(x).chunk(2, dim=-1)
    mixed = module.mixer(module.q(x), k, v, (4, 4))
    local = convolved(v[:, 1:], (4, 4), stored["p.dwc.weight"], stored["p.dwc.bias"])
    close(module.proj(mixed + F.pad(local, (0, 0, 1, 0))), stored["y"])


def test_agent_with_fewer_keys():
    stored = arrays("agent__module_pvt_sr2")
    agent = Agent(2, 3, agents=4, query_grid=(6, 6))
    module = filled(SelfAttention(16, 2, agent, depthwise=False), stored)
    set_agent(agent, stored)
    x = stored["x"]
    k, v = module.kv(reduced(x, (6, 6), stored)).chunk(2, dim=-1)
    mixed = module.mixer(module.q(x), k, v, (6, 6), (3, 3))
    weight, bias = stored["p.dwc.weight"], stored["p.dwc.bias"]
    close(module.proj(mixed + convolved(v, (3, 3), weight, bias, to=(6, 6))), stored["y"])


def set_polaformer(mechanism, stored):
    mechanism.scale.data = rearrange(stored["p.scale"], "1 1 (h d) -> h d", h=2)
    mechanism.power.data = rearrange(stored["p.power"], "1 h 1 d -> h d")
    mechanism.positions.table.data = stored["p.positional_encoding"]


def test_polaformer_but_for_its_gate():
    stored = arrays("polaformer__module_swin")
    module = filled(SelfAttention(16, 2, "polaformer", grid=4), stored)
    set_polaformer(module.mixer.mechanism, stored)
    for kind in ("weight", "bias"):
        getattr(module.mixer.depthwise, kind).data = stored[f"p.dwc.{kind}"]
        getattr(module.proj, kind).data = stored[f"p.proj.{kind}"]
    x = F.linear(stored["x"], stored["p.qkvg.weight"], stored["p.qkvg.bias"])
    q, k, v, gate = x.chunk(4, dim=-1)
    close(module.proj(gate * module.mixer(q, k, v, (4, 4))), stored["y"])


def test_polaformer_with_fewer_keys_but_for_its_gate():
    stored = arrays("polaformer__module_pvt_sr2")
    module = filled(SelfAttention(16, 2, "polaformer", grid=(2, 3), kernel_size=3), stored)
    set_polaformer(module.mixer.mechanism, stored)
    x = stored["x"]
    q, gate = F.linear(x, stored["p.qg.weight"], stored["p.qg.bias"]).chunk(2, dim=-1)
    keys = reduced(x, (4, 6), stored)
    k, v = F.linear(keys, stored["p.kv.weight"], stored["p.kv.bias"]).chunk(2, dim=-1)
    mixed = gate * module.mixer(q, k, v, (4, 6), (2, 3))
    close(F.linear(mixed, stored["p.proj.weight"], stored["p.proj.bias"]), stored["y"])


def turned(name):
    """A module of the three with turned channels: mixed tokens, gate, and what is stored."""
    stored = arrays(f"{name}__module")
    grid = tuple(CASES[f"{name}__module"]["grid"])
    mixer = SelfAttention(16, 2, name, grid=grid, depthwise=False).double().mixer
    (projection,) = (key for key in ("qkvo", "qkvg") if f"p.{key}.weight" in stored)
    x = rearrange(stored["x"], "b c y x -> b (y x) c")
    weight = stored[f"p.{projection}.weight"].flatten(1)
    q, k, v, gate = F.linear(x, weight, stored[f"p.{projection}.bias"]).chunk(4, dim=-1)
    local = convolved(v, grid, stored["p.lepe.weight"], stored["p.lepe.bias"])
    return mixer(q, k, v, grid) + local, gate, stored


def test_rala_and_mala_but_for_their_gates():
    for name in ("rala", "mala"):
        mixed, gate, stored = turned(name)
        output = F.linear(gate * mixed, stored["p.proj.weight"].flatten(1), stored["p.proj.bias"])
        close(output, rearrange(stored["y"], "b c y x -> b (y x) c"))


def test_nalaformer_but_for_its_norm_and_gate():
    mixed, gate, stored = turned("nalaformer")
    mixed = F.layer_norm(mixed, (16,), stored["p.ln.weight"], stored["p.ln.bias"]) * F.silu(gate)
    output = F.linear(mixed, stored["p.out_proj.weight"], stored["p.out_proj.bias"])
    close(output, rearrange(stored["y"], "b c y x -> b (y x) c"))


def test_slab():
    stored = arrays("slab__module_swin")
    module = filled(SelfAttention(16, 2, "slab", grid=4), stored)
    module.mixer.mechanism.positions.table.data = stored["p.positional_encoding"]
    x = rearrange(stored["x"], "b (y x) c -> b y x c", y=4)
    close(rearrange(module(x), "b y x c -> b (y x) c"), stored["y"])


def test_slab_with_fewer_keys():
    stored = arrays("slab__module_pvt_sr2")
    module = filled(SelfAttention(16, 2, "slab", grid=4), stored)
    module.mixer.mechanism.positions.table.data = stored["p.positional_encoding"]
    x = stored["x"]
    close(module.attend(x, (8, 8), reduced(x, (8, 8), stored), (4, 4)), stored["y"])


def test_hydra_with_any_number_of_heads():
    stored = arrays("hydra__module")
    for heads in (1, 3, 12):
        module = SelfAttention(12, heads, "hydra").double()
        q, kv = stored["p.qkv.weight"].tensor_split([12])
        bias, kv_bias = stored["p.qkv.bias"].tensor_split([12])
        weights = {"q.weight": q, "q.bias": bias, "kv.weight": kv, "kv.bias": kv_bias}
        weights |= {f"proj.{kind}": stored[f"p.out.{kind}"] for kind in ("weight", "bias")}
        module.load_state_dict(weights)
        close(module.attend(stored["x"], (2, 5)), stored["y"])


def test_xca():
    stored = arrays("xca__module")
    module = filled(SelfAttention(16, 2, "xca"), stored)
    module.mixer.mechanism.temperature.data = stored["p.temperature"].flatten()
    close(module.attend(stored["x"], (3, 6)), stored["y"])


def test_cosformer():
    stored = arrays("cosformer__module")
    module = filled(SelfAttention(16, 2, "cosformer"), stored)
    x = rearrange(stored["x"], "n b c -> b n c")
    close(rearrange(module.attend(x, (2, 7)), "b n c -> n b c"), stored["y"])


def test_linear_angular_with_the_large_entries_of_softmax():
    stored = arrays("linear_angular__module")
    module = filled(SelfAttention(16, 2, LinearAngular(2, sparse=True)), stored)
    module.mixer.mechanism.kernel.data = rearrange(stored["p.dconv.weight"], "h 1 k 1 -> h k")
    close(module.attend(stored["x"], (4, 5)), stored["y"])


def test_litemla_with_its_two_scales():
    stored = arrays("litemla__module_scale5")
    module = SelfAttention(16, 2, "litemla", qkv_bias=False).double()
    # Published channels are [q_h k_h v_h] for each head, ours [q k v], each with all heads.
    order = torch.arange(48).view(2, 3, 8).permute(1, 0, 2).flatten()
    weight = stored["p.qkv.conv.weight"].flatten(1)[order]
    module.q.weight.data, module.kv.weight.data = weight[:16], weight[16:]
    kernels = stored["p.aggreg.0.0.weight"][order].view(3, 16, 5, 5)
    mixes = stored["p.aggreg.0.1.weight"].view(2, 3, 8, 8).permute(1, 0, 2, 3)
    for around, kernel, mix in zip(module.mixer.mechanism.around, kernels, mixes, strict=True):
        around.kernel.data, around.mix.data = kernel, mix
    # The batch norm in evaluation is one factor and one shift a channel.
    norm = {key: stored[f"p.proj.norm.{key}"] for key in ("weight", "bias")}
    mean, variance = (stored[f"b.proj.norm.running_{key}"] for key in ("mean", "var"))
    factor = norm["weight"] / (variance + 1e-5).sqrt()
    first, second = (stored["p.proj.conv.weight"].flatten(1) * factor[:, None]).chunk(2, dim=1)
    module.proj.weight.data, module.proj.bias.data = first, norm["bias"] - mean * factor
    module.mixer.mechanism.merge.weight.data = torch.linalg.solve(first, second)
    x = rearrange(stored["x"], "b c y x -> b y x c")
    close(rearrange(module(x), "b y x c -> b c y x"), stored["y"])
