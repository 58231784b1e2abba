import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Panel } from '@grafana/schema';
import { parse } from 'yaml';
import { documentedMetrics } from '../../test/harness/documented-metrics.js';
import { selectorsOf } from '../prometheus/promql.js';
import { REPOSITORY } from '../../test/harness/repository.js';
import { undocumented } from '../prometheus/undocumented.js';
import { dashboard } from './dashboard.js';

interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

const read = (file: string): string => readFileSync(path.join(REPOSITORY, file), 'utf8');
const panels = dashboard.panels ?? [];
const shown = panels.filter((panel): panel is Panel => panel.type !== 'row');
const expressions = shown.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr as string));

describe('the dashboard', () => {
  it('is what kask.json holds: npm run dashboard writes it', () => {
    expect(JSON.parse(read('ops/grafana/kask.json'))).toEqual(JSON.parse(JSON.stringify(dashboard)));
  });

  it('has panels with ids of their own that do not overlap', () => {
    const ids = panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(panels.length);
    const places = panels.map(({ gridPos }) => gridPos as Place);
    const overlapping = places.filter((a, i) => places.slice(i + 1).some((b) => overlap(a, b)));
    expect(overlapping).toEqual([]);
    expect(places.filter(({ x, w }) => x + w > 24)).toEqual([]);
  });

  it.each(shown.map((panel) => [panel.title as string, panel] as const))(
    'tells what %s is, in which unit, from the chosen data source',
    (_, { description, fieldConfig, options, datasource, targets = [], links = [] }) => {
      expect(description).toMatch(/^\S.*[a-z0-9]\.$/);
      expect(fieldConfig?.defaults.unit ?? (options?.yAxis as { unit?: string }).unit).toMatch(/^\w+$/);
      expect(targets.length).toBeGreaterThan(0);
      for (const source of [datasource, ...targets.map((target) => target.datasource as object)])
        expect(source).toEqual({ type: 'prometheus', uid: '${datasource}' });
      for (const { url } of links) expect(existsSync(pageBehind(url as string))).toBe(true);
    },
  );

  it('asks for metrics, labels and values that docs/metrics.md has, of the chosen processes alone', () => {
    const { groups } = parse(read('ops/prometheus/rules.yml')) as {
      groups: { rules: { record?: string }[] }[];
    };
    const recorded = groups.flatMap(({ rules }) => rules.flatMap(({ record }) => record ?? []));
    const selectors = expressions.flatMap(selectorsOf);
    expect(undocumented(selectors, documentedMetrics(), recorded)).toEqual([]);
    for (const { matchers } of selectors)
      expect(matchers.map(({ value }) => value)).toEqual(expect.arrayContaining(['$job', '$datacenter']));
  });
});

function overlap(a: Place, b: Place): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function pageBehind(url: string): string {
  return path.join(REPOSITORY, 'docs/runbook', url.replace('${runbook}/', ''));
}
