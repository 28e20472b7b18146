// What ptxas says of each kernel: registers, spills, and products that it could not overlap.

/**
 * @typedef {object} Kernel
 * @property {string} source
 * @property {string} name without its namespaces and template arguments
 * @property {string} architecture "sm_90a"
 * @property {number} registers
 * @property {number} spilled bytes of spill stores or loads of a thread, whichever are more
 *
 * @typedef {object} Allowance
 * @property {string} source
 * @property {string} kernel
 * @property {string} architecture
 * @property {number} bytes
 * @property {string} reason
 */

/**
 * The kernels of a source file.
 *
 * @param {string} source
 * @param {string} log of `nvcc -Xptxas -v`
 * @returns {Kernel[]}
 */
export function kernelsOf(source, log) {
  const kernels = [];
  for (const line of log.split('\n')) {
    const entry = /Compiling entry function '(\w+)' for '(\w+)'/.exec(line);
    if (entry)
      kernels.push({ source, name: nameOf(entry[1]), architecture: entry[2], registers: 0, spilled: 0 });
    const kernel = kernels.at(-1);
    const spills = /(\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (spills && kernel) kernel.spilled = Math.max(kernel.spilled, Number(spills[1]), Number(spills[2]));
    const registers = /Used (\d+) registers/.exec(line);
    if (registers && kernel) kernel.registers = Number(registers[1]);
  }
  return kernels;
}

/** The last name of a mangled one: `flash` of `_ZN7whisper4cuda5flashIfEEvPT_`. */
function nameOf(mangled) {
  let rest = mangled.replace(/^_ZN?K?/, '');
  let name = mangled;
  for (let found = /^(\d+)/.exec(rest); found; found = /^(\d+)/.exec(rest)) {
    const start = found[0].length;
    const end = start + Number(found[0]);
    name = rest.slice(start, end);
    rest = rest.slice(end);
  }
  return name;
}

/**
 * What is wrong, a line for each: warnings, spills over their allowance, and allowances that nothing needs any more.
 *
 * @param {{ source: string, log: string }[]} compiled
 * @param {Allowance[]} allowances
 * @returns {string[]}
 */
export function complaints(compiled, allowances) {
  const lines = [];
  const needed = new Set();
  for (const { source, log } of compiled) {
    for (const line of new Set(log.split('\n').filter((l) => /C7508|C7510|\bwarning\b/i.test(l)))) {
      lines.push(`${source}: ${line.trim()}`);
    }
    for (const { name, architecture, registers, spilled } of kernelsOf(source, log)) {
      if (spilled === 0) continue;
      const allowance = allowances.find(
        (a) => a.source === source && a.kernel === name && a.architecture === architecture,
      );
      if (allowance) needed.add(allowance);
      if (spilled > (allowance?.bytes ?? 0)) {
        const allowed = allowance ? `, ${allowance.bytes} allowed` : '';
        lines.push(
          `${source}: ${name} for ${architecture} spills ${spilled} bytes at ${registers} registers${allowed}`,
        );
      }
    }
  }
  const seen = new Set(
    compiled.flatMap(({ source, log }) => kernelsOf(source, log).map((k) => `${source} ${k.architecture}`)),
  );
  for (const a of allowances) {
    if (!needed.has(a) && seen.has(`${a.source} ${a.architecture}`))
      lines.push(
        `${a.source}: ${a.kernel} for ${a.architecture} spills no more, and scripts/cuda/spills.json allows it`,
      );
  }
  return lines;
}
