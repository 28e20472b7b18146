// A model's lane: order, cancelling, several models at once, disposal, and every way to leave in the middle.
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { batch, batches, open, run, scales } from './helpers.js';

const options = (count: number) => ({ scales: scales(count), encoderRate: 1e-3, decoderRate: 1e-3 });

describe('calls', () => {
  it('run and settle in the order in which they were made, failures among them', async () => {
    const model = await open();
    const order: string[] = [];
    const note = (name: string) => (): void => void order.push(name);
    const calls = [
      model.prepareTraining({}).then(note('prepare')),
      model.step(batches(20), options(20)).then(note('long')),
      model.loss(batch).then(note('short')),
      model.load(['/nowhere']).catch(note('failed')),
      model.step([batch], options(1)).then(note('step')),
      model.dispose().then(note('disposed')),
    ];
    await Promise.all(calls);
    expect(order).toEqual(['prepare', 'long', 'short', 'failed', 'step', 'disposed']);
  });

  it('are refused after dispose, which may be repeated', async () => {
    const model = await open();
    expect(model.device).toMatch(/^cpu/);
    const last = model.loss(batch);
    const disposed = model.dispose();
    await expect(model.loss(batch)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'the model is disposed',
    });
    expect((await last).tokens[0]).toBe(4);
    await disposed;
    await model.dispose();
  });

  it('need their preparation', async () => {
    const model = await open();
    await expect(model.step([batch], options(1))).rejects.toMatchObject({
      message: expect.stringContaining('prepareTraining'),
    });
    await model.prepareTraining({});
    const training = await model.memory();
    await model.endTraining();
    await expect(model.saveOptimizer('/nowhere')).rejects.toMatchObject({
      message: expect.stringContaining('prepareTraining'),
    });
    const { live, peak } = await model.memory();
    expect(live).toBeLessThan(training.live);
    expect(peak).toBeGreaterThanOrEqual(training.live);
    await model.dispose();
  });

  it('of models side by side give what each gives alone', async () => {
    const alone = async () => {
      const model = await open();
      await model.prepareTraining({});
      const losses = [];
      for (let i = 0; i < 5; i++) losses.push((await model.step(batches(3), options(3))).losses);
      await model.dispose();
      return losses;
    };
    const expected = await alone();
    for (const result of await Promise.all([alone(), alone(), alone(), alone()]))
      expect(result).toEqual(expected);
  });

  it('leave their inputs alone and keep copies of them', async () => {
    const model = await open();
    const labels = Int32Array.of(42, 3, 7, 40);
    const first = model.loss({ ...batch, labels });
    labels.fill(-100);
    expect((await first).tokens[0]).toBe(4);
    expect((await model.loss({ ...batch, labels })).tokens[0]).toBe(0);
    await model.dispose();
  });
});

describe('Cancel', () => {
  it('stops a running step, one that waits, and one that is made later', async () => {
    const model = await open();
    await model.prepareTraining({});
    const cancel = new (addon().Cancel)();
    const calls = [model.step(batches(20000), options(20000), cancel), model.loss(batch, cancel)];
    const ends = Promise.allSettled(calls);
    cancel.cancel();
    calls.push(model.step([batch], options(1), cancel));
    for (const end of await ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CANCELLED' } });
    await expect(calls[2]).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect((await model.step([batch], options(1))).finite).toBe(true);
    await model.dispose();
  });

  it('stops decoding', async () => {
    const model = await open();
    const cancel = new (addon().Cancel)();
    const decoding = model.generate(
      Array(500).fill(batch.samples[0]),
      { prompt: Int32Array.of(41), maxLength: 16, end: 40 },
      cancel,
    );
    cancel.cancel();
    await expect(decoding).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    await model.dispose();
  });
});

describe('a process', () => {
  const silent = { code: 0, signal: null, stdout: '', stderr: '' };

  it('ends by itself while models are idle', async () => {
    expect(await run('await open(); await open();')).toEqual(silent);
  });

  it('waits for calls under way', async () => {
    const script = `const model = await open();
      model.step(Array(50).fill(batch), { scales: new Float32Array(50), encoderRate: 1e-5, decoderRate: 1e-5 })
        .then(({ finite }) => console.log(finite));`;
    expect(await run(script)).toEqual({ ...silent, stdout: 'true\n' });
  });

  it.each([
    ['while a model is opened', 'open(); process.exit(0);'],
    ['with a step queued', 'const model = await open(); model.step(...long); process.exit(0);'],
    [
      'in the middle of a step',
      'const model = await open(); model.step(...long); await setTimeout(20); process.exit(0);',
    ],
    [
      'with many calls waiting',
      'const model = await open(); for (let i = 0; i < 50; i++) model.loss(batch); await model.loss(batch); model.step(...long); process.exit(0);',
    ],
    [
      'in the middle of disposal',
      'const model = await open(); model.loss(batch); model.dispose(); process.exit(0);',
    ],
    ['during logMel', 'addon().logMel(new Float32Array(16000 * 60), 80); process.exit(0);'],
  ])('exits %s', async (_, script) => {
    expect(await run(script)).toEqual(silent);
  });

  it('dies of an uncaught error in the middle of a step as any other does', async () => {
    const { code, signal, stderr } = await run(
      "const model = await open(); model.step(...long); throw new Error('mine');",
    );
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('Error: mine');
  });
});

describe('a worker thread', () => {
  // A file of its own would need the prologue too, so the worker runs a function of the main script.
  const worker = (body: string) => `
    const source = ${JSON.stringify(body)};
    const prologue = \`import { parentPort } from 'node:worker_threads';
      import { addon } from '\${new URL('dist/native.js', 'file://' + process.cwd() + '/').href}';
      const dims = \${JSON.stringify(dims)};
      const batch = { samples: [new Float32Array(3200).fill(0.1)], labels: Int32Array.of(42, 3, 7, 40), time: 4 };
      const long = [Array(20000).fill(batch), { scales: new Float32Array(20000).fill(1e-6), encoderRate: 1e-5, decoderRate: 1e-5 }];
      const model = await addon().openModel('cpu', dims, 'f32');
      await model.initialise('fan_in', 1);
      await model.prepareTraining({});\`;
    const start = () => new Worker(new URL('data:text/javascript,' + encodeURIComponent(prologue + source)));`;

  it('is terminated in the middle of steps, again and again, and the addon lives on', async () => {
    const script = `${worker('model.step(...long); parentPort.postMessage("running");')}
      for (let i = 0; i < 8; i++) {
        const one = start();
        await new Promise((resolve) => one.once('message', resolve));
        await one.terminate();
      }
      const model = await open();
      console.log((await model.loss(batch)).tokens[0]);`;
    expect(await run(script)).toEqual({ code: 0, signal: null, stdout: '4\n', stderr: '' });
  });

  it('ends while its calls settle', async () => {
    const script = `${worker('for (;;) { model.loss(batch); model.loss(batch); await model.loss(batch); parentPort.postMessage(""); }')}
      for (let i = 0; i < 8; i++) {
        const one = start();
        await new Promise((resolve) => one.once('message', resolve));
        await one.terminate();
      }`;
    expect(await run(script)).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('ends by itself, with an idle model', async () => {
    const script = `${worker('')}
      console.log(await new Promise((resolve) => start().on('exit', resolve)));`;
    expect(await run(script)).toEqual({ code: 0, signal: null, stdout: '0\n', stderr: '' });
  });

  it('goes down with a process that exits', async () => {
    const script = `${worker('model.step(...long); parentPort.postMessage("running");')}
      await new Promise((resolve) => start().once('message', resolve));
      process.exit(0);`;
    expect(await run(script)).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });
});

describe('the garbage collector', () => {
  it('frees forgotten models, because it is told how much memory they hold', async () => {
    const script = `
      let freed = 0;
      const registry = new FinalizationRegistry(() => freed++);
      let opened = 0;
      for (; opened < 200 && !freed; opened++) {
        registry.register(await addon().openModel('cpu', { ...dims, vocab: 400000 }, 'f32'));
        await setTimeout(1);
      }
      console.log(freed > 0);`;
    expect(await run(script)).toEqual({ code: 0, signal: null, stdout: 'true\n', stderr: '' });
  });

  it('leaves a model alone whose calls are under way', async () => {
    const script = `
      const running = (async () => (await open()).step(Array(200).fill(batch), { scales: new Float32Array(200), encoderRate: 1e-5, decoderRate: 1e-5 }))();
      let done = false;
      running.finally(() => { done = true; });
      while (!done) { gc(); await setTimeout(1); }
      console.log((await running).losses.length);`;
    expect(await run(script, '--expose-gc')).toEqual({ code: 0, signal: null, stdout: '200\n', stderr: '' });
  });
});
