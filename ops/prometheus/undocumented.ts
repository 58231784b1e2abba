import type { DocumentedMetric } from '../../test/harness/documented-metrics.js';
import type { Selector } from './promql.js';

/** What Prometheus adds to each series of ours. */
const OF_TARGETS = ['job', 'datacenter', 'instance'];
/** Not in docs/metrics.md: of the process, and of Prometheus itself. */
const OTHERS = /^(process_|nodejs_|up$)/;

/** What selectors ask for that neither docs/metrics.md nor a recording rule has; nothing is well. */
export function undocumented(
  selectors: Selector[],
  metrics: DocumentedMetric[],
  recorded: string[],
): string[] {
  const unknown = selectors.flatMap(({ metric: name, matchers }) => {
    if (OTHERS.test(name) || recorded.includes(name)) return [];
    const metric = metrics.find((each) => each.name === name || isPartOf(name, each));
    if (!metric) return [name];
    return matchers
      .filter(({ label }) => !OF_TARGETS.includes(label) && !(label === 'le' && name.endsWith('_bucket')))
      .filter(({ label, value }) => !isPossible(metric, label, value))
      .map(({ label, value }) => `${name}{${label}: ${value}}`);
  });
  return [...new Set(unknown)];
}

function isPartOf(name: string, { name: whole, type }: DocumentedMetric): boolean {
  return type === 'histogram' && ['_bucket', '_sum', '_count'].some((part) => name === whole + part);
}

/** Of a pattern such as `499|5..` each alternative has to match a value that is documented. */
function isPossible(metric: DocumentedMetric, label: string, value: string): boolean {
  if (!metric.values.has(label)) return false;
  const values = metric.values.get(label);
  return (
    values === undefined ||
    value.startsWith('$') ||
    value.split('|').every((part) => values.some((each) => new RegExp(`^(?:${part})$`).test(each)))
  );
}
