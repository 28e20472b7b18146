// Who may know whom (docs/architecture.md): reads every include and import and fails when an arrow points the wrong way.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function filesUnder(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => pattern.test(file))
    .map((file) => join(folder, file));
}

/** What the C++ files of a folder of native/ may include, by the first folder of the path. */
const mayInclude: Record<string, string[]> = {
  core: ['core'],
  audio: ['audio', 'core'],
  cpu: ['cpu', 'core', 'audio', 'backend.h', 'ops.def'],
  cuda: ['cuda', 'core', 'audio', 'backend.h', 'ops.def'],
  model: ['model', 'core', 'backend.h'],
  optim: ['optim', 'model', 'core', 'backend.h', 'dry_backend.h'],
  decode: ['decode', 'model', 'core', 'backend.h'],
  'backend.h': ['core', 'ops.def'],
  'dry_backend.h': ['backend.h', 'core', 'ops.def'],
  'backend.cpp': ['backend.h', 'core', 'cpu', 'cuda'],
};

describe('the engine', () => {
  const files = filesUnder('native', /\.(h|cpp|inc|cu|cuh)$/);

  it('has files at all', () => expect(files.length).toBeGreaterThan(30));

  it('includes only what lies below', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const [, area] = file.split('/');
      const allowed = mayInclude[area!];
      expect(allowed, `no rule for native/${area}`).toBeDefined();
      for (const [, included] of readFileSync(join(root, file), 'utf8').matchAll(/^#include "([^"]+)"/gm)) {
        if (!allowed!.includes(included!.split('/')[0]!)) wrong.push(`${file} includes ${included}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('knows nothing of Node', () => {
    for (const file of files)
      expect(readFileSync(join(root, file), 'utf8'), file).not.toMatch(/napi|node_api/);
  });
});

describe('the TypeScript', () => {
  it('is imported towards the library, never towards the command line', () => {
    for (const file of filesUnder('src', /\.ts$/)) {
      if (file.startsWith('src/cli/')) continue;
      for (const [, imported] of readFileSync(join(root, file), 'utf8').matchAll(/from '(\.[^']+)'/g)) {
        const target = normalize(join(dirname(file), imported!));
        expect(target.startsWith('src/cli/'), `${file} imports ${imported}`).toBe(false);
      }
    }
  });
});

describe('every source file', () => {
  const files = [
    ...filesUnder('native', /\.(h|cpp|inc)$/),
    ...filesUnder('bindings', /\.(h|cpp)$/),
    ...filesUnder('src', /\.ts$/),
  ];

  it('says on its first line what it is', () => {
    const silent = files.filter((file) => {
      const lines = readFileSync(join(root, file), 'utf8').split('\n');
      return !/^(\/\/|\/\*\*?) ?\S/.test((lines[0]!.startsWith('#!') ? lines[1] : lines[0])!);
    });
    expect(silent).toEqual([]);
  });

  it('ends before 350 lines, but for tables', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length >= 350);
    expect(long).toEqual(['src/processor/normalizers/english-spellings.ts']);
  });
});
