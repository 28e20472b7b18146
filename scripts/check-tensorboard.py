# Reads the event files of a run with TensorBoard itself and shows what its tabs would: python scripts/check-tensorboard.py
# OUTPUT_DIR/runs. Needs tensorboard. Fails where a part is missing.
import os
import sys

from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.backend.event_processing import data_provider
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

root = sys.argv[1]
found = [folder for folder, _, files in os.walk(root) if any("tfevents" in name for name in files)]
assert found, f"no event file under {root}"
for folder in sorted(found):
    accumulator = event_accumulator.EventAccumulator(folder, size_guidance={"tensors": 0, "scalars": 0})
    accumulator.Reload()
    print(folder)
    for tag in accumulator.Tags()["scalars"]:
        print("  scalar", tag, [(event.step, round(event.value, 4)) for event in accumulator.Scalars(tag)])
    for tag in accumulator.Tags()["tensors"]:
        (text,) = accumulator.Tensors(tag)[0].tensor_proto.string_val
        print("  text", tag, len(text), "bytes")

multiplexer = plugin_event_multiplexer.EventMultiplexer()
multiplexer.AddRunsFromDirectory(root)
multiplexer.Reload()
provider = data_provider.MultiplexerDataProvider(multiplexer, root)
context = base_plugin.TBContext(logdir=root, multiplexer=multiplexer, data_provider=provider)
hparams = backend_context.Context(context)
request = RequestContext()
experiment = hparams.experiment_from_metadata(
    request, "", True, hparams.hparams_metadata(request, ""), hparams.hparams_from_data_provider(request, "", 0)
)
print("HParams:", len(experiment.hparam_infos), "options; metrics", [m.name.tag for m in experiment.metric_infos])
request_proto = api_pb2.ListSessionGroupsRequest(
    start_index=0,
    slice_size=10,
    allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN],
    col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
)
groups = list_session_groups.Handler(
    request, hparams, "", request_proto
).run()
assert groups.session_groups, "the HParams tab would be empty"
for group in groups.session_groups:
    print("  session", group.name, {value.name.tag: round(value.value, 4) for value in group.metric_values})
    print("  learning_rate", group.hparams["learning_rate"].number_value, "fp16", group.hparams["fp16"])
    print("  status", [api_pb2.Status.Name(session.status) for session in group.sessions])
