// Where whisper-tune keeps what it can make or fetch again.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `WHISPER_TUNE_CACHE`, or a folder beside the caches of Hugging Face's own libraries. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { WHISPER_TUNE_CACHE: own, HF_HOME: home, XDG_CACHE_HOME: caches } = environment;
  if (own) return own;
  return join(home || join(caches || join(homedir(), '.cache'), 'huggingface'), 'whisper-tune');
}
