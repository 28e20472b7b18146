// One binary runs on every x86-64 machine: disassembles the addon and fails when an instruction of AVX or later stands
// where a machine without it could come by.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const built = fileURLToPath(new URL('../build/Release/whisper_tune.node', import.meta.url));
const addon = process.env.WHISPER_TUNE_ADDON ?? built;

/** Functions that `cpuid` is asked for before they are called: files, to which they are local, and their mangled names. */
const WIDE: Record<string, RegExp> = { 'avx2.cpp': /./, 'avx512.cpp': /./, 'resample.cpp': /_avx2E/ };

/** Output of a program of binutils on the addon; undefined where the program is not installed. */
function binutils(program: string, ...options: string[]): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(program, [...options, addon], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error && 'code' in error && error.code === 'ENOENT') return undefined;
  if (error || status !== 0) throw new Error(`${program} ${addon}: ${error?.message ?? stderr}`);
  return stdout;
}

interface Function {
  name: string;
  address: number;
  end: number;
  /** '' if it was not local to a file before the linker made it so: a template or an inline function, say. */
  file: string;
}

/**
 * The functions of the symbol table, by address. Local symbols stand behind the FILE symbol of their object file; those
 * of hidden visibility, which the linker made local, behind one without a name.
 */
function functionsOf(symbols: string): Function[] {
  const functions: Function[] = [];
  let file = '';
  //   Num: Value Size Type Bind Visibility Section Name
  for (const line of symbols.slice(symbols.indexOf("'.symtab'")).split('\n')) {
    const [, number, value, size, type, bind, , , name] = line.split(/\s+/);
    if (!/^\d+:$/.test(number ?? '')) continue;
    if (type === 'FILE') file = name ?? '';
    if (type !== 'FUNC' && type !== 'IFUNC') continue;
    const address = Number.parseInt(value!, 16);
    const end = address + Number(size);
    functions.push({ name: name!, address, end, file: bind === 'LOCAL' ? file : '' });
  }
  return functions.sort((a, b) => a.address - b.address);
}

/**
 * Whether an instruction has a VEX or an EVEX prefix, as all of AVX, FMA, BMI, AVX-512 and AMX have and nothing older.
 * In 64-bit code these bytes mean nothing else at the place of an opcode; segment and size prefixes may stand before.
 */
function isWide(bytes: string): boolean {
  return /^(?:(?:26|2e|36|3e|64|65|67) )*(?:c4|c5|62)\b/.test(bytes);
}

/** Every function with wide instructions, one of which is named. */
function wideFunctions(): { function: Function | undefined; instruction: string }[] {
  const functions = functionsOf(binutils('readelf', '-sW')!);
  const found = new Map<Function | undefined, string>();
  let at = 0;
  let last = 0;
  for (const line of binutils('objdump', '-dw')!.split('\n')) {
    const [address, bytes, instruction] = line.split('\t');
    if (!instruction || !isWide(bytes!)) continue;
    const place = Number.parseInt(address!, 16);
    if (place < last) at = 0; // another section
    last = place;
    while (at < functions.length && functions[at]!.end <= place) ++at;
    // Two names of one function: a local one does not excuse one that is not.
    const here = functions.slice(at, at + 8).filter((one) => one.address <= place && place < one.end);
    for (const one of here.length > 0 ? here : [undefined])
      if (!found.has(one)) found.set(one, `${address!.trim()} ${instruction}`);
  }
  return [...found].map(([one, instruction]) => ({ function: one, instruction }));
}

function allowed(one: Function | undefined): boolean {
  return one !== undefined && (WIDE[one.file]?.test(one.name) ?? false);
}

const here = process.platform === 'linux' && process.arch === 'x64';
const missing = here && !(binutils('objdump', '-f') && binutils('readelf', '-h'));

describe('the addon', () => {
  it.skipIf(!here || missing)(
    `has wide instructions only where the machine was asked${missing ? ': not checked, objdump and readelf (binutils) are not installed' : ''}`,
    () => {
      const wide = wideFunctions();
      for (const file of Object.keys(WIDE)) expect(wide.map((one) => one.function?.file)).toContain(file);
      const wrong = wide
        .filter((one) => !allowed(one.function))
        .map((one) => `${one.function?.name ?? 'no function'}: ${one.instruction}`);
      expect(wrong).toEqual([]);
    },
  );
});
