"""How much arithmetic a forward of WanVACE's transformer is, in closed form."""

from __future__ import annotations

from collections.abc import Mapping


def forward(config: Mapping, tokens: int, text: int) -> int:
    """Floating-point operations of one forward over `tokens` of the clip and `text` tokens of the prompt, a product and a sum counted
    as two. Products of matrices and attention only; norms, modulation and the noise level's embedding are below a thousandth.

    A layer attends to itself (four square projections, scores and their sum), to the text, and has two products of `ffn_dim`;
    layers of the control have one square projection behind them, and the first one before.
    """
    width = config["num_attention_heads"] * config["attention_head_dim"]
    itself = 8 * tokens * width**2 + 4 * tokens**2 * width
    to_text = 4 * (tokens + text) * width**2 + 4 * tokens * text * width
    layer = itself + to_text + 4 * tokens * width * config["ffn_dim"]
    control = len(config["vace_layers"])
    patch = config["patch_size"][0] * config["patch_size"][1] * config["patch_size"][2]
    ends = 2 * tokens * width * patch * (config["in_channels"] + config["vace_in_channels"] + config["out_channels"])
    words = 2 * text * (config["text_dim"] * width + width**2)
    return (config["num_layers"] + control) * layer + (control + 1) * 2 * tokens * width**2 + ends + words
