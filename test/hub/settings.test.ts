// Settings from the environment and from the files that Python's huggingface_hub keeps; names of repositories.
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hubSettings, parseRepository } from '../../src/hub/index.js';
import { temporaryFolder } from '../cli/fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);

const VARIABLES = [
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HOME',
  'XDG_CACHE_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
  'HF_HUB_DOWNLOAD_TIMEOUT',
  'WHISPER_TUNE_HUB_WAIT',
];
const set = (values: Record<string, string>) => {
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
};

beforeEach(() => set({ ...Object.fromEntries(VARIABLES.map((name) => [name, ''])), HF_HOME: folder.path }));
afterEach(() => vi.unstubAllEnvs());

describe('settings', () => {
  it('are those of the Hub and of the user’s cache without any variable', () => {
    set({ HF_HOME: '', HF_TOKEN_PATH: '/nowhere' });
    expect(hubSettings()).toEqual({
      endpoint: 'https://huggingface.co',
      cacheDir: join(homedir(), '.cache', 'huggingface', 'hub'),
      offline: false,
      retries: { attempts: 8, wait: 1000, stall: 30_000 },
    });
  });

  it.each<[Record<string, string>, object]>([
    [{ HF_ENDPOINT: 'http://127.0.0.1:99/' }, { endpoint: 'http://127.0.0.1:99' }],
    [{ HF_HOME: '/a' }, { cacheDir: '/a/hub' }],
    [{ HF_HOME: '', XDG_CACHE_HOME: '/x' }, { cacheDir: '/x/huggingface/hub' }],
    [{ HF_HOME: '/a', HUGGINGFACE_HUB_CACHE: '/b' }, { cacheDir: '/b' }],
    [{ HF_HOME: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HUB_CACHE: '~/c' }, { cacheDir: join(homedir(), 'c') }],
    [{ HF_TOKEN: ' hf_a\n' }, { token: 'hf_a' }],
    [{ HUGGING_FACE_HUB_TOKEN: 'hf_b' }, { token: 'hf_b' }],
    [{ HF_TOKEN: 'hf_a', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, { token: 'hf_a' }],
    [{ HF_HUB_OFFLINE: '1' }, { offline: true }],
    [{ TRANSFORMERS_OFFLINE: 'yes' }, { offline: true }],
    [{ HF_HUB_OFFLINE: 'off' }, { offline: false }],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: '5' }, { retries: { attempts: 8, wait: 1000, stall: 5000 } }],
    [{ WHISPER_TUNE_HUB_WAIT: '0' }, { retries: { attempts: 8, wait: 0, stall: 30_000 } }],
  ])('follow %o', (variables, expected) => {
    set(variables);
    expect(hubSettings()).toMatchObject(expected);
  });

  it('have the token that "hf auth login" wrote, unless it is not to be sent of itself', () => {
    mkdirSync(folder.path, { recursive: true });
    writeFileSync(join(folder.path, 'token'), 'hf_file\n');
    expect(hubSettings().token).toBe('hf_file');
    writeFileSync(join(folder.path, 'other'), 'hf_other');
    set({ HF_TOKEN_PATH: join(folder.path, 'other') });
    expect(hubSettings().token).toBe('hf_other');
    set({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' });
    expect(hubSettings().token).toBeUndefined();
    expect(hubSettings({ token: 'hf_given' }).token).toBe('hf_given');
  });

  it('are overridden by what is given, and by nothing undefined', () => {
    set({ HF_TOKEN: 'hf_a', HF_ENDPOINT: 'http://a' });
    const notice = () => {};
    const given = { endpoint: 'http://b', token: 'hf_c', cacheDir: '/d', offline: true, notice };
    expect(hubSettings({ ...given, retries: { attempts: 1 } })).toEqual({
      ...given,
      retries: { attempts: 1, wait: 1000, stall: 30_000 },
    });
    const nothing = { endpoint: undefined, token: undefined, cacheDir: undefined, offline: undefined };
    expect(hubSettings(nothing)).toMatchObject({ endpoint: 'http://a', token: 'hf_a', offline: false });
  });

  it.each([
    [
      { HF_TOKEN: 'hf_a b' },
      /^the token for the Hub must be one word, as hf_…: it comes from --token, HF_TOKEN or /,
    ],
    [{ HF_TOKEN: 'hf_a\nhf_b' }, /^the token for the Hub must be one word/],
    [
      { HF_ENDPOINT: 'huggingface.co' },
      /^HF_ENDPOINT must be an address as https:\/\/huggingface\.co, got "huggingface\.co"$/,
    ],
    [{ HF_ENDPOINT: 'ftp://a' }, /^HF_ENDPOINT must be an address/],
  ])('refuse %o', (variables, message) => {
    set(variables);
    expect(() => hubSettings()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(() => hubSettings()).toThrow(message);
  });
});

describe('names', () => {
  it.each([
    ['openai/whisper-small', { id: 'openai/whisper-small' }],
    ['gpt2', { id: 'gpt2' }],
    ['a.b/c_d-e.f', { id: 'a.b/c_d-e.f' }],
    ['a/b@v1', { id: 'a/b', revision: 'v1' }],
    ['a/b@refs/convert/parquet', { id: 'a/b', revision: 'refs/convert/parquet' }],
  ])('%s', (text, expected) => {
    expect(parseRepository(text, 'dataset')).toEqual({ type: 'dataset', ...expected });
  });

  it.each([
    '',
    '/a',
    'a/',
    './a',
    '../a',
    'a/b/c',
    'a b/c',
    'a--b/c',
    'a/..',
    'a/b.git',
    '-a/b',
    'C:\\a',
    'a/b@',
    'a/b@../c',
    'a/b@x y',
    'a/b@/c',
    'a/b@c/',
    `a/${'b'.repeat(96)}`,
  ])('%o is none', (text) => {
    expect(parseRepository(text, 'model')).toBeUndefined();
  });
});
