// Where a model is pushed to: the repository that options name, made and checked before there is anything to push.
import { basename, resolve } from 'node:path';
import { WhisperError } from '../errors.js';
import {
  createRepository,
  HubError,
  type HubSettings,
  hubSettings,
  parseRepository,
  type Repository,
  resolveRepository,
  whoAmI,
} from '../hub/index.js';
import type { Values } from '../train/option.js';
import type { pushTargetOptions } from '../train/options/hub.js';

export interface HubTarget {
  repository: Repository;
  settings: HubSettings;
  /** Whether it is made private where it is made; undefined: as its owner's are. */
  private: boolean | undefined;
}

/**
 * The repository that the options name; without a name that of the folder.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a name that the Hub does not allow and for a token that is none
 */
export function hubTarget(
  folder: string,
  options: Values<typeof pushTargetOptions> & { token?: string | undefined },
  notice: (line: string) => void,
): HubTarget {
  const { hubModelId, pushToHubOrganization: owner, hubRevision: revision } = options;
  const name = hubModelId ?? basename(resolve(folder));
  const id = owner !== undefined && !name.includes('/') ? `${owner}/${name}` : name;
  const repository = parseRepository(id, 'model');
  if (!repository || repository.revision !== undefined) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `--hub_model_id must be owner/name or name, of letters, digits, -, _ and dots, got ${JSON.stringify(id)}` +
        (hubModelId === undefined ? ', the name of the output folder' : ''),
    );
  }
  return {
    repository: { ...repository, ...(revision !== undefined && { revision }) },
    settings: hubSettings({ token: options.hubToken ?? options.token, notice }),
    private: options.hubPrivateRepo,
  };
}

/**
 * Makes the repository where it is not there, and finds out what would only end in refusals later.
 *
 * @returns its page and its id with the owner; undefined where the Hub cannot be reached now, which `notice` is told of
 * @throws WhisperError `ERR_HUB` for a token that may not write, a branch that is not there, offline mode
 */
export async function openTarget(target: HubTarget): Promise<{ id: string; url: string } | undefined> {
  const { repository, settings } = target;
  try {
    const { role } = await whoAmI(settings);
    if (role === 'read') {
      throw new HubError(
        `cannot push to the model ${repository.id}: the token may only read: make one with the right to write at ` +
          `${settings.endpoint}/settings/tokens and give it as HF_TOKEN or by --hub_token`,
        { status: 403 },
      );
    }
    const made = await createRepository(repository, settings, { private: target.private });
    if (repository.revision !== undefined) await resolveRepository({ ...repository, id: made.id }, settings);
    return made;
  } catch (error) {
    const missing = settings.token === undefined || settings.offline;
    if (!(error instanceof HubError) || !error.unreachable || missing) throw error;
    settings.notice?.(`${error.message}; it is tried again when there is something to push`);
    return undefined;
  }
}
