// Where results of an evaluation go on the Hub, found out before anything is computed, and pushing them.
import { basename, resolve } from 'node:path';
import { WhisperError } from '../errors.js';
import type { EvaluatedModel } from '../evaluate/summary.js';
import { exists } from '../files/folders.js';
import {
  HubError,
  type HubSettings,
  hubSettings,
  parseRepository,
  type Repository,
  whoAmI,
} from '../hub/index.js';
import { speechResult } from '../report/model-index.js';
import { pushResult } from '../report/push-result.js';
import type { Invocation } from './command.js';
import type { evaluateOptions } from './evaluate-options.js';
import { hubOverrides } from './model.js';

type Given = Invocation<typeof evaluateOptions>;

/** The repositories of the models, and as whom they are written to. */
export interface CardTargets {
  settings: HubSettings;
  repositories: Repository[];
}

/**
 * The repository of each model's card.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a model that is a folder and has no repository named, `ERR_HUB` without
 *   a token that may write
 */
export async function cardTargets(
  { options, terminal, signal }: Given,
  models: readonly string[],
): Promise<CardTargets> {
  const { hubModelId } = options;
  if (hubModelId !== undefined && models.length > 1) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      '--hub_model_id names the card of one model, not of several',
    );
  }
  const repositories: Repository[] = [];
  for (const model of models) {
    const repository = parseRepository(hubModelId ?? model, 'model');
    if (!repository || (hubModelId === undefined && (await exists(model)))) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `--push_to_hub: ${hubModelId ?? model} is no model on the Hub: name one by --hub_model_id, as owner/name`,
      );
    }
    repositories.push(repository);
  }
  const settings = hubSettings(hubOverrides(options, terminal));
  const { role } = await whoAmI(settings, { signal });
  if (role === 'read') {
    throw new HubError('--push_to_hub: the token may only read: give one with the right to write', {
      status: 403,
    });
  }
  return { settings, repositories };
}

/** Puts WER and CER of an evaluation into a card. */
export async function pushRates(
  { options, terminal, signal }: Given,
  { evaluation }: EvaluatedModel,
  repository: Repository,
  settings: HubSettings,
): Promise<void> {
  const { dataset, config, maxEvalSamples } = options;
  // Rates of some rows must not stand in a leaderboard as those of all.
  const split = maxEvalSamples === undefined ? options.split : `${options.split}[:${maxEvalSamples}]`;
  const id = (await exists(dataset)) ? basename(resolve(dataset)) : dataset;
  const round = (rate: number) => Number(rate.toFixed(2));
  const rates = { wer: round(evaluation.wer!), cer: round(evaluation.cer!) };
  const pushed = await pushResult(repository, speechResult({ id, config, split }, rates), settings, signal);
  terminal.err(
    pushed ? `results pushed to ${pushed.url}\n` : `the card of ${repository.id} has these results already\n`,
  );
}
