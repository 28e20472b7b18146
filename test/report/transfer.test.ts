// What people see of a download: lines of tenths where there is no terminal, nothing where there is nothing to wait for.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { TransferReport } from '../../src/report/transfer.js';

function lines(told: readonly number[], total: number): string[] {
  let text = '';
  const report = new TransferReport({ err: (more) => (text += more) }, 'downloading a/b');
  for (const bytes of told) report.tell({ bytes, total, path: 'x' });
  report.close();
  return text.split('\n').slice(0, -1);
}

it('without a terminal there is a line for every tenth', () => {
  expect(lines([0, 1e6, 1.5e6, 5e6, 10e6], 10e6)).toEqual([
    'downloading a/b: 0 B of 10.0 MB',
    'downloading a/b: 1.00 MB of 10.0 MB',
    'downloading a/b: 5.00 MB of 10.0 MB',
    'downloading a/b: 10.0 MB of 10.0 MB',
  ]);
});

it('nothing is told of what is small, or all there', () => {
  expect(lines([0, 500, 1000], 1000)).toEqual([]);
  expect(lines([10e6], 10e6)).toEqual([]);
});

it('on a terminal there is a bar of bytes, which ends', () => {
  const stream = new PassThrough();
  const screen = Object.assign(stream, {
    isTTY: true,
    columns: 200,
    clearLine: () => true,
    cursorTo: () => true,
    moveCursor: () => true,
  }) as unknown as NodeJS.WriteStream;
  const report = new TransferReport({ err: () => {}, screen }, 'downloading a/b');
  report.tell({ bytes: 4e6, total: 10e6, path: 'x' });
  report.tell({ bytes: 5e6, total: 10e6, path: 'x' });
  report.close();
  expect(String(stream.read())).toMatch(/downloading a\/b .* 5\.00 MB of 10\.0 MB \| /);
});
