"""Makes the GGUF goldens with the packages `gguf`, `transformers` and `sentencepiece`.

    python tests/golden/gguf/make_gguf.py

Writes, beside this file:
  types.gguf, types.safetensors       a tensor of every type that can be read, and what gguf's own dequantise() makes
                                      of it; metadata of every type
  llama.gguf, llama.safetensors       a tiny model with mixed types; its weights as transformers loads the file
  gpt2, mamba, mamba2, gptneox        tiny models in float32 and the weights that the files were made from, by the rules
                                      of llama.cpp's convert_hf_to_gguf.py
  sentencepiece.gguf, sentencepiece.json   a vocabulary that sentencepiece trained, and its ids of the texts of
                                      ../tokenizers
SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import tempfile

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file
from transformers import (AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig,
                          LlamaForCausalLM, Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM)

HERE = pathlib.Path(__file__).parent
TOKENIZERS = HERE.parent / "tokenizers"
RNG = np.random.default_rng(20260101)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add(writer, name, values, kind=Type.F32):
    """Returns what the stored tensor stands for."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if kind in (Type.F32, Type.F16):
        data = values.astype(np.float16 if kind == Type.F16 else np.float32)
        writer.add_tensor(name, data)
        return data.astype(np.float32)
    data = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, data, raw_dtype=kind)
    return gguf.quants.dequantize(data, kind)


def k_blocks(kind, rows, columns, at=None, draw=RNG):
    """Random blocks: gguf cannot write these types. Scales are halves of a common size, at these bytes."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    data = draw.integers(0, 256, (rows * columns // elements, size), dtype=np.uint8)
    for byte in at or {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}[kind]:
        scales = draw.normal(0, 0.01, len(data)).astype(np.float16)
        data[:, byte : byte + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, -1)


def add_blocks(writer, kind, rows, columns, at=None, draw=RNG):
    data = k_blocks(kind, rows, columns, at, draw)
    writer.add_tensor(kind.name, data, raw_dtype=kind)
    return gguf.quants.dequantize(data, kind)


def make_types():
    writer = gguf.GGUFWriter(HERE / "types.gguf", "test")
    writer.add_uint8("value.uint8", 200)
    writer.add_int8("value.int8", -100)
    writer.add_uint16("value.uint16", 60000)
    writer.add_int16("value.int16", -30000)
    writer.add_uint32("value.uint32", 4000000000)
    writer.add_int32("value.int32", -2000000000)
    writer.add_float32("value.float32", 0.1)
    writer.add_bool("value.true", True)
    writer.add_bool("value.false", False)
    writer.add_string("value.string", "a \u2581 text")
    writer.add_uint64("value.uint64", 2**63 + 5)
    writer.add_int64("value.int64", -(2**62))
    writer.add_float64("value.float64", 1e-300)
    writer.add_array("array.int32", [1, -2, 3])
    writer.add_array("array.float32", [0.5, -1.5])
    writer.add_array("array.bool", [True, False])
    writer.add_array("array.string", ["", "x", "\u00e9\u2581"])
    expected = {}
    special = np.array([0.0, -0.0, 1.0, -1.5, 65504.0, 2.0**-24, 2.0**-14, 1e-3] * 8, np.float32).reshape(2, 32)
    values = np.concatenate([special, RNG.normal(0, 1, (3, 32)).astype(np.float32)])
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
        expected[kind.name] = add(writer, kind.name, values if kind.name[0] != "Q" else RNG.normal(0, 1, (5, 96)), kind)
    for kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
        expected[kind.name] = add_blocks(writer, kind, 3, 512)
    own = np.random.default_rng(7)  # what is made below stays as it is
    for kind, scales in ((Type.Q2_K, (80, 82)), (Type.Q3_K, (108,)), (Type.IQ4_NL, (0,)), (Type.IQ4_XS, (0,))):
        expected[kind.name] = add_blocks(writer, kind, 3, 512, scales, own)
    for kind in (Type.TQ1_0, Type.TQ2_0):
        rows = own.integers(-1, 2, (3, 512)) * own.uniform(0.01, 0.1, (3, 1))
        expected[kind.name] = add(writer, kind.name, rows, kind)
    writer.add_tensor("Q8_K", np.zeros((1, 292), np.uint8), raw_dtype=Type.Q8_K)  # a type that is not supported
    close(writer)
    save_file(expected, HERE / "types.safetensors")


def add_tokenizer(writer, file):
    """As convert_hf_to_gguf.py does for byte-level BPE."""
    written = json.loads((TOKENIZERS / file).read_text())
    tokens = sorted(written["model"]["vocab"], key=written["model"]["vocab"].get)
    special = {token["content"] for token in written["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in written["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{{ messages }}")
    return len(tokens)


def interleaved(weight, heads):
    """Both halves of each head's rows, turn about: convert_hf_to_gguf.py's permute()."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def weights_of(model):
    torch.manual_seed(5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def save_loaded(name):
    """What transformers makes of <name>.gguf: an implementation that is not ours."""
    model = AutoModelForCausalLM.from_pretrained(HERE, gguf_file=f"{name}.gguf", dtype=torch.float32)
    tensors = {k: np.ascontiguousarray(v.detach().numpy()) for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    save_file(tensors, HERE / f"{name}.safetensors")
    return tensors


def check(loaded, stood_for):
    for name, values in stood_for.items():
        if name in loaded:
            np.testing.assert_allclose(loaded[name], values, rtol=1e-6, atol=1e-7, err_msg=name)


def save_made_from(name, weights, tied_heads=("gpt2", "mamba")):
    kept = {k: np.ascontiguousarray(v) for k, v in weights.items() if not (k == "lm_head.weight" and name in tied_heads)}
    save_file(kept, HERE / f"{name}.safetensors")


def make_llama():
    writer = gguf.GGUFWriter(HERE / "llama.gguf", "llama")
    vocabulary = add_tokenizer(writer, "smollm.tokenizer.json")
    heads, keys, width, blocks, inner = 4, 2, 32, 2, 64
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=blocks,
                                         num_attention_heads=heads, num_key_value_heads=keys, max_position_embeddings=128,
                                         rms_norm_eps=1e-5, rope_theta=50000.0, tie_word_embeddings=True))
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(blocks)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(keys)
    writer.add_rope_freq_base(50000.0)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    weights = weights_of(model)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, blocks)
    kinds = {"q_proj": Type.Q4_0, "k_proj": Type.F16, "v_proj": Type.Q4_1, "o_proj": Type.Q5_0, "gate_proj": Type.Q5_1,
             "up_proj": Type.BF16, "embed_tokens": Type.Q8_0, "down_proj": Type.Q8_0}
    stood_for = {}
    for name, values in weights.items():
        if name == "lm_head.weight":
            continue
        part = name.split(".")[-2]
        turned = interleaved(values, heads if part == "q_proj" else keys) if part in ("q_proj", "k_proj") else values
        stored = add(writer, names.get_name(name, (".weight",)), turned, kinds.get(part, Type.F32))
        if part not in ("q_proj", "k_proj"):
            stood_for[name] = stored
    add(writer, "rope_freqs.weight", np.ones(width // heads // 2))
    close(writer)
    check(save_loaded("llama"), stood_for)


def make_gpt2():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=48, n_positions=32, n_embd=24, n_layer=2, n_head=3))
    writer = gguf.GGUFWriter(HERE / "gpt2.gguf", "gpt2")
    for call, value in ((writer.add_context_length, 32), (writer.add_embedding_length, 24), (writer.add_block_count, 2),
                        (writer.add_feed_forward_length, 96), (writer.add_head_count, 3), (writer.add_layer_norm_eps, 1e-5),
                        (writer.add_vocab_size, 48)):
        call(value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, 2)
    weights = weights_of(model)
    for name, values in weights.items():
        if name == "lm_head.weight":
            continue
        turned = values.T if any(name.endswith(end) for end in ("c_attn.weight", "c_proj.weight", "c_fc.weight")) else values
        add(writer, names.get_name(name, (".weight", ".bias")), turned)
    close(writer)
    save_made_from("gpt2", weights)


def make_mamba():
    model = MambaForCausalLM(MambaConfig(vocab_size=40, hidden_size=24, state_size=8, num_hidden_layers=2, conv_kernel=4, expand=2,
                                         time_step_rank=3, tie_word_embeddings=True))
    weights = weights_of(model)
    writer = gguf.GGUFWriter(HERE / "mamba.gguf", "mamba")
    writer.add_vocab_size(40)
    writer.add_context_length(2**20)
    writer.add_embedding_length(24)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(2)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(48)
    writer.add_ssm_state_size(8)
    writer.add_ssm_time_step_rank(3)
    writer.add_layer_norm_rms_eps(1e-5)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MAMBA, 2)
    for name, values in weights.items():
        if name == "lm_head.weight":
            continue
        if name.endswith("A_log"):
            add(writer, names.get_name(name), -np.exp(values))
        elif name.endswith(".D"):
            add(writer, names.get_name(name), values)
        else:
            add(writer, names.get_name(name, (".weight", ".bias")), np.squeeze(values))
    close(writer)
    save_made_from("mamba", weights)


def make_mamba2():
    groups, width, heads, head = 2, 24, 6, 8
    model = Mamba2ForCausalLM(Mamba2Config(vocab_size=40, hidden_size=width, state_size=8, num_hidden_layers=2, conv_kernel=4, expand=2,
                                           num_heads=heads, head_dim=head, n_groups=groups, tie_word_embeddings=False))
    weights = weights_of(model)
    writer = gguf.GGUFWriter(HERE / "mamba2.gguf", "mamba2")
    writer.add_context_length(2**20)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(2)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(heads * head)
    writer.add_ssm_state_size(8)
    writer.add_ssm_time_step_rank(heads)
    writer.add_ssm_group_count(groups)
    writer.add_layer_norm_rms_eps(1e-5)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MAMBA2, 2)
    for name, values in weights.items():
        if name.endswith("A_log"):
            add(writer, names.get_name(name), -np.exp(values).reshape(-1, 1))
        elif name.endswith(".D"):
            add(writer, names.get_name(name), values.reshape(-1, 1))
        elif name.endswith("dt_bias"):
            add(writer, names.get_name(name.replace("dt_bias", "dt_proj")) + ".bias", values)
        elif name.endswith("mixer.norm.weight"):
            add(writer, names.get_name(name[:-7]) + ".weight", values.reshape(groups, -1))
        else:
            add(writer, names.get_name(name, (".weight", ".bias")), np.squeeze(values))
    close(writer)
    save_made_from("mamba2", weights)


def make_gpt_neox():
    width, heads = 24, 3
    model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=40, hidden_size=width, num_hidden_layers=2, num_attention_heads=heads,
                                             intermediate_size=48, max_position_embeddings=64, rotary_pct=0.5))
    weights = {k: v for k, v in weights_of(model).items() if not k.endswith(("masked_bias", "attention.bias", "inv_freq"))}
    writer = gguf.GGUFWriter(HERE / "gptneox.gguf", "gptneox")
    for call, value in ((writer.add_context_length, 64), (writer.add_embedding_length, width), (writer.add_block_count, 2),
                        (writer.add_feed_forward_length, 48), (writer.add_rope_dimension_count, 4), (writer.add_head_count, heads),
                        (writer.add_parallel_residual, True), (writer.add_layer_norm_eps, 1e-5)):
        call(value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPTNEOX, 2)
    for name, values in weights.items():
        if "query_key_value" in name:
            apart = values.reshape(heads, 3, width // heads, *values.shape[1:])
            values = np.concatenate([apart[:, i].reshape(width, *apart.shape[3:]) for i in range(3)])
        add(writer, names.get_name(name, (".weight", ".bias")), values)
    close(writer)
    weights["embed_out.weight"] = weights.pop("lm_head.weight")  # as its files have it
    save_made_from("gptneox", weights)


def make_sentencepiece():
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(folder) / "m"
        sentencepiece.SentencePieceTrainer.train(
            input=str(TOKENIZERS / "corpus.txt"), model_prefix=str(prefix), model_type="bpe", vocab_size=900, byte_fallback=True,
            character_coverage=0.995, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
            allow_whitespace_only_pieces=True, user_defined_symbols=["<user>"], minloglevel=2)
        model = sentencepiece.SentencePieceProcessor(model_file=str(prefix) + ".model")
    writer = gguf.GGUFWriter(HERE / "sentencepiece.gguf", "llama")
    types = []
    for piece in range(model.vocab_size()):
        kind = 1
        for number, test in ((2, model.is_unknown), (3, model.is_control), (5, model.is_unused), (6, model.is_byte)):
            kind = number if test(piece) else kind
        types.append(4 if model.id_to_piece(piece) == "<user>" else kind)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([model.id_to_piece(piece) for piece in range(model.vocab_size())])
    writer.add_token_scores([model.get_score(piece) for piece in range(model.vocab_size())])
    writer.add_token_types(types)
    for call, value in ((writer.add_bos_token_id, 1), (writer.add_eos_token_id, 2), (writer.add_unk_token_id, 0),
                        (writer.add_context_length, 8), (writer.add_embedding_length, 4), (writer.add_block_count, 1),
                        (writer.add_feed_forward_length, 4), (writer.add_head_count, 1), (writer.add_layer_norm_rms_eps, 1e-5)):
        call(value)
    add(writer, "token_embd.weight", np.zeros((model.vocab_size(), 4)))
    close(writer)
    texts = json.loads((TOKENIZERS / "texts.json").read_text()) + json.loads((TOKENIZERS / "characters.texts.json").read_text())
    # SentencePiece knows no special tokens in a text, takes "\u2581" for a space and drops NUL.
    texts = [t for t in texts if not any(s in t for s in ("<s>", "</s>", "<unk>", "\u2581", "\x00", "<user>"))]
    golden = {"texts": texts, "ids": [model.encode(text) for text in texts]}
    (HERE / "sentencepiece.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    for make in (make_types, make_llama, make_gpt2, make_mamba, make_mamba2, make_gpt_neox, make_sentencepiece):
        print(make.__name__)
        make()
