// Progress on stderr: a bar on a terminal, a line at every fifth of the way elsewhere.
import { Presets, SingleBar } from 'cli-progress';

/**
 * @param {string} label what is being done
 * @param {number} total how many of `unit`
 * @param {string} unit plural
 * @param {NodeJS.WriteStream} [stream]
 */
export function startProgress(label, total, unit, stream = process.stderr) {
  if (stream.isTTY) {
    const format = `${label} {bar} {percentage}% | {value}/{total} ${unit} | {duration_formatted}, {eta_formatted} left`;
    const bar = new SingleBar({ format, stream, barsize: 24 }, Presets.shades_classic);
    bar.start(total, 0);
    return { advance: () => bar.increment(), stop: () => bar.stop() };
  }
  let done = 0;
  return {
    advance() {
      done++;
      const fifths = (count) => Math.floor((5 * count) / total);
      if (fifths(done) > fifths(done - 1)) stream.write(`${label}: ${done}/${total} ${unit}\n`);
    },
    stop() {},
  };
}
