// Options of what goes to the Hub while a model is trained, and after.
import { boolean, choice, string } from '../option.js';

/** Where to: also options of the push command. */
export const pushTargetOptions = {
  hub_model_id: string(
    'repository on the Hub, as owner/name or name; default: the name of the output folder',
    undefined,
    { aliases: ['push_to_hub_model_id'] },
  ),
  push_to_hub_organization: string('owner of a repository whose name says none', undefined),
  hub_revision: string('branch to push to, which must be there; default: main', undefined),
  hub_token: string(
    'token with the right to write; default: token, HF_TOKEN, or that of hf auth login',
    undefined,
    {
      aliases: ['push_to_hub_token'],
    },
  ),
  hub_private_repo: boolean('make the repository private, where it is made now', undefined),
};

export const pushOptions = {
  push_to_hub: boolean('push the model to the Hub', false),
  ...pushTargetOptions,
  hub_strategy: choice(
    'what is pushed when: end: the model at the end; every_save: also at every checkpoint; checkpoint: with it, as ' +
      'last-checkpoint, what training goes on from; all_checkpoints: all of them',
    ['end', 'every_save', 'checkpoint', 'all_checkpoints'],
    'every_save',
  ),
  hub_always_push: boolean('push every checkpoint, also when the push of the one before is not done', false),
};
