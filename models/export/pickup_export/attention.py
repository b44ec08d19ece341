"""Attention, and the rotary position before it, as one operator of ONNX Runtime each.

Below opset 23 `scaled_dot_product_attention` is exported as a product, a softmax and a product, and the scores of all
tokens with all tokens are held in memory: 25.8 GB a layer in half precision at 832x480x81. `com.microsoft.MultiHeadAttention`
never holds them. The fusion passes of ONNX Runtime do not recognise what diffusers' Wan attention becomes, so the exporter
writes the operator itself.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_ltx import LTXAttention, LTXVideoAttnProcessor
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor

from .layers import rms_norm


def fused_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention over `(b, s, heads · e)`."""
    if not torch.onnx.is_in_onnx_export():
        return spelt_out_attention(query, key, value, heads)
    return torch.onnx.ops.symbolic("com.microsoft::MultiHeadAttention", [query, key, value], {"num_heads": heads},
                                   dtype=query.dtype, shape=query.shape, version=1)


def spelt_out_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """The same as diffusers has it."""
    return dispatch_attention_fn(*(x.unflatten(2, (heads, -1)) for x in (query, key, value))).flatten(2)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int) -> torch.Tensor:
    """Rotary position of `(b, s, heads · e)` in single precision by cosines and sines `(s, e)` that are alike in pairs, as diffusers
    gives them. One operator: spelt out it is fifteen, twice in each block."""
    cos, sin = cos[:, 0::2], sin[:, 1::2]
    if torch.onnx.is_in_onnx_export():
        first = torch.zeros(1, dtype=torch.int64)
        return torch.onnx.ops.symbolic("com.microsoft::RotaryEmbedding", [x, first, cos, sin], {"interleaved": 1, "num_heads": heads},
                                       dtype=x.dtype, shape=x.shape, version=1)
    even, odd = x.unflatten(2, (heads, -1, 2)).unbind(-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(2)


class ExportedWanAttention:
    """Stands in for `WanAttnProcessor`; no image tokens, no mask."""

    def __call__(self, attn: WanAttention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        if attn.add_k_proj is not None or attention_mask is not None:
            raise NotImplementedError("attention to image tokens, or with a mask, is not exported")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        value = attn.to_v(context)
        query, key = rms_norm(attn.norm_q, attn.to_q(hidden_states)), rms_norm(attn.norm_k, attn.to_k(context))
        if rotary_emb is not None:
            cos, sin = (x[0, :, 0] for x in rotary_emb)
            query, key = (rotate(x, cos, sin, attn.heads) for x in (query, key))
        out = fused_attention(query.type_as(value), key.type_as(value), value, attn.heads)
        return attn.to_out[1](attn.to_out[0](out))


class ExportedLtxAttention:
    """Stands in for `LTXVideoAttnProcessor`; no mask: the text ends with the prompt instead."""

    def __call__(self, attn: LTXAttention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        if attention_mask is not None:
            raise NotImplementedError("attention with a mask is not exported")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        value = attn.to_v(context)
        query, key = rms_norm(attn.norm_q, attn.to_q(hidden_states)), rms_norm(attn.norm_k, attn.to_k(context))
        if image_rotary_emb is not None:
            # Each head has angles of its own, so each counts as a token of one head: (1, s · heads, e).
            rows = lambda x: x.unflatten(2, (attn.heads, -1)).flatten(1, 2)
            cos, sin = (rows(x)[0] for x in image_rotary_emb)
            query, key = (rotate(rows(x), cos, sin, 1).view_as(x) for x in (query, key))
        out = fused_attention(query.type_as(value), key.type_as(value), value, attn.heads)
        return attn.to_out[1](attn.to_out[0](out))


#: what stands in for diffusers' processor of each kind of attention
PROCESSORS = {WanAttention: (WanAttnProcessor, ExportedWanAttention), LTXAttention: (LTXVideoAttnProcessor, ExportedLtxAttention)}


@contextmanager
def exported_attention(model: torch.nn.Module):
    """`model` with its attention replaced, and as it was afterwards."""
    layers = [m for m in model.modules() if isinstance(m, tuple(PROCESSORS))]
    before = [m.processor for m in layers]
    for layer, processor in zip(layers, before):
        expected, exported = PROCESSORS[type(layer)]
        if not isinstance(processor, expected):
            raise TypeError(f"expected {expected.__name__} in every attention layer, found {type(processor).__name__}")
        layer.set_processor(exported())
    try:
        yield model
    finally:
        for layer, processor in zip(layers, before):
            layer.set_processor(processor)
