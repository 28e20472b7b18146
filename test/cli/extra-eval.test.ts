// Further evaluation sets on the command line: their parts, and what they are called.
import { describe, expect, it } from 'vitest';
import { parseExtraEvals } from '../../src/cli/extra-eval.js';

describe('--extra_eval', () => {
  it('has a name, a configuration and a split', () => {
    expect(parseExtraEvals(['google/fleurs:es_419:validation', 'owner/set@v1', './data/mine/::dev'])).toEqual(
      [
        { label: 'fleurs', name: 'google/fleurs', config: 'es_419', split: 'validation' },
        { label: 'set', name: 'owner/set@v1', config: undefined, split: 'test' },
        { label: 'mine', name: './data/mine/', config: undefined, split: 'dev' },
      ],
    );
  });

  it('is called by its configuration too where two have the same name', () => {
    const labels = (...texts: string[]) => parseExtraEvals(texts).map(({ label }) => label);
    expect(labels('google/fleurs:es_419', 'fleurs:ca-es')).toEqual(['fleurs_es_419', 'fleurs_ca_es']);
    expect(labels('a/x:es', 'spanish=a/x:es:train')).toEqual(['x', 'spanish']);
    expect(labels('my-set.v2')).toEqual(['my_set_v2']);
  });

  it.each([
    ['', 'must be NAME, NAME:CONFIG or NAME:CONFIG:SPLIT, got ""'],
    ['label=', 'got "label="'],
    ['a:b:c:d', 'got "a:b:c:d"'],
  ])('refuses %j', (text, message) => expect(() => parseExtraEvals([text])).toThrow(message));

  it('refuses two of one label', () => {
    expect(() => parseExtraEvals(['a/x', 'b/x'])).toThrow(
      '--extra_eval: two sets are called x: put a LABEL= before one of them',
    );
  });
});
