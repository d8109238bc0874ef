# Writes scalar_event.tfrecord with the tensorboard package (pip install tensorboard), for the test of
# our own event writer: python make.py, in this folder.
# SPDX-License-Identifier: Apache-2.0
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

SCALARS = [
    ("loss", 2.5),
    ("validation_loss", 2.25),
    ("learning_rate/alpha", 0.01),
    ("gradient_norm/alpha", 1e-7),
    ("speed/tokens_per_second", 1234.5),
    ("speed/model_flop_utilisation", 0.25),
    ("memory/peak_bytes", 1e9),
    ("alpha/segment_0/component_0", 0.75),
    ("alpha/segment_0/component_1", 0.25),
]

event = Event()
event.wall_time = 1234.5
event.step = 300
for tag, number in SCALARS:
    value = event.summary.value.add()
    value.tag = tag
    value.simple_value = number
writer = RecordWriter(open("scalar_event.tfrecord", "wb"))
writer.write(event.SerializeToString())
writer.close()
