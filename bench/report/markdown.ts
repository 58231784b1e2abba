import type { PointResult, RunResult, ScenarioResult } from '../results.js';
import { baselineTable } from './baseline-table.js';
import { memoryTable, startTable } from './process-tables.js';
import { pointTable } from './scenario-table.js';
import { table } from './table.js';

/** All that a run saw, as Markdown. */
export function markdown(run: RunResult): string {
  const sections = [
    runSection(run),
    ...run.scenarios.map(scenarioSection),
    ...section('Resident memory of a fresh process, and its CPU time at rest', run.memory, memoryTable),
    ...section('From the command to the first answer', run.starts, startTable),
  ];
  return sections.join('\n\n');
}

function runSection({ date, machine, notes }: RunResult): string {
  const facts = table(['', ''], [['Date', date], ...Object.entries(machine)]);
  return ['## The run', facts, ...notes].join('\n\n');
}

function scenarioSection(scenario: ScenarioResult): string {
  const beside = baselineTable(scenario);
  return [
    `## ${scenario.title}`,
    ...scenario.points.flatMap((point) => pointSection(scenario, point)),
    ...(beside ? [`### Each peer beside itself at ${scenario.baseline}`, beside] : []),
  ].join('\n\n');
}

function pointSection(scenario: ScenarioResult, point: PointResult): string[] {
  const heading = scenario.points.length > 1 ? [`### ${point.label}`] : [];
  return [...heading, pointTable(scenario, point)];
}

function section<T>(title: string, results: T[], tableOf: (results: T[]) => string): string[] {
  return results.length > 0 ? [`## ${title}\n\n${tableOf(results)}`] : [];
}
