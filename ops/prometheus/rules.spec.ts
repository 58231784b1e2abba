import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { documentedMetrics } from '../../test/harness/documented-metrics.js';
import { selectorsOf } from './promql.js';
import { REPOSITORY } from '../../test/harness/repository.js';
import { undocumented } from './undocumented.js';

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface RuleTests {
  tests: { promql_expr_test?: { exp_samples: { labels: string }[] }[] }[];
}

const read = (file: string): string => readFileSync(path.join(REPOSITORY, file), 'utf8');
const { groups } = parse(read('ops/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const recorded = rules.flatMap(({ record }) => record ?? []);
const fired = alertsThatFire();
const index = read('docs/runbook/README.md');

const pageOf = (alert = ''): string => `docs/runbook/${kebab(alert)}.md`;

describe.each(alerts.map((alert) => [alert.alert as string, alert] as const))('%s', (name, alert) => {
  it('says how urgent it is, what is wrong, and where to read on', () => {
    expect(alert.labels).toEqual({ severity: expect.stringMatching(/^(page|ticket)$/) as string });
    expect(alert.annotations).toEqual({
      summary: expect.stringMatching(/^[A-Z].*[^.]$/) as string,
      description: expect.stringMatching(/\.$/) as string,
      runbook_url: pageOf(name),
      dashboard: expect.stringMatching(/^\/d\/kask/) as string,
    });
  });

  it('has a page in the runbook, which the index lists', () => {
    expect(read(pageOf(name))).toMatch(new RegExp(`^# ${name}\n`));
    const [, severity, summary] =
      new RegExp(`\\[${name}\\]\\(${kebab(name)}.md\\) +\\| (\\w+) +\\| (.*?) +\\|`).exec(index) ?? [];
    expect([severity, summary]).toEqual([alert.labels?.severity, alert.annotations?.summary]);
  });

  it('fires in a test', () => {
    expect(fired).toContain(name);
  });
});

it('every page of the runbook is of an alert', () => {
  const pages = readdirSync(path.join(REPOSITORY, 'docs/runbook')).map((file) => `docs/runbook/${file}`);
  expect(pages.sort()).toEqual(
    ['docs/runbook/README.md', ...alerts.map(({ alert }) => pageOf(alert))].sort(),
  );
});

it('every expression asks for metrics, labels and values that docs/metrics.md has', () => {
  const selectors = rules.flatMap(({ expr }) => selectorsOf(expr));
  expect(undocumented(selectors, documentedMetrics(), recorded)).toEqual([]);
});

function alertsThatFire(): string[] {
  const files = ['rules.test.yml', 'rules.days.test.yml'].map((file) => read(`ops/prometheus/${file}`));
  const tests = files.flatMap((file) => (parse(file) as RuleTests).tests);
  const samples = tests.flatMap((test) =>
    (test.promql_expr_test ?? []).flatMap(({ exp_samples }) => exp_samples),
  );
  return samples.flatMap(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1] ?? []);
}

function kebab(name: string): string {
  return name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
