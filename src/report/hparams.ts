// What TensorBoard's HParams tab is told of a run: its options, the metrics to compare runs by, and how it ended.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { embed, type SummaryValue } from './event-file.js';

/** An option's value as the tab can show it. */
export type Hyperparameter = number | string | boolean;

/** tensorboard/plugins/hparams/hparams_util and api.proto: DataType. */
const DATA_TYPES = { string: 1, boolean: 2, number: 3 };
const STATUS = { success: 1, failure: 2 };

/** Which options and metrics there are (plugin_data.proto: HParamsPluginData.experiment). */
export function experiment(
  options: Readonly<Record<string, Hyperparameter>>,
  metrics: readonly string[],
): SummaryValue {
  return summary('experiment', 2, (writer) => {
    for (const [name, value] of Object.entries(options)) {
      embed(writer, 4, (info) => {
        info.tag(1, WireType.LengthDelimited).string(name);
        info.tag(4, WireType.Varint).int32(DATA_TYPES[typeof value as keyof typeof DATA_TYPES]);
      });
    }
    for (const tag of metrics) {
      embed(writer, 5, (info) => embed(info, 1, (name) => name.tag(2, WireType.LengthDelimited).string(tag)));
    }
  });
}

/** The options of this run (SessionStartInfo). */
export function sessionStart(options: Readonly<Record<string, Hyperparameter>>): SummaryValue {
  return summary('session_start_info', 3, (writer) => {
    for (const [name, value] of Object.entries(options)) {
      embed(writer, 1, (entry) => {
        entry.tag(1, WireType.LengthDelimited).string(name);
        embed(entry, 2, (inner) => hyperparameter(inner, value));
      });
    }
  });
}

/** How the run ended (SessionEndInfo). */
export function sessionEnd(status: keyof typeof STATUS): SummaryValue {
  return summary('session_end_info', 4, (writer) => writer.tag(1, WireType.Varint).int32(STATUS[status]));
}

/** google.protobuf.Value */
function hyperparameter(writer: BinaryWriter, value: Hyperparameter): BinaryWriter {
  if (typeof value === 'number') return writer.tag(2, WireType.Bit64).double(value);
  if (typeof value === 'string') return writer.tag(3, WireType.LengthDelimited).string(value);
  return writer.tag(4, WireType.Varint).bool(value);
}

function summary(name: string, field: number, write: (writer: BinaryWriter) => unknown): SummaryValue {
  const content = embed(new BinaryWriter(), field, write).finish();
  return { tag: `_hparams_/${name}`, plugin: 'hparams', content };
}
