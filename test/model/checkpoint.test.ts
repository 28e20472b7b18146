// Checkpoint folders: configurations read with old and new names, weights found, and writing that loses nothing.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sortedJson } from '../../src/files/json.js';
import { removeUnfinished, weightFiles, writeFiles, writeFolder } from '../../src/model/checkpoint.js';
import { nativeDims, parseModelConfig, readModelConfig } from '../../src/model/config.js';
import { describeWindows, readPreprocessorConfig } from '../../src/model/preprocessor-config.js';
import { RELEASED, releasedDims } from '../../src/model/released.js';
import { Whisper } from '../../src/model/whisper.js';

const untrained = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const write = (name: string, content: unknown) => writeFileSync(join(folder, name), JSON.stringify(content));

describe('config.json', () => {
  it('has the defaults of transformers', () => {
    expect(nativeDims(parseModelConfig({}))).toEqual({
      mels: 80,
      source: 1500,
      target: 448,
      width: 384,
      encoderLayers: 4,
      encoderHeads: 6,
      encoderFfn: 1536,
      decoderLayers: 4,
      decoderHeads: 6,
      decoderFfn: 1536,
      vocab: 51865,
      padding: 50256,
      start: 50257,
    });
  });

  it('may use the general names, which give way to the particular ones', async () => {
    write('config.json', {
      hidden_size: 64,
      num_hidden_layers: 3,
      num_attention_heads: 2,
      decoder_attention_heads: 2,
    });
    expect(await readModelConfig(folder)).toMatchObject({
      d_model: 64,
      encoder_layers: 3,
      encoder_attention_heads: 2,
      decoder_layers: 4,
    });
    write('config.json', { hidden_size: 64, d_model: 96 });
    expect((await readModelConfig(folder)).d_model).toBe(96);
  });

  it('keeps keys that nothing here knows', () => {
    expect(parseModelConfig({ median_filter_width: 9 })).toMatchObject({ median_filter_width: 9 });
  });

  it.each([
    [{ vocab_size: -1 }, /vocab_size: /],
    [{ activation_function: 'relu' }, /activation_function: .*"gelu".*got "relu"/],
    [{ tie_word_embeddings: false }, /tie_word_embeddings: /],
    [{ eos_token_id: 60000 }, /eos_token_id must be below vocab_size \(51865\), got 60000/],
    [{ decoder_attention_heads: 5 }, /decoder_attention_heads must divide d_model \(384\), got 5/],
  ])('%j is refused', (content, message) => {
    expect(() => parseModelConfig(content)).toThrow(message);
  });
});

describe('preprocessor_config.json', () => {
  const config = parseModelConfig({ max_source_positions: 150 });

  it('follows from the model where it is missing', async () => {
    expect(await readPreprocessorConfig(folder, config)).toEqual(describeWindows(config));
    expect(describeWindows(config)).toMatchObject({ chunk_length: 3, n_samples: 48000, nb_max_frames: 300 });
  });

  it('may be part of processor_config.json, and loses its old filters', async () => {
    write('processor_config.json', {
      feature_extractor: { feature_size: 80, chunk_length: 3, mel_filters: [[1]] },
    });
    expect(await readPreprocessorConfig(folder, config)).toEqual(describeWindows(config));
    write('processor_config.json', { feature_extractor: { feature_size: 128 } });
    await expect(readPreprocessorConfig(folder, config)).rejects.toThrow(
      /processor_config\.json: feature_size must be num_mel_bins of config\.json \(80\), got 128/,
    );
  });
});

describe('weights', () => {
  it('are one file, or the shards of the index, each once', async () => {
    for (const name of ['a.safetensors', 'b.safetensors']) writeFileSync(join(folder, name), '');
    write('model.safetensors.index.json', {
      weight_map: { x: 'b.safetensors', y: 'a.safetensors', z: 'a.safetensors' },
    });
    expect(await weightFiles(folder)).toEqual([join(folder, 'a.safetensors'), join(folder, 'b.safetensors')]);
    rmSync(join(folder, 'b.safetensors'));
    await expect(weightFiles(folder)).rejects.toThrow(/b\.safetensors, which .* lists, is missing/);
    writeFileSync(join(folder, 'model.safetensors'), '');
    expect(await weightFiles(folder)).toEqual([join(folder, 'model.safetensors')]);
  });

  it('in a pickle are no safetensors: they are converted first', async () => {
    writeFileSync(join(folder, 'pytorch_model.bin'), '');
    await expect(weightFiles(folder)).rejects.toThrow(/has no model\.safetensors/);
  });
});

describe('writing', () => {
  const fill = (text: string) => async (at: string) => {
    writeFileSync(join(at, 'a'), text);
    writeFileSync(join(at, 'b'), text);
  };
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  const fail = async (at: string) => {
    writeFileSync(join(at, 'a'), 'half');
    throw full;
  };

  it('a folder makes it appear, or replaces it, as a whole', async () => {
    const target = join(folder, 'deep', 'checkpoint-1');
    await writeFolder(target, fill('one'));
    writeFileSync(join(target, 'stale'), '');
    await writeFolder(target, fill('two'));
    expect(readdirSync(target)).toEqual(['a', 'b']);
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('two');
    expect(readdirSync(join(folder, 'deep'))).toEqual(['checkpoint-1']);
    // As the process's umask says, not for the owner only.
    mkdirSync(join(folder, 'plain'));
    expect(statSync(target).mode).toBe(statSync(join(folder, 'plain')).mode);
  });

  it('a folder that fails leaves the one before', async () => {
    const target = join(folder, 'checkpoint-1');
    await writeFolder(target, fill('one'));
    await expect(writeFolder(target, fail)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `cannot write ${target}: no space left on the disk`,
    });
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('one');
    expect(readdirSync(folder)).toEqual(['checkpoint-1']);
  });

  it('files keeps what else is there, and fails before replacing anything', async () => {
    writeFileSync(join(folder, 'a'), 'old');
    writeFileSync(join(folder, 'other'), 'mine');
    await expect(writeFiles(folder, fail)).rejects.toThrow('no space left on the disk');
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('old');
    await writeFiles(folder, fill('new'));
    expect(readdirSync(folder)).toEqual(['a', 'b', 'other']);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('new');
  });

  it('that was killed is cleared away, and what it had set aside put back', async () => {
    mkdirSync(join(folder, '.checkpoint-1.partial-abc123'));
    mkdirSync(join(folder, '.checkpoint-2.partial-abc123.old'));
    mkdirSync(join(folder, 'checkpoint-3'));
    mkdirSync(join(folder, '.checkpoint-3.partial-abc123.old'));
    mkdirSync(join(folder, '.keep'));
    await removeUnfinished(folder);
    expect(readdirSync(folder).sort()).toEqual(['.keep', 'checkpoint-2', 'checkpoint-3']);
  });
});

describe('JSON', () => {
  it('has sorted keys at every depth', () => {
    expect(sortedJson({ b: 1, a: [{ d: 1, c: 2 }] }, 0)).toBe('{"a":[{"c":2,"d":1}],"b":1}');
  });
});

describe('released sizes', () => {
  it.each([
    ['tiny', 80, 51865, 50258],
    ['openai/whisper-small.en', 80, 51864, 50257],
    ['large-v2', 80, 51865, 50258],
    ['large-v3-turbo', 128, 51866, 50258],
    ['turbo', 128, 51866, 50258],
    ['distil-whisper/distil-large-v3', 128, 51866, 50258],
  ])('%s: %i bands, %i tokens, start %i', (name, mels, vocab, start) => {
    expect(releasedDims(name)).toMatchObject({ mels, vocab, start });
  });

  it('are nothing else', () => {
    expect(releasedDims('huge')).toBeUndefined();
    expect(releasedDims('large.en')).toBeUndefined();
    for (const name of RELEASED) expect(releasedDims(name)).toBeDefined();
  });
});

describe('Whisper', () => {
  it('is saved with everything, read back, and saved again the same', async () => {
    const first = await Whisper.fromConfig(untrained, { initialisation: 'fan_in', seed: 5 });
    await first.savePretrained(join(folder, 'first'));
    const second = await Whisper.fromPretrained(join(folder, 'first'));
    await second.savePretrained(join(folder, 'second'));
    const names = readdirSync(join(folder, 'first'));
    expect(names.sort()).toEqual([
      'added_tokens.json',
      'config.json',
      'generation_config.json',
      'merges.txt',
      'model.safetensors',
      'normalizer.json',
      'preprocessor_config.json',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'vocab.json',
    ]);
    const contentOf = (model: string, name: string) => {
      const bytes = readFileSync(join(folder, model, name));
      // Made of vocab.json and merges.txt the first time, its keys are in another order.
      return name === 'tokenizer.json' ? JSON.parse(bytes.toString()) : bytes;
    };
    for (const name of names) expect(contentOf('second', name), name).toEqual(contentOf('first', name));
    const { tokenizer } = first;
    expect(JSON.parse(readFileSync(join(folder, 'first', 'generation_config.json'), 'utf8'))).toMatchObject({
      is_multilingual: true,
      lang_to_id: { '<|en|>': tokenizer.languages.get('en') },
      task_to_id: { transcribe: tokenizer.transcribe, translate: tokenizer.translate },
      no_timestamps_token_id: tokenizer.notimestamps,
      prev_sot_token_id: tokenizer.prev,
      max_initial_timestamp_index: 50,
      suppress_tokens: [],
      begin_suppress_tokens: [],
    });
    await Promise.all([first.dispose(), second.dispose()]);
  });

  it('replaces an earlier model in shards', async () => {
    cpSync(untrained, folder, { recursive: true });
    write('model.safetensors.index.json', { weight_map: {} });
    await using model = await Whisper.fromConfig(folder, { initialisation: 'fan_in' });
    await model.savePretrained(folder);
    expect(existsSync(join(folder, 'model.safetensors.index.json'))).toBe(false);
  });

  it('generates and measures batches, and refuses clips that are too long', async () => {
    const model = await Whisper.fromConfig(untrained, { initialisation: 'fan_in', seed: 1 });
    const clips = [new Float32Array(16000), new Float32Array(48000).fill(0.1)];
    const texts = await model.generate(clips, { language: 'en', maxLength: 10 });
    expect(texts).toHaveLength(2);
    for (const { text, tokens, logprobs } of texts) {
      expect(tokens.length).toBeLessThanOrEqual(6);
      expect(logprobs).toHaveLength(tokens.length);
      expect(logprobs.every((value) => value <= 0)).toBe(true);
      expect(text).toBe(model.tokenizer.decode(tokens));
    }
    expect(await model.generate([])).toEqual([]);
    await expect(model.generate([new Float32Array(48001)])).rejects.toThrow(
      /samples\[0\] is 3\.0000625 s long, and the model's window 3 s: transcribe\(\) takes longer audio/,
    );
    await expect(model.generate([[1, 2] as unknown as Float32Array])).rejects.toThrow(
      'must be a Float32Array',
    );
    await expect(model.generate(clips, { language: 'en', maxLength: 4 })).rejects.toThrow(
      "the maximum length must be more than the prompt's 4 tokens and at most 64 (max_target_positions), got 4",
    );
    await expect(model.generate(clips, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
    });
    const { tokens } = await model.loss({
      samples: clips,
      labels: Int32Array.from([1, 2, 3, -100]),
      time: 2,
    });
    expect([...tokens]).toEqual([2, 1]);
    await model.dispose();
    await expect(model.generate(clips)).rejects.toThrow();
  });

  it('is of a precision that there is, and of the usual spread when initialised as transformers does', async () => {
    await expect(Whisper.fromConfig(untrained, { precision: 'f8' as 'f16' })).rejects.toThrow(
      'precision must be one of f32, f32-fast, f16, bf16, got "f8"',
    );
    cpSync(untrained, folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    write('config.json', { ...config, init_std: 0.5 });
    await expect(Whisper.fromConfig(folder)).rejects.toThrow(
      /init_std must be 0\.02 to initialise by "hf", got 0\.5/,
    );
  });
});
