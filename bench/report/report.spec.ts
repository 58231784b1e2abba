import { baselineTable } from './baseline-table.js';
import { cpuChart } from './chart.js';
import { compare } from './comparison.js';
import { exampleRun } from './example-run.js';
import { markdown } from './markdown.js';
import { between } from './markers.js';
import { memoryTable } from './process-tables.js';
import { table } from './table.js';
import type { PointResult, ScenarioResult } from '../results.js';

const scenario = exampleRun.scenarios[0] as ScenarioResult;
const point = scenario.points[0] as PointResult;

describe('a comparison', () => {
  it('is with the reference that is best in that measure, round by round', () => {
    expect(compare(point, 'cpuMicros').map(({ ratio }) => ratio)).toEqual([
      { median: 1.75, min: 1.5, max: 2 },
      { median: 1, min: 1, max: 1 },
      { median: 0.625, min: 0.5, max: 0.75 },
    ]);
    expect(compare(point, 'p99Ms').map(({ ratio }) => ratio.median)).toEqual([1, 3, 1.5]);
  });

  it('is nothing without a reference', () => {
    expect(() => compare({ label: 'a', peers: point.peers.slice(2) }, 'p50Ms')).toThrow('reference');
  });
});

it('a table is as wide as its cells, with numbers to the right', () => {
  expect(table(['peer', 'µs'], [['kask-lane', '5']])).toBe(
    ['| peer      |  µs |', '| --------- | --: |', '| kask-lane |   5 |'].join('\n'),
  );
});

describe('the page', () => {
  const text = markdown(exampleRun);

  it('tells of each peer its ratios, what was seen, and what went wrong', () => {
    const row = text.split('\n').find((line) => line.startsWith('| kask-lane') && line.includes('500: 3'));
    const cells = row?.split('|').map((cell) => cell.trim());
    expect(cells?.slice(1, -1)).toEqual([
      'kask-lane',
      '0.63 (0.50–0.75)',
      '100',
      '1.50 (1.00–2.00)',
      '2.00',
      '1.50 (1.00–2.00)',
      '2.00',
      '1000',
      '102',
      '500: 3',
    ]);
  });

  it('has the date, the machine, the notes, and a section for each thing that was measured', () => {
    for (const part of ['2026-01-31', 'abacus, 2 cores', 'A note.']) expect(text).toContain(part);
    expect(text.match(/^## .*/gm)).toEqual([
      '## The run',
      '## At a rate',
      '## Resident memory of a fresh process, and its CPU time at rest',
      '## From the command to the first answer',
    ]);
  });

  it('takes results between its markers and keeps the prose', () => {
    const page = 'before\n<!-- results: npm run bench -- --write -->\nold\n<!-- end of results -->\nafter\n';
    expect(between(page, 'new')).toBe(page.replace('old', '\nnew\n'));
    expect(() => between('no markers', 'new')).toThrow('markers');
  });
});

it('each peer stands beside itself at the baseline', () => {
  const other = {
    label: 'b',
    peers: point.peers.map((peer) => ({ ...peer, rounds: peer.rounds.toReversed() })),
  };
  const text = baselineTable({ ...scenario, baseline: 'a', points: [point, other] });
  expect(text).toContain('b: CPU');
  expect(text).toMatch(/\| kask-lane +\| 1\.67 \(0\.33–3\.00\) \| 1\.00 \(1\.00–1\.00\) \|/);
  expect(baselineTable(scenario)).toBeUndefined();
});

it('memory is set beside that of the smallest reference, and CPU at rest stands by itself', () => {
  expect(memoryTable(exampleRun.memory)).toMatch(
    /kask-lane \| +22 \(22–22\) \| +2\.0 \|.* 3\.0 \(3\.0–3\.0\) \|$/m,
  );
});

it('the picture has a bar and its figures for each peer', () => {
  const picture = cpuChart(exampleRun);
  expect(picture.match(/<rect /g)).toHaveLength(3);
  expect(picture).toContain('0.63 (0.50–0.75)');
  expect(picture).toContain('prefers-color-scheme: dark');
});
