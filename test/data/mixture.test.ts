// Mixture files: what they may say, what is said when they are wrong, and the rows that come of them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/data/dataset.js';
import { mapRows } from '../../src/data/map-rows.js';
import { type MixtureEntry, openMixture, readMixture } from '../../src/data/mixture.js';
import { numbered, texts } from './numbered.js';
import { folder } from './signal.js';

const root = folder();
let files = 0;
function file(content: string): string {
  const path = join(root, `mixture-${files++}.yaml`);
  writeFileSync(path, content);
  return path;
}

describe('openMixture', () => {
  const open = async (entry: MixtureEntry) =>
    mapRows(numbered(entry.name, 4), (row): Row => ({ ...row, text: `${row.text}, Niño!` }), 'said');

  it('mixes as the file says', async () => {
    const path = file(`
stopping_strategy: first_exhausted
datasets:
  - name: a
  - {name: b, language: es, task: translate, lower_case: true, max_samples: 2}
  - name: c
    remove_punctuation: true
`);
    const asked: MixtureEntry[] = [];
    const source = await openMixture(path, (entry) => {
      asked.push(entry);
      return open(entry);
    });
    expect(asked.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    const rows = [];
    for await (const { row } of source.open()) rows.push(row);
    expect(rows.map(({ text }) => text)).toEqual([
      'a0, Niño!',
      'b0, niño!',
      'c0 niño',
      'a1, Niño!',
      'b1, niño!',
    ]);
    expect(rows[1]).toMatchObject({ language: 'es', task: 'translate' });
    expect(rows[0]).not.toHaveProperty('language');
  });

  it('changes previous texts and segments too, and leaves a row its own language', async () => {
    const path = file('[{"name": "a", "lower_case": true, "language": "es"}]');
    const said = { language: 'pt', previous: 'Antes', segments: [{ start: 0, end: 1, text: 'Ahora' }] };
    const source = await openMixture(path, async () =>
      mapRows(numbered('A', 1), (row): Row => ({ ...row, ...said }), 'said'),
    );
    const { value } = await source.open().next();
    expect(value!.row).toMatchObject({
      ...{ text: 'a0', language: 'pt', previous: 'antes' },
      segments: [{ start: 0, end: 1, text: 'ahora' }],
    });
  });

  it('draws from the seed by probabilities', async () => {
    const path = file('[{name: a, probability: 3}, {name: b, probability: 1}]');
    const read = async (seed: number) => texts(await openMixture(path, open, seed), null, 12);
    expect(await read(1)).toEqual(await read(1));
    expect(await read(1)).not.toEqual(await read(2));
  });
});

describe('readMixture', () => {
  it.each([
    ['datasets: [', 'is no YAML or JSON: '],
    ['', ': Invalid input: expected object'],
    ['datasets: []', ': datasets: Too small'],
    ['[{nome: a}]', ': datasets[0].name: Invalid input: expected string'],
    ['[{name: a, text: b}]', ': datasets[0]: Unrecognized key: "text"'],
    ['[{name: a}, {name: b, task: sing}]', ': datasets[1].task: Invalid option: expected one of'],
    ['[{name: a, probability: 0}]', ': datasets[0].probability: Too small'],
    [
      '[{name: a, probability: 1}, {name: b}]',
      ': datasets[1].probability is missing: give every data set one, or none',
    ],
    ['{datasets: [{name: a}], stopping_strategy: never}', ': stopping_strategy: Invalid option'],
  ])('refuses %j, naming the file and the key', async (content, message) => {
    const path = file(content);
    await expect(readMixture(path)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/^[^\n]+$/),
    });
    await expect(readMixture(path)).rejects.toThrow(`${path}${message.startsWith(':') ? '' : ' '}${message}`);
  });

  it('names a file that is not there', async () => {
    await expect(readMixture(join(root, 'none.yaml'))).rejects.toThrow('cannot read the mixture');
  });
});
