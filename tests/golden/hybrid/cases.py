# SPDX-License-Identifier: Apache-2.0
"""The components and hybrids whose reference values are stored."""

import dataclasses

NEOX = dict(
    vocab_size=96, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
    hidden_act="gelu", max_position_embeddings=128, use_parallel_residual=True, rotary_pct=0.5,
    tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
MAMBA = dict(
    vocab_size=96, hidden_size=24, num_hidden_layers=4, num_heads=6, head_dim=8, state_size=12, n_groups=2,
    chunk_size=16, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0)

# name: (family, seed, config)
COMPONENTS = {
    "neox": ("gpt_neox", 51, NEOX),
    "mamba": ("mamba2", 52, MAMBA),
    "small": ("gpt_neox", 53, NEOX | dict(
        vocab_size=104, hidden_size=16, num_attention_heads=2, use_parallel_residual=False,
        tie_word_embeddings=True, hidden_act="gelu_new")),
    "twin": ("gpt_neox", 54, NEOX | dict(hidden_size=24, num_attention_heads=3, rotary_pct=1.0)),
}

_TWO = {"neox": [0, 1, 3], "mamba": [0, 2, 4]}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    seed: int
    gate: str
    segments: dict  # component name -> boundaries
    projectors: str = "linear"
    width: int = 0  # 0: the widest component's
    vocabulary: int = 96
    vocab_size: int = 96
    fidelity: str = "ours"
    alpha: tuple = ()  # exact values; otherwise softmax of random logits
    documents: tuple = ()
    every_gradient: bool = False  # of the components; else embeddings, heads and final norms only


CASES = [
    Case("transition_two", 61, "transition", _TWO, documents=((17, 20), (5, 1, 31)),
         every_gradient=True),
    Case("manticore_two", 62, "manticore", _TWO, projectors="default", every_gradient=True),
    Case("manticore_released_code", 63, "manticore", _TWO, fidelity="released_code"),
    Case("transition_three", 64, "transition",
         {"neox": [0, 1, 2, 3], "mamba": [0, 1, 3, 4], "small": [0, 1, 2, 3]}, vocabulary=90,
         vocab_size=104),
    Case("manticore_three", 65, "manticore", {"small": [0, 3], "mamba": [0, 4], "neox": [0, 3]},
         vocabulary=96, vocab_size=104),
    Case("two_layer", 66, "transition", _TWO, projectors="two_layer", width=40),
    Case("two_layer_skip", 67, "manticore", {"twin": [0, 1, 3], "mamba": [0, 2, 4]},
         projectors="two_layer_skip"),
    Case("linear_skip", 68, "transition", {"twin": [0, 2, 3], "mamba": [0, 1, 4]},
         projectors="linear_skip"),
    Case("narrow", 269, "transition", _TWO, width=20),
    Case("one_hot_switch_transition", 70, "transition", _TWO, alpha=((1.0, 0.0), (0.0, 1.0))),
    Case("one_hot_switch_manticore", 71, "manticore", _TWO, alpha=((0.0, 1.0), (1.0, 0.0))),
]
