// What is said of devices: by `env`, and by a command for one that is not there.
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { addon } from '../../src/native.js';

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    screen: undefined,
  };
  const code = await main(args, terminal);
  return { code, out, err };
}

const { devices, cuda, gpus } = addon().deviceInfo();
const hasGpu = devices.some((device) => device.startsWith('cuda:'));

describe('env', () => {
  it('lists the devices that can be opened, and says why there is no GPU', async () => {
    const { code, out } = await run('env');
    expect(code).toBe(0);
    expect(out).toContain(`devices    ${devices.join(', ')}\n`);
    expect(out).toContain(`cuda       ${cuda}\n`);
    expect(out).toContain(
      gpus.length > 0 ? `gpus       ${gpus[0]!.device} ${gpus[0]!.name} (` : 'gpus       none\n',
    );
    if (!hasGpu)
      expect(cuda).toMatch(
        /install driver|build it on a machine with nvcc|compute capability|cuda-emulator|nvidia-smi/,
      );
  });

  it('says the same to programs', async () => {
    const { out } = await run('env', '--json');
    expect(JSON.parse(out)).toMatchObject({ devices, cuda, gpus });
  });
});

describe.skipIf(hasGpu)('without a GPU', () => {
  it.each(['cuda', 'cuda:0'])('%s is unavailable, and the reason says what to do', (device) => {
    expect(() => addon().ops(device)).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE_UNAVAILABLE', message: expect.stringContaining(cuda) }),
    );
  });

  it('auto is the CPU', () => expect(addon().ops('auto').device).toMatch(/^cpu /));
});
