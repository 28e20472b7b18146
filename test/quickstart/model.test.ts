// The quickstart's untrained model and its command lines: that the project itself understands them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { flagsOf, shown } from '../../scripts/quickstart/command-line.mjs';
import { baseWords } from '../../scripts/quickstart/grammar.mjs';
import { trainBase, trainNewVoice } from '../../scripts/quickstart/recipe.mjs';
import { baseClips, newVoiceClips } from '../../scripts/quickstart/sets.mjs';
import { trainCommand } from '../../src/cli/train.js';
import { readModelConfig } from '../../src/model/config.js';
import { readGenerationConfig } from '../../src/model/generation-config.js';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';

const folder = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

describe('the model folder', () => {
  const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8');
  const vocab: Record<string, number> = JSON.parse(read('vocab.json'));
  const added: Record<string, number> = JSON.parse(read('added_tokens.json'));
  const config = JSON.parse(read('config.json'));

  it('has one token for every base word where it stands, and letters for the rest', () => {
    const words = baseClips().flatMap((clip) => clip.text.replaceAll(' ', ' Ġ').split(' '));
    expect(words.filter((word) => vocab[word] === undefined)).toEqual([]);
    expect(words).toContain(`Ġ${baseWords.rooms[0]}`);
    const letters = new Set(newVoiceClips().flatMap((clip) => [...clip.text.replaceAll(' ', 'Ġ')]));
    expect([...letters].filter((letter) => vocab[letter] === undefined)).toEqual([]);
  });

  it('lays its ids out as Whisper does, without gaps', () => {
    const ids = [...Object.values(vocab), ...Object.values(added)].sort((a, b) => a - b);
    expect(ids).toEqual([...Array(config.vocab_size).keys()]);
    expect(added['<|endoftext|>']).toBe(369);
    expect(config).toMatchObject({ vocab_size: 1977, eos_token_id: 369, decoder_start_token_id: 370 });
    expect(added['<|en|>']).toBe(371);
    expect(added['<|30.00|>']! - added['<|notimestamps|>']!).toBe(1501);
  });

  it('has a window of 3 seconds everywhere', () => {
    const features = JSON.parse(read('preprocessor_config.json'));
    expect(features).toMatchObject({ chunk_length: 3, n_samples: 48000, nb_max_frames: 300 });
    expect(config.max_source_positions).toBe(150);
    expect([trainBase, trainNewVoice].map((options) => options.max_duration_in_seconds)).toEqual([3, 3]);
  });

  it('is read by the project', async () => {
    const model = await readModelConfig(folder);
    expect(model).toMatchObject({
      d_model: 64,
      encoder_layers: 2,
      decoder_layers: 2,
      apply_spec_augment: true,
    });
    const generation = await readGenerationConfig(folder);
    expect(generation).toMatchObject({ suppress_tokens: [], begin_suppress_tokens: [] });

    const tokenizer = await WhisperTokenizer.fromPretrained(folder);
    for (const text of [...baseClips(), ...newVoiceClips()].slice(-300).map((clip) => clip.text)) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
    // As transformers' WhisperTokenizer of the same folder has it.
    const library = [220, 75, 72, 65, 81, 271, 88];
    expect([...tokenizer.encode('turn on the library light at seven')]).toEqual([
      280,
      335,
      258,
      ...library,
      341,
      292,
      334,
    ]);
  });
});

describe('command lines', () => {
  it('have only flags that the train command knows', () => {
    const flags = Object.keys({ ...trainBase, ...trainNewVoice });
    expect(flags.filter((flag) => !(flag in trainCommand.options))).toEqual([]);
  });

  it('are flags as `--name=value`, wrapped for reading', () => {
    const flags = flagsOf({ max_steps: 10, do_train: true, output_dir: 'quickstart/base-model' });
    expect(flags).toEqual(['--max_steps=10', '--do_train=true', '--output_dir=quickstart/base-model']);
    const text = shown(['train', ...flags], 50);
    expect(text).toBe(
      '$ whisper-tune train --max_steps=10 \\\n    --do_train=true \\\n    --output_dir=quickstart/base-model',
    );
  });
});
