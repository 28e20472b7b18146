// A batch whose rows are of several languages or tasks: decoded in one part for each prompt.
import type { Collated } from '../data/collate.js';
import type { Spoken } from '../data/labels.js';
import type { Generated, GenerateOptions } from '../model/greedy.js';
import type { Whisper } from '../model/whisper.js';
import type { NativeBatch, NativeLosses } from '../native.js';
import { transcribe } from '../transcribe/transcribe.js';

/** What is wanted of a batch. */
export interface Wants extends Omit<GenerateOptions, keyof Spoken> {
  loss: boolean;
  text: boolean;
}

/** A generated text; `logprobs` of its tokens where it came from one window. */
export type Heard = Pick<Generated, 'text'> & Partial<Pick<Generated, 'logprobs'>>;

interface Result {
  /** Where the loss is wanted. */
  losses?: NativeLosses;
  /** Where texts are wanted. */
  texts: Heard[];
}

/**
 * Runs the model once for each prompt in a batch, which decoding takes one of.
 *
 * @param spoken language and task of each row
 * @returns losses and texts in the order of the rows
 */
export async function runByPrompt(
  model: Whisper,
  { samples, labels, time }: Collated,
  spoken: readonly Spoken[],
  wants: Wants,
): Promise<Result> {
  const groups = new Map<string, number[]>();
  for (const [row, { language, task }] of spoken.entries()) {
    const prompt = JSON.stringify([language, task]);
    groups.set(prompt, [...(groups.get(prompt) ?? []), row]);
  }
  if (groups.size === 1) return run(model, { samples, labels, time }, { ...wants, ...spoken[0] });
  const sums = new Float32Array(samples.length);
  const tokens = new Int32Array(samples.length);
  const texts: Heard[] = [];
  for (const group of groups.values()) {
    const part: NativeBatch = {
      samples: group.map((row) => samples[row]!),
      labels: Int32Array.from(group.flatMap((row) => [...labels.subarray(row * time, (row + 1) * time)])),
      time,
    };
    const result = await run(model, part, { ...wants, ...spoken[group[0]!] });
    for (const [i, row] of group.entries()) {
      if (result.losses) sums[row] = result.losses.sums[i]!;
      if (result.losses) tokens[row] = result.losses.tokens[i]!;
      if (wants.text) texts[row] = result.texts[i]!;
    }
  }
  return wants.loss ? { losses: { sums, tokens }, texts } : { texts };
}

/** What is wanted of a batch with one prompt, its audio encoded once. */
async function run(
  model: Whisper,
  batch: NativeBatch,
  { loss, text, ...options }: Wants & Spoken,
): Promise<Result> {
  if (loss && text) return model.lossAndTexts(batch, options);
  if (loss) return { losses: await model.loss(batch, options), texts: [] };
  return { texts: text ? await hear(model, batch.samples, options) : [] };
}

/** Texts of clips of any length: those of one window side by side, longer ones window by window. */
async function hear(
  model: Whisper,
  samples: readonly Float32Array[],
  options: GenerateOptions,
): Promise<Heard[]> {
  const fits = (clip: Float32Array): boolean => clip.length <= model.windowSamples;
  const short = await model.generate(samples.filter(fits), options);
  const texts: Heard[] = [];
  let next = 0;
  for (const clip of samples) {
    if (fits(clip)) texts.push(short[next++]!);
    else {
      const { language, task, signal } = options;
      const { text } = await transcribe(model, clip, { language, task, signal, batchSize: samples.length });
      texts.push({ text });
    }
  }
  return texts;
}
