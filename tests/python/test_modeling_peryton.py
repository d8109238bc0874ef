# SPDX-License-Identifier: Apache-2.0
"""The modelling code that ships with exports, against golden values and against transformers itself.

    python -m unittest discover -s tests/python       # from the repository root

The goldens of the hybrid come from formulas written out on their own (tests/golden/hybrid/make_hybrid.py).
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import safetensors.torch
import torch
import transformers

import compare_export
import export_folders

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)  # the models are tiny
# Float32 sums in another order, logits of order 1; the largest seen is 4e-6.
TOLERANCE = 2e-5


def load(folder):
    # The code runs from a copy kept under the folder's name, so every test folder has its own name.
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval()


def expected(*parts):
    return safetensors.torch.load_file(export_folders.GOLDEN.joinpath(*parts, "expected.safetensors"))


def hybrid_cases():
    return sorted(path.parent.name for path in (export_folders.GOLDEN / "hybrid").glob("*/projectors.safetensors"))


class ModelingTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="peryton_")
        self.addCleanup(self.temporary.cleanup)
        self.count = 0

    def folder(self):
        self.count += 1
        return pathlib.Path(self.temporary.name) / f"export_{self.count}"

    def hybrid(self, case, **changes):
        return load(export_folders.from_hybrid_case(case, self.folder(), **changes))

    def assert_close(self, ours, theirs, tolerance=TOLERANCE):
        self.assertEqual(ours.shape, theirs.shape)
        finite = torch.isfinite(theirs)
        self.assertTrue(torch.equal(finite, torch.isfinite(ours)))
        self.assertLess(float((ours[finite] - theirs[finite]).abs().max()), tolerance)

    def test_hybrids_match_golden_logits_and_loss(self):
        self.assertGreater(len(hybrid_cases()), 8)
        for case in hybrid_cases():
            with self.subTest(case):
                model, values = self.hybrid(case), expected("hybrid", case)
                ids = values["ids"].long()
                with torch.no_grad():
                    output = model(ids, labels=ids)
                self.assert_close(output.logits, values["logits"])
                self.assertAlmostEqual(float(output.loss), float(values["loss"]), delta=1e-5)

    def test_gradients_match_golden(self):
        model, values = self.hybrid("transition_two"), expected("hybrid", "transition_two")
        ids = values["ids"].long()
        model(ids, labels=ids).loss.backward()
        compared = 0
        for name, parameter in model.named_parameters():
            golden = values["grad." + name]
            compared += 1
            self.assertLess(float((parameter.grad - golden).norm() / golden.norm()), 2e-5, name)
        self.assertEqual(compared, sum(key.startswith("grad.") and "alpha" not in key for key in values))

    def test_families_match_golden_logits(self):
        for path in sorted((export_folders.GOLDEN / "families").glob("*/*/expected.safetensors")):
            source = path.parent
            if not list(source.glob("model*.safetensors")):
                continue  # another layout
            if json.loads((source / "config.json").read_text()).keys().isdisjoint({"use_cache"}):
                continue  # keys left out on purpose; a complete config is asked for
            with self.subTest(f"{source.parent.name}/{source.name}"):
                model, values = load(export_folders.from_family_case(source, self.folder())), expected(source)
                with torch.no_grad():
                    self.assert_close(model(values["ids"].long()).logits, values["logits"])
                prompt = values["prompt"].long()
                count = values["greedy"].shape[1]
                tokens = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count,
                                        do_sample=False, eos_token_id=-1, pad_token_id=0)
                self.assertEqual(tokens[:, 9:].tolist(), values["greedy"].tolist())

    def test_one_hot_is_the_component(self):
        ids = torch.randint(0, 96, (2, 70), generator=torch.Generator().manual_seed(5))
        for gate in ("manticore", "transition"):
            for column, name in enumerate(("neox", "mamba")):
                with self.subTest(gate=gate, component=name):
                    row = [float(column == k) for k in range(2)]
                    model = self.hybrid("transition_two", gate=gate, alpha=[row, row])
                    with torch.no_grad():
                        for projector in model.projectors.parameters():
                            projector.fill_(float("nan"))  # must have no say
                        alone = model.components[name]
                        theirs = self.reference(name)
                        self.assert_close(model(ids).logits, theirs(ids, use_cache=False).logits)
                    self.assertEqual(alone.width, theirs.config.hidden_size)

    def reference(self, name):
        if name == "mamba" and int(transformers.__version__.split(".")[0]) < 5:
            self.skipTest("older releases take the gated norm over all groups")
        folder = export_folders.GOLDEN / "hybrid" / "components" / name
        config = None
        if name == "neox":  # older releases do not know the key that newer ones write
            settings = json.loads((folder / "config.json").read_text())
            settings["rotary_pct"] = settings["rope_parameters"]["partial_rotary_factor"]
            config = transformers.AutoConfig.for_model(**settings)
        return transformers.AutoModelForCausalLM.from_pretrained(folder, config=config).eval()

    def greedy(self, model, ids, count):
        for _ in range(count):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
        return ids

    def test_generate_with_and_without_cache(self):
        options = dict(max_new_tokens=20, do_sample=False, eos_token_id=-1, pad_token_id=0)
        for case in ("transition_two", "transition_three", "one_hot_switch_transition"):
            with self.subTest(case), torch.no_grad():
                model = self.hybrid(case)
                prompt = torch.randint(1, 90, (2, 11), generator=torch.Generator().manual_seed(6))
                plain = self.greedy(model, prompt, 20)
                self.assertEqual(model.generate(prompt, use_cache=True, **options).tolist(), plain.tolist())
                self.assertEqual(model.generate(prompt, use_cache=False, **options).tolist(), plain.tolist())
                beams = [model.generate(prompt, use_cache=cached, num_beams=3, **options).tolist()
                         for cached in (True, False)]
                self.assertEqual(beams[0], beams[1])

    def test_cached_logits_equal_whole_forward(self):
        model = self.hybrid("transition_three")
        ids = torch.randint(0, 90, (2, 150), generator=torch.Generator().manual_seed(7))
        with torch.no_grad():
            whole, cache, pieces = model(ids).logits, None, []
            for piece in ids.split([63, 1, 1, 64, 2, 19], dim=1):  # straddles the chunks of the scan
                output = model(piece, past_key_values=cache, use_cache=True)
                cache = output.past_key_values
                pieces.append(output.logits)
        self.assert_close(torch.cat(pieces, dim=1), whole)

    def test_left_padding(self):
        model = self.hybrid("transition_two")
        prompts = [torch.randint(1, 96, (1, n), generator=torch.Generator().manual_seed(n)) for n in (5, 9)]
        batch = torch.cat([torch.nn.functional.pad(prompt, (9 - prompt.shape[1], 0)) for prompt in prompts])
        mask = torch.tensor([[0] * 4 + [1] * 5, [1] * 9])
        options = dict(max_new_tokens=12, do_sample=False, eos_token_id=-1, pad_token_id=0)
        together = model.generate(batch, attention_mask=mask, **options)[:, 9:]
        for row, prompt in enumerate(prompts):
            self.assertEqual(model.generate(prompt, **options)[0, prompt.shape[1]:].tolist(), together[row].tolist())

    def test_saved_again(self):
        for case in ("transition_two", "two_layer_skip"):
            model, values = self.hybrid(case), expected("hybrid", case)
            again = self.folder()
            model.save_pretrained(again)
            export_folders.copy_code(again)  # older releases do not
            with torch.no_grad():
                self.assert_close(load(again)(values["ids"].long()).logits, values["logits"])

    def test_bfloat16(self):
        folder = export_folders.from_hybrid_case("transition_two", self.folder())
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=True, torch_dtype=torch.bfloat16).eval()
        self.assertEqual({parameter.dtype for parameter in model.parameters()}, {torch.bfloat16})
        values = expected("hybrid", "transition_two")
        with torch.no_grad():
            logits = model(values["ids"].long()).logits
        self.assertEqual(logits.dtype, torch.bfloat16)
        error = (logits.float() - values["logits"]).norm() / values["logits"].norm()
        self.assertLess(float(error), 0.05)  # eight bits through seven blocks

    def test_compare_export(self):
        folder = export_folders.from_hybrid_case("transition_three", self.folder())
        values, here = expected("hybrid", "transition_three"), pathlib.Path(self.temporary.name)
        (here / "ids.json").write_text(json.dumps(values["ids"].tolist()))
        (here / "loss.json").write_text(json.dumps({"loss": float(values["loss"])}))
        for width, shift, code in ((104, 0.0, 0), (90, 0.0, 0), (104, 3e-4, 1)):
            ours = (values["logits"] + shift)[..., :width].contiguous()
            safetensors.torch.save_file({"logits": ours}, here / "out.safetensors")
            arguments = ["compare_export.py", str(folder), "--ids", str(here / "ids.json"), "--logits",
                         str(here / "out.safetensors"), "--loss", str(here / "loss.json")]
            with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()) as printed:
                self.assertEqual(compare_export.main(), code)
            self.assertTrue(json.loads(printed.getvalue())["generates"])

    def test_bad_configurations_are_named(self):
        for change, word in (({"gate": "open"}, "gate"), ({"alpha": [[1.0, 0.0]]}, "alpha"),
                             ({"segments": [[0, 1, 3], [0, 4]]}, "segments"), ({"vocabulary": 99}, "vocabulary"),
                             ({"projectors": "linear_skip"}, "equal widths")):
            with self.subTest(word), self.assertRaisesRegex(ValueError, word):
                self.hybrid("transition_two", **change)


if __name__ == "__main__":
    unittest.main()
