# SPDX-License-Identifier: Apache-2.0
"""The ternary models whose reference values are stored. One entry is one folder <family>/<name>/."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    family: str
    name: str
    seed: int
    config: dict
    length: int = 23
    batch: int = 2
    dtype: str = "float32"  # of the stored weights
    documents: tuple = ()  # per row, lengths of packed documents: also writes packed.safetensors
    quantization: dict = None  # bitnet: quantization_config
    gain: float = 1.0  # mmfree: size of the block norms' gains
    new_tokens: int = 16
    traps: tuple = ()  # mmfree: also what each of these mistakes would give


def _mmfree(**changes):
    base = dict(
        model_type="hgrn_bit", architectures=["HGRNBitForCausalLM"], attn_mode="fused_recurrent", hidden_size=24,
        num_hidden_layers=2, num_heads=1, expand_ratio=1, hidden_ratio=4, intermediate_size=40, hidden_act="swish",
        use_short_conv=False, conv_size=4, share_conv_kernel=True, use_lower_bound=True, rms_norm_eps=1e-6,
        max_position_embeddings=2048, vocab_size=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
        initializer_range=0.02, fuse_cross_entropy=True, use_cache=True)
    return base | changes


def _bitnet(**changes):
    base = dict(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, hidden_act="relu2", max_position_embeddings=128, rms_norm_eps=1e-5,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=1)
    return base | changes


def _quantization(linear_class, mode):
    return {"quant_method": "bitnet", "linear_class": linear_class, "quantization_mode": mode}


_ONLINE = _quantization("autobitlinear", "online")
_TRAPS = ("one_norm", "plain_head", "two_betas", "unbounded_input")

MMFREE = [
    Case("mmfree", "published_width", 11, _mmfree(hidden_size=32, intermediate_size=None), dtype="bfloat16",
         length=17),
    Case("mmfree", "wide", 12, _mmfree(hidden_size=64, num_hidden_layers=3, intermediate_size=72, vocab_size=128),
         dtype="bfloat16", length=37, new_tokens=6),
    Case("mmfree", "packed_documents", 13, _mmfree(num_hidden_layers=3), documents=((17, 8), (5, 1, 19)),
         traps=_TRAPS),
    Case("mmfree", "gate_fla", 14, _mmfree(hidden_size=20, intermediate_size=24, output_gate="fla")),
    Case("mmfree", "gate_paper", 15, _mmfree(hidden_size=18, intermediate_size=26, output_gate="paper")),
    Case("mmfree", "small_gains", 16, _mmfree(hidden_size=16, intermediate_size=24), gain=1e-3, traps=("eps",)),
    Case("mmfree", "no_lower_bound", 27, _mmfree(hidden_size=17, intermediate_size=31, use_lower_bound=False,
                                                 rounding="away", rms_norm_eps=1e-5)),
]

BITNET = [
    Case("bitnet", "online_grouped_tied", 21, _bitnet(), quantization=_ONLINE, documents=((14, 9), (5, 1, 17))),
    Case("bitnet", "online_untied", 22, _bitnet(
        hidden_size=24, num_attention_heads=3, num_key_value_heads=3, intermediate_size=44, num_hidden_layers=3,
        tie_word_embeddings=False, rms_norm_eps=1e-3, rope_parameters={"rope_type": "default", "rope_theta": 100.0}),
        quantization=_ONLINE),
    Case("bitnet", "online_stored_bf16", 23, _bitnet(), quantization=_ONLINE, dtype="bfloat16"),
    Case("bitnet", "packed_scale_multiplies", 24, _bitnet(), dtype="bfloat16",
         quantization=_quantization("autobitlinear", "offline")),
    Case("bitnet", "packed_scale_divides", 25, _bitnet(tie_word_embeddings=False),
         quantization=_quantization("bitlinear", "offline"), documents=((14, 9), (5, 1, 17))),
    Case("bitnet", "full_precision", 26, _bitnet()),
]

CASES = MMFREE + BITNET
