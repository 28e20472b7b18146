// Errors of whisper-tune: one class, a code for programs and one clear line for people.

/**
 * What went wrong, for programs. Those of the engine are listed in `native/core/error.h`.
 *
 * - `ERR_INVALID_ARGUMENT`: an option, flag or argument is wrong; the message names it, what was expected and what came.
 * - `ERR_SHAPE_MISMATCH`: a tensor has another shape than the model's configuration says.
 * - `ERR_OUT_OF_MEMORY`: the device cannot hold what was asked for.
 * - `ERR_DEVICE_UNAVAILABLE`: no such device here.
 * - `ERR_DEVICE_FAILED`: a GPU met an error while it worked; this process can use it no more.
 * - `ERR_CORRUPT_FILE`: a file is damaged or is not what its name says.
 * - `ERR_CANCELLED`: an `AbortSignal` fired.
 * - `ERR_FILE`: a file or folder is missing, unreadable or not writable.
 * - `ERR_DATA`: a data set's content is wrong (empty, missing column, undecodable audio, over-long label).
 * - `ERR_CONFIG`: a configuration or tokenizer file does not describe a Whisper model.
 * - `ERR_HUB`: the Hub refuses, has no such thing, or cannot be reached; the message says what to do.
 * - `ERR_DIVERGED`: the loss or a gradient became NaN or infinite, for good where there is a loss scaler.
 * - `ERR_ADDON`: the native addon could not be loaded.
 */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_SHAPE_MISMATCH'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_DEVICE_FAILED'
  | 'ERR_CORRUPT_FILE'
  | 'ERR_CANCELLED'
  | 'ERR_FILE'
  | 'ERR_DATA'
  | 'ERR_CONFIG'
  | 'ERR_HUB'
  | 'ERR_DIVERGED'
  | 'ERR_ADDON';

/** The error every public function throws or rejects with. `message` is one line that names the thing. */
export class WhisperError extends Error {
  override readonly name = 'WhisperError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The system's error codes in words, so that a message says "no such file" and not ENOENT. */
export function fileError(action: string, path: string, cause: unknown): WhisperError {
  const code = (cause as NodeJS.ErrnoException).code;
  const words: Record<string, string> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    ENOSPC: 'no space left on the disk',
    EROFS: 'the file system is read-only',
    EMFILE: 'too many open files',
  };
  const reason = words[code ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
  return new WhisperError('ERR_FILE', `cannot ${action} ${path}: ${reason}`, { cause });
}
