"""The gallery's reference cases, and for each core case the call that should give its numbers."""

import functools
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flatten_edu.gallery import (
    agent_attention,
    cosformer_attention,
    efficient_attention,
    hydra_attention,
    inline_attention,
    linear_angular_attention,
    litemla_attention,
    mala_attention,
    nalaformer_attention,
    nystrom_attention,
    performer_attention,
    polaformer_attention,
    rala_attention,
    relu_linear_attention,
    rotary_angles,
    xca_attention,
)
from flatten_edu.gallery.agent_bias import place_bias

FOLDER = Path(__file__).parent.parent / "reference" / "gallery"
CASES = json.loads((FOLDER / "cases.json").read_text())
CORE = [name for name, case in CASES.items() if case["kind"] == "core"]
PHI = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leakyrelu": lambda x: F.leaky_relu(x, 0.01),
    "exp": lambda x: (x / 5).exp(),
}


@functools.cache
def _file(mechanism: str):
    return np.load(FOLDER / f"{mechanism}.npz")


def arrays(name: str) -> dict[str, Tensor]:
    """All arrays of a case, by their names."""
    mechanism, case = name.split("__", 1)
    stored = _file(mechanism)
    found = {key: torch.from_numpy(stored[key]) for key in stored.files}
    return {
        key.split("/", 1)[1]: value for key, value in found.items() if key.startswith(case + "/")
    }


def agent_bias(stored: dict[str, Tensor], case: dict) -> dict[str, Tensor]:
    """The two biases from the published tables, the class token in front."""
    if not case["bias"]:
        return {}
    ah, aw, ha, wa = (stored[f"{name}_bias"][0] for name in ("ah", "aw", "ha", "wa"))
    gather = place_bias(stored["an_bias"], ah, aw, grid=tuple(case["grid_k"])).flatten(2)
    rows, columns = ha.permute(0, 3, 1, 2), wa.permute(0, 3, 1, 2)
    spread = place_bias(stored["na_bias"], rows, columns, grid=tuple(case["grid_q"]))
    spread = spread.flatten(2).transpose(1, 2)
    if case["cls_token"]:
        gather = torch.cat([stored["ac_bias"][0], gather], dim=2)
        spread = torch.cat([stored["ca_bias"][0], spread], dim=1)
    return {"gather": gather, "spread": spread}


def places(stored: dict[str, Tensor], case: dict) -> tuple[Tensor | None, Tensor | None]:
    """Angles of queries and keys, or none where nothing is turned."""
    angles = rotary_angles(tuple(case["grid"]), stored["q"].shape[3], like=stored["q"])
    return (angles, angles) if case["rope"] else (None, None)


def core(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What our function gives for a core case's settings."""
    mechanism, case, stored = name.split("__")[0], CASES[name], arrays(name)
    conv = stored.get("conv_weight")
    match mechanism:
        case "agent":
            grid, agents = tuple(case["grid_q"]), case["agent_num"]
            return agent_attention(q, k, v, grid, agents, **agent_bias(stored, case))
        case "inline":
            return inline_attention(q, k, v, PHI[case["phi"]])
        case "polaformer":
            scale, power = stored["scale_param"], stored["power_param"]
            return polaformer_attention(q, k, v, scale, power, case["alpha"])
        case "cosformer":
            return cosformer_attention(q, k, v, case["causal"])
        case "hydra":
            return hydra_attention(q, k, v, stored.get("key_mask"))
        case "linear_angular":
            kernel = stored["dconv_weight"][:, 0, :, 0] if case["dconv"] else None
            return linear_angular_attention(q, k, v, kernel, case["sparse_reg"])
        case "nystrom":
            start = {"original": "batch", "exact": "map"}[case["init"]]
            mixed = nystrom_attention(q, k, v, case["num_landmarks"], start)
            if conv is None:
                return mixed
            # The published convolution along the tokens stands beside the attention.
            return mixed + F.conv2d(v, conv, padding=(conv.shape[2] // 2, 0), groups=v.shape[1])
        case "performer":
            return performer_attention(q, k, v, stored["projection"])
        case "xca":
            return xca_attention(q, k, v, stored["temperature"])
        case "rala":
            return rala_attention(q, k, v, *places(stored, case))
        case "mala":
            return mala_attention(q, k, v, *places(stored, case))
        case "nalaformer":
            return nalaformer_attention(q, k, v, *places(stored, case))
    plain = {
        "efficient": efficient_attention,
        "slab": relu_linear_attention,
        "litemla": litemla_attention,
    }
    return plain[mechanism](q, k, v)
