// The block of metrics that transformers' scripts print at their end (trainer_pt_utils.py: log_metrics, metrics_format).
import type { Metrics } from '../train/results.js';

/** `***** train metrics *****` and a line for each, in the order of their names. */
export function metricsBlock(split: 'train' | 'eval', metrics: Metrics): string {
  const formatted = Object.entries(metrics)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, formatMetric(name, value)] as const);
  const names = Math.max(...formatted.map(([name]) => name.length));
  const values = Math.max(...formatted.map(([, value]) => value.length));
  const lines = formatted.map(([name, value]) => `  ${name.padEnd(names)} = ${value.padStart(values)}`);
  return [`***** ${split} metrics *****`, ...lines].join('\n');
}

function formatMetric(name: string, value: number): string {
  if (name.endsWith('_runtime')) return hours(value);
  // Billions of two to the thirtieth, whatever the letter says.
  if (name === 'total_flos') return `${Math.floor(value / 2 ** 30)}GF`;
  if (name.endsWith('_samples')) return String(value);
  const text = String(Number(value.toFixed(4)));
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** `1:02:03.45` */
function hours(seconds: number): string {
  const hundredths = Math.floor(seconds * 100);
  const whole = Math.floor(hundredths / 100);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [Math.floor(whole / 3600), two(Math.floor(whole / 60) % 60), two(whole % 60)].join(':');
  return `${time}.${two(hundredths % 100)}`;
}
