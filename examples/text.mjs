// Tokens, normalisers and error rates: node examples/text.mjs [MODEL]
import {
  basicNormalizer,
  characterErrorRate,
  englishNormalizer,
  WhisperTokenizer,
  wordErrorRate,
} from 'whisper-tune';
import { temporaryFolder } from './support/tiny.mjs';

const tokenizer = await WhisperTokenizer.fromPretrained(process.argv[2] ?? temporaryFolder());
const ids = tokenizer.labels('turn on the light', { language: 'english', task: 'transcribe' });
console.log(ids.join(' '));
console.log(tokenizer.decode(ids, { skipSpecialTokens: false }));

const reference = "Mr. Smith didn't pay twenty-five dollars.";
const hypothesis = 'mister smith did not pay $25';
for (const normalize of [(text) => text, basicNormalizer, englishNormalizer]) {
  const pair = [[normalize(reference)], [normalize(hypothesis)]];
  const { wer } = wordErrorRate(...pair);
  const { cer } = characterErrorRate(...pair);
  console.log(`${pair.join(' | ')}: WER ${wer.toFixed(1)} %, CER ${cer.toFixed(1)} %`);
}
