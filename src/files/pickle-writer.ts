// Writing pickles of protocol 2: Python's containers, strings and numbers in the spelling of pickle.ts.
import { Global, Tuple } from './pickle.js';

/** The call of something global: what an object is rebuilt by. */
export class Call {
  readonly callee: Global;
  readonly args: Tuple;

  constructor(callee: Global, args: readonly unknown[]) {
    this.callee = callee;
    this.args = new Tuple(args);
  }
}

/** Something that lies outside the pickle. */
export class Persistent {
  readonly id: Tuple;

  constructor(id: readonly unknown[]) {
    this.id = new Tuple(id);
  }
}

/**
 * Writes a value: null, booleans, strings, `Tuple`, arrays (lists), Maps (dicts), a bigint of at most 64 bits (int) and a
 * number (float). A text, `Call` or `Global` that occurs twice is one object in Python.
 *
 * @param replace what to write for an object that is none of these: a `Call`
 */
export function pickle(value: unknown, replace: (value: object) => Call | undefined): Buffer {
  const writer = new Writer(replace);
  writer.write(value);
  return writer.end();
}

class Writer {
  readonly #pieces: Uint8Array[] = [Uint8Array.of(0x80, 2)];
  /** Texts, names and calls that stand in the pickle already, by their number. */
  readonly #memo = new Map<unknown, number>();
  readonly #replace: (value: object) => Call | undefined;

  constructor(replace: (value: object) => Call | undefined) {
    this.#replace = replace;
  }

  write(value: unknown): void {
    if (value === null) this.#put('N');
    else if (typeof value === 'boolean') this.#put(value ? '\x88' : '\x89');
    else if (typeof value === 'bigint') this.#int(value);
    else if (typeof value === 'number') this.#float(value);
    else if (typeof value === 'string') this.#once(value, () => this.#text(value));
    else if (value instanceof Tuple) this.#tuple(value.items);
    else if (Array.isArray(value)) this.#filled(']', value, 'e');
    else if (value instanceof Map) this.#filled('}', [...value].flat(1), 'u');
    else if (value instanceof Call) this.#once(value, () => this.#call(value));
    else if (value instanceof Global) this.#once(value, () => this.#global(value.name));
    else if (value instanceof Persistent) {
      this.#tuple(value.id.items);
      this.#put('Q');
    } else {
      const call = typeof value === 'object' ? this.#replace(value) : undefined;
      if (!call) throw new TypeError(`no pickle for ${String(value)}`);
      this.write(call);
    }
  }

  end(): Buffer {
    this.#put('.');
    return Buffer.concat(this.#pieces);
  }

  #put(bytes: string | Uint8Array): void {
    this.#pieces.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Writes a value, or where it stands already, its number. */
  #once(key: unknown, write: () => void): void {
    const known = this.#memo.get(key);
    if (known !== undefined) {
      this.#indexed('h', 'j', known);
    } else {
      write();
      const index = this.#memo.size;
      this.#memo.set(key, index);
      this.#indexed('q', 'r', index);
    }
  }

  /** BINPUT and LONG_BINPUT, BINGET and LONG_BINGET. */
  #indexed(short: string, long: string, index: number): void {
    const bytes = Buffer.alloc(index < 256 ? 2 : 5, index < 256 ? short : long);
    if (index < 256) bytes[1] = index;
    else bytes.writeUInt32LE(index, 1);
    this.#put(bytes);
  }

  /** BININT1, BININT or LONG1. */
  #int(value: bigint): void {
    let bytes: Buffer;
    if (value >= 0n && value < 256n) {
      bytes = Buffer.of(0x4b, Number(value));
    } else if (value === BigInt.asIntN(32, value)) {
      bytes = Buffer.alloc(5, 'J');
      bytes.writeInt32LE(Number(value), 1);
    } else {
      bytes = Buffer.alloc(10);
      bytes.set([0x8a, 8]);
      bytes.writeBigInt64LE(value, 2);
    }
    this.#put(bytes);
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(9, 'G');
    bytes.writeDoubleBE(value, 1);
    this.#put(bytes);
  }

  #text(value: string): void {
    const encoded = Buffer.from(value);
    const head = Buffer.alloc(5, 'X');
    head.writeUInt32LE(encoded.length, 1);
    this.#put(head);
    this.#put(encoded);
  }

  #tuple(items: readonly unknown[]): void {
    if (items.length > 3) this.#put('(');
    for (const item of items) this.write(item);
    this.#put([')', '\x85', '\x86', '\x87'][items.length] ?? 't');
  }

  /** An empty container, and what goes into it. */
  #filled(empty: string, items: readonly unknown[], fill: string): void {
    this.#put(empty);
    if (items.length === 0) return;
    this.#put('(');
    for (const item of items) this.write(item);
    this.#put(fill);
  }

  #global(name: string): void {
    const dot = name.lastIndexOf('.');
    this.#put(`c${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`);
  }

  #call({ callee, args }: Call): void {
    this.write(callee);
    this.#tuple(args.items);
    this.#put('R');
  }
}
