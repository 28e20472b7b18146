// The Hugging Face Hub: what the rest of the library uses of it.
export { type DownloadOptions, downloadFiles, type Progress } from './download.js';
export { HubError } from './errors.js';
export { type HubFile, listFiles, type Resolved, resolveRepository } from './files.js';
export {
  createRepository,
  type HubIdentity,
  type Pushed,
  type PushFile,
  type PushOptions,
  pushFiles,
  whoAmI,
} from './push.js';
export { openHubFile } from './remote-file.js';
export { parseRepository, type Repository } from './repository.js';
export { type HubOverrides, type HubSettings, hubSettings, type Retries } from './settings.js';
