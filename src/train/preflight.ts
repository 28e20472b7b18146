// What training asks of its data, as preflight checks it.
import type { RowChecks } from '../data/preflight/split.js';
import type { ModelConfig } from '../model/config.js';
import { windowSamples } from '../model/config.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import type { WhisperTokenizer } from '../processor/tokenizer.js';
import { labelOptions } from './data.js';
import type { Values } from './option.js';
import type { rowOptions } from './options/rows.js';

/** The checks of rows for a model, or those that need none. */
export function rowChecks(
  options: Values<typeof rowOptions>,
  model?: { config: ModelConfig; tokenizer: WhisperTokenizer },
): RowChecks {
  const { doLowerCase, doRemovePunctuation, minDurationInSeconds, maxDurationInSeconds } = options;
  const maxLabels = options.maxLabelLength ?? model?.config.max_target_positions;
  return {
    labels: labelOptions(options, model?.config),
    tokenizer: model?.tokenizer,
    ...(maxLabels !== undefined && { maxLabels }),
    ...(model && { window: windowSamples(model.config) / 16000 }),
    minDuration: minDurationInSeconds,
    maxDuration: maxDurationInSeconds,
    written(text) {
      const cased = doLowerCase ? text.toLowerCase() : text;
      return doRemovePunctuation ? basicNormalizer(cased).trim() : cased;
    },
  };
}
