import { readFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY } from './repository.js';

export const METRICS_DOCUMENT = readFileSync(path.join(REPOSITORY, 'docs/metrics.md'), 'utf8');

export interface Metric {
  name: string;
  type: string;
  labels: string[];
}

export interface DocumentedMetric extends Metric {
  /** By label: the values that are possible, or undefined where the document says that they are free. */
  values: Map<string, string[] | undefined>;
}

/** Every metric of our own that the document has. */
export function documentedMetrics(): DocumentedMetric[] {
  return [...METRICS_DOCUMENT.matchAll(/^## (.*)$/gm)].flatMap(([, title = '']) => section(title));
}

/** Of a section of the document. */
export function section(title: string): DocumentedMetric[] {
  const [, text = ''] = METRICS_DOCUMENT.split(`## ${title}\n`);
  const rows =
    text
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| `')) ?? [];
  const documented: DocumentedMetric[] = [];
  for (const row of rows) documented.push(parseRow(row, [...documented]));
  return documented;
}

function parseRow(row: string, above: DocumentedMetric[]): DocumentedMetric {
  const [, name = '', type = '', labels = ''] = row.split('|').map((cell) => cell.trim());
  const parts = labels === '' ? [] : labels.split(';');
  const values = new Map(parts.map((part) => parseLabel(part, above)));
  return { name: name.replaceAll('`', ''), type, labels: [...values.keys()].sort(), values };
}

/** Such as "`operation`: `get` `set`", "`code`: as above" and "`version`: free". */
function parseLabel(part: string, above: DocumentedMetric[]): [string, string[] | undefined] {
  const [head = '', text = ''] = part.split(':');
  const label = head.replaceAll('`', '').trim();
  if (text.trim() === 'free') return [label, undefined];
  if (text.trim() === 'as above') return [label, above.at(-1)?.values.get(label)];
  return [label, [...text.matchAll(/`(\w+)`/g)].map(([, value = '']) => value)];
}
