// TensorBoard's event files, against those that torch's SummaryWriter makes (test/golden/tensorboard/make.py).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/files/crc32c.js';
import { EventFile, encodeEvent, frame, type SummaryValue } from '../../src/report/event-file.js';
import { experiment, sessionEnd, sessionStart } from '../../src/report/hparams.js';
import { records } from './events.js';

/** What the script's clock says. */
const wallTime = 1670241600.25;
const golden = (name: string): Buffer[] =>
  records(readFileSync(fileURLToPath(new URL(`../golden/tensorboard/${name}.tfevents`, import.meta.url))));
const ours = (value: SummaryValue, step = 0): Buffer => Buffer.from(encodeEvent({ wallTime, step, value }));

describe('a record', () => {
  it('has the checksum of the standard', () => {
    // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  });

  it('is framed as TFRecord says', () => {
    const bytes = readFileSync(
      fileURLToPath(new URL('../golden/tensorboard/scalars.tfevents', import.meta.url)),
    );
    const framed = golden('scalars').map((record) => frame(record));
    expect(Buffer.concat(framed).equals(bytes)).toBe(true);
  });
});

describe('a message is torch’s, byte for byte', () => {
  const [version, args, loss, wer] = golden('scalars');

  it('the version of the format', () => {
    // torch adds who wrote it.
    const mine = Buffer.from(encodeEvent({ wallTime }));
    expect(version!.subarray(0, mine.length)).toEqual(mine);
  });

  it('a text', () => expect(ours({ tag: 'args', text: '{"a": 1}' })).toEqual(args));

  it('a number, also at a step beyond 32 bits', () => {
    expect(ours({ tag: 'train/loss', number: 1.5 }, 25)).toEqual(loss);
    expect(ours({ tag: 'eval/wer', number: 32.09 }, 3_000_000_000)).toEqual(wer);
  });

  it('hyperparameters, the metrics to compare by, and the end', () => {
    const options = { optim: 'adamw_hf' };
    const [, experimentRecord, start, end] = golden('hparams');
    expect(ours(experiment(options, ['eval/wer']))).toEqual(experimentRecord);
    expect(ours(sessionStart(options))).toEqual(start);
    expect(ours(sessionEnd('success'))).toEqual(end);
  });
});

describe('an event file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'events-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('has its name, makes its folder and is whole after every write', async () => {
    const file = await EventFile.create(join(folder, 'runs', 'one'));
    expect(basename(file.path)).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    expect(file.path).toContain(`.${hostname()}.${process.pid}.`);
    expect(records(readFileSync(file.path))).toHaveLength(1);
    await file.write(5, [
      { tag: 'train/loss', number: 2 },
      { tag: 'train/epoch', number: 0.5 },
    ]);
    expect(records(readFileSync(file.path))).toHaveLength(3);
    await file.close();
  });

  it('has another name than the one before it in the same second', async () => {
    const files = [await EventFile.create(folder), await EventFile.create(folder)];
    expect(files[0]!.path).not.toBe(files[1]!.path);
    for (const file of files) await file.close();
  });
});
