"""A WanVACE model of a few hundred kilobytes with random weights: real in everything but size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from .graphs import OPSET, export_text_encoder, export_transformer, export_vae
from .package import share_weights, write_manifest

TEXT_WIDTH, MAX_TOKENS, SHIFT, CONTROL_SCALE = 32, 24, 3.0, 0.9
WORDS = "a the of red green blue ball box moves left right up down over water slowly quickly".split()


def seeded(module: nn.Module, seed: int) -> nn.Module:
    """`module` with weights from numpy's PCG64, which is the same on every machine, unlike torch's vectorised normals.

    Matrices keep the size of what passes through; gains are around 1, everything else around 0.
    """
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, weight in sorted(module.named_parameters()):
            noise = torch.from_numpy(rng.standard_normal(tuple(weight.shape)).astype(np.float32))
            if "scale_shift_table" in name:
                weight.copy_(0.5 * noise)
            elif "norm" in name and name.endswith(("weight", "gamma")):
                weight.copy_(1 + 0.2 * noise)
            elif weight.ndim < 2 or name.endswith("bias"):
                weight.copy_(0.1 * noise)
            elif "shared" in name or "embed_tokens" in name:
                weight.copy_(noise)
            else:
                weight.copy_(noise / np.sqrt(np.prod(weight.shape[1:])))
    return module.eval()


def build_tokenizer() -> Tokenizer:
    """Made like UMT5's: NFKC, `▁` for spaces, pieces by their likelihood, `</s>` at the end."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,-é"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [("▁" + word, -2.0 - 0.01 * index) for index, word in enumerate(WORDS)]
    pieces += [("ing", -3.0), ("ed", -3.1), ("s", -3.2)]
    pieces += [(letter, -6.0 - 0.01 * index) for index, letter in enumerate(letters) if letter != "s"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return tokenizer


def build_pipeline() -> WanVACEPipeline:
    """The whole model as diffusers runs it."""
    tokenizer = build_tokenizer()
    text = UMT5EncoderModel(UMT5Config(vocab_size=tokenizer.get_vocab_size(), d_model=TEXT_WIDTH, d_kv=8, d_ff=48, num_layers=2,
                                       num_heads=4, feed_forward_proj="gated-gelu"))
    # With fewer channels its norms divide by almost nothing here and there, and rounding alone is 5e-5.
    vae = AutoencoderKLWan(base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True])
    transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=16, in_channels=16, out_channels=16, text_dim=TEXT_WIDTH,
        freq_dim=64, ffn_dim=64, num_layers=3, vace_layers=[0, 2], vace_in_channels=96, rope_max_seq_len=64)
    pipeline = WanVACEPipeline(
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"),
        text_encoder=seeded(text, 1), vae=seeded(vae, 5), transformer=seeded(transformer, 3),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def manifest() -> dict:
    return {
        "format": 1, "name": "tiny-wan-vace", "title": "Tiny WanVACE with random weights, for tests", "version": "1",
        "family": "wan_vace",
        "licence": {"spdx": "Apache-2.0 OR MIT", "file": "LICENSE", "acceptance_required": False},
        "source": {"origin": "models/export/make_goldens.py", "revision": "1"},
        "dtype": "fp32", "opset": OPSET,
        "graphs": {"text_encoder": "text_encoder/model.onnx", "transformer": "transformer/model.onnx",
                   "vae_enc_first": "vae/enc_first.onnx", "vae_enc_next": "vae/enc_next.onnx",
                   "vae_dec_first": "vae/dec_first.onnx", "vae_dec_next": "vae/dec_next.onnx"},
        "tokenizer": {"file": "tokenizer/tokenizer.json", "max_tokens": MAX_TOKENS, "pad_id": 0},
        "text": {"width": TEXT_WIDTH}, "latent": {"channels": 16, "spatial": 8, "temporal": 4},
        "control": {"layers": 2, "scale": CONTROL_SCALE, "max_references": 3},
        "limits": {"size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 33,
                   "max_pixels": 16384, "native_pixels": 3072, "min_side": 16, "max_side": 256},
        "frame_rate": {"native": [16, 1], "follows_timeline": True},
        "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe", "mask", "reference"],
        "sampler": {"kind": "unipc", "order": 2, "shift": SHIFT, "train_timesteps": 1000},
        "presets": {"draft": {"steps": 2, "guidance": 1.0}, "final": {"steps": 8, "guidance": 3.0}},
        "guidance_default_negative": "",
    }


LICENCE = "Random numbers made by models/export/make_goldens.py, under the repository's licence: Apache-2.0 OR MIT.\n"


def write_package(pipeline: WanVACEPipeline, folder: Path) -> None:
    """The pipeline as a package of format 1."""
    export_text_encoder(pipeline.text_encoder, folder / "text_encoder" / "model.onnx")
    export_transformer(pipeline.transformer, folder / "transformer" / "model.onnx")
    export_vae(pipeline.vae, folder / "vae")
    for part in ("text_encoder", "transformer", "vae"):
        share_weights(sorted((folder / part).glob("*.onnx")))
    (folder / "tokenizer").mkdir(exist_ok=True)
    build_tokenizer().save(str(folder / "tokenizer" / "tokenizer.json"))
    (folder / "LICENSE").write_text(LICENCE, encoding="utf-8", newline="\n")
    write_manifest(folder, manifest())
