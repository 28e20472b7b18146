// Tests CUDA's kernels without a GPU, on the emulator in test/emulator; builds what it needs in build/emulator.
//
//   npm run test:emulator                 everything
//   npm run test:emulator -- PART...      of these:
//     ops         vitest's tests of operations and of the model, on the device cuda-emulator
//     schedules   the kernels' tests of C++ in every order of threads that the emulator knows
//     address     the same under AddressSanitizer and UBSan
//     thread      those whose names end in _race under ThreadSanitizer
//     plants      mistakes that the emulator has to see, plain and under either
//     conformance what the wrappers of native/cuda/gpu do, written down as a GPU's check reads it, and checked in another order
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = `${root}build/emulator`;

const vitestEnvironment = {
  WHISPER_TUNE_ADDON: `${build}/Release/cuda_emulator.node`,
  WHISPER_TUNE_TEST_DEVICE: 'cuda-emulator',
};

/** Each part: the programs to build, and the commands whose closing lines `N passed, N failed` count. */
const parts = {
  ops: {
    targets: [],
    runs: [
      {
        name: 'operations and model, by vitest',
        // Each thread of a GPU is a fiber here: what takes a second on the CPU may take a minute.
        command: ['npx', 'vitest', 'run', '--testTimeout=300000', 'test/ops', 'test/model'],
        env: vitestEnvironment,
      },
      {
        name: 'model, each step a graph',
        command: ['npx', 'vitest', 'run', '--testTimeout=300000', 'test/model/devices', 'test/model/decode'],
        env: { ...vitestEnvironment, WHISPER_TUNE_CUDA_GRAPHS: '1' },
      },
    ],
  },
  schedules: {
    targets: ['emulator_tests'],
    runs: ['lowest', 'highest', 'random', 'turns'].map((schedule) => ({
      name: `kernels, schedule ${schedule}`,
      command: ['emulator_tests'],
      env: { WHISPER_TUNE_EMULATOR_SCHEDULE: schedule },
    })),
  },
  address: {
    targets: ['emulator_tests_address'],
    runs: [
      { name: 'kernels under AddressSanitizer and UBSan', command: ['emulator_tests_address'], env: {} },
    ],
  },
  thread: {
    targets: ['emulator_tests_thread'],
    // The CPU's part is not instrumented, so it must not use threads.
    runs: [
      {
        name: 'kernels under ThreadSanitizer',
        command: ['emulator_tests_thread', '_race'],
        env: { WHISPER_TUNE_THREADS: '1' },
      },
    ],
  },
  plants: {
    targets: ['emulator_plants', 'emulator_plants_address', 'emulator_plants_thread'],
    runs: ['', '_address', '_thread'].map((suffix) => ({
      name: `planted faults${suffix && `, ${suffix.slice(1)} sanitizer`}`,
      command: [`emulator_plants${suffix}`],
      env: {},
    })),
  },
  conformance: {
    targets: ['emulator_conformance'],
    runs: [
      {
        name: 'wrappers, expectations written',
        command: ['emulator_conformance', `${build}/conformance.expected`, '--write'],
        env: { WHISPER_TUNE_EMULATOR_SCHEDULE: 'lowest' },
      },
      {
        name: 'wrappers, expectations met',
        command: ['emulator_conformance', `${build}/conformance.expected`],
        env: { WHISPER_TUNE_EMULATOR_SCHEDULE: 'turns' },
      },
    ],
  },
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
for (const name of chosen) {
  if (!Object.hasOwn(parts, name)) {
    console.error(`no part ${name}: there are ${Object.keys(parts).join(', ')}`);
    process.exit(2);
  }
}

function run(command, env, capture) {
  const options = { cwd: root, env: { ...process.env, ...env }, maxBuffer: 2 ** 28 };
  const stdio = capture ? ['ignore', 'pipe', 'pipe'] : 'inherit';
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), { ...options, stdio });
  return { ok: status === 0, text: capture ? `${stdout}${stderr}` : '' };
}

const targets = chosen.flatMap((name) => parts[name].targets);
const parallel = String(process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? availableParallelism());
const configured = [
  'npm',
  'run',
  '--silent',
  chosen.includes('ops') ? 'build:emulator' : 'configure:emulator',
];
const builds = [configured];
if (targets.length > 0)
  builds.push(['cmake', '--build', build, '--parallel', parallel, '--target', ...targets]);
for (const command of builds) {
  const { ok, text } = run(command, { CMAKE_BUILD_PARALLEL_LEVEL: parallel }, true);
  if (!ok) {
    console.error(`${text.split('\n').slice(-60).join('\n')}\n${command.join(' ')} failed`);
    process.exit(1);
  }
}

let passed = 0;
let failed = 0;
for (const { name, command, env } of chosen.flatMap((part) => parts[part].runs)) {
  const started = performance.now();
  const program = command[0].startsWith('emulator_')
    ? [`${build}/${command[0]}`, ...command.slice(1)]
    : command;
  const { ok, text } = run(
    program,
    { ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'halt_on_error=1', ...env },
    true,
  );
  const closing = [...text.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1);
  // A sanitizer's report, or the emulator's, ends the program before its closing line.
  const counts = closing
    ? { passed: Number(closing[1]), failed: Number(closing[2]) }
    : { passed: 0, failed: 1 };
  if (!ok && counts.failed === 0) counts.failed = 1;
  passed += counts.passed;
  failed += counts.failed;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed (${seconds} s)`);
  if (counts.failed > 0) console.log(text.split('\n').slice(-120).join('\n'));
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
