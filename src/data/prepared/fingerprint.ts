// What tells one data set from another, and from itself once it has changed: the name of its folder of prepared rows.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { mapInOrder } from '../ahead.js';
import { describeSource, type Positioned, type Row, type Source } from '../dataset.js';

/** Files whose size and time are asked for at a time. */
const asked = 32;

/** What of a row decides about its prepared form; a file by its size and time, so that another in its place is noticed. */
async function describeRow({ audio, ...row }: Row): Promise<string> {
  if ('path' in audio) {
    const file = await stat(audio.path).catch(() => undefined);
    return JSON.stringify([row, audio, file?.size, file?.mtimeMs]);
  }
  if ('bytes' in audio) return JSON.stringify([row, digest(audio.bytes)]);
  if (!('samples' in audio)) return JSON.stringify([row, audio]);
  const { buffer, byteOffset, byteLength } = audio.samples;
  return JSON.stringify([row, digest(new Uint8Array(buffer, byteOffset, byteLength)), audio.sampleRate]);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/**
 * A digest of a source: of its name, version and columns where it has a version, otherwise of every row with the size
 * and time of its file, which reads the tables but no audio files. Tells how many rows it has looked at.
 */
export async function* fingerprint(source: Source): AsyncGenerator<number, string, void> {
  const hash = createHash('sha256').update('rows 1\n');
  let rows = 0;
  for (const part of source.parts ?? [source]) {
    hash.update(`${describeSource(part)}\n`);
    if (part.version !== undefined) continue;
    for await (const described of mapInOrder(part.open(), asked, ({ row }: Positioned) => describeRow(row))) {
      hash.update(`${described}\n`);
      rows += 1;
      yield rows;
    }
  }
  return hash.digest('hex').slice(0, 32);
}
