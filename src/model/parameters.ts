// How many numbers a model has.
import type { NativeModel } from '../native.js';

export interface ParameterCounts {
  parameters: number;
  /** Those that training changes: of a model with adapters these alone. */
  trainable: number;
  /** In embeddings of tokens and positions. */
  embeddings: number;
}

/** What training leaves as it is; the encoder's positions unless they are asked for. */
interface Trained {
  freezeEncoder?: boolean;
  freezeDecoder?: boolean;
  trainEncoderPositions?: boolean;
}

/** Counts the parameters of a model, of which training leaves frozen parts as they are. */
export async function countParameters(
  native: NativeModel,
  { freezeEncoder = false, freezeDecoder = false, trainEncoderPositions = false }: Trained = {},
): Promise<ParameterCounts> {
  const counts = { parameters: 0, trainable: 0, embeddings: 0 };
  const all = await native.parameters();
  const isAdapter = (name: string) => /\.lora_[AB]\.weight$/.test(name);
  const adapted = all.some(({ name }) => isAdapter(name));
  for (const { name, shape } of all) {
    const size = shape.reduce((product, length) => product * length, 1);
    const frozen = name.startsWith('model.encoder.') ? freezeEncoder : freezeDecoder;
    counts.parameters += size;
    if (/embed_(tokens|positions)/.test(name)) counts.embeddings += size;
    const fixed = name === 'model.encoder.embed_positions.weight' && !trainEncoderPositions;
    if (!fixed && !frozen && isAdapter(name) === adapted) counts.trainable += size;
  }
  return counts;
}
