# SPDX-License-Identifier: Apache-2.0
"""Configuration of an exported hybrid; the keys are described in the export's README."""

from transformers import PretrainedConfig

GATES = ("manticore", "transition")
PROJECTORS = ("default", "linear", "linear_skip", "two_layer", "two_layer_skip")
FIDELITIES = ("ours", "released_code")


class PerytonConfig(PretrainedConfig):
    model_type = "peryton"

    def __init__(self, components=None, segments=None, width=0, gate="transition", alpha=None,
                 projectors="linear", embeddings="keep", vocabulary=0, vocab_size=0, fidelity="ours",
                 **kwargs):
        self.components = components or []
        self.segments = segments or []
        self.width = width
        self.gate = gate
        self.alpha = alpha or []
        self.projectors = projectors
        self.embeddings = embeddings
        self.vocabulary = vocabulary
        self.vocab_size = vocab_size
        self.fidelity = fidelity
        # What tools look for in any model's configuration.
        self.hidden_size = width
        self.num_hidden_layers = sum(bounds[-1] for bounds in self.segments)
        for derived in ("hidden_size", "num_hidden_layers"):
            kwargs.pop(derived, None)
        kwargs["tie_word_embeddings"] = False  # between our own modules; components see to theirs
        super().__init__(**kwargs)
        if self.components:
            self._check()

    def _check(self):
        def require(condition, message):
            if not condition:
                raise ValueError(f"config.json of a peryton hybrid: {message}")
        count = len(self.components)
        require(self.gate in GATES, f"gate is {self.gate!r}, not one of {GATES}")
        require(self.projectors in PROJECTORS, f"projectors is {self.projectors!r}, not one of {PROJECTORS}")
        require(self.fidelity in FIDELITIES, f"fidelity is {self.fidelity!r}, not one of {FIDELITIES}")
        require(len(self.segments) == count, f"segments has {len(self.segments)} rows for {count} components")
        require(len({len(bounds) for bounds in self.segments}) == 1, "components have unequal numbers of segments")
        require(all(bounds[0] == 0 and bounds == sorted(bounds) for bounds in self.segments),
                "boundaries in segments must start at 0 and never fall")
        require(len(self.alpha) == len(self.segments[0]) - 1, "alpha needs one row per segment")
        require(all(len(row) == count for row in self.alpha), "alpha needs one column per component")
        require(self.width > 0, "width must be positive")
        require(0 < self.vocabulary <= self.vocab_size, "vocabulary must be in 1..vocab_size")
