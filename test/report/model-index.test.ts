// Results in the head of a model card: what is replaced, and that the rest stays byte for byte.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { speechResult, withResult } from '../../src/report/model-index.js';
import { pushResult } from '../../src/report/push-result.js';
import { type Hub, READ_TOKEN, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';

const result = speechResult({ id: 'someone/speech', config: 'es', split: 'test' }, { wer: 12.34, cer: 5.6 });
const indexOf = (card: string) => parse(/^---\r?\n([\s\S]*?)---/.exec(card)![1]!)['model-index'];

const card = `---
license: apache-2.0   # of the base model
language: [es,  ca]

# Results
model-index:
  - name: "Mine"
    results:
      - task: {type: automatic-speech-recognition, name: ASR}
        dataset:
          type: someone/speech
          name: Speech
          config: es
          split: test
        metrics:
          - {type: wer, name: WER, value: 99.9, verified: true}
          - {type: bleu, name: BLEU, value: 1}
      - task: {type: translation}
        dataset: {type: other, name: Other}
        metrics: []
  - name: another

tags:
- a
---
# Mine

model-index:
not this
`;

describe('withResult', () => {
  it('replaces metrics of the same subject and keeps all else', () => {
    const changed = withResult(card, 'ignored', result);
    const [before, after] = card.split(/model-index:\n {2}- name[\s\S]*?another\n/);
    expect(changed.startsWith(before!)).toBe(true);
    expect(changed.endsWith(after!)).toBe(true);
    expect(indexOf(changed)).toEqual([
      {
        name: 'Mine',
        results: [
          {
            task: { type: 'automatic-speech-recognition', name: 'ASR' },
            dataset: { type: 'someone/speech', name: 'Speech', config: 'es', split: 'test' },
            metrics: [
              { type: 'wer', name: 'WER', value: 12.34, verified: true },
              { type: 'bleu', name: 'BLEU', value: 1 },
              { name: 'Cer', type: 'cer', value: 5.6 },
            ],
          },
          { task: { type: 'translation' }, dataset: { type: 'other', name: 'Other' }, metrics: [] },
        ],
      },
      { name: 'another' },
    ]);
    expect(withResult(changed, 'x', result)).toBe(changed);
  });

  it.each([
    ['another split', { id: 'someone/speech', config: 'es', split: 'validation' }],
    ['another configuration', { id: 'someone/speech', config: 'ca', split: 'test' }],
    ['another data set', { id: 'someone/else', config: 'es', split: 'test' }],
  ])('adds a result on %s', (_, dataset) => {
    const [first] = indexOf(withResult(card, 'x', speechResult(dataset, { wer: 1 })));
    expect(first.results).toHaveLength(3);
    expect(first.results[0].metrics[0].value).toBe(99.9);
  });

  it('writes what the Hub reads', () => {
    const made = withResult('# Title\n', 'small-es', result);
    expect(made.endsWith('---\n# Title\n')).toBe(true);
    expect(indexOf(made)).toEqual([
      {
        name: 'small-es',
        results: [
          {
            task: { name: 'Automatic Speech Recognition', type: 'automatic-speech-recognition' },
            dataset: {
              name: 'someone/speech es',
              type: 'someone/speech',
              config: 'es',
              split: 'test',
              args: 'es',
            },
            metrics: [
              { name: 'Wer', type: 'wer', value: 12.34 },
              { name: 'Cer', type: 'cer', value: 5.6 },
            ],
          },
        ],
      },
    ]);
  });

  it.each([
    ['no index', '---\nlicense: mit\n---\nbody'],
    ['a byte order mark', '\ufeff---\nlicense: mit\n---\nbody'],
    ['an empty head', '---\n---\nbody'],
    ['an empty index', '---\nmodel-index:\ntags: [a]\n---\nbody'],
    ['a list of nothing', '---\nmodel-index: []\ntags: [a]\n---\nbody'],
    ['braces', '---\n{license: mit, tags: [a]}\n---\nbody'],
    ['carriage returns', '---\r\nlicense: mit\r\ntags:\r\n- a\r\n---\r\nbody'],
  ])('takes a card with %s', (_, text) => {
    const changed = withResult(text, 'm', result);
    const head = parse(/^\ufeff?---\r?\n([\s\S]*?)---\r?\nbody$/.exec(changed)![1]!);
    const { 'model-index': index, ...rest } = head;
    expect(index[0].results).toHaveLength(1);
    const { 'model-index': _old, ...before } = parse(/---\r?\n([\s\S]*?)---/.exec(text)![1]!) ?? {};
    expect(rest).toEqual(before);
    expect(changed.replaceAll('\r\n', '').includes('\r')).toBe(false);
    if (text.includes('\r')) expect(changed.replaceAll('\r\n', '')).not.toContain('\n');
  });

  it('refuses a head it cannot read, so that nothing of it is lost', () => {
    for (const head of ['a: [', '- a', 'plain']) {
      expect(() => withResult(`---\n${head}\n---\n`, 'm', result)).toThrow(
        expect.objectContaining({
          code: 'ERR_DATA',
          message: expect.stringContaining('head cannot be read'),
        }),
      );
    }
  });
});

describe('pushResult', () => {
  let hub: Hub;
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'whisper-tune-result-'));
    hub = await startHub();
  });
  afterEach(async () => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const settings = (token = WRITE_TOKEN) => hub.settings(join(folder, 'cache'), { token });
  const model = { type: 'model', id: 'tester/tuned' } as const;

  it('commits the card, and only once', async () => {
    const repository = hub.add({ ...model, files: { 'README.md': card, 'config.json': '{}' } });
    const pushed = await pushResult(model, result, settings());
    expect(pushed).toMatchObject({ id: 'tester/tuned', commit: repository.refs.get('main') });
    expect(repository.paths).toContain('config.json');
    expect(repository.read('README.md')!.toString()).toBe(withResult(card, 'tuned', result));
    expect(await pushResult(model, result, settings())).toBeUndefined();
  });

  it('makes a card where there is none', async () => {
    const repository = hub.add({ ...model, files: { 'config.json': '{}' } });
    await pushResult(model, result, settings());
    expect(indexOf(repository.read('README.md')!.toString())[0].name).toBe('tuned');
  });

  it('is refused without the right to write', async () => {
    hub.add({ ...model, files: { 'README.md': card } });
    await expect(pushResult(model, result, settings(READ_TOKEN))).rejects.toMatchObject({ code: 'ERR_HUB' });
    await expect(pushResult({ ...model, id: 'tester/none' }, result, settings())).rejects.toMatchObject({
      code: 'ERR_HUB',
    });
  });
});
