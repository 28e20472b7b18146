// The subset of pickle: values there and back, and what is outside it refused with its name and place.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Global, Refusal, Tuple, unpickle, type Vocabulary } from '../../src/files/pickle.js';
import { Call, Persistent, pickle } from '../../src/files/pickle-writer.js';

const vocabulary: Vocabulary = {
  globals: new Map<string, ((args: readonly unknown[]) => unknown) | undefined>([
    ['a.module.name', undefined],
    ['collections.OrderedDict', () => new Map()],
    ['a.pair', (args) => ({ pair: args })],
    [
      'a.refusal',
      () => {
        throw new Refusal('it is not wanted');
      },
    ],
  ]),
  persistent: (id) => ({ id }),
};
const read = (bytes: Uint8Array) => unpickle(bytes, 'file: data.pkl', vocabulary);
const write = (value: unknown) => pickle(value, () => undefined);

describe('values', () => {
  it.each<[string, unknown]>([
    ['none', null],
    ['booleans', [true, false]],
    [
      'whole numbers',
      [0n, 255n, 256n, 65535n, 65536n, -1n, -(2n ** 31n), 2n ** 31n, 2n ** 63n - 1n, -(2n ** 63n)],
    ],
    ['numbers', [0, -0, 1e-8, 0.1, Number.MAX_VALUE, Number.POSITIVE_INFINITY]],
    ['texts', ['', 'state', 'größer', '\ufeffmark', '🎙', 'state']],
    ['tuples', [0, 1, 2, 3, 4].map((length) => new Tuple(Array(length).fill(1n)))],
    ['lists', [[], [[]], [1n, [2n]]]],
    [
      'dicts',
      new Map<unknown, unknown>([
        ['state', new Map([[0n, new Map()]])],
        [1n, 'one'],
      ]),
    ],
    ['names', new Global('a.module.name')],
    ['more than 256 different texts', Array.from({ length: 600 }, (_, i) => `${i % 300}`)],
  ])('%s', (_, value) => {
    expect(read(write(value))).toEqual(value);
  });

  it('are without the attributes that a state dict of torch has', () => {
    const dict = raw('}', 'X\x01\0\0\0a', 'K\x01', 's', '}', 'X\x09\0\0\0_metadata', '}', 's', 'b.');
    expect(read(dict)).toEqual(new Map([['a', 1n]]));
  });

  it('are calls of what is listed, and of nothing else', () => {
    expect(read(write(new Call(new Global('a.pair'), [1n, 'b'])))).toEqual({ pair: [1n, 'b'] });
    expect(read(write(new Persistent(['storage', 1n])))).toEqual({ id: Tuple.of('storage', 1n) });
  });

  it('are one where they were one', () => {
    const call = new Call(new Global('a.pair'), []);
    const [first, second, other] = read(write([call, call, new Call(new Global('a.pair'), [])])) as unknown[];
    expect(first).toBe(second);
    expect(first).not.toBe(other);
  });

  it('are those that Python reads and writes', () => {
    const value = [
      null,
      true,
      255n,
      -70000n,
      2n ** 40n,
      0.1,
      'größer',
      Tuple.of(1n, 2n, 3n, 4n),
      new Map([['k', []]]),
    ];
    const script =
      'import sys, pickle; v = pickle.load(sys.stdin.buffer); print(v, file=sys.stderr); pickle.dump(v, sys.stdout.buffer, 2)';
    const back = execFileSync('python3', ['-c', script], {
      input: write(value),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    expect(read(back)).toEqual(value);
  });
});

/** A pickle of protocol 2 by its bytes; texts stand for their characters. */
const raw = (...parts: (string | number)[]) =>
  Buffer.concat([
    Buffer.of(0x80, 2),
    ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.of(part))),
  ]);

describe('what is refused', () => {
  it.each<[string, Buffer, string]>([
    ['os.system', raw('cos\nsystem\n', 'X\x04\0\0\0', 'true', 0x85, 'R.'), 'byte 2: it names "os.system"'],
    ['posix.system', raw('cposix\nsystem\n.'), 'byte 2: it names "posix.system"'],
    ['eval', raw('c__builtin__\neval\n.'), 'byte 2: it names "__builtin__.eval"'],
    ['a name in disguise', raw('ccollections\nOrderedDict.get\n.'), 'it names "collections.OrderedDict.get"'],
    [
      'calling a name that is only named',
      raw('ca.module\nname\n', ')R.'),
      'byte 18: it calls what cannot be called',
    ],
    ['calling a text', raw('X\x01\0\0\0a', ')R.'), 'it calls what cannot be called'],
    ['calling with no tuple', raw('ca\npair\n', ']R.'), 'it calls what cannot be called'],
    ['what a function refuses', raw('ca\nrefusal\n', ')R.'), 'byte 14: it is not wanted'],
    [
      'attributes of what is no dict (BUILD)',
      raw(']', '}', 'b.'),
      'byte 4: it gives attributes to what is no dict',
    ],
    ['making objects (NEWOBJ)', raw('ca.module\nname\n', ')', 0x81, '.'), 'opcode 0x81'],
    ['old instances (INST)', raw('(ios\nsystem\n.'), 'opcode 0x69'],
    ['names from the stack (STACK_GLOBAL)', raw(0x93, '.'), 'opcode 0x93'],
    ['extension codes (EXT1)', raw(0x82, '\x01.'), 'opcode 0x82'],
    [
      'other protocols',
      Buffer.from('80049505000000000000004e2e', 'hex'),
      'byte 0: not a pickle of protocol 2',
    ],
    ['nothing', Buffer.alloc(0), 'byte 0: not a pickle of protocol 2'],
    ['an end without a value', raw('.'), 'byte 2: its stack is empty'],
    ['two values', raw('NN.'), 'it goes on behind its end'],
    ['bytes behind the end', raw('N.', 'N'), 'it goes on behind its end'],
    ['no end', raw('N'), 'byte 3: it ends too early'],
    ['a text longer than the file', raw('X', 0xff, 0xff, 0xff, 0xff, 'a.'), 'byte 2: it ends too early'],
    ['a text that is not UTF-8', raw('X\x01\0\0\0', 0xff, '.'), 'a text is not UTF-8'],
    ['a long number', raw(0x8a, 9, '123456789.'), 'a whole number of more than 64 bits'],
    ['a name without an end', raw('cos'), 'a name has no end'],
    ['an empty stack', raw('a.'), 'its stack is empty'],
    ['no mark', raw('t.'), 'it lacks a mark'],
    ['appending to a dict', raw('}Na.'), 'it appends to what is no list'],
    ['setting in a list', raw(']NNs.'), 'it sets items of what is no dict'],
    ['half an item', raw('}(Nu.'), 'it sets items of what is no dict'],
    ['a key that is a list', raw('}]Ns.'), 'neither a text nor a whole number'],
    ['remembering nothing', raw('q\0.'), 'its stack is empty'],
    ['recalling what was not remembered', raw('h\x05.'), 'it recalls number 5, which it never remembered'],
    ['depth', raw('('.repeat(100_000)), 'nested too deeply'],
    ['height', raw('N'.repeat(1_100_000)), 'its stack is too high'],
  ])('%s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrowError(
      expect.objectContaining({ code: 'ERR_CORRUPT_FILE', message: expect.stringContaining(message) }),
    );
  });
});
