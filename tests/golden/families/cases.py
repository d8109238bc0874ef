# SPDX-License-Identifier: Apache-2.0
"""The configurations whose reference values are stored. One entry is one folder <family>/<name>/."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    family: str  # the folder
    name: str
    seed: int
    config: dict
    length: int = 45  # tokens per row
    batch: int = 2
    dtype: str = "float32"  # of the stored weights
    layout: str = "transformers"  # or legacy, sharded, missing_keys, mamba_ssm
    documents: tuple = ()  # per row, lengths of packed documents: also writes packed.safetensors
    model_type: str = ""  # of transformers, where it is not the family
    mamba_ssm: dict = dataclasses.field(default_factory=dict)  # config.json of that layout


def _neox(**changes):
    base = dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        hidden_act="gelu", max_position_embeddings=128, layer_norm_eps=1e-5, use_parallel_residual=True,
        rotary_pct=0.25, rotary_emb_base=10000.0, tie_word_embeddings=False, attention_bias=True,
        bos_token_id=0, eos_token_id=0,
    )
    return base | changes


def _mamba2(**changes):
    base = dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_heads=4, head_dim=16, state_size=16,
        n_groups=1, expand=2, conv_kernel=4, chunk_size=16, layer_norm_epsilon=1e-5, use_bias=False,
        use_conv_bias=True, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )
    return base | changes


def _llama(**changes):
    base = dict(
        vocab_size=80, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=56, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=0,
    )
    return base | changes


def _gpt2(**changes):
    base = dict(
        vocab_size=80, n_embd=32, n_layer=2, n_head=4, n_inner=56, n_positions=64, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )
    return base | changes


def _gpt_neo(**changes):
    base = dict(
        vocab_size=80, hidden_size=32, num_layers=2, num_heads=4, intermediate_size=56,
        max_position_embeddings=64, window_size=7, attention_types=[[["global", "local"], 1]],
        bos_token_id=0, eos_token_id=0,
    )
    return base | changes


def _mamba(**changes):
    base = dict(
        vocab_size=80, hidden_size=32, num_hidden_layers=2, state_size=6, expand=2, conv_kernel=4,
        layer_norm_epsilon=1e-5, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )
    return base | changes


_PACKED = ((17, 20), (5, 1, 31))

GPT_NEOX = [
    Case("gpt_neox", "parallel_partial_rotary", 11, _neox(), documents=_PACKED),
    Case("gpt_neox", "sequential_full_rotary_tied", 12, _neox(
        hidden_size=48, num_attention_heads=3, num_hidden_layers=3, intermediate_size=96, rotary_pct=1.0,
        rotary_emb_base=500.0, use_parallel_residual=False, hidden_act="gelu_new",
        tie_word_embeddings=True), length=37, documents=_PACKED),
    Case("gpt_neox", "no_attention_bias", 13, _neox(
        hidden_size=42, num_attention_heads=3, intermediate_size=70, rotary_pct=0.3, attention_bias=False,
        vocab_size=101, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-3), length=53),
    Case("gpt_neox", "relu_sequential", 14, _neox(
        hidden_size=16, num_attention_heads=2, intermediate_size=40, rotary_pct=0.5, vocab_size=64,
        use_parallel_residual=False, hidden_act="relu"), length=40),
    Case("gpt_neox", "legacy_buffers", 15, _neox(max_position_embeddings=64, rotary_emb_base=10000),
         layout="legacy"),
    Case("gpt_neox", "missing_keys", 16, _neox(), layout="missing_keys"),
    Case("gpt_neox", "sharded", 17, _neox(num_hidden_layers=3), layout="sharded"),
    Case("gpt_neox", "stored_f16", 18, _neox(), dtype="float16"),
    Case("gpt_neox", "stored_bf16", 19, _neox(), dtype="bfloat16"),
]

MAMBA2 = [
    Case("mamba2", "one_group_tied", 31, _mamba2(), length=37, documents=_PACKED),
    Case("mamba2", "four_groups_bias_clamped", 32, _mamba2(
        hidden_size=24, num_heads=8, head_dim=6, n_groups=4, state_size=10, use_bias=True, chunk_size=8,
        tie_word_embeddings=False, time_step_limit=[0.08, 0.5]), length=43, documents=_PACKED),
    Case("mamba2", "long_ragged", 373, _mamba2(
        hidden_size=20, num_heads=5, head_dim=8, state_size=12, num_hidden_layers=3, use_conv_bias=False,
        conv_kernel=3, tie_word_embeddings=False, vocab_size=72, residual_in_fp32=False,
        layer_norm_epsilon=1e-4), length=70),
    Case("mamba2", "two_groups_wide_state", 274, _mamba2(
        hidden_size=16, num_heads=4, head_dim=8, n_groups=2, state_size=40, chunk_size=256,
        vocab_size=80), length=66),
    Case("mamba2", "missing_keys", 155, _mamba2(
        hidden_size=48, num_heads=8, head_dim=12, n_groups=8, state_size=8, chunk_size=256,
        tie_word_embeddings=False),
        layout="missing_keys"),
    Case("mamba2", "legacy_infinity", 36, _mamba2(hidden_size=16, num_heads=4, head_dim=8),
         layout="legacy"),
    Case("mamba2", "sharded", 37, _mamba2(), layout="sharded"),
    Case("mamba2", "stored_f16", 198, _mamba2(), dtype="float16"),
    Case("mamba2", "stored_bf16", 39, _mamba2(tie_word_embeddings=False), dtype="bfloat16"),
    Case("mamba2", "mamba_ssm_defaults", 400, _mamba2(
        vocab_size=96, num_heads=1, head_dim=64, state_size=128, chunk_size=256), layout="mamba_ssm",
        mamba_ssm=dict(
            d_model=32, d_intermediate=0, n_layer=2, vocab_size=93, ssm_cfg={"layer": "Mamba2"},
            attn_layer_idx=[], attn_cfg={}, rms_norm=True, residual_in_fp32=True, fused_add_norm=True,
            pad_vocab_size_multiple=16, tie_embeddings=True)),
    Case("mamba2", "mamba_ssm_two_groups_bf16", 181, _mamba2(
        vocab_size=72, num_heads=8, head_dim=8, n_groups=2, state_size=12, tie_word_embeddings=False),
        dtype="bfloat16", layout="mamba_ssm",
        mamba_ssm=dict(
            d_model=32, n_layer=2, vocab_size=70, rms_norm=True, residual_in_fp32=True,
            fused_add_norm=True, pad_vocab_size_multiple=8, tie_embeddings=False,
            ssm_cfg={"layer": "Mamba2", "d_state": 12, "headdim": 8, "ngroups": 2, "chunk_size": 16})),
]

LLAMA = [
    Case("llama", "grouped_tied", 51, _llama(
        tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=100000.0)),
        documents=_PACKED),
    Case("llama", "biases_llama3_positions", 52, _llama(
        hidden_size=24, head_dim=10, attention_bias=True, mlp_bias=True, hidden_act="gelu_pytorch_tanh",
        rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=16)), length=53),
    Case("llama", "legacy_linear_positions_bf16", 53, _llama(
        num_key_value_heads=1, rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=2.5)),
        dtype="bfloat16", layout="legacy"),
    Case("llama", "missing_keys", 54, _llama(
        num_key_value_heads=4, rms_norm_eps=1e-6, max_position_embeddings=2048), layout="missing_keys", length=30),
    Case("llama", "mistral_window", 55, _llama(sliding_window=9, hidden_size=16, num_hidden_layers=3),
         model_type="mistral", documents=_PACKED, length=37),
]

GPT2 = [
    Case("gpt2", "tied", 61, _gpt2(), documents=_PACKED),
    Case("gpt2", "scaled_by_depth_untied", 62, _gpt2(
        n_layer=3, n_embd=24, n_head=3, n_inner=None, scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True,
        activation_function="relu", tie_word_embeddings=False, layer_norm_epsilon=1e-3), length=40),
    Case("gpt2", "legacy_bare_names", 63, _gpt2(n_embd=16, n_inner=40), layout="legacy"),
    Case("gpt2", "missing_keys_f16", 64, _gpt2(n_inner=128, n_positions=48), layout="missing_keys",
         dtype="float16"),
]

GPT_NEO = [
    Case("gpt_neo", "alternating", 71, _gpt_neo(), documents=_PACKED),
    Case("gpt_neo", "three_blocks_untied", 72, _gpt_neo(
        hidden_size=24, num_layers=3, num_heads=3, intermediate_size=None, window_size=16,
        attention_types=[[["local"], 2], [["global"], 1]], activation_function="gelu",
        tie_word_embeddings=False, layer_norm_epsilon=1e-3), length=50),
    Case("gpt_neo", "legacy_bare_names_bf16", 73, _gpt_neo(hidden_size=16, intermediate_size=40), layout="legacy",
         dtype="bfloat16"),
]

MAMBA = [
    Case("mamba", "tied", 81, _mamba(), documents=_PACKED),
    Case("mamba", "biases_untied_wide", 82, _mamba(
        hidden_size=20, state_size=16, num_hidden_layers=3, expand=3, conv_kernel=3, use_bias=True, use_conv_bias=False,
        time_step_rank=5, tie_word_embeddings=False, layer_norm_epsilon=1e-4), length=70),
    Case("mamba", "missing_keys_f16", 83, _mamba(state_size=16), dtype="float16", layout="missing_keys"),
    Case("mamba", "mamba_ssm_bf16", 84, _mamba(
        hidden_size=24, state_size=12, vocab_size=72, tie_word_embeddings=False), dtype="bfloat16", layout="mamba_ssm",
        mamba_ssm=dict(
            d_model=24, n_layer=2, vocab_size=70, ssm_cfg={"d_state": 12}, rms_norm=True, residual_in_fp32=True,
            fused_add_norm=True, pad_vocab_size_multiple=8, tie_embeddings=False)),
]

CASES = GPT_NEOX + MAMBA2 + LLAMA + GPT2 + GPT_NEO + MAMBA
