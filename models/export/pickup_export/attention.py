"""Attention as one operator of ONNX Runtime.

Below opset 23 `scaled_dot_product_attention` is exported as a product, a softmax and a product, and the scores of all
tokens with all tokens are held in memory: 25.8 GB a layer in half precision at 832x480x81. `com.microsoft.MultiHeadAttention`
never holds them. The fusion passes of ONNX Runtime do not recognise what diffusers' Wan attention becomes, so the exporter
writes the operator itself.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_ltx import LTXAttention, LTXVideoAttnProcessor, apply_rotary_emb
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor


def fused_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention over `(b, s, heads, e)`."""
    if not torch.onnx.is_in_onnx_export():
        return dispatch_attention_fn(query, key, value)
    flat = [x.flatten(2) for x in (query, key, value)]
    attended = torch.onnx.ops.symbolic("com.microsoft::MultiHeadAttention", flat, {"num_heads": query.shape[2]},
                                       dtype=query.dtype, shape=flat[0].shape, version=1)
    return attended.unflatten(2, (query.shape[2], -1))


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position of `(b, s, heads, e)`. diffusers assigns to strides of an empty tensor, which is exported as
    ScatterND; stacking pairs is the same numbers."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos[..., 0::2], sin[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).type_as(x)


class ExportedWanAttention:
    """Stands in for `WanAttnProcessor`; no image tokens, no mask."""

    def __call__(self, attn: WanAttention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        if attn.add_k_proj is not None or attention_mask is not None:
            raise NotImplementedError("attention to image tokens, or with a mask, is not exported")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        key = attn.norm_k(attn.to_k(context)).unflatten(2, (attn.heads, -1))
        value = attn.to_v(context).unflatten(2, (attn.heads, -1))
        if rotary_emb is not None:
            query, key = rotate(query, *rotary_emb), rotate(key, *rotary_emb)
        out = fused_attention(query, key, value).flatten(2).type_as(query)
        return attn.to_out[1](attn.to_out[0](out))


class ExportedLtxAttention:
    """Stands in for `LTXVideoAttnProcessor`; no mask: the text ends with the prompt instead."""

    def __call__(self, attn: LTXAttention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
                 attention_mask: torch.Tensor | None = None, image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        if attention_mask is not None:
            raise NotImplementedError("attention with a mask is not exported")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(context)), attn.to_v(context)
        if image_rotary_emb is not None:
            query, key = apply_rotary_emb(query, image_rotary_emb), apply_rotary_emb(key, image_rotary_emb)
        heads = [x.unflatten(2, (attn.heads, -1)) for x in (query, key, value)]
        return attn.to_out[1](attn.to_out[0](fused_attention(*heads).flatten(2)))


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
