// A small seeded random number generator, so that the quickstart's data are the same on every machine.

/**
 * Random numbers from a 32-bit seed: mulberry32 (Tommy Ettinger's 32-bit counter with a mixing function).
 * Equal seeds give equal sequences on every platform, because only 32-bit integer arithmetic is used.
 *
 * @param {number} seed any integer
 */
export function seededRandom(seed) {
  let state = seed >>> 0;

  /** The next number in [0, 1), a multiple of 2^-32. */
  function next() {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  return {
    next,
    /** A number in [low, high), rounded to `decimals` places: what a recipe can print and repeat exactly. */
    uniform(low, high, decimals = 3) {
      return Number((low + (high - low) * next()).toFixed(decimals));
    },
    /** One element of a list, all equally likely. */
    pick(list) {
      return list[Math.floor(next() * list.length)];
    },
    /** One element of a list, `weights[i]` times as likely as weight 1. */
    pickWeighted(list, weights) {
      let left = next() * weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 0; i < list.length - 1; i++) {
        left -= weights[i];
        if (left < 0) return list[i];
      }
      return list[list.length - 1];
    },
    /** `count` different elements of a list, in the list's order (selection sampling, Knuth 3.4.2 S). */
    sample(list, count) {
      const chosen = [];
      for (let i = 0; i < list.length && chosen.length < count; i++) {
        if (next() * (list.length - i) < count - chosen.length) chosen.push(list[i]);
      }
      return chosen;
    },
  };
}
