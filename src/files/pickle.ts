// The part of Python's pickle that torch.save uses for a state dict: containers, strings, numbers and tensors, protocol 2.
// A pickle is a program for a small stack machine (CPython, Lib/pickletools.py, describes every opcode). This machine has
// no opcode that makes an object, attributes are dropped, and what a pickle may name or call is what its reader listed: no
// name leads to anything but the reader's own functions.
import { WhisperError } from '../errors.js';

/** A tuple; a list is an array, a dict a Map, an int a bigint, a float a number. */
export class Tuple {
  readonly items: readonly unknown[];

  constructor(items: readonly unknown[]) {
    this.items = items;
  }

  static of(...items: readonly unknown[]): Tuple {
    return new Tuple(items);
  }
}

/** Something of a module: `torch._utils._rebuild_tensor_v2`. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What a pickle may refer to. */
export interface Vocabulary {
  /** What may be named, and what calling it gives; undefined where it is only ever an argument. */
  readonly globals: ReadonlyMap<string, ((args: readonly unknown[]) => unknown) | undefined>;
  /** What a persistent id stands for. */
  readonly persistent: (id: unknown) => unknown;
}

/** Why a vocabulary's function refuses its arguments: `unpickle` says where. */
export class Refusal extends Error {}

// Several hundred times what the state of the largest Whisper model needs.
const LIMITS = { bytes: 64 << 20, stack: 1_000_000, memo: 4_000_000, marks: 64 };

/**
 * Reads a pickle.
 *
 * @param where what errors call it
 * @throws WhisperError `ERR_CORRUPT_FILE` with the position, for anything that is not in the subset
 */
export function unpickle(bytes: Uint8Array, where: string, vocabulary: Vocabulary): unknown {
  const machine = new Machine(bytes, vocabulary);
  try {
    return machine.run();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new WhisperError('ERR_CORRUPT_FILE', `${where}, byte ${machine.opcodeAt}: ${error.message}`);
  }
}

const STOP = 0x2e;

class Machine {
  /** What each opcode does, by its byte; behind it its name in pickletools. */
  static readonly #opcodes: Readonly<Record<number, (machine: Machine) => void>> = {
    78: (m) => m.#push(null), // NONE
    136: (m) => m.#push(true), // NEWTRUE
    137: (m) => m.#push(false), // NEWFALSE
    74: (m) => m.#push(BigInt(m.#take(4).readInt32LE())), // BININT
    75: (m) => m.#push(BigInt(m.#take(1)[0]!)), // BININT1
    77: (m) => m.#push(BigInt(m.#take(2).readUInt16LE())), // BININT2
    138: (m) => m.#push(signed(m.#take(m.#take(1)[0]!))), // LONG1
    71: (m) => m.#push(m.#take(8).readDoubleBE()), // BINFLOAT
    88: (m) => m.#push(text(m.#take(m.#take(4).readUInt32LE()))), // BINUNICODE
    125: (m) => m.#push(new Map()), // EMPTY_DICT
    93: (m) => m.#push([]), // EMPTY_LIST
    41: (m) => m.#push(new Tuple([])), // EMPTY_TUPLE
    40: (m) => m.#mark(), // MARK
    116: (m) => m.#push(new Tuple(m.#sinceMark())), // TUPLE
    133: (m) => m.#push(new Tuple(m.#popMany(1))), // TUPLE1
    134: (m) => m.#push(new Tuple(m.#popMany(2))), // TUPLE2
    135: (m) => m.#push(new Tuple(m.#popMany(3))), // TUPLE3
    97: (m) => m.#append(m.#popMany(1)), // APPEND
    101: (m) => m.#append(m.#sinceMark()), // APPENDS
    115: (m) => m.#setItems(m.#popMany(2)), // SETITEM
    117: (m) => m.#setItems(m.#sinceMark()), // SETITEMS
    113: (m) => m.#remember(m.#take(1)[0]!), // BINPUT
    114: (m) => m.#remember(m.#take(4).readUInt32LE()), // LONG_BINPUT
    104: (m) => m.#recall(m.#take(1)[0]!), // BINGET
    106: (m) => m.#recall(m.#take(4).readUInt32LE()), // LONG_BINGET
    99: (m) => m.#name(`${m.#line()}.${m.#line()}`), // GLOBAL
    82: (m) => m.#call(), // REDUCE
    98: (m) => m.#forget(), // BUILD
    81: (m) => m.#push(m.#vocabulary.persistent(m.#pop())), // BINPERSID
  };

  /** Where the opcode being run lies. */
  opcodeAt = 0;
  readonly #bytes: Buffer;
  readonly #vocabulary: Vocabulary;
  #at = 0;
  #stack: unknown[] = [];
  /** The stacks below each mark. */
  readonly #below: unknown[][] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(bytes: Uint8Array, vocabulary: Vocabulary) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#vocabulary = vocabulary;
  }

  run(): unknown {
    if (this.#bytes.length > LIMITS.bytes) {
      throw new Refusal(`${this.#bytes.length} bytes, at most ${LIMITS.bytes} are allowed`);
    }
    if (this.#bytes[0] !== 0x80 || this.#bytes[1] !== 2) throw new Refusal('not a pickle of protocol 2');
    this.#at = 2;
    for (;;) {
      this.opcodeAt = this.#at;
      const opcode = this.#take(1)[0]!;
      if (opcode === STOP) break;
      const act = Machine.#opcodes[opcode];
      if (!act) throw new Refusal(`opcode 0x${opcode.toString(16)} has no place in a state dict`);
      act(this);
    }
    const result = this.#pop();
    if (this.#stack.length > 0 || this.#below.length > 0 || this.#at !== this.#bytes.length) {
      throw new Refusal('it goes on behind its end');
    }
    return result;
  }

  #name(name: string): void {
    if (!this.#vocabulary.globals.has(name)) {
      throw new Refusal(`it names ${JSON.stringify(name)}, which has no place in a state dict`);
    }
    this.#push(new Global(name));
  }

  #call(): void {
    const [callee, args] = this.#popMany(2);
    const call = callee instanceof Global ? this.#vocabulary.globals.get(callee.name) : undefined;
    if (!call || !(args instanceof Tuple)) throw new Refusal('it calls what cannot be called');
    this.#push(call(args.items));
  }

  /** Attributes: a module's state dict has its versions there, and a Map has no place for them. */
  #forget(): void {
    const attributes = this.#pop();
    if (!(attributes instanceof Map) || !(this.#top() instanceof Map)) {
      throw new Refusal('it gives attributes to what is no dict');
    }
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw new Refusal('it appends to what is no list');
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || items.length % 2 !== 0)
      throw new Refusal('it sets items of what is no dict');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'bigint') {
        throw new Refusal('a key of a dict is neither a text nor a whole number');
      }
      dict.set(key, items[i + 1]);
    }
  }

  #remember(index: number): void {
    if (this.#memo.size >= LIMITS.memo) throw new Refusal('it remembers too much');
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw new Refusal(`it recalls number ${index}, which it never remembered`);
    this.#push(this.#memo.get(index));
  }

  #push(value: unknown): void {
    if (this.#stack.length >= LIMITS.stack) throw new Refusal('its stack is too high');
    this.#stack.push(value);
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw new Refusal('its stack is empty');
    return this.#stack.at(-1);
  }

  #pop(): unknown {
    return this.#popMany(1)[0];
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) throw new Refusal('its stack is empty');
    return this.#stack.splice(-count);
  }

  #mark(): void {
    if (this.#below.length >= LIMITS.marks) throw new Refusal('nested too deeply');
    this.#below.push(this.#stack);
    this.#stack = [];
  }

  #sinceMark(): unknown[] {
    const below = this.#below.pop();
    if (!below) throw new Refusal('it lacks a mark');
    const items = this.#stack;
    this.#stack = below;
    return items;
  }

  #take(count: number): Buffer {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new Refusal('it ends too early');
    this.#at = at + count;
    return this.#bytes.subarray(at, at + count);
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > 200) throw new Refusal('a name has no end');
    const line = text(this.#take(end - this.#at));
    this.#at += 1;
    return line;
  }
}

function text(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal('a text is not UTF-8');
  }
}

/** Two's complement, little-endian; no bytes are 0. */
function signed(bytes: Buffer): bigint {
  if (bytes.length > 8) throw new Refusal('a whole number of more than 64 bits');
  const wide = Buffer.alloc(8, (bytes.at(-1) ?? 0) & 0x80 ? 0xff : 0);
  bytes.copy(wide);
  return wide.readBigInt64LE();
}
