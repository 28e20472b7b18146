// When CUDA is compiled in, for which GPUs, and what is read of the compiler's words about registers.
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { conformanceUnits, jobsOf, unitsOf } from '../../scripts/build-cuda.mjs';
import { type Allowance, complaints, kernelsOf } from '../../scripts/cuda/registers.mjs';
import { cudaToolkit, parseArchitectures } from '../../scripts/cuda/toolkit.mjs';

const work = realpathSync(mkdtempSync(join(tmpdir(), 'whisper-tune-cuda-')));
afterAll(() => rmSync(work, { recursive: true }));

function script(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A folder of a machine: a toolkit of some version, and a driver with GPUs of some capabilities. */
function machine({ cuda, cards }: { cuda?: string; cards?: string[] }): Record<string, string> {
  const folder = mkdtempSync(join(work, 'machine-'));
  mkdirSync(join(folder, 'toolkit', 'bin'), { recursive: true });
  mkdirSync(join(folder, 'toolkit', 'lib64'));
  mkdirSync(join(folder, 'driver'));
  writeFileSync(join(folder, 'toolkit', 'lib64', 'libcudart_static.a'), '');
  if (cuda) {
    script(
      join(folder, 'toolkit', 'bin', 'nvcc'),
      `case $1 in
        --version) echo "Cuda compilation tools, release ${cuda}, V${cuda}.88" ;;
        --list-gpu-code) printf 'sm_75\\nsm_80\\nsm_89\\nsm_90\\n' ;;
        *) echo '#$ TOP=${folder}/toolkit' ;;
      esac`,
    );
  }
  if (cards) script(join(folder, 'driver', 'nvidia-smi'), cards.map((card) => `echo '${card}'`).join('\n'));
  return { PATH: `${join(folder, 'driver')}:/usr/bin:/bin`, CUDA_HOME: join(folder, 'toolkit') };
}

const names = (env: Record<string, string | undefined>) =>
  cudaToolkit(env)?.architectures.map(({ name, ptx }) => (ptx ? `${name}+ptx` : name));

describe('CUDA is compiled in', () => {
  it('for the GPUs of a machine with nvcc and a driver', () => {
    expect(names(machine({ cuda: '13.0', cards: ['9.0', '9.0'] }))).toEqual(['90a']);
    expect(names(machine({ cuda: '13.0', cards: ['8.9', '8.0', '7.5'] }))).toEqual(['80', '89']);
    expect(names(machine({ cuda: '12.8', cards: ['12.0'] }))).toEqual(['80+ptx']); // newer than this nvcc
  });

  it('not without GPUs, with GPUs that are too old, or with an nvcc that is', () => {
    expect(cudaToolkit(machine({ cuda: '13.0' }))).toBeUndefined();
    expect(cudaToolkit(machine({ cuda: '13.0', cards: ['7.5'] }))).toBeUndefined();
    expect(cudaToolkit(machine({ cuda: '13.0', cards: ['No devices were found'] }))).toBeUndefined();
    expect(cudaToolkit(machine({ cuda: '11.8', cards: ['8.0'] }))).toBeUndefined();
  });

  it('as WHISPER_TUNE_CUDA says', () => {
    const both = machine({ cuda: '13.0', cards: ['8.9'] });
    expect(cudaToolkit({ ...both, WHISPER_TUNE_CUDA: '0' })).toBeUndefined();
    expect(names({ ...both, WHISPER_TUNE_CUDA: '1' })).toEqual(['80', '90a', '80+ptx']);
    expect(names({ ...both, WHISPER_TUNE_CUDA: '' })).toEqual(['89']);
    expect(names({ ...both, WHISPER_TUNE_CUDA_ARCHS: '80, 90a' })).toEqual(['80', '90a']);
    const toolkit = cudaToolkit({ ...machine({ cuda: '13.0' }), WHISPER_TUNE_CUDA: '1' })!;
    expect(toolkit.runtime).toMatch(/lib64\/libcudart_static\.a$/);
    expect(toolkit.version).toBe('13.0');
  });

  it('or says what is missing', () => {
    expect(() => cudaToolkit({ WHISPER_TUNE_CUDA: 'yes' })).toThrow(
      'WHISPER_TUNE_CUDA: expected 0 or 1, got "yes"',
    );
    expect(() => cudaToolkit({ ...machine({ cuda: '11.8' }), WHISPER_TUNE_CUDA: '1' })).toThrow(
      /needs nvcc of CUDA 12 or newer: .*nvcc is of CUDA 11\.8/,
    );
  });

  it.each([
    ['70', /70 is below 80/],
    ['sm_80', 'expected architectures as 80, 90a or 80+ptx, got "sm_80"'],
    ['8.0', /got "8.0"/],
    ['85', /this nvcc knows 80, 90, not 85/],
    [' ; ', /got none/],
  ])('never for the architecture "%s"', (text, message) => {
    expect(() => parseArchitectures(text, new Set([80, 90]))).toThrow(message);
  });
});

describe('what is compiled', () => {
  const lists = {
    cuda_sources: ['native/cuda/add.cu', 'native/cuda/wgmma.cu'],
    gpu_sources: ['native/cuda/gpu/device.cu'],
    hopper_sources: ['native/cuda/wgmma.cu'],
    no_hopper_sources: ['native/cuda/no_wgmma.cpp'],
  };
  const known = new Set([80, 90]);
  const codes = (flags: string[]) => flags.filter((flag) => flag.startsWith('arch='));

  it('is for Hopper what only Hopper has', () => {
    const units = unitsOf(lists, parseArchitectures('80;90a;80+ptx', known));
    expect(units.map(({ source }) => source)).toEqual([
      'native/cuda/add.cu',
      'native/cuda/gpu/device.cu',
      'native/cuda/wgmma.cu',
    ]);
    expect(codes(units[0]!.flags)).toEqual([
      'arch=compute_80,code=sm_80',
      'arch=compute_90a,code=sm_90a',
      'arch=compute_80,code=compute_80',
    ]);
    expect(codes(units[2]!.flags)).toEqual(['arch=compute_90a,code=sm_90a']);
    expect(units[1]!.object).toMatch(/build\/cuda\/gpu\/device\.cu\.o$/);
  });

  it('says so where there is no Hopper', () => {
    const units = unitsOf(lists, parseArchitectures('80', known));
    expect(units.at(-1)!.source).toBe('native/cuda/no_wgmma.cpp');
  });

  it('makes the conformance of the wrappers of all of the device, and of Hopper where there is one', () => {
    const sourcesFor = (text: string) =>
      conformanceUnits(
        { gpu_sources: ['native/cuda/gpu/device.cu', 'native/cuda/open.cu'] },
        parseArchitectures(text, known),
      ).map(({ source }) => source);
    const everywhere = sourcesFor('80');
    expect(everywhere).toContain('test/emulator/conformance/main.cu');
    expect(everywhere).toContain('native/cuda/gpu/device.cu');
    expect(everywhere).not.toContain('native/cuda/open.cu');
    expect(sourcesFor('80;90a')).toEqual([...everywhere, 'test/emulator/conformance/hopper.cu']);
  });

  it('takes so many files at a time', () => {
    expect(jobsOf({ WHISPER_TUNE_JOBS: '3' })).toBe(3);
    expect(jobsOf({})).toBeGreaterThanOrEqual(1);
  });
});

describe('registers', () => {
  const log = (spilled: number, extra = '') => `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN7whisper4cuda41_GLOBAL__N__5c510e22_9_device_cu_3d9cf45c5flashIfLi64EEEvPT_' for 'sm_80'
ptxas info    : Function properties for _ZN7whisper4cuda5flashIfLi64EEEvPT_
    ${spilled} bytes stack frame, ${spilled >> 1} bytes spill stores, ${spilled} bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 352 bytes cmem[0]
ptxas info    : Compiling entry function '_Z5probev' for 'sm_90a'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 4 registers
${extra}`;
  const allowance: Allowance = {
    source: 'a.cu',
    kernel: 'flash',
    architecture: 'sm_80',
    bytes: 44,
    reason: 'FlashAttention keeps as much',
  };

  it('are read of every kernel', () => {
    expect(kernelsOf('a.cu', log(44))).toEqual([
      { source: 'a.cu', name: 'flash', architecture: 'sm_80', registers: 255, spilled: 44 },
      { source: 'a.cu', name: 'probe', architecture: 'sm_90a', registers: 4, spilled: 0 },
    ]);
  });

  it('may not spill, but for what is allowed', () => {
    const of = (text: string) => [{ source: 'a.cu', log: text }];
    expect(complaints(of(log(44)), [])).toEqual(['a.cu: flash for sm_80 spills 44 bytes at 255 registers']);
    expect(complaints(of(log(44)), [allowance])).toEqual([]);
    expect(complaints(of(log(48)), [allowance])).toEqual([
      'a.cu: flash for sm_80 spills 48 bytes at 255 registers, 44 allowed',
    ]);
    expect(complaints(of(log(0)), [allowance])).toEqual([
      'a.cu: flash for sm_80 spills no more, and scripts/cuda/spills.json allows it',
    ]);
    expect(complaints(of(''), [allowance])).toEqual([]); // not compiled for this architecture
  });

  it.each([
    'ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized',
    'a.cu(3): warning #177-D: variable "x" was declared but never referenced',
  ])('come without warnings: %s', (line) => {
    expect(complaints([{ source: 'a.cu', log: log(0, line) }], [])).toEqual([`a.cu: ${line}`]);
  });
});
