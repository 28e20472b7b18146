// Types of the quickstart's scripts, which are plain JavaScript, as far as the tests use them.

declare module '*/quickstart/random.mjs' {
  export interface Random {
    next(): number;
    uniform(low: number, high: number, decimals?: number): number;
    pick<T>(list: readonly T[]): T;
    pickWeighted<T>(list: readonly T[], weights: readonly number[]): T;
    sample<T>(list: readonly T[], count: number): T[];
  }
  export function seededRandom(seed: number): Random;
}

declare module '*/quickstart/grammar.mjs' {
  import type { Random } from '*/quickstart/random.mjs';
  export interface Words {
    digits: string[];
    rooms: string[];
    things: string[];
    colours: string[];
  }
  export const baseWords: Words;
  export const newWords: Omit<Words, 'digits'>;
  export const extendedWords: Words;
  export function hasNewWord(text: string): boolean;
  export function sentence(random: Random, words: Words): string;
  export function splitOf(text: string): 'train' | 'dev' | 'test';
  export function allSentences(words: Words): Iterable<string>;
}

declare module '*/quickstart/sets.mjs' {
  export interface Clip {
    file: string;
    split: 'train' | 'dev' | 'test';
    text: string;
    voice: string;
    stretch: number;
    pitch: number;
    lead: number;
  }
  export function baseClips(): Clip[];
  export function newVoiceClips(): Clip[];
  export function replayClips(): Clip[];
}

declare module '*/quickstart/flite.mjs' {
  /** A WebAssembly.Module, which Node's types do not have. */
  export type FliteModule = object;
  export function compileFlite(): Promise<FliteModule>;
  export function openFlite(
    module: FliteModule,
  ): Promise<(voice: string, text: string, settings?: Record<string, string | number>) => Uint8Array>;
}

declare module '*/quickstart/speaker.mjs' {
  import type { FliteModule } from '*/quickstart/flite.mjs';
  import type { Clip } from '*/quickstart/sets.mjs';
  export function openSpeaker(module: FliteModule): Promise<(clip: Clip) => Uint8Array>;
}

declare module '*/quickstart/wav.mjs' {
  export const sampleRate: number;
  export function prependSilence(wav: Uint8Array, seconds: number): Uint8Array;
  export function wavSeconds(wav: Uint8Array): number;
}

declare module '*/quickstart/dataset.mjs' {
  import type { Clip } from '*/quickstart/sets.mjs';
  export interface DataSet {
    name: string;
    folder: string;
    clips: Clip[];
    replay: Clip[];
  }
  export interface Stamp {
    recipe: string;
    clips: number;
    rows: number;
    seconds: number;
    longest: number;
  }
  export const columns: string[];
  export function tableOf(clips: Clip[]): string;
  export function dataSets(root: string): { base: DataSet; newVoice: DataSet };
  export function finishedSynthesis(set: DataSet): Stamp | undefined;
  export function synthesise(set: DataSet, replayFolder?: string): Promise<Stamp>;
}

declare module '*/quickstart/command-line.mjs' {
  export function flagsOf(options: Record<string, string | number | boolean>): string[];
  export function shown(args: string[], width?: number): string;
}

declare module '*/quickstart/recipe.mjs' {
  export const folders: Record<string, string>;
  export const gates: { base: { below: number }; newVoice: { before: number; below: number } };
  export const trainBase: Record<string, string | number | boolean>;
  export const trainNewVoice: Record<string, string | number | boolean>;
}
