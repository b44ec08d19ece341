"""Contact sheets."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from known import SPANS, clips, moves, run_span
from sampling import sample


def sheet(rows: list[torch.Tensor], path: Path, every: int = 2, zoom: int = 1) -> None:
    """Rows of clips `(3, t, h, w)`, every second frame, as one picture."""
    lines = [torch.cat(list(row[:, ::every].permute(1, 2, 3, 0)), 1) for row in rows]
    wide = max(line.shape[1] for line in lines)
    lines = [F.pad(line, (0, 0, 0, wide - line.shape[1], 0, 2), value=-1) for line in lines]
    picture = ((torch.cat(lines).clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
    image = Image.fromarray(picture)
    image.resize((image.width * zoom, image.height * zoom), Image.NEAREST).save(path, quality=92)  # as WebP: colours are judged by eye


TEXTS = ("a red circle moving left quickly on a dark background, camera still", "a yellow triangle moving up slowly on a brown background",
         "a white ring moving right quickly on a blue background", "a cyan square holding still on a grey background",
         "a purple ring moving down quickly on a green background, the camera is still", "a textured grey background, camera pans right")


def contact_sheet(net, footage: torch.Tensor, path: Path, free: dict, known: dict) -> None:
    """Truth above result for a fill and an extension of each kind of clip, then clips from text alone."""
    rows = []
    real = torch.stack([footage[s:s + 24] for s in (14, 52)]).transpose(1, 2)
    sources = [clips(2, tier, 24, (64, 112), seed=1000 * tier, choose=moves) for tier in (1, 2)]
    for video, texts in [*((v, [c.caption for c in made]) for v, made in sources), (real, ["", ""])]:
        for name in ("fill 8 between 8 and 8", "extend 8 after 8"):
            span = SPANS[name]
            out = run_span(net, texts, video[:, :, :span.frames], span, **known)
            rows += [row for pair in zip(video[:, :, :span.frames], out) for row in pair]
    blank = torch.zeros(len(TEXTS), 3, 17, 64, 112)
    rows += list(sample(net, list(TEXTS), blank, torch.ones(len(TEXTS), 17, 64, 112), **free))
    sheet(rows, path)
