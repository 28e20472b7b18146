// The help of a command: its options in groups, each with its type, meaning and default.
import type { Option, Options } from '../train/option.js';

/** Options that the help shows together. */
export interface Group {
  title: string;
  options: Options;
}

const PLACEHOLDER: Record<Option['kind'], string> = {
  string: 'TEXT',
  integer: 'N',
  number: 'X',
  boolean: '',
  strings: 'TEXT …',
  integers: 'N …',
  json: 'JSON',
};

/** Each option once: in its group, or behind the groups. */
export function describeGroups(options: Options, groups: readonly Group[] = []): string {
  const left = { ...options };
  const parts = groups.map(({ title, options: members }) => {
    const mine = Object.fromEntries(Object.entries(left).filter(([name]) => name in members));
    for (const name of Object.keys(mine)) delete left[name];
    return { title, options: mine };
  });
  if (Object.keys(left).length > 0) parts.push({ title: groups.length > 0 ? 'More' : '', options: left });
  return parts
    .map(({ title, options }) => `${title ? `${title}:\n` : ''}${describeOptions(options)}`)
    .join('\n\n');
}

/** Name, type, meaning and default of every option. */
export function describeOptions(options: Options): string {
  return Object.entries(options)
    .map(([name, option]) => {
      const values = option.choices?.join('|') ?? option.form?.placeholder ?? PLACEHOLDER[option.kind];
      const aliases = (option.aliases ?? []).map((alias) => `, --${alias}`).join('');
      const fallback = option.required
        ? ' (required)'
        : option.default === undefined || option.default === false
          ? ''
          : ` (default: ${option.default})`;
      return `  --${name}${aliases}${values ? ` ${values}` : ''}\n      ${option.help}${fallback}`;
    })
    .join('\n');
}
