// whisper-tune push: a folder to the Hub, as training would have pushed it.
import { WhisperError } from '../errors.js';
import { pushFiles } from '../hub/index.js';
import { hubTarget } from '../report/hub-target.js';
import { folderFiles } from '../report/push-files.js';
import { TransferReport } from '../report/transfer.js';
import { string } from '../train/option.js';
import { pushTargetOptions } from '../train/options/hub.js';
import { hubOptions } from '../train/options/model.js';
import { type Command, commonOptions, type Invocation, writeJson } from './command.js';

const options = {
  ...pushTargetOptions,
  token: hubOptions.token,
  message: string('first line of the commit', 'Upload by whisper-tune'),
  ...commonOptions,
};

type Given = Invocation<typeof options>;

export const pushCommand: Command<typeof options> = {
  name: 'push',
  summary: 'Push a folder to the Hub: a model as training leaves it, or a checkpoint.',
  positionals: ['FOLDER'],
  options,
  run,
};

async function run({ options, positionals, terminal, signal }: Given): Promise<number> {
  const [folder] = positionals;
  if (folder === undefined) throw new WhisperError('ERR_INVALID_ARGUMENT', 'push needs a folder');
  const files = await folderFiles(folder);
  if (files.length === 0) throw new WhisperError('ERR_FILE', `${folder} has nothing to push`);
  const target = hubTarget(folder, options, (line) => terminal.err(`${line}\n`));
  const report = new TransferReport(terminal, `pushing ${folder}`);
  try {
    const { url, commit } = await pushFiles(target.repository, files, target.settings, {
      message: options.message,
      private: target.private,
      signal,
      onProgress: (progress) => report.tell(progress),
    });
    if (options.json) writeJson(terminal, { url, commit });
    else terminal.out(`${url}\n`);
  } finally {
    report.close();
  }
  return 0;
}
