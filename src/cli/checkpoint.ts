// Finding the checkpoint that a run goes on from: a folder, or what a run with hub_strategy checkpoint left on the Hub.
import { basename, join } from 'node:path';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { downloadFiles, hubSettings, parseRepository } from '../hub/index.js';
import { TransferReport } from '../report/transfer.js';
import type { hubOptions } from '../train/options/model.js';
import type { Invocation } from './command.js';
import { hubOverrides } from './model.js';

const FOLDER = 'last-checkpoint';

/**
 * What `--resume_from_checkpoint` names: `true`, a folder, one in the output folder, or `owner/name` on the Hub, whose
 * last-checkpoint is downloaded.
 *
 * @throws WhisperError `ERR_FILE` where the repository has none; `ERR_HUB`
 */
export async function findCheckpoint(
  name: string | undefined,
  outputDir: string,
  { options, terminal, signal }: Pick<Invocation<typeof hubOptions>, 'options' | 'terminal' | 'signal'>,
): Promise<string | undefined> {
  if (name === undefined || !name.includes('/') || /^checkpoint-\d+$/.test(basename(name))) return name;
  if ((await exists(name)) || (await exists(join(outputDir, name)))) return name;
  const repository = parseRepository(name, 'model');
  if (!repository) return name;
  const settings = hubSettings(hubOverrides(options, terminal));
  const report = new TransferReport(terminal, `downloading ${FOLDER} of ${name}`);
  const onProgress = report.tell.bind(report);
  const wanted = (path: string): boolean => path.startsWith(`${FOLDER}/`);
  try {
    const folder = join(await downloadFiles(repository, wanted, settings, { onProgress, signal }), FOLDER);
    if (await exists(folder)) return folder;
  } finally {
    report.close();
  }
  throw new WhisperError(
    'ERR_FILE',
    `cannot resume from ${name}: there is no such folder, and the repository of that name on the Hub has no ${FOLDER}, ` +
      'which --hub_strategy checkpoint pushes',
  );
}
