// The operations of every back end this machine has: the CPU once per instruction set, and its GPUs.
import { addon, type NativeOps as Ops } from '../../src/native.js';

export type { Ops };

/** Opens a back end while environment variables have other values: they are read when it is opened. */
export function openWith(environment: Record<string, string>, device: string): Ops {
  const before = Object.fromEntries(Object.keys(environment).map((name) => [name, process.env[name]]));
  Object.assign(process.env, environment);
  try {
    return addon().ops(device);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** Whether products of factors in this storage are made as they are, and what else goes into them is rounded to it first. */
export function narrowProducts(backend: string, storage: string): boolean {
  if (backend.startsWith('cuda')) return storage !== 'f32';
  return storage === 'bf16' && /^cpu (avx512bf16|amx)/.test(backend);
}

const { devices, isas } = addon().deviceInfo();
const chosen = process.env.WHISPER_TUNE_ISA;

/** The only device to test, where one is chosen. */
const chosenDevice = process.env.WHISPER_TUNE_TEST_DEVICE;

/** The device whose models are tested. */
export const modelDevice = chosenDevice ?? 'cpu';

/** Those of this machine that are no CPU, of the chosen one only if one is chosen. */
export const gpus = devices.filter((name) => name !== 'cpu' && (chosenDevice ?? name) === name);

const cpus = (chosen ? [chosen] : isas).map((isa) => ({
  name: `cpu ${isa}`,
  open: () => openWith({ WHISPER_TUNE_ISA: isa }, 'cpu'),
}));
const others = devices
  .filter((name) => name !== 'cpu')
  .map((name) => ({ name, open: () => addon().ops(name) }));

/** Every back end to test, by name; of the CPU's only one where `WHISPER_TUNE_ISA` chooses it. */
export const backends: { name: string; ops: Ops }[] = [...cpus, ...others]
  .filter(({ name }) => !chosenDevice || name.split(' ')[0] === chosenDevice)
  .map(({ name, open }) => ({ name, ops: open() }));
