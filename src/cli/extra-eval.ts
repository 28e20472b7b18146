// Further evaluation sets, as --extra_eval names them.
import { WhisperError } from '../errors.js';

export interface ExtraEval {
  label: string;
  name: string;
  config: string | undefined;
  split: string;
}

/**
 * Reads `--extra_eval`. A set without a label has its own name, and its configuration where two are of the same name.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for one that names nothing, and for two of the same label
 */
export function parseExtraEvals(texts: readonly string[]): ExtraEval[] {
  const found = texts.map((text) => {
    const [, label, rest] = /^(?:([A-Za-z0-9_-]+)=)?(.*)$/s.exec(text)!;
    const [name = '', config = '', split = '', ...more] = rest!.split(':');
    if (name === '' || more.length > 0) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `--extra_eval must be NAME, NAME:CONFIG or NAME:CONFIG:SPLIT, got ${JSON.stringify(text)}`,
      );
    }
    return { label, name, config: config || undefined, split: split || 'test' };
  });
  const own = (name: string): string => word(name.replace(/@.*$/, '').replace(/\/+$/, '').split('/').at(-1)!);
  const sets = found.map(({ label, name, config, split }) => {
    const shared =
      found.filter((other) => other.label === undefined && own(other.name) === own(name)).length > 1;
    return {
      label: label ?? [own(name), ...(shared && config ? [word(config)] : [])].join('_'),
      name,
      config,
      split,
    };
  });
  const twice = sets.find(({ label }, i) => sets.findIndex((other) => other.label === label) !== i);
  if (!twice) return sets;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `--extra_eval: two sets are called ${twice.label}: put a LABEL= before one of them`,
  );
}

function word(text: string): string {
  return text.replace(/[^A-Za-z0-9]+/g, '_');
}
