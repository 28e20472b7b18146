// `npm run quickstart`: from nothing to a fine-tuned Whisper on this machine's CPU, through the project's own command line.
//
//   --base-only        stop after the base model
//   --skip-synthesis   use the speech of an earlier run
//   --precision P      f32 (the default), bf16 or f16
//   --optim O          adamw_torch (the default) or another of --optim of `whisper-tune train`
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluate, root, train, transcribe } from './command-line.mjs';
import { dataSets, finishedSynthesis, synthesise } from './dataset.mjs';
import { folders, gates, trainBase, trainNewVoice } from './recipe.mjs';

const started = performance.now();
const missed = [];

const percent = (value) => `${value.toFixed(1)} %`;
const rates = ({ wer, cer }) => `WER ${percent(wer).padStart(6)}   CER ${percent(cer).padStart(6)}`;
const heading = (text) => console.log(`\n${text}\n`);

function gate(passed, message) {
  if (!passed) missed.push(message);
}

/** Speech for one data set, new or from an earlier run. */
async function prepare(set, skipSynthesis, replayFolder) {
  let stamp = finishedSynthesis(set);
  if (skipSynthesis && !stamp) {
    throw new Error(
      `--skip-synthesis: ${relative(root, set.folder)} is not there or was made by another recipe`,
    );
  }
  if (!skipSynthesis) stamp = await synthesise(set, replayFolder);
  const replay = set.replay.length > 0 ? `, ${set.replay.length} of them from base` : '';
  const hours = (stamp.seconds / 3600).toFixed(2);
  console.log(
    `${set.name.padEnd(10)} ${stamp.rows} rows${replay}; ${hours} h of new speech in ${stamp.clips} clips`,
  );
}

async function trainBaseModel(variant) {
  heading('A base model from random weights: three voices, 34 words');
  await train({ ...trainBase, ...variant });
  const result = await evaluate(folders.baseModel, folders.base);
  console.log(`\nbase model, ${result.samples} sentences never trained on:   ${rates(result)}`);
  gate(
    result.wer < gates.base.below,
    `base model: WER ${percent(result.wer)}, not under ${gates.base.below} %`,
  );
  return result;
}

async function fineTune(oldVoicesBefore, variant) {
  heading('The same model, fine-tuned on a new voice and new words');
  const before = await evaluate(folders.baseModel, folders.newVoice);
  await train({ ...trainNewVoice, ...variant });
  const after = await evaluate(folders.newVoiceModel, folders.newVoice);
  const oldVoicesAfter = await evaluate(folders.newVoiceModel, folders.base);

  heading(
    `Sentences never trained on (${after.samples} of the new voice, ${oldVoicesAfter.samples} of the old)`,
  );
  console.log(`new voice    before ${rates(before)}`);
  console.log(`             after  ${rates(after)}`);
  console.log(`old voices   before ${rates(oldVoicesBefore)}`);
  console.log(`             after  ${rates(oldVoicesAfter)}   (what was forgotten)`);

  const limits = gates.newVoice;
  gate(
    before.wer > limits.before,
    `new voice before: WER ${percent(before.wer)}, not above ${limits.before} %`,
  );
  gate(after.wer < limits.below, `new voice after: WER ${percent(after.wer)}, not under ${limits.below} %`);
}

/** Three test clips as both of us hear them. */
async function compareTranscripts(model, set) {
  const clips = set.clips.filter((clip) => clip.split === 'test').slice(0, 3);
  const heard = [];
  for (const clip of clips) {
    heard.push(await transcribe(model, relative(root, join(set.folder, 'clips', clip.file))));
  }
  heading('Three of them');
  for (const [i, clip] of clips.entries()) console.log(`spoken  ${clip.text}\nheard   ${heard[i].trim()}\n`);
}

function whatNext(model, set) {
  const clip = set.clips.find((candidate) => candidate.split === 'test');
  const data = relative(root, set.folder);
  console.log(`The model is in ${model}. Go on with:\n`);
  console.log(
    `  npx whisper-tune transcribe ${data}/clips/${clip.file} --model_name_or_path ${model} --language en`,
  );
  console.log(`  npx whisper-tune evaluate --model_id ${model} --dataset ${data} --split test --language en`);
  console.log(
    `  npx whisper-tune train --model_name_or_path ${model} --dataset_name ${data} --text_column_name sentence \\\n` +
      '    --language en --max_steps 100 --do_train --output_dir quickstart/mine',
  );
}

async function main() {
  const { values } = parseArgs({
    options: {
      'base-only': { type: 'boolean', default: false },
      'skip-synthesis': { type: 'boolean', default: false },
      precision: { type: 'string' },
      optim: { type: 'string' },
    },
  });
  const variant = Object.fromEntries(
    Object.entries({ precision: values.precision, optim: values.optim }).filter(([, value]) => value),
  );
  const baseOnly = values['base-only'];
  const skipSynthesis = values['skip-synthesis'];
  const sets = dataSets(join(root, 'quickstart'));

  heading('Speech: sentences of a small grammar, spoken by flite');
  await prepare(sets.base, skipSynthesis);
  if (!baseOnly) await prepare(sets.newVoice, skipSynthesis, sets.base.folder);

  const base = await trainBaseModel(variant);
  if (!baseOnly) await fineTune(base, variant);
  const [model, set] = baseOnly ? [folders.baseModel, sets.base] : [folders.newVoiceModel, sets.newVoice];
  await compareTranscripts(model, set);
  whatNext(model, set);

  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`\nDone in ${Math.floor(seconds / 60)} min ${seconds % 60} s.`);
  for (const message of missed) console.error(`quickstart: missed its mark: ${message}`);
  if (missed.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(`quickstart: ${error.message}`);
  process.exitCode = error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? 2 : 1;
}
