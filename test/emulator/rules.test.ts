// What kernels may use (native/cuda/gpu/launch.cuh): reads every file of native/cuda and fails where one goes around the
// wrappers of native/cuda/gpu, or where a wrapper has no body for the emulator.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Without comments and texts, whose words are free. Line breaks stay. */
function code(source: string): string {
  return source.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g, (found) =>
    found.replace(/[^\n]/g, ' '),
  );
}

function filesOf(folder: string, pattern: RegExp): { file: string; text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name))
    .map((file) => ({ file, text: code(readFileSync(join(root, file), 'utf8')) }));
}

const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((found) => found[1]!);

const uses = (text: string, name: string) => names(text, new RegExp(`\\b(${name})\\b`, 'g')).length;

const all = filesOf('native/cuda', /\.(cu|cuh|cpp|h)$/);
const wrappers = all.filter(({ file }) => file.startsWith('native/cuda/gpu/'));
const users = all.filter(({ file }) => !file.startsWith('native/cuda/gpu/'));
const emulated = filesOf('test/emulator/gpu', /\.cuh$/);

const forbidden: [string, RegExp, string][] = [
  ['inline PTX', /\basm\b|__asm__/, 'ptx.cuh and hopper.cuh have the instructions'],
  ['launches in angle brackets', /<<</, 'use launch()'],
  ['launches by the runtime', /\bcuda(?:Launch|GraphLaunch)\w*/, 'use launch()'],
  ['shared memory by name', /__shared__/, 'use Shared::take or SHARED_ARRAY'],
  [
    'cooperative groups',
    /cooperative_groups|\bgrid_group\b|\bthis_grid\b/,
    'sum over blocks in two launches',
  ],
  ['printing from kernels', /\bprintf\s*\(/, 'report by fault.h'],
  [
    'atomics on floats',
    /\batomic\w+\s*\(\s*(?:reinterpret_cast<\s*|\(\s*)(?:float|double|__half)/,
    'keep sums in order',
  ],
  ['fences', /__threadfence\w*/, 'blocks do not wait for one another'],
  ['parts of warps', /__activemask|__match_\w+/, 'warp operations are of whole warps'],
];

describe('kernels', () => {
  it('are there to be looked at', () => {
    expect(users.length).toBeGreaterThan(30);
    expect(wrappers.length).toBeGreaterThan(3);
  });

  it.each(forbidden)('have no %s outside native/cuda/gpu', (_, pattern, instead) => {
    const found = users.flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}: ${line.trim()}: ${instead}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('are each launched by launch(), and called in no other way', () => {
    const text = users.map((each) => each.text).join('\n');
    const kernels = names(
      text,
      /__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\([^)]*\)\s*)?(?:void\s+)?(\w+)\s*\(/g,
    );
    expect(kernels.length).toBeGreaterThan(0);
    expect(kernels.length, 'declarations that this test can read').toBe(names(text, /(__global__)/g).length);
    const declarations = (name: string) => kernels.filter((kernel) => kernel === name).length;
    const unused = kernels.filter((name) => uses(text, name) === declarations(name));
    expect(unused).toEqual([]);
    const called = kernels.filter(
      (name) =>
        names(text, new RegExp(`\\b(${name})\\s*(?:<[\\w\\s,:]*>)?\\(`, 'g')).length > declarations(name),
    );
    expect(called).toEqual([]);
  });
});

describe('wrappers', () => {
  const patterns = [
    /GPU_FUNCTION\s+[\w<>:*&\s]*?\b(\w+)\s*\(/g, // functions of kernels, also those of classes
    /^(?:void|bool|int|TileMap) (\w+)\(/gm, // functions of the host
    /^(?:class|struct) (\w+)/gm,
    /^using (\w+) =/gm,
    /^#define (\w+)/gm,
  ];
  // Without the macros that a file takes back before it ends.
  const declared = (text: string) => {
    const found = new Set(patterns.flatMap((pattern) => names(text, pattern)));
    for (const name of names(text, /^#undef (\w+)/gm)) found.delete(name);
    return found;
  };
  const cuda = wrappers.map(({ text }) => text).join('\n');
  const body = emulated.map(({ text }) => text).join('\n');
  const kernels = users.map(({ text }) => text).join('\n');

  // What serves other wrappers alone, such as addresses as instructions want them, is none itself.
  const helper = (name: string) =>
    uses(kernels, name) === 0 && uses(cuda, name) > 1 && !declared(body).has(name);
  const wanted = [
    ...declared(
      wrappers
        .filter(({ file }) => file.endsWith('.cuh'))
        .map(({ text }) => text)
        .join('\n'),
    ),
  ].filter((name) => !helper(name));

  it('all have a body for the emulator', () => {
    expect(wanted).toContain('ldmatrix');
    expect(wanted).toContain('copy_tile');
    expect(wanted.filter((name) => uses(body, name) === 0)).toEqual([]);
  });

  it('are all compared between GPU and emulator', () => {
    const compared = filesOf('test/emulator/conformance', /\.(cu|h)$/)
      .map(({ text }) => text)
      .join('\n');
    expect(wanted.filter((name) => uses(compared, name) === 0)).toEqual([]);
  });

  it('offer no atomics on floats, so that a kernel with one does not compile', () => {
    expect(names(body, /(\batomic\w+\s*\(\s*(?:float|double|T)\b)/g)).toEqual([]);
  });
});
