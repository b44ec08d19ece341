"""The starter's tokenizer: whole words of the world's captions, lower case, punctuation dropped, `</s>` at the end."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from world import VOCABULARY

PAD, UNKNOWN, END = "<pad>", "<unk>", "</s>"
#: words that users may type, and the word of the world that stands for them
SYNONYMS = {"gray": "grey", "disc": "circle", "disk": "circle", "ball": "circle", "box": "square", "upwards": "up",
            "downwards": "down", "leftwards": "left", "rightwards": "right", "colorful": "colourful", "static": "still",
            "black": "dark", "slow": "slowly", "fast": "quickly", "quick": "quickly", "stationary": "still"}


def build() -> Tokenizer:
    """A tokenizer whose ids are 0 for padding, 1 for unknown words, 2 for the end, then the words."""
    words = [PAD, UNKNOWN, END, *VOCABULARY]
    ids = {word: index for index, word in enumerate(words)}
    steps = [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " ")]
    steps += [normalizers.Replace(Regex(rf"\b{word}\b"), meant) for word, meant in SYNONYMS.items()]
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, ids[END])])
    return tokenizer


def encode(tokenizer: Tokenizer, texts: list[str], length: int) -> tuple[list[list[int]], list[list[int]]]:
    """Ids and masks padded to `length`."""
    rows = [tokenizer.encode(text).ids[:length] for text in texts]
    return [row + [0] * (length - len(row)) for row in rows], [[1] * len(row) + [0] * (length - len(row)) for row in rows]
